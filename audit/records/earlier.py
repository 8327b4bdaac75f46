"""What earlier runs gave to this one, and how they went."""

from __future__ import annotations

from typing import Literal

from audit.records.base import Decision, NotMeasured, Record
from audit.records.estimates import Interval


class PastResult(Record):
    """One rule on one level, in an audit of the past."""

    level: str
    artefact: str
    """Digest of its weights; empty of what was not seen."""
    size_bytes: int | NotMeasured
    suite: str
    metric: str
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"]
    margin: float
    n_pairs: int
    drop: float | NotMeasured
    interval: Interval | NotMeasured
    """Of the drop, in that audit by itself."""
    decision: Decision
    asked_sha256: str
    """Over what its suite asked and counted: drops under the same one are about the same items."""


class PastAudit(Record):
    """What an audit of the past found, without its drill-down."""

    model: str
    """The original's name, as it was written."""
    release: str
    """The original's commit, or the digest of its weights where it has none."""
    model_digest: str
    finished: str
    """UTC, ISO 8601."""
    decision: Decision
    policy_sha256: str
    shrinkproof_version: str
    log_sha256: str
    results: tuple[PastResult, ...]


class History(Record):
    """The audits of the same model that lay in a folder when this one began, the latest ones."""

    folder: str
    n_found: int
    """Of this model, in the folder."""
    audits: tuple[PastAudit, ...]
    """In the order of time."""
    n_skipped: int
    skipped: tuple[str, ...]
    """Logs that could not be read, with why; the first of them."""


class EarlierRun(Record):
    """A run that something was taken from, which was computed there."""

    config_sha256: str
    log_sha256: str
    """Of its `audit.json`; empty of what lay in the cache, where answers are put before there is a log."""
    policy_sha256: str
    """Of the rules as registered there before anything was scored; empty where none were."""
    finished: str
    """UTC, ISO 8601; of what lay in the cache, when that run began to score."""
    processor: str
    torch: str
    """Version."""


class Taken(Record):
    """What of one variant was not computed in this run: taken by digest from an earlier one."""

    variant: str
    artefact: bool
    """Whether the compressed model itself was taken."""
    cells: tuple[str, ...]
    """Keys of the cells that were."""
    run: EarlierRun | None
    """None: whose it was is not known."""

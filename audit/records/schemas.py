"""The log's JSON over its versions: each step from one to the next, and back to the bytes that were signed.

A version that was published is frozen under `fixtures/logs/`. What a later one changes is said by one step;
a log of any version opens as one of today's, and is written again as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from audit.errors import StoreError

Json = dict[str, Any]
SCHEMA: Final = 2
"""In which logs are written."""


class Step(NamedTuple):
    """From a version to the next, in place; `back` undoes it on a log that came that way."""

    forth: Callable[[Json], None]
    back: Callable[[Json], None]


def _environment_unknown(log: Json) -> None:
    log["provenance"].setdefault("environment", {})


def _without_environment(log: Json) -> None:
    log["provenance"].pop("environment", None)


STEPS = {1: Step(_environment_unknown, _without_environment)}
"""By the version that is left. 2: what else can move a number is in the provenance; where tasks lie is in
no digest of a config."""


def upgraded(log: Json, version: int) -> Json:
    """JSON of that version as one of today's.

    Raises StoreError for a version that is not known: of a newer program, or no log's.
    """
    if version != SCHEMA and version not in STEPS:
        raise StoreError(
            f"schema_version {version!r} is none of those that this version reads, 1 to {SCHEMA}. A newer "
            "Shrinkproof wrote it: pip install --upgrade shrinkproof"
        )
    for left in range(version, SCHEMA):
        STEPS[left].forth(log)
    return {**log, "schema_version": SCHEMA}


def downgraded(log: Json, version: int) -> Json:
    """JSON of today as of the version that it was read in."""
    for left in reversed(range(version, SCHEMA)):
        STEPS[left].back(log)
    return {**log, "schema_version": version}

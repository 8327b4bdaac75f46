"""Many audits as one table, and those of one model in the order of time.

DuckDB reads each log without its drill-down, one log at a time: memory is that of the largest, however many
there are. What is left is an AuditLog again, so that what counts as a pass is told by the same code.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from pydantic import ValidationError

from audit.bounded import json_of
from audit.disk import written_digest
from audit.errors import StoreError
from audit.records import (
    AuditConfig,
    AuditLog,
    History,
    PastAudit,
)
from audit.results import results_of
from audit.store import log_sha256

if TYPE_CHECKING:
    import duckdb

MOST_AUDITS = 12
"""That go into a log: the latest."""
MOST_RESULTS = 3_000
"""Of all of them; older audits make room."""
MOST_NAMED = 20
"""Logs that could not be read, by name."""
_LOG = "audit.json"
_WHOLE = (
    "schema_version", "status", "error", "config", "provenance", "registered", "variants", "verdicts",
    "budgets", "search",
)  # fmt: skip
"""Keys of a log that are kept as they are."""
_LIGHT = f"""
SELECT to_json(struct_pack(
  {", ".join(f'"{key}" := "{key}"' for key in _WHOLE)},
  confirmation := CASE WHEN confirmation->>'$.variant' IS NULL THEN confirmation
    ELSE json_merge_patch(confirmation, '{{"runs": [], "comparisons": []}}') END,
  runs := list_filter(runs, lambda one: one->>'$.variant' = 'original'),
  comparisons := list_transform(
    list_filter(comparisons, lambda one: one->>'$.group' IS NULL),
    lambda one: json_merge_patch(one, '{{"changed": [], "looks": [], "sensitivity": []}}')
  )
))
FROM read_json($file, format = 'unstructured', maximum_object_size = $room, columns = {{
  {", ".join(f"{key}: 'JSON'" for key in _WHOLE)}, confirmation: 'JSON', runs: 'JSON[]',
  comparisons: 'JSON[]'
}})
"""


@dataclass(frozen=True)
class Found:
    """A run folder and what its log says, or why that can't be read."""

    place: Path
    audit: PastAudit | str


def past_audits(config: AuditConfig) -> History | None:
    """Those in the config's folder that are about the same original, or one of the same name; none: None.

    Raises StoreError where there is no such folder.
    """
    if config.history is None:
        return None
    own = Path(config.out).resolve()
    found = [one for one in audits(Path(config.history)) if one.place.resolve() != own]
    alike = [
        one.audit
        for one in found
        if isinstance(one.audit, PastAudit) and _same(one.audit, config) and one.audit.results
    ]
    alike.sort(key=lambda one: (one.finished, one.log_sha256))
    unread = [f"{one.place}: {one.audit}" for one in found if isinstance(one.audit, str)]
    return History(
        folder=config.history,
        n_found=len(alike),
        audits=_latest(alike),
        n_skipped=len(unread),
        skipped=tuple(unread[:MOST_NAMED]),
    )


def audits(folder: Path) -> Iterator[Found]:
    """Every run folder in `folder`, by name; a log that lies there twice counts once.

    Raises StoreError where there is no such folder.
    """
    if not folder.is_dir():
        raise StoreError(f"history: {folder} is no folder. Name one that holds run folders.")
    known: dict[str, Path] = {}
    for place in _run_folders(folder):
        if not (place / _LOG).is_file():
            yield Found(place, f"it has no {_LOG}: its run goes on, or was killed")
            continue
        digest = log_sha256(place)
        if digest in known:
            yield Found(place, f"the same log as that of {known[digest]}")
            continue
        known[digest] = place
        if written_digest(place / _LOG) not in ("", digest):
            yield Found(place, f"its {_LOG} is not what was written: it was edited or damaged")
            continue
        yield Found(place, _audit(place / _LOG, digest))


def _audit(path: Path, digest: str) -> PastAudit | str:
    """What a log says, or why it can't be read."""
    try:
        log = AuditLog.from_json(_light(path).encode())
    except ValidationError as error:
        first = error.errors()[0]
        return f"it is no log that this version reads: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    except StoreError as error:
        return str(error)
    except (ValueError, OSError) as error:
        return f"it can't be read: {str(error).splitlines()[0]}"
    model = log.config.model
    return PastAudit(
        model=model.name, release=model.revision or model.digest, model_digest=model.digest,
        finished=log.provenance.finished, decision=log.decision, policy_sha256=log.config.policy_sha256,
        shrinkproof_version=log.provenance.shrinkproof_version, log_sha256=digest,
        results=results_of(log),
    )  # fmt: skip


def _light(path: Path) -> str:
    """The JSON of a log without its drill-down; raises ValueError where there is none to be read."""
    import duckdb

    # A path is a pattern to DuckDB
    file = re.sub(r"([\[*?])", r"[\1]", str(path))
    room = path.stat().st_size + 1024
    try:
        with _database() as database:
            found = database.execute(_LIGHT, {"file": file, "room": room}).fetchall()
    except duckdb.Error as error:
        raise ValueError(str(error)) from None
    if len(found) != 1:
        raise ValueError(f"it holds {len(found)} documents")
    told = {key: value for key, value in json_of(found[0][0]).items() if value is not None}
    return json.dumps(told)


def _database() -> duckdb.DuckDBPyConnection:
    """In memory; each thread would hold a log of its own."""
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _run_folders(folder: Path) -> Iterator[Path]:
    """By name; a run folder has none inside it that counts."""
    for root, names, files in os.walk(folder):
        names.sort()
        if _LOG in files or ("config.json" in files and "lock" in files):
            names.clear()
            yield Path(root)


def _same(past: PastAudit, config: AuditConfig) -> bool:
    return past.model_digest == config.model.digest or _title(past.model) == _title(config.model.name)


def _title(model: str) -> str:
    """A hub's name without its revision, or the last part of a folder's."""
    name = model.partition("@")[0]
    return PurePath(name).name if name.startswith((".", "/", "~")) else name


def _latest(found: Sequence[PastAudit]) -> tuple[PastAudit, ...]:
    kept: list[PastAudit] = []
    room = MOST_RESULTS
    for one in reversed(found[-MOST_AUDITS:]):
        room -= len(one.results)
        if room < 0:
            break
        kept.append(one)
    return tuple(reversed(kept))

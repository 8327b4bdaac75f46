"""Candidates with cards out of made-up results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audit.records import AuditLog, Level, ModelRef, RecoveryClaim, Suite
from audit.store import read_log
from fixtures.made_up_results import run_folder

ACC = RecoveryClaim(suite="arithmetic", metric="acc", at_least=0.99, source="a card")


def candidates(
    folder: Path, outcomes: Mapping[str, Sequence[float]], *claims: RecoveryClaim, **suite: object
) -> AuditLog:
    """A run folder's log, its levels as somebody's artefacts with those claims, its suite changed."""
    run_folder(folder, outcomes)
    log = read_log(folder)
    levels = tuple(
        Level(name=one.name, method="candidate", recoveries=claims,
              artefact=ModelRef(name=one.name, path="", digest="d"))
        for one in log.config.levels
    )  # fmt: skip
    changed: Suite = log.config.suites[0].model_copy(update=suite)
    config = log.config.model_copy(update={"levels": levels, "suites": (changed,)})
    return log.model_copy(update={"config": config})

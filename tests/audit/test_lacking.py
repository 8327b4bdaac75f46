"""A part that memory did not suffice for: what is said of pairs, of all candidates, of cards and of facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from cards import ACC, candidates

from audit.contests import contests
from audit.duels import duels
from audit.forgetting import forgotten
from audit.records import AuditLog, Cell, NotMeasured, Unscored
from audit.recovery import recoveries
from audit.store import read_samples

LOST = Unscored(task="sums", part=2, reason="memory does not suffice")
WHY = "part 2 of 'sums' was not scored on 'int4': memory does not suffice"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Two candidates that differ; `int4` lacks a part."""
    answers = {"original": [1.0] * 40, "int8": [1.0] * 40, "int4": [0.0] * 30 + [1.0] * 10}
    found = candidates(tmp_path_factory.mktemp("made") / "run", answers, ACC, knowledge=True)
    return found.model_copy(
        update={
            "runs": tuple(
                run.model_copy(update={"unscored": (LOST,)}) if run.variant == "int4" else run
                for run in found.runs
            )
        }
    )


@pytest.fixture(scope="module")
def read(log: AuditLog, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = next(tmp_path_factory.getbasetemp().glob("made*/run"))

    def of_cell(cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        return read_samples(cell, columns, folder)

    return of_cell


def test_a_pair_of_which_one_lacks_a_part_is_not_told_apart(log: AuditLog, read: Any) -> None:
    (one,) = duels(log.runs, log.config, read)
    assert one.difference == one.p_value == NotMeasured(WHY)


def test_the_candidates_are_not_tested_together(log: AuditLog, read: Any) -> None:
    (one,) = contests(log.runs, log.config, read)
    assert one.omnibus == one.n_contested == NotMeasured(WHY)
    assert one.contested == ()


def test_a_claim_about_what_was_not_scored_is_open(log: AuditLog, read: Any) -> None:
    found = {one.variant: one for one in recoveries(log.runs, log.config, read)}
    assert (found["int4"].outcome, found["int4"].ratio) == ("undecided", NotMeasured(WHY))
    assert found["int8"].ratio == 1.0


def test_nothing_is_said_of_forgetting(log: AuditLog, read: Any) -> None:
    found = {one.variant: one.found for one in forgotten(log.runs, log.config, read)}
    assert found["int4"] == NotMeasured(WHY)
    assert found["int8"] != NotMeasured(WHY)

"""What is read of the samples, and when: columns, cells, and texts of the items that are shown alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from audit.answers import Answers
from audit.compare import compare, compare_pairs
from audit.records import Cell, Run
from audit.store import read_progress
from fixtures.scale.folder import Size, make_folder

SIZE = Size(candidates=3, suites=5, tasks=2, items=80)


@dataclass
class Read:
    """A made-up run, and what is read of it."""

    folder: Path
    asked: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    """Variant and columns of each reading of a cell."""

    def __post_init__(self) -> None:
        self.config, self.runs, self._read = read_progress(self.folder)
        self._whose = {cell.key: run.variant for run in self.runs for cell in run.cells}

    def __call__(self, cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        self.asked.append((self._whose[cell.key], frozenset(columns)))
        return self._read(cell, columns)

    def times(self, columns: set[str], variant: str | None = None) -> int:
        """How often any of these columns were read."""
        return sum(bool(these & columns) for who, these in self.asked if variant in (None, who))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scale") / "run"
    make_folder(made, SIZE)
    return made


def cells(runs: Sequence[Run], variant: str) -> int:
    return sum(len(run.cells) for run in runs if run.variant == variant)


def test_without_the_drill_down_no_answer_and_no_question_is_read(folder: Path) -> None:
    read = Read(folder)
    compare(read.runs, read.config.suites, read, in_detail=False)
    assert read.times({"question", "answer", "scores"}) == 0
    # What there is to guess from is the items': of the original alone
    assert read.times({"choices", "target"}, "original") == cells(read.runs, "original")
    assert read.times({"choices", "target"}) == cells(read.runs, "original")


def test_texts_are_read_of_the_cells_whose_items_are_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.compare.MOST_CHANGED", 1)
    read = Read(folder)
    found = compare(read.runs, read.config.suites, read)
    shown = sum(len(one.changed) for one in found)
    assert shown
    assert read.times({"question"}) == 2 * shown  # one cell on either side


def test_against_each_other_a_variants_answers_are_read_once(folder: Path) -> None:
    read = Read(folder)
    names = [level.name for level in read.config.levels]
    pairs = list(combinations(names, 2))
    found = list(
        compare_pairs(read.runs, read.config.suites, read, 1, pairs=pairs, in_detail=False, alpha=0.05)
    )
    assert len(found) == len(pairs) * len(read.config.suites)
    for name in names:
        assert read.times({"outcome"}, name) == cells(read.runs, name)


def test_answers_stand_in_the_order_of_tasks_and_documents_whatever_the_order_on_disk(folder: Path) -> None:
    config, runs, read = read_progress(folder)
    suite = config.suites[0]
    metric = suite.metrics[0].name

    def shuffled(cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        return read(cell, columns).sample(frac=1, random_state=int(cell.key[:6], 16))

    plain, mixed = (Answers(suite, runs, one).of("vendor-01")[metric] for one in (read, shuffled))
    assert plain["task"].tolist() == [task.name for task in suite.tasks for _ in range(SIZE.items)]
    assert mixed["outcome"].tolist() == plain["outcome"].tolist()


def test_a_copy_in_a_later_part_takes_no_number_of_one_in_an_earlier_part(folder: Path) -> None:
    config, runs, read = read_progress(folder)

    def as_one_document(cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        """Every item a copy of one; documents of later parts have lower numbers."""
        samples = read(cell, columns)
        alike = dict.fromkeys({"doc_hash", "prompt_hash", "target_hash"} & {*columns}, "same")
        return samples.assign(**alike, **({"doc_id": -samples["doc_id"]} if "doc_id" in columns else {}))

    mixed = [run.model_copy(update={"cells": run.cells[::-1]}) for run in runs]
    stopped = [
        run.model_copy(update={"cells": tuple(cell for cell in run.cells if cell.part == 1)})
        if run.variant == "vendor-01"
        else run
        for run in mixed
    ]
    against = {"vendor-01": "original"}
    (found,) = compare(stopped, config.suites[:1], as_one_document, in_detail=False, against=against)
    assert found.n_pairs == SIZE.tasks * SIZE.items // 4
    assert (found.n_unpaired_before, found.n_unpaired_after) == (0, 0)

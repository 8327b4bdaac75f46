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


def test_one_item_has_one_number_whoever_was_asked_and_in_what_order(folder: Path) -> None:
    config, runs, read = read_progress(folder)
    suite = config.suites[0]
    metric = suite.metrics[0].name

    def shuffled(cell: Cell, columns: Sequence[str]) -> pd.DataFrame:
        whole = read(cell, [*columns, "doc_id"]).sample(frac=1, random_state=int(cell.key[:6], 16))
        return whole.loc[:, ~whole.columns.duplicated()][[*columns]]

    plain, mixed = Answers(suite, runs, read), Answers(suite, runs, shuffled)
    for answers in (plain, mixed):
        numbers = [answers.of(name)[metric]["item"].tolist() for name in ("original", "vendor-00")]
        assert numbers[0] == numbers[1]
        assert len(set(numbers[0])) == SIZE.tasks * SIZE.items
    outcomes = [answers.of("vendor-01")[metric]["outcome"].tolist() for answers in (plain, mixed)]
    assert outcomes[0] == outcomes[1]

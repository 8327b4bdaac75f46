"""Parquet of strangers: what a small file says too much of is refused in plain words by each reader."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from signed_run import make_run

from audit import own_items, tables
from audit.calibration import Calibrated, draw
from audit.errors import ConfigError, StoreError
from audit.existing import open_existing
from audit.memory import GIB, STATUS
from audit.records import Run, Sample
from audit.signing.rows import unlike_row
from audit.store import read_columns, read_log, sha256_of

COLUMNS = sorted({*Sample.model_fields, "text"})


def repeated(path: Path, text: str, rows: int) -> Path:
    """A table with one text in every cell, which is stored once for each column."""
    indices = pa.nulls(rows, pa.int32()).fill_null(0)
    column = pa.DictionaryArray.from_arrays(indices, pa.array([text]))
    table = pa.table(dict.fromkeys(COLUMNS, column))
    parquet.write_table(table, path, compression="zstd", store_schema=False, row_group_size=rows)
    assert path.stat().st_size < 100_000
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short text in very many cells."""
    return repeated(tmp_path_factory.mktemp("many") / "a.parquet", "x", 200_000)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few values, 4 GB of each column, of which the footer says 10 MB."""
    return repeated(tmp_path_factory.mktemp("long") / "a.parquet", "x" * 10_000_000, 400)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def as_items(table: Path, _: Path) -> None:
    own_items.read(table)


def as_text(table: Path, _: Path) -> None:
    tokenizer: Any = SimpleNamespace(eos_token_id=None)  # no text comes as far as that
    draw(Calibrated(calibration=table), tokenizer)


def as_answers(table: Path, _: Path) -> None:
    read_columns(table, ["outcome", "question"])


def as_one_side(table: Path, run: Path) -> None:
    cell = put(table, run).cells[0]
    open_existing(f"{run}:original", "before").read(cell.task)


def as_what_was_changed(table: Path, run: Path) -> None:
    def sound(name: str, sha256: str) -> Path | None:
        return run / name if sha256_of(run / name) == sha256 else None

    changed = put(table, run).cells[0]
    raise StoreError(unlike_row(changed.path, read_log(run).runs, sound))


def put(table: Path, run: Path) -> Run:
    """The original's part of a run whose answers are that table."""
    found = next(one for one in read_log(run).runs if one.variant == "original")
    (run / found.cells[0].path).write_bytes(table.read_bytes())
    return found


READERS = [as_items, as_text, as_answers, as_one_side, as_what_was_changed]


@pytest.mark.parametrize("reader", READERS)
def test_a_small_file_of_very_many_values_is_refused(
    reader: Callable[[Path, Path], None], many: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_VALUES", 1_000_000)
    said = f"its table holds {200_000 * len(COLUMNS):,} values, and 1,000,000 are read"
    with pytest.raises((ConfigError, StoreError), match=said):
        reader(many, run)


@pytest.mark.skipif(not STATUS.exists(), reason="this system doesn't count what a process takes")
@pytest.mark.parametrize("reader", READERS)
def test_a_small_file_of_one_long_text_very_often_is_refused(
    reader: Callable[[Path, Path], None], long: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_BYTES", GIB // 2)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises((ConfigError, StoreError), match=r"its table holds more than 0\.5 GiB in memory"):
        reader(long, run)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("reader", READERS)
def test_a_table_of_more_bytes_than_are_read_is_refused_by_its_footer(
    reader: Callable[[Path, Path], None], long: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_BYTES", 100_000_000)
    with pytest.raises(
        (ConfigError, StoreError), match=r"holds 1\d\d,\d{3},\d{3} bytes unpacked, and 100,000"
    ):
        reader(long, run)


def test_tables_of_a_hundred_thousand_rows_are_within_the_bounds() -> None:
    assert 10 * 100_000 * len(COLUMNS) <= tables.MOST_VALUES
    assert tables.MOST_BYTES / 100_000 > 80_000  # bytes of a row

"""A method that has too little memory says so before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import load_config, memory
from audit.errors import CompressionError, OutOfMemoryError
from audit.memory import GIB, check_room, enough_for, free_bytes, ran_out
from audit.pipeline import make_variants


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB free, and a container's folder."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 16777216 kB\nMemAvailable: {8 * GIB // 1024} kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def contain(machine: Path, limit: int | str) -> None:
    """3 GiB held, one of them a cached file that nobody reads."""
    (machine / "memory.max").write_text(f"{limit}\n")
    (machine / "memory.current").write_text(f"{3 * GIB}\n")
    (machine / "memory.stat").write_text(f"anon {2 * GIB}\ninactive_file {GIB}\n")


def test_a_containers_limit_counts_where_it_is_lower(machine: Path) -> None:
    assert free_bytes("cpu") == 8 * GIB
    contain(machine, 4 * GIB)
    assert free_bytes("cpu") == 2 * GIB
    contain(machine, 64 * GIB)
    assert free_bytes("cpu") == 8 * GIB
    contain(machine, "max")
    assert free_bytes("cpu") == 8 * GIB


def test_a_system_that_tells_nothing_refuses_nothing(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert free_bytes("cpu") is None
    check_room(2**60, "cpu", "anything")


def test_what_does_not_fit_is_refused_with_both_numbers(machine: Path) -> None:
    check_room(8 * GIB, "cpu", "the model")
    message = "the model needs 9 GiB of memory at the least, and 8 GiB are free on cpu"
    with pytest.raises(CompressionError, match=message):
        check_room(9 * GIB, "cpu", "the model")


@pytest.mark.parametrize(
    ("free", "message"),
    [(1000, "level 'int8', which rtn makes in float32, needs"), (1_300_000, "a student of .* weights needs")],
)
def test_levels_say_so_before_they_start(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, message: str
) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on a mat " * 500)
    distil = {"method": "distil", "layers": 1, "samples": 4, "sequence_length": 16, "steps": 1}
    config = load_config(
        {
            "model": str(tiny), "calibration": str(tmp_path / "text.txt"),
            "levels": ["int8", {**distil, "name": "distil"}], "out": str(tmp_path / "run"),
        }
    )  # fmt: skip
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    with pytest.raises(CompressionError, match=message):
        make_variants(config)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory, said a task"), False),
    ],
)
def test_an_error_that_says_so_in_any_words_is_one_of_memory(error: Exception, *, short: bool) -> None:
    assert ran_out(error) is short


def test_the_cause_of_an_error_counts_and_the_step_is_named() -> None:
    wrapped = ValueError("can't be loaded")
    wrapped.__cause__ = MemoryError()
    said = r"level 'int4': memory does not suffice \(can't be loaded\)"
    with pytest.raises(OutOfMemoryError, match=said), enough_for("level 'int4'"):
        raise wrapped

"""Energy is read from a counter, or it is not measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit import energy
from audit.energy import Meter, meter
from audit.records import Conditions, Energy, NotMeasured
from audit.speed import Pass, interleaved

CONDITIONS = Conditions(
    device="cpu", processor="x", threads=1, dtype="float32", batch=2, prompt_tokens=90, decode_tokens=10,
    rounds=8,
)  # fmt: skip
WRAPS = 262_143_328_850
"""Microjoules at which a counter begins anew, as on an Intel Xeon."""


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The counters of two packages, as Linux shows them."""
    monkeypatch.setattr(energy, "RAPL", str(tmp_path))
    for package, at in ((0, 5_000_000), (1, 900_000_000)):
        domain = tmp_path / f"intel-rapl:{package}"
        domain.mkdir()
        (domain / "name").write_text(f"package-{package}\n")
        (domain / "max_energy_range_uj").write_text(f"{WRAPS}\n")
        (domain / "energy_uj").write_text(f"{at}\n")
    return [tmp_path / f"intel-rapl:{package}" / "energy_uj" for package in (0, 1)]


def add(counter: Path, joules: float) -> None:
    counter.write_text(str((int(counter.read_text()) + round(joules * 1e6)) % WRAPS))


def read() -> Meter:
    found = meter("cpu")
    assert isinstance(found, Meter)
    return found


def test_the_joules_of_all_packages_since_the_start_are_counted(counters: list[Path]) -> None:
    counter = read()
    for joules in (12.5, 3.0):
        counter.start()
        add(counters[0], joules)
        add(counters[1], 1.0)
        assert counter.joules() == pytest.approx(joules + 1.0, rel=1e-5)


def test_a_counter_that_begins_anew_loses_nothing(counters: list[Path]) -> None:
    counters[1].write_text(str(WRAPS - 1_000_000))
    counter = read()
    counter.start()
    add(counters[0], 2.0)
    add(counters[1], 4.0)
    assert counter.joules() == pytest.approx(6.0, rel=1e-4)


def test_where_no_counter_is_shown_nothing_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "RAPL", str(tmp_path))
    found = meter("cpu")
    assert isinstance(found, NotMeasured)
    assert "RAPL" in found.reason
    assert "only estimate" in found.reason


def test_without_codecarbon_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy.importlib.util, "find_spec", lambda name: None)
    found = meter("cpu")
    assert isinstance(found, NotMeasured)
    assert "shrinkproof[energy]" in found.reason


def taking(joules: float) -> Callable[[], Pass]:
    return lambda: Pass(1.0, 1.0, joules)


def test_energy_is_of_a_token_and_beside_the_originals() -> None:
    found = interleaved(taking(50.0), taking(20.0), CONDITIONS, Meter("x", lambda: None, lambda: 0.0)).energy
    assert isinstance(found, Energy)
    assert found.joules_per_token == 20 / 200
    assert found.original_joules_per_token == 50 / 200
    assert (found.ratio, found.interval.lower, found.interval.upper) == (0.4, 0.4, 0.4)


def test_a_counter_that_stands_still_measures_nothing() -> None:
    found = interleaved(taking(50.0), taking(0.0), CONDITIONS, Meter("x", lambda: None, lambda: 0.0)).energy
    assert isinstance(found, NotMeasured)
    assert "did not move" in found.reason

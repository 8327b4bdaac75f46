"""The made-up run folders of docs/scale.md are compared and rendered as real ones are."""

from __future__ import annotations

from pathlib import Path

from audit.records import Flips, Forgotten
from audit.store import read_log
from fixtures.scale.folder import Size, make_folder
from fixtures.scale.measure import measure


def test_all_kinds_of_suites_are_measured_and_no_number_is_missing(tmp_path: Path) -> None:
    size = Size(candidates=2, suites=5, tasks=2, items=120)
    make_folder(tmp_path / "run", size)
    found = measure(tmp_path / "run")
    log = read_log(tmp_path / "run")
    whole = [one for one in log.comparisons if one.group is None]
    pairs = {one.suite: one.n_pairs for one in whole}
    assert set(pairs.values()) == {240, 120}  # of the suite of pairs, half as many
    worst = [one for one in whole if one.variant == "vendor-01"]
    assert all(isinstance(one.flips, Flips) and one.flips.lost and one.changed for one in worst)
    assert all(len(one.looks) == 4 for one in whole)
    assert len(log.duels) == found["duels"] == 5
    assert len(log.forgetting) == 2
    assert all(isinstance(one.found, Forgotten) and one.found.whole.n_known for one in log.forgetting)
    assert len(log.verdicts) == 10

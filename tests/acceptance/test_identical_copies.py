"""An unchanged copy is not flagged, whatever the seed: by no rule, in no group, and as not forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import load_config, run_audit
from audit.records import Forgotten, NotMeasured


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_flagged_on_an_identical_copy(tiny: Path, tmp_path: Path, seed: int) -> None:
    log = run_audit(
        load_config(
            {
                "model": str(tiny),
                "levels": ["control"],
                "limit": 40,
                "seed": seed,
                "out": str(tmp_path / "run"),
            }
        )
    )
    assert log.status == "finished", log.error
    assert {one.decision for one in log.verdicts} <= {"pass", "inconclusive"}
    adjusted = [one.p_adjusted for one in log.comparisons if not isinstance(one.p_adjusted, NotMeasured)]
    assert all(p >= 0.05 for p in adjusted)
    rates = [one.found.whole.rate for one in log.forgetting if isinstance(one.found, Forgotten)]
    assert rates == [0.0]

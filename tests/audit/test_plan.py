"""What is known before an audit runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from by_hand import comparison, estimate
from typer.testing import CliRunner

from audit import load_config, run_audit
from audit.cli import app
from audit.plan import _expected_spread, _of_spread, _Spread, expected_share, plan
from audit.records import AuditConfig, AuditLog, Level, NotMeasured, Rule


def settings(tiny: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "int2"], "suites": ["accuracy", "bias"], "limit": 20,
        "threads": 1, "out": str(out), "cache": f"{out}-cache", **changes,
    }  # fmt: skip


@pytest.fixture
def config(tiny: Path, tmp_path: Path) -> AuditConfig:
    """Four tasks of 20 items, and five of 10 pairs."""
    return load_config(settings(tiny, tmp_path / "run"))


@pytest.mark.parametrize(("n", "items"), [(1000, 746), (2000, 1183)])
def test_a_level_without_a_drop_is_asked_as_many_items_as_the_gates_table_says(n: int, items: int) -> None:
    # statistics of the gate: Lan-DeMets O'Brien-Fleming, 4 looks, 10 % flips, margin 3 points
    assert n * expected_share(0.03 * (n / 0.1) ** 0.5, 0.05, 4) == pytest.approx(items, rel=0.03)


def test_one_look_asks_all_items() -> None:
    assert expected_share(3.0, 0.05, 1) == 1


def test_pairs_count_once_and_too_few_can_only_end_inconclusive(config: AuditConfig) -> None:
    found = plan(config, flips=0.1)
    assert [(one.rule.suite, one.n_available, one.hopeless) for one in found.rules] == [
        ("accuracy", 80, True), ("bias", 50, True),
    ]  # fmt: skip
    assert (found.rules[0].n_for_80, found.rules[0].n_for_90) == (687, 952)  # statistics of the gate
    assert min(found.cost.tokens, found.cost.tokens_per_second) > 0
    assert found.cost.expected_tokens <= found.cost.tokens
    assert not Path(config.out).exists()


def test_a_margin_that_the_items_can_show_is_not_hopeless(tiny: Path, tmp_path: Path) -> None:
    rules = [{"suite": "accuracy", "margin": 0.1}]
    found = plan(load_config(settings(tiny, tmp_path / "run", suites=["accuracy"], rules=rules)), flips=0.1)
    assert not found.rules[0].hopeless
    assert not isinstance(found.rules[0].power, NotMeasured)
    assert 0 < found.rules[0].power < 1


def test_what_is_held_out_is_planned_by_itself(tiny: Path, tmp_path: Path) -> None:
    rules = [{"suite": "accuracy", "margin": 0.1}]
    given = settings(tiny, tmp_path / "run", suites=["accuracy"], rules=rules, limit=20)
    whole, apart = (plan(load_config({**given, "holdout": share}), flips=0.1) for share in (0, 0.25))
    assert whole.held_out == ()
    (asked,), (held,) = apart.rules, apart.held_out
    assert (asked.n_available, held.n_available) == (60, 20)  # 4 tasks of 20 items
    assert (held.expected_pairs, held.hopeless) == (20, True)  # it is looked at once
    # Two levels and the original on three quarters, the chosen one and the original on the rest
    assert apart.cost.tokens == pytest.approx(whole.cost.tokens * (3 * 0.75 + 2 * 0.25) / 3, rel=0.1)


def test_a_pilot_says_how_much_flips(config: AuditConfig) -> None:
    pilot = run_audit(config)
    flips = max(one.flips.rate for one in pilot.comparisons if one.suite == "accuracy" and one.group is None)  # type: ignore[union-attr]
    (accuracy, _) = plan(config, flips=0.02, pilot=pilot).rules
    assert accuracy.flips == flips > 0.02
    assert accuracy.flips_from == "pilot, level int2"


def test_scores_are_planned_by_how_much_they_varied_in_a_pilot() -> None:
    # n = (z.95 + z.80)² s² / M²: 2.4865 standard errors of .01 at 400 pairs, a margin of .03
    found = _of_spread(
        Rule(suite="words", margin=0.03), "score", 400, _Spread(estimate(0.0, 0.01), 400, "x"), 1
    )
    assert found.n_for_80 == 275
    assert found.power == pytest.approx(0.9123, abs=1e-4)  # Φ(3 − 1.645)
    assert found.smallest_margin == pytest.approx(0.024865, abs=1e-6)
    assert (found.expected_pairs, found.hopeless) == (400, False)


def test_a_perplexitys_margin_is_planned_on_the_log_scale() -> None:
    found = _of_spread(
        Rule(suite="words", margin=0.03), "perplexity", 400, _Spread(estimate(0, 0.01), 400, "x"), 1
    )
    assert found.n_for_80 == 284  # 400 (.024865 / ln 1.03)²


def test_a_pilot_shows_how_much_its_most_varying_level_varies() -> None:
    levels = {"control": 0.9, "int8": 0.01, "int4": 0.02}
    pilot = AuditLog.model_construct(
        config=AuditConfig.model_construct(
            levels=tuple(Level(name=name, method="copy" if name == "control" else "rtn") for name in levels)
        ),
        comparisons=tuple(
            comparison(0, 0, 100, variant=name, suite="words", metric="f1", estimate=estimate(0.0, error))
            for name, error in levels.items()
        ),
    )
    rule = Rule(suite="words", metric="f1")
    spread = _expected_spread(rule, pilot)
    assert isinstance(spread, _Spread)
    assert (spread.estimate.standard_error, spread.n, spread.source) == (0.02, 100, "pilot, level int4")
    assert isinstance(_expected_spread(rule, None), NotMeasured)


def test_the_command_says_what_is_hopeless_and_exits_with_3(tiny: Path, tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "audit.yaml"
    file.write_text(yaml.safe_dump(settings(tiny, tmp_path / "run")))
    result = CliRunner().invoke(app, ["plan", str(file)])
    assert result.exit_code == 3
    assert "accuracy can only end inconclusive: even if no answer changes" in " ".join(result.output.split())


def test_flips_are_a_share(tiny: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["plan", str(tmp_path), "--flips", "10"])
    assert "--flips 10: a share of answers" in str(result.exception)

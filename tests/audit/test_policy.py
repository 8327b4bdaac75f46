"""Ready policies and those of a company: what they fill in, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from by_hand import suite

from audit.errors import ConfigError
from audit.policy import Policy, load_policy
from audit.records import Metric, Rule

SUITES = [suite("accuracy"), suite("safety"), suite("bias")]
COMPANY = """\
title: Ours
default: {margin: 0.01, alpha: 0.025, because: agreed in May}
suites:
  safety: {ceiling: 0.02}
  bias: {margin: 0.02, blocks: false}
budgets: [{quantity: size_bytes, at_most: 1000000, because: the phone}]
"""


def load(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "ours.yaml").write_text(text)
    return load_policy("ours.yaml", tmp_path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert "ours.yaml" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "margin", "alpha", "fewest"),
    [("strict", 0.01, 0.025, 500), ("standard", 0.03, 0.05, 1), ("research", 0.05, 0.1, 1)],
)
def test_a_ready_policy_gives_every_suite_a_rule_with_its_terms_and_a_reason(
    name: str, margin: float, alpha: float, fewest: int
) -> None:
    rules = load_policy(name, Path()).others([], SUITES)
    assert [rule.suite for rule in rules] == ["accuracy", "safety", "bias"]
    assert {(rule.margin, rule.alpha, rule.min_pairs) for rule in rules} == {(margin, alpha, fewest)}
    assert all(rule.because != Rule(suite="x").because for rule in rules)


def test_the_research_policy_reports_bias_and_gates_on_accuracy() -> None:
    blocks = {rule.suite: rule.blocks for rule in load_policy("research", Path()).others([], SUITES)}
    assert blocks == {"accuracy": True, "safety": False, "bias": False}


def test_the_gaps_of_a_rule_are_filled_and_its_own_terms_kept(tmp_path: Path) -> None:
    rule = load(tmp_path, COMPANY).complete(Rule(suite="accuracy", alpha=0.1), SUITES)
    assert (rule.margin, rule.alpha, rule.because) == (0.01, 0.1, "agreed in May")


def test_a_suites_own_terms_lie_over_the_default(tmp_path: Path) -> None:
    rule = load(tmp_path, COMPANY).complete(Rule(suite="safety"), SUITES)
    assert (rule.ceiling, rule.margin, rule.alpha, rule.because) == (0.02, 0.01, 0.025, "agreed in May")


def test_the_reason_for_one_margin_is_none_for_another(tmp_path: Path) -> None:
    policy, nobody = load(tmp_path, COMPANY), Rule(suite="x").because
    assert policy.complete(Rule(suite="accuracy", margin=0.05), SUITES).because == nobody
    assert policy.complete(Rule(suite="bias"), SUITES).because == nobody
    own = Rule(suite="accuracy", margin=0.05, because="measured")
    assert policy.complete(own, SUITES).because == "measured"


def test_a_rule_about_the_divergence_takes_the_alpha_and_not_the_margin_in_points(tmp_path: Path) -> None:
    rule = load(tmp_path, COMPANY).complete(Rule(suite="safety", metric="kl"), SUITES)
    assert (rule.margin, rule.alpha, rule.ceiling) == (Rule(suite="x").margin, 0.025, None)
    assert rule.because == Rule(suite="x").because


def test_a_suite_with_a_rule_about_its_divergence_alone_still_gets_one_about_its_drop(tmp_path: Path) -> None:
    given = [Rule(suite="safety", metric="kl"), Rule(suite="bias", metric="second")]
    assert [rule.suite for rule in load(tmp_path, COMPANY).others(given, SUITES)] == ["accuracy", "safety"]


def test_the_metric_that_is_judged_is_named(tmp_path: Path) -> None:
    assert load(tmp_path, COMPANY).complete(Rule(suite="bias"), SUITES).metric == "first"


def test_a_policys_budgets_are_read(tmp_path: Path) -> None:
    (budget,) = load(tmp_path, COMPANY).budgets
    assert (budget.quantity, budget.at_most, budget.because) == ("size_bytes", 1000000, "the phone")


def test_an_unknown_policy_is_named_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"No policy named 'strikt'\. Did you mean 'strict'\?"):
        load_policy("strikt", Path())


def test_an_unknown_suite_or_metric_of_a_rule_is_named_with_a_hint(tmp_path: Path) -> None:
    policy = load(tmp_path, COMPANY)
    with pytest.raises(ConfigError, match="Did you mean 'safety'"):
        policy.complete(Rule(suite="safty"), SUITES)
    with pytest.raises(ConfigError, match="Did you mean 'second'"):
        policy.complete(Rule(suite="safety", metric="secnd"), SUITES)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("title: x\ndefault: {margn: 0.1}", "default.margn", "Did you mean 'margin'?"),
        ("title: x\nsuites: {bias: {alhpa: 0.1}}", "suites.bias.alhpa", "Did you mean 'alpha'?"),
        ("title: x\nsuite: {}", "suite", "Did you mean 'suites'?"),
        ("title: x\nbudgets: [{quantity: size_bytes, at_mos: 1}]", "budgets.0.at_mos", "'at_most'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_a_hint(
    tmp_path: Path, text: str, place: str, hint: str
) -> None:
    message = refused(tmp_path, text)
    assert f": {place}: " in message
    assert hint in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: x\ndefault: {margin: -1}", "default.margin"),
        ("title: x\ndefault: {metric: acc}", "default.metric"),
        ("title: x\nbudgets: [{quantity: watts, at_most: 1}]", "budgets.0.quantity"),
        ("title: [x", "not valid YAML"),
        ("- title", "a mapping of keys: title, default, suites, budgets"),
        ("", "a mapping of keys"),
        ("default: {}", "title"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_policy_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml can't be read"):
        load_policy("nowhere.yaml", tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes\.yaml can't be read"):
        load_policy("bytes.yaml", tmp_path)


@pytest.mark.parametrize("metric", ["kl", "score"])
def test_a_ceiling_for_what_has_no_bad_outcomes_is_refused(metric: str) -> None:
    score = Metric(name="score", source="x", kind="score")
    suites = [suite("accuracy").model_copy(update={"metrics": (score,)})]
    with pytest.raises(ConfigError, match="not right or wrong"):
        load_policy("standard", Path()).complete(Rule(suite="accuracy", metric=metric, ceiling=0.1), suites)

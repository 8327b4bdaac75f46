"""Ready policies, and those of a company: what a suite's rule says where the config does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from audit import registry
from audit.errors import ConfigError
from audit.ready import checked, mapping, ready_or_own
from audit.records import DIVERGENCE, AuditConfig, Budget, Rule, Suite, Written

_OF_SHARES = ("margin", "ceiling", "because")
"""Terms that say nothing of a divergence: nats are no share."""


class Policy(Written):
    """A YAML file of the terms of rules: the keys of `Rule` without suite and metric."""

    title: str
    default: dict[str, Any] = Field(default={})
    suites: dict[str, dict[str, Any]] = Field(default={})
    """Terms of single suites, laid over the default's."""
    budgets: tuple[Budget, ...] = ()

    def complete(self, rule: Rule, suites: Sequence[Suite]) -> Rule:
        """The rule with its gaps filled.

        Raises ConfigError if it is about a suite or a metric that the audit has not.
        """
        known = {suite.name: suite for suite in suites}
        if rule.suite not in known:
            raise ConfigError(registry.unknown("suite", rule.suite, list(known)))
        suite = known[rule.suite]
        return _with_metric(self._filled(rule, suite), suite)

    def others(self, given: Sequence[Rule], suites: Sequence[Suite]) -> tuple[Rule, ...]:
        """A rule for each suite that none of the given ones is about (but for its divergence)."""
        named = {rule.suite for rule in given if rule.metric != DIVERGENCE}
        return tuple(
            self.complete(Rule(suite=suite.name), suites) for suite in suites if suite.name not in named
        )

    def _filled(self, rule: Rule, suite: Suite) -> Rule:
        """The rule with the policy's terms where it has none of its own."""
        own = rule.model_dump(exclude_unset=True)
        terms = _laid_over(self.default, self.suites.get(suite.family or "", {}))
        terms = _laid_over(terms, self.suites.get(suite.name, {}))
        if rule.metric == DIVERGENCE:
            terms = {key: value for key, value in terms.items() if key not in _OF_SHARES}
        return Rule.model_validate(_laid_over(terms, own))


def _laid_over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The terms of both, the latter's where both have them; a reason for one margin is none for another."""
    if "margin" in over:
        under = {key: value for key, value in under.items() if key != "because"}
    return {**under, **over}


def load_policy(name: str, home: Path) -> Policy:
    """A policy by its name, or from a YAML file beside the config.

    Raises ConfigError naming the file and what is wrong with it.
    """
    return _parse(*ready_or_own("policy", "policies", name, home))


def under_policy(config: AuditConfig, name: str) -> AuditConfig:
    """The config of an audit that was run, with the rules and budgets of another policy; its device stays."""
    policy = load_policy(name, Path())
    device = config.device_profile.budgets if config.device_profile else ()
    return config.model_copy(
        update={
            "policy": name,
            "rules": policy.others((), config.suites),
            "budgets": (*policy.budgets, *device),
        }
    )


def _parse(text: str, where: str) -> Policy:
    data = mapping(text, where, "policy", Policy.model_fields)
    policy = checked(Policy, data, where, inside=Budget)
    of_suites = [(f"suites.{name}", terms) for name, terms in policy.suites.items()]
    for place, terms in [("default", policy.default), *of_suites]:
        if moved := {"suite", "metric"} & set(terms):
            raise ConfigError(f"{where}: {place}.{min(moved)}: terms are for the rules of whatever suite.")
        checked(Rule, {"suite": place, **terms}, where, f"{place}.")
    return policy


def _with_metric(rule: Rule, suite: Suite) -> Rule:
    """The rule with its metric named: the hashed config must say what was judged."""
    metrics = [metric.name for metric in suite.metrics]
    name = rule.metric or metrics[0]
    if name not in (*metrics, DIVERGENCE):
        raise ConfigError(registry.unknown("metric", name, [*metrics, DIVERGENCE]))
    metric = next((one for one in suite.metrics if one.name == name), None)
    if rule.ceiling is not None and (metric is None or metric.kind != "binary"):
        raise ConfigError(
            f"a ceiling of {rule.ceiling:g} for '{name}' of suite '{suite.name}': it is for the share of bad "
            "outcomes, and these are not right or wrong. Leave it out."
        )
    if metric is not None and metric.kind == "binary" and rule.margin >= 1:
        raise ConfigError(
            f"a margin of {rule.margin:g} for '{name}' of suite '{suite.name}': it is a share, "
            "so three points are 0.03."
        )
    return rule.model_copy(update={"metric": name})

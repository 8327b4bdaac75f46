"""What can be known before an audit runs."""

from __future__ import annotations

from typing import Literal

from audit.records.base import NotMeasured, Record, Share
from audit.records.promises import Rule


class PlannedRule(Record):
    """What one rule could show of one level."""

    rule: Rule
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"]
    """Of the metric: how margins and drops are counted."""
    n_available: int
    """Pairs that the items make."""
    flips: Share | NotMeasured
    """Expected share of answers that change either way."""
    flips_from: str
    """Where the flips, or how much scores vary, are known from."""
    design_effect: float
    """How many times more pairs it takes because of clusters."""
    n_for_80: int | NotMeasured
    n_for_90: int | NotMeasured
    """Pairs that pass a level without a drop with this power, in per cent."""
    power: Share | NotMeasured
    """Chance that a level without a drop passes, with all pairs."""
    smallest_margin: float | NotMeasured
    """On the scale of the drop: what could be promised with these pairs, at 80 % power and no drop."""
    detectable_drop: float | NotMeasured
    """The smallest drop that is told from 0 with 80 % power."""
    expected_pairs: int | NotMeasured
    """Asked on average of a level without a drop, given the looks."""
    hopeless: bool
    """Not even a level that changes no answer would pass."""


class Cost(Record):
    """What an audit takes, with all items and with those that early stopping is expected to leave."""

    tokens: int
    expected_tokens: int
    tokens_per_second: float
    """Of a trial on the original, on this machine."""
    minutes: float
    expected_minutes: float
    """Of scoring; compressing comes on top."""
    disk_bytes: int
    """At most, of the checkpoints: each as large as the original."""


class Plan(Record):
    """What can be known before an audit runs."""

    rules: tuple[PlannedRule, ...]
    held_out: tuple[PlannedRule, ...]
    """The same rules on the items held out, which the chosen variant is asked in the end; empty without."""
    cost: Cost

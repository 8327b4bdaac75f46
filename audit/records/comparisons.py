"""One variant against another: with the original, with its rivals, and with what its vendor claims."""

from __future__ import annotations

from typing import Literal

from audit.records.base import NotMeasured, Record, Share
from audit.records.estimates import Divergence, Estimate, Interval
from audit.records.models import RecoveryClaim


class CheckedRecovery(RecoveryClaim):
    """The claim beside what was measured. The intervals of one card's claims hold together (Bonferroni)."""

    variant: str
    n_pairs: int
    before: float | NotMeasured
    after: float | NotMeasured
    ratio: float | NotMeasured
    """after / before."""
    interval: Interval | NotMeasured
    """Of the ratio: with the error of a whole card's bounds on either side at most 5 %."""
    outcome: Literal["held up", "refuted", "undecided"]
    """`refuted`: all of the interval lies below the claim; `held up`: none of it does; else these items, or
    what could not be measured, leave it open."""


class Flips(Record):
    """Answers that changed between right and wrong (Dutta et al. 2024)."""

    lost: int
    """Right before, wrong after."""
    gained: int
    """Wrong before, right after."""
    rate: Share
    """(lost + gained) / n_pairs."""


class Look(Record):
    """What was known when the data were looked at."""

    n_pairs: int
    lost: int | NotMeasured
    gained: int | NotMeasured
    """Flips, where outcomes are right or wrong."""
    bad_after: int | NotMeasured
    """The variant's wrong or harmful outcomes, for a ceiling."""
    estimate: Estimate | NotMeasured
    """Where flips alone don't decide."""


class Change(Record):
    """One item whose outcome flipped, for the drill-down."""

    task: str
    group: str | None
    question: str
    target: str
    before: str
    """The original's answer."""
    after: str
    """The variant's answer."""
    before_scores: tuple[float, ...]
    after_scores: tuple[float, ...]
    """Log-likelihood of each choice."""
    choices: tuple[str, ...]
    kind: Literal["lost", "gained"]


class Comparison(Record):
    """One metric of one variant against the original, paired per item."""

    variant: str
    suite: str
    metric: str
    group: str | None
    """None: the whole suite, which rules judge. Else one group, exploratory."""
    n_pairs: int
    n_unpaired_before: int
    """Items of the original without a partner."""
    n_unpaired_after: int
    """Items of the variant without a partner."""
    before: float | NotMeasured
    after: float | NotMeasured
    """In the metric's unit."""
    difference: float | NotMeasured
    """The drop, positive is a loss: before − after of what is better higher; of a perplexity,
    ln(after / before)."""
    estimate: Estimate | NotMeasured = NotMeasured("flips are counted")
    """What the bounds rest on where flips don't do: clusters, scores, perplexities."""
    interval: Interval | NotMeasured
    """The one that decides: of flips Tango's score interval, exact below 500 pairs; of an estimate, t. Those
    of the groups of one suite and variant, over all its metrics, hold together (Bonferroni)."""
    tango: Interval | NotMeasured
    """Tango's score interval at the same confidence."""
    p_value: Share | NotMeasured
    """Exact McNemar, two-sided: were as many lost as gained?"""
    p_adjusted: Share | NotMeasured
    """Over the groups of one suite and variant (Benjamini-Hochberg, exploratory)."""
    flips: Flips | NotMeasured
    chance: Share | NotMeasured
    """Expected rate of guessing on the same items."""
    before_lower: Share | NotMeasured
    """One-sided 95 % Clopper-Pearson lower bound of `before`: is the original above chance?"""
    after_lower: Share | NotMeasured
    """The same of `after`: is the variant above chance, so that bias and safety can be read?"""
    method: str
    sensitivity: tuple[Interval, ...] = ()
    """The drop's interval by other methods, at the same confidence: do they tell the same?"""
    n_planned: int | None = None
    """Pairs that there would be with all items."""
    looks: tuple[Look, ...] = ()
    """In order, the last of them at `n_pairs`; of a whole suite that could be measured."""
    divergence: Divergence | NotMeasured = NotMeasured("read over whole suites only")
    """From the original, over the suite's scored positions: moves before answers flip."""
    changed: tuple[Change, ...] = ()
    """Items that flipped, lost ones first; bounded, the rest lies in the parquet files."""
    n_changed: int = 0
    """How many flipped in all."""


class Duel(Comparison):
    """One candidate against another: `before` is that of `against`, a difference above 0 a loss against it.

    p is adjusted over all pairs of a suite's metric (Holm), and their intervals hold together (Bonferroni).
    """

    against: str
    """Name of the other candidate."""


class Omnibus(Record):
    """One test of all candidates at once: is any of them different from the others?"""

    statistic: float
    degrees_of_freedom: int
    """Of the statistic; of an F, of its numerator."""
    denominator: int | None = None
    """Of an F, its denominator's degrees of freedom; None: it is a chi-square."""
    p_value: Share
    method: str


class ContestedItem(Record):
    """One item that some candidates get right and others wrong. Entries stand in the order of candidates."""

    task: str
    group: str | None
    question: str
    target: str
    original: str
    """The original's answer."""
    original_right: bool
    answers: tuple[str, ...]
    right: tuple[bool, ...]


class Contest(Record):
    """All candidates on the items of one suite that each of them was asked, under one metric."""

    suite: str
    metric: str
    candidates: tuple[str, ...]
    n_items: int
    """That all of them answered; items, or pairs of them, as the metric counts."""
    omnibus: Omnibus | NotMeasured
    p_value: Share | NotMeasured
    """Of the omnibus test."""
    p_adjusted: Share | NotMeasured
    """Over all suites and metrics (Holm)."""
    n_contested: int | NotMeasured
    """Items that some get right and others wrong."""
    contested: tuple[ContestedItem, ...] = ()
    """Those first that tell most pairs of candidates apart, each pattern of right and wrong in turn; bounded,
    the rest lies in the parquet files."""

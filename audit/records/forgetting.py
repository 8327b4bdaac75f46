"""What a variant has forgotten of what the original knew."""

from __future__ import annotations

from typing import Literal

from audit.records.base import Difference, NotMeasured, Record, Share
from audit.records.estimates import Interval


class ForgettingRate(Record):
    """Of facts that the original knew, how many a variant no longer knows."""

    by: Literal["all", "group", "task"]
    name: str
    """Of the group or task."""
    n_known: int
    n_forgotten: int
    rate: Share | NotMeasured
    """n_forgotten / n_known. Never below 0, since only what was known is looked at: read it beside the
    control's, where chance alone is at work."""
    interval: Interval | NotMeasured
    """95 %, Clopper-Pearson; it takes the facts as independent."""
    p_value: Share | NotMeasured
    """Fisher's exact, one-sided: is more forgotten here than of all the other known facts?"""
    p_adjusted: Share | NotMeasured
    """Over the groups and tasks of one suite and variant (Benjamini-Hochberg, exploratory)."""

    @property
    def retention(self) -> float | NotMeasured:
        """1 − rate: the share of what was known that is still known."""
        return self.rate if isinstance(self.rate, NotMeasured) else 1.0 - self.rate


class HeadAgainstTail(Record):
    """Are facts about rarely mentioned subjects forgotten more often than those about well known ones?"""

    difference: Difference
    """Forgetting rate of the tail − that of the head: positive where rare facts go first."""
    interval: Interval
    """95 %, Newcombe's for independent proportions."""
    p_value: Share
    """Fisher's exact, two-sided."""
    p_adjusted: Share
    """Holm's, over all levels and suites of the audit; of a control, which claims nothing, not adjusted."""


class LinkLoss(Record):
    """Of the facts that a chain has forgotten at its end, how many one of its links lost first."""

    link: str
    n_forgotten: int


class LostFact(Record):
    """One fact that was known and is forgotten."""

    task: str
    group: str | None
    question: str
    """In the first wording that the variant gets wrong."""
    target: str
    after: str
    """What the variant says to that."""
    wordings: int
    wordings_lost: int
    """Of them, those that the variant gets wrong."""
    lead_before: float
    """How far the right choice lay ahead of the likeliest wrong one, nats; the least over the wordings."""
    lead_after: float
    """The variant's; below 0 where a wrong choice leads."""
    lost_at: str | NotMeasured | None = None
    """In a chain, the first link at which it was no longer right; None: no chain."""


class Forgotten(Record):
    """What a variant has forgotten of what the original knew.

    Known: right in every wording, and in each of them the right choice is `margin` times as likely as any
    wrong one. Forgotten: known, and no longer right in every wording; no margin is asked of the variant.
    """

    margin: float
    n_wordings: int
    """Most wordings of a fact."""
    n_facts: int
    """Asked of both."""
    n_right: int
    """Of them, those that the original had right in every wording, with the margin or without."""
    n_learned: int
    """Not right in every wording before, and right in every one after: what chance moves the other way."""
    whole: ForgettingRate
    parts: tuple[ForgettingRate, ...]
    """Groups, then tasks."""
    tail: HeadAgainstTail | NotMeasured
    links: tuple[LinkLoss, ...] = ()
    """Of a link of a chain: it and those before it, in order. Facts of which it can't be said are missing."""
    lost: tuple[LostFact, ...]
    """Those first that were known most firmly; bounded, the rest lies in the parquet files."""


class Forgetting(Record):
    """One variant in one suite that asks for facts."""

    variant: str
    suite: str
    found: Forgotten | NotMeasured

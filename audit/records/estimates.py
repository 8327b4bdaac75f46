"""Numbers with their errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audit.records.base import NotMeasured, Record, Share


class Divergence(Record):
    """How far a variant's next-token distributions are from the original's, right answer or wrong.

    A position is a distinct prefix after which a token of an answer was scored.
    """

    n_positions: int
    kl: float
    """Mean KL(original ‖ variant), nats a position; unbiased, so near 0 it may be slightly negative."""
    kl_error: float
    """Standard error of the mean that comes from drawing the tail of the vocabulary instead of summing it."""
    kl_lower: float
    """What the mean is at least, whatever the tail holds."""
    kl_p95: float
    """95 % of the positions of a task diverge less; of the task where that is most."""
    same_top: Share
    """Share of positions whose likeliest token is the original's."""
    estimate: Estimate | NotMeasured
    """The mean KL with its sampling error, by documents: what a rule about it rests on."""


class Interval(Record):
    """A two-sided interval; each end is a one-sided bound of half the error."""

    lower: float
    upper: float
    confidence: Share
    """Two-sided: .90 holds two one-sided 95 % bounds."""
    method: str


class Estimate(Record):
    """A drop whose sampling error was estimated, where counting flips does not do (clusters, scores)."""

    value: float
    """The drop: positive is a loss. In the metric's unit; of a perplexity, ln(after / before)."""
    standard_error: Annotated[float, Field(ge=0)]
    """0 only where nothing differs, or every cluster differs alike."""
    degrees_of_freedom: Annotated[float, Field(gt=0)]
    """Of the t distribution that value / standard error is referred to."""
    n_clusters: int | None = None
    """Groups of items that are not independent of each other; None: each item by itself."""
    design_effect: float | NotMeasured = NotMeasured("items are independent")
    """Variance with the clusters over variance without (Kish 1965)."""
    skewness: float = 0.0
    """Of the drop itself, not of an item's: above 0 where a few clusters lose much."""
    largest: Annotated[float, Field(gt=0)] | None = None
    """The most that an item can lose or gain; None: no limit is known."""
    method: str

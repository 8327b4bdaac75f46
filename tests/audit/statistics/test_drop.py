"""A look's bounds and p-values are those of what it counted."""

from __future__ import annotations

import pytest

from audit.records import Estimate, Look, NotMeasured
from audit.statistics import drop, estimates, noninferiority
from audit.statistics.estimates import Bounded
from audit.statistics.noninferiority import Bounds

UNCOUNTED = NotMeasured("outcomes are not right or wrong")
LOST = NotMeasured("no scores")


def look(estimate: Estimate | NotMeasured, **flips: int) -> Look:
    """Forty pairs."""
    counted = {"lost": UNCOUNTED, "gained": UNCOUNTED, "bad_after": UNCOUNTED, **flips}
    return Look.model_validate({"n_pairs": 40, "estimate": estimate, **counted})


def scored(**fields: float) -> Estimate:
    """A drop of scores."""
    return Estimate(value=0.1, standard_error=0.05, degrees_of_freedom=39, method="t", **fields)


def test_what_showed_nothing_has_its_reason_for_every_number() -> None:
    nothing = look(LOST)
    assert drop.bounds(nothing, 0.05) == drop.noninferiority_p(nothing, 0.03) == LOST
    assert drop.changed_p(nothing) == drop.equivalence_p(nothing, 0.03) == drop.value(nothing) == LOST
    assert drop.standard_error(nothing) is None


def test_one_count_without_the_other_counts_nothing() -> None:
    assert drop.value(look(scored(), lost=3)) == 0.1


def test_an_item_can_lose_what_the_estimate_says_and_no_more() -> None:
    seen = scored(largest=2.0)
    bounds = drop.bounds(look(seen), 0.05)
    assert isinstance(bounds, Bounds)
    limit = Bounded(40, 2.0)
    assert bounds.upper == estimates.upper_bound(seen, 0.05, limit)
    assert bounds.lower == estimates.lower_bound(seen, 0.05, limit)
    assert drop.noninferiority_p(look(seen), 0.3) == estimates.noninferiority_p(seen, 0.3, limit)
    # Of forty items alike, a share of 1 - .05^(1/40) may be otherwise: more than t says where little varies
    calm = look(scored(largest=2.0).model_copy(update={"standard_error": 1e-6}))
    still = drop.bounds(calm, 0.05)
    assert isinstance(still, Bounds)
    assert still.upper == pytest.approx(0.1 + 1.9 * (1 - 0.05 ** (1 / 40)))


def test_scores_that_do_not_vary_and_have_no_limit_show_nothing() -> None:
    still = look(scored().model_copy(update={"standard_error": 0.0}))
    assert isinstance(drop.noninferiority_p(still, 0.03), NotMeasured)
    assert isinstance(drop.bounds(still, 0.05), NotMeasured)


def test_no_p_value_of_scores_is_0() -> None:
    far = look(scored().model_copy(update={"standard_error": 1e-10, "degrees_of_freedom": 1e6}))
    found = drop.noninferiority_p(far, 0.5)
    assert isinstance(found, float)
    assert 0 < found < 1e-300


def test_that_nothing_flipped_is_no_evidence_of_a_change() -> None:
    assert drop.changed_p(look(LOST, lost=0, gained=0, bad_after=0)) == 1.0


def test_flips_alone_decide_where_there_is_no_estimate() -> None:
    flips = look(LOST, lost=3, gained=1, bad_after=5)
    assert drop.bounds(flips, 0.05) == noninferiority.bounds(3, 1, 40, 0.05)
    assert drop.worse_p(flips) == noninferiority.p_value(1, 3, 40, 0.0)

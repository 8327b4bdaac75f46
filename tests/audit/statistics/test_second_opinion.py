"""statsmodels as a second opinion, on tables that no golden number covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from audit.statistics import correction, mcnemar, proportions

COUNTS = st.integers(0, 400)


@given(lost=COUNTS, gained=COUNTS)
def test_the_exact_mcnemar_p_agrees_with_statsmodels(lost: int, gained: int) -> None:
    other = statsmodels_mcnemar([[0, lost], [gained, 0]], exact=True).pvalue
    assert mcnemar.exact_p(lost, gained) == pytest.approx(other, rel=1e-9)


def test_no_flip_at_all_is_no_evidence_of_a_change() -> None:
    assert mcnemar.exact_p(0, 0) == mcnemar.mid_p(0, 0) == 1.0


@given(lost=COUNTS, gained=COUNTS)
def test_the_mid_p_is_below_the_exact_p_and_above_half_of_it(lost: int, gained: int) -> None:
    if lost + gained:
        exact_p = mcnemar.exact_p(lost, gained)
        assert 0.499999 * exact_p <= mcnemar.mid_p(lost, gained) < exact_p


@given(n=st.integers(1, 5000), share=st.floats(0, 1), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_clopper_pearson_agrees_with_statsmodels(n: int, share: float, alpha: float) -> None:
    successes = round(share * n)
    lower, upper = proportion_confint(successes, n, alpha=2 * alpha, method="beta")
    assert proportions.lower_bound(successes, n, alpha) == pytest.approx(lower, abs=1e-12)
    assert proportions.upper_bound(successes, n, alpha) == pytest.approx(upper, abs=1e-12)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_both_corrections_agree_with_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(
        correction.holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12
    )
    np.testing.assert_allclose(
        correction.benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1], atol=1e-12
    )


def test_no_test_at_all_needs_no_correction() -> None:
    assert correction.holm([]) == correction.benjamini_hochberg([]) == ()

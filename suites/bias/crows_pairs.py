"""CrowS-Pairs, ties apart: lm-eval counts a pair whose sentences are equally likely as anti-stereotyped."""

from __future__ import annotations


def tie(difference: float) -> float:
    """Of the absolute difference between two log-likelihoods whether there is none."""
    return float(difference == 0)

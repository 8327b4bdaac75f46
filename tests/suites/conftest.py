"""Tests that hold for every suite take its name."""

from __future__ import annotations

import pytest

NAMES = ("accuracy", "bias", "forgetting", "robustness", "safety")
PAIRED = ("bias", "forgetting", "robustness")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each built-in suite in turn."""
    return str(request.param)


@pytest.fixture(params=PAIRED)
def paired(request: pytest.FixtureRequest) -> str:
    """Each built-in suite of pairs in turn."""
    return str(request.param)

"""Hypothesis without a deadline: the first call of a scipy function is slow, and machines are shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None, derandomize=True)
settings.load_profile("patient")

"""Hypothesis without a deadline, the tiny model's tokenizer, and lm-eval's LMs over tiny models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from families import family
from hypothesis import settings

settings.register_profile("patient", deadline=None, derandomize=True)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def tokenizer(tiny: Path) -> Any:
    """The tiny model's tokenizer, of 3000 tokens."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.fixture(scope="session")
def llama() -> Any:
    """A tiny Llama that no test changes."""
    return family("llama")

"""Audits of the tiny model on a made-up WikiText, as fixtures.methods makes them of the real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fixtures.methods.measured import Row, audited, rows
from fixtures.methods.text import Parted, part

LEVELS = ("int8", "int4", "magnitude-50")
LONGEST = 600
"""Characters below which an article is measured on: the tiny model's context holds them."""

_WORDS = (
    "the", "a", "old", "red", "small", "house", "city", "river", "which", "is", "are", "was", "Paris",
    "France", "water", "'s", ",", ".", "and", "of", "in",
)  # fmt: skip


def parted(folder: Path) -> Parted:
    """Eight short articles and two long ones, in parts."""
    rng = np.random.default_rng(3)
    data = folder / "data" / "wikitext2"
    data.mkdir(parents=True)
    lengths = [60, 25, 90, 40, 300, 75, 30, 55, 80, 400]
    pages = [
        f" = Article {place} = \n \n {' '.join(rng.choice(_WORDS, n_words))} \n"
        for place, n_words in enumerate(lengths)
    ]
    lines = [json.dumps({"page": page}) for page in pages]
    (data / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return part(folder / "data", folder / "text", LONGEST)


def measured(model: Path, parts: Parted, out: Path) -> dict[str, Row]:
    """The audits of `LEVELS`."""
    for name in LEVELS:
        audited(model, name, parts, out / name, threads=1)
    return rows(out, LEVELS)

"""How drops of each kind of metric are counted and written."""

from __future__ import annotations

import math
from typing import Literal

from audit.rounding import rounded

Kind = Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"]

_LARGEST_LOG = 700.0
"""Beyond it a ratio overflows a double."""
_MOST_DIGITS = 17


class Scale:
    """Shares in points, perplexities in per cent, scores, ratios, corpus metrics and nats as they are."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.unit = {"binary": " points", "perplexity": " %", "kl": " nats"}.get(kind, "")

    def margin(self, given: float) -> float:
        """A rule's margin on the scale of the drop: of a perplexity, ln(1 + margin)."""
        return math.log1p(given) if self._kind == "perplexity" else given

    def shown(self, drop: float) -> float:
        """A drop as a reader counts it."""
        if self._kind == "perplexity":
            return 100 * math.expm1(drop) if drop < _LARGEST_LOG else math.inf
        return 100 * drop if self._kind == "binary" else drop

    def pair(self, drop: float, against: float) -> tuple[str, str]:
        """Two drops with as many digits as it takes to tell them apart, at least those that reports show."""
        one, other = self.shown(drop), self.shown(against)
        least = 2 if self._kind in ("binary", "perplexity") else 3
        enough = least if one == other else _MOST_DIGITS
        for digits in range(least, enough + 1):
            texts = rounded(one, digits), rounded(other, digits)
            if texts[0] != texts[1]:
                break
        return texts

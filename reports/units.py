"""Drops, levels and margins in the unit that their metric is counted in."""

from __future__ import annotations

import math
from typing import overload

from audit.records import Interval, NotMeasured
from audit.scale import Kind, Scale
from reports.wording import plain, signed

_DIGITS = {"binary": 2, "perplexity": 2, "score": 4, "ratio": 4, "corpus": 4, "kl": 4}
"""After the point, where no margin asks for more."""
_HUGE = 1e6
_FIGURES_OF_A_MARGIN = 3
"""Significant figures that a margin of a score or of nats is shown with, and so the drops beside it."""


class Unit:
    """How numbers of one kind of metric are written."""

    def __init__(self, kind: Kind, smallest_margin: float | None = None, *, two_sided: bool = False) -> None:
        self.kind = kind
        self.scale = Scale(kind)
        self.two_sided = two_sided
        """Whether a change either way is damage."""
        self._digits = _DIGITS[kind]
        if kind not in ("binary", "perplexity") and smallest_margin is not None:
            self._digits = max(0, _FIGURES_OF_A_MARGIN - 1 - math.floor(math.log10(smallest_margin)))

    @property
    def name(self) -> str:
        """What stands behind a number, with its space: ` points`, ` %`, ` nats`, or nothing."""
        return self.scale.unit

    @property
    def drop_title(self) -> str:
        """Heading of a column of drops."""
        change = "Change" if self.two_sided else "Drop"
        return {
            "binary": f"{change}, points",
            "perplexity": "Rise in perplexity, %",
            "kl": "KL divergence, nats",
        }.get(self.kind, change)

    @property
    def axis(self) -> str:
        """Title of an axis of drops."""
        change, worse = ("change", "either way") if self.two_sided else ("drop", "right")
        start = {
            "binary": f"{change} in percentage points",
            "perplexity": "rise in perplexity, per cent",
            "kl": "divergence in nats a position",
        }.get(self.kind, f"{change} in the metric's own unit")
        return f"{start} ({worse} is worse)"

    @property
    def spoken(self) -> str:
        """Of what the numbers of a plot are, for those who can't see it."""
        return {
            "binary": "in percentage points",
            "perplexity": "as a rise in perplexity, in per cent",
            "kl": "in nats a position",
        }.get(self.kind, "in the metric's own unit")

    def level_title(self, when: str) -> str:
        """Heading of a column of the metric itself."""
        return f"{when}, %" if self.kind == "binary" else when

    @overload
    def drop(self, value: float) -> str: ...
    @overload
    def drop(self, value: float | NotMeasured) -> str | NotMeasured: ...
    def drop(self, value: float | NotMeasured) -> str | NotMeasured:
        """A drop as a number.

        >>> Unit("perplexity").drop(math.log(1.05)), Unit("binary").drop(-0.0125)
        ('5.00', '−1.25')
        >>> Unit("score", smallest_margin=0.01).drop(0.02)
        '0.0200'
        """
        return value if isinstance(value, NotMeasured) else self.shown(self.scale.shown(value))

    def shown(self, number: float) -> str:
        """A number that is on the reader's scale already; of a broken model's perplexity it may be huge."""
        if math.isinf(number):
            return "more than can be counted"
        if abs(number) >= _HUGE:
            return f"{number:.1e}"
        return signed(number, self._digits)

    def interval(self, interval: Interval | NotMeasured) -> str | NotMeasured:
        """Both ends of an interval of drops."""
        if isinstance(interval, NotMeasured):
            return interval
        return f"{self.drop(interval.lower)} to {self.drop(interval.upper)}"

    def limit(self, margin: float) -> float:
        """A rule's margin on the scale of the drop."""
        return self.scale.margin(margin)

    def margin(self, margin: float) -> str:
        """A rule's margin as a number, with ± where it holds both ways."""
        return f"{'±' if self.two_sided else ''}{self.drop(self.limit(margin))}"

    def level(self, value: float | NotMeasured) -> str | NotMeasured:
        """The metric itself, before or after."""
        if isinstance(value, NotMeasured):
            return value
        return signed(100 * value, 2) if self.kind == "binary" else plain(value)

    def phrase(self, drop: float) -> str:
        """A drop in a sentence.

        >>> Unit("binary").phrase(0.0609), Unit("perplexity").phrase(math.log(1.05))
        ('a drop of 6.09 points', 'a rise in perplexity of 5.00 %')
        """
        change = "a change of" if self.two_sided else "a drop of"
        start = {"perplexity": "a rise in perplexity of", "kl": "a divergence of"}.get(self.kind, change)
        return f"{start} {self.drop(drop)}{self.name}"

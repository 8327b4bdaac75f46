"""Where the names of marks stand, so that they cover neither each other nor a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 300, 300
"""Pixels of the plot area on a phone: what has room there has it everywhere."""
LETTER, LINE, MARK = 7.0, 16.0, 8.0
"""Pixels: of an average letter, of a line of text, of half a mark with some air."""

CROWDED = 12
"""Marks from here on may go without a name that would lie on others: the table has them all."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y upwards."""

    left: float
    right: float
    bottom: float
    top: float

    def shared(self, other: Box) -> float:
        """The area that two boxes share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(wide, 0.0) * max(high, 0.0)


def places(names: Sequence[str], spots: Sequence[tuple[float, float]]) -> list[str]:
    """For each mark plotly's name of a place for its text; spots as shares of the plot area.

    Never right above or below a mark: its interval is there. Empty where a crowd leaves it no place.
    """
    centres = [(x * WIDTH, y * HEIGHT) for x, y in spots]
    taken = [Box(x - MARK, x + MARK, y - MARK, y + MARK) for x, y in centres]
    chosen: list[str] = []
    for name, (x, y) in zip(names, centres, strict=True):
        options = _options(x, y, LETTER * len(name))
        best = min(options, key=lambda place: _cost(options[place], taken))
        if len(names) >= CROWDED and _cost(options[best], taken) > LINE * LETTER * len(name) / 4:
            chosen.append("")
            continue
        taken.append(options[best])
        chosen.append(best)
    return chosen


def _options(x: float, y: float, wide: float) -> dict[str, Box]:
    """The places around a mark, the best first; beside it a step line may run."""
    right, left = (x + MARK, x + MARK + wide), (x - MARK - wide, x - MARK)
    middle, top, bottom = (y - LINE / 2, y + LINE / 2), (y + 5, y + 5 + LINE), (y - 5 - LINE, y - 5)
    return {
        "top right": Box(*right, *top),
        "bottom right": Box(*right, *bottom),
        "top left": Box(*left, *top),
        "bottom left": Box(*left, *bottom),
        "middle left": Box(*left, *middle),
        "middle right": Box(*right, *middle),
    }


def _cost(box: Box, taken: Sequence[Box]) -> float:
    """What a place covers, and how much of it lies outside."""
    outside = max(-box.left, 0.0) + max(box.right - WIDTH, 0.0)
    return sum(map(box.shared, taken)) + LINE * outside

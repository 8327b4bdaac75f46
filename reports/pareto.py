"""Which levels no other one beats in both size and loss."""

from __future__ import annotations

from collections.abc import Mapping

Point = tuple[float, float]
"""Size and loss: of both less is better."""


def beats(one: Point, other: Point) -> bool:
    """Whether a point is at most as much in both, and less in one.

    >>> beats((1, 2), (1, 3)), beats((1, 2), (1, 2)), beats((1, 3), (2, 2))
    (True, False, False)
    """
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def front(points: Mapping[str, Point]) -> list[str]:
    """The names of the points that no other beats, smallest first; of equal points all.

    >>> front({"a": (1, 9), "b": (2, 5), "c": (3, 6), "d": (4, 1), "e": (4, 1)})
    ['a', 'b', 'd', 'e']
    """
    left = [
        name for name, point in points.items() if not any(beats(other, point) for other in points.values())
    ]
    return sorted(left, key=lambda name: points[name])

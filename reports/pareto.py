"""Which levels no other one beats in all that counts: size, loss and, where it was measured, time."""

from __future__ import annotations

from collections.abc import Mapping

Point = tuple[float, ...]
"""Size and loss, or size, loss and time: of each less is better."""


def beats(one: Point, other: Point) -> bool:
    """Whether a point is at most as much in all, and less in one.

    >>> beats((1, 2), (1, 3)), beats((1, 2), (1, 2)), beats((1, 3), (2, 2)), beats((1, 2, 3), (1, 3, 2))
    (True, False, False, False)
    """
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def beaten_by(name: str, points: Mapping[str, Point]) -> str | None:
    """Who beats that one, the one with the least loss first; None: nobody.

    >>> beaten_by("c", {"a": (1, 9), "b": (2, 5), "c": (3, 6), "d": (3, 4)})
    'd'
    """
    better = [other for other, point in points.items() if beats(point, points[name])]
    return min(better, key=lambda other: (points[other][1], points[other]), default=None)


def front(points: Mapping[str, Point]) -> list[str]:
    """The names of the points that no other beats, smallest first; of equal points all.

    >>> front({"a": (1, 9), "b": (2, 5), "c": (3, 6), "d": (4, 1), "e": (4, 1)})
    ['a', 'b', 'd', 'e']
    """
    left = [
        name for name, point in points.items() if not any(beats(other, point) for other in points.values())
    ]
    return sorted(left, key=lambda name: points[name])

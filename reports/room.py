"""How much of a long list a page shows: what matters most first, and something of everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.tables import Cell, Table
from reports.wording import count

ROWS = 400
"""That the tables of one kind may have on a page, all together."""
MANY = 12
"""Suites from here on are folded, each with its result in the line that opens it."""
_LEAST = 5
"""Of each table, however many there are."""


@dataclass(frozen=True)
class Wish:
    """A block of a drill-down that would show all its items."""

    rank: int
    """What matters is low: no block gets a second item while one of a lower rank wants more."""
    sizes: Sequence[int]
    """Bytes of each item on the page, in the order in which they would be shown."""


def granted(wishes: Sequence[Wish], room: int) -> list[int]:
    """How many items, from its first on, each block shows of what fits in `room` bytes.

    Every block gets its first item as long as there is room, those of low rank before others; then each
    rank in turn gets the rest, its blocks one item at a time, so that none is shown at another's cost.

    >>> granted([Wish(1, [10, 10, 10]), Wish(0, [10, 10, 10]), Wish(0, [10, 10])], 55)
    [1, 2, 2]
    """
    kept = [0] * len(wishes)
    order = sorted(range(len(wishes)), key=lambda place: wishes[place].rank)
    room = _round(order, wishes, kept, room)
    for rank in sorted({wish.rank for wish in wishes}):
        wanting = [place for place in order if wishes[place].rank == rank]
        while wanting:
            before = list(kept)
            room = _round(wanting, wishes, kept, room)
            wanting = [place for place in wanting if kept[place] > before[place]]
    return kept


def _round(places: Sequence[int], wishes: Sequence[Wish], kept: list[int], room: int) -> int:
    """One more item for each block that wants and fits; the room that is left."""
    for place in places:
        sizes = wishes[place].sizes
        if kept[place] < len(sizes) and sizes[kept[place]] <= room:
            room -= sizes[kept[place]]
            kept[place] += 1
    return room


def few(rows: int, among: int) -> int:
    """How many of a table's rows are shown when there are so many tables of its kind."""
    return min(rows, max(_LEAST, ROWS // among))


def only(
    table: Table, among: int = 1, which: str = "first", first: Callable[[Sequence[Cell]], Any] | None = None
) -> Table:
    """The table with the rows that it may have among so many of its kind, and a word on the others.

    Where it has more, they are sorted by `first` if there is one; `which` says what that makes of them.
    """
    total = len(table.rows)
    most = few(total, among)
    if most == total:
        return table
    rows = sorted(table.rows, key=first) if first else table.rows
    told = f"The {which} {count(most)} of {count(total)} rows; the numbers of the others lie in audit.json."
    return replace(table, rows=rows[:most], left_out=told)

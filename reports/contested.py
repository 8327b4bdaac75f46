"""The items that some candidates get right and others wrong, as many as a page has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records import Contest, ContestedItem, NotMeasured
from reports.room import Wish, granted
from reports.wording import anchor, count, plural

TEXT_LIMIT = 600
"""Characters shown of a question or an answer."""
ROOM = 1_000_000
"""Bytes that all of them together may take on the page."""
_ROW, _ANSWER = 900, 250
"""Bytes of markup, about: of an item, and of each candidate's answer to it."""


@dataclass(frozen=True)
class Block:
    """The contested items of one suite and metric."""

    id: str
    title: str
    candidates: tuple[str, ...]
    items: Sequence[ContestedItem]
    shown: str
    """How many are shown, of how many."""


def blocks(found: Sequence[tuple[str, Contest]]) -> list[Block]:
    """A block for each contest that has items, under its title."""
    contests = [(title, one) for title, one in found if one.contested]
    wishes = [Wish(0, [_size(item) for item in one.contested]) for _, one in contests]
    return [
        Block(
            id="-".join(anchor(part) for part in ("contested", one.suite, one.metric)),
            title=title,
            candidates=one.candidates,
            items=one.contested[:number],
            shown=_shown(one, number),
        )
        for (title, one), number in zip(contests, granted(wishes, ROOM), strict=True)
        if number
    ]


def _shown(one: Contest, number: int) -> str:
    total = 0 if isinstance(one.n_contested, NotMeasured) else one.n_contested
    told = f"{plural(total, 'item')} of {count(one.n_items)} on which candidates differ"
    return told if number == total else f"{told}, {number} shown"


def _size(item: ContestedItem) -> int:
    texts = (item.question, item.target, item.original, *item.answers)
    letters = sum(len(text[:TEXT_LIMIT].encode("utf-8", "replace")) for text in texts)
    return _ROW + letters + _ANSWER * len(item.answers)

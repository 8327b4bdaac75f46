"""A table as data: sections fill it, one macro draws every table of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from audit.records import NotMeasured

Cell = str | Markup | NotMeasured


@dataclass(frozen=True)
class Column:
    """One column."""

    title: str
    numeric: bool = False
    """Aligned right, in figures of equal width."""
    wide: bool = False
    """Holds prose: gets room to breathe."""


@dataclass(frozen=True)
class Table:
    """Rows of cells under a caption; the first cell of a row is its header."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    left_out: str = ""
    """How many rows are not shown, and where they are; empty where none is missing."""

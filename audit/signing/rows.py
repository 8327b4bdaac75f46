"""Which row of a table of answers was changed, where other rows tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from audit import tables
from audit.bounded import reason_of
from audit.records import Cell, Run

_OF_THE_ITEM = ["doc_hash", "target_hash", "group", "pair", "cluster", "question", "choices", "target"]
"""Columns that are the same whichever model answered."""
Sound = Callable[[str, str], "Path | None"]
"""From a file's name and sha256 to its path, if it is what was promised."""


def unlike_row(name: str, runs: Sequence[Run], sound: Sound) -> str:
    """The first row of the table of that name that contradicts itself, or what another model was asked.

    Empty where no row does, as with an answer that was changed together with its outcome.
    """
    cells = [cell for run in runs for cell in run.cells]
    changed = next((cell for cell in cells if cell.path == name), None)
    peers = [one for one in cells if changed and _same_items(one, changed)]
    path = next((found for one in peers if (found := sound(one.path, one.sha256))), None)
    if changed is None or path is None:
        return ""
    try:
        # Its name is unchanged, so it lies as far from its peer as the two names do.
        rows, peer = tables.frame(path.parents[2] / name), tables.frame(path)
    except Exception as error:  # pyarrow raises whatever its readers met
        return f"is no table any more: {reason_of(error)}"
    if list(rows.columns) != list(peer.columns):
        return "has other columns than the same items of another model"
    if len(rows) != len(peer):
        return f"has {len(rows):,} rows, where another model has {len(peer):,} for the same items"
    return _against(rows, peer, path.parent.name) or _against_itself(rows, peer)


def _same_items(one: Cell, other: Cell) -> bool:
    return (one.task, one.part) == (other.task, other.part) and one.path != other.path


def _against(rows: pd.DataFrame, peer: pd.DataFrame, cell: str) -> str:
    for column in _OF_THE_ITEM:
        differ = _text(rows[column]) != _text(peer[column])
        # Where most differ, as prompts in another chat template do, that is no change of a row.
        if 0 < differ.sum() <= max(1, len(rows) // 2):
            at = int(np.flatnonzero(differ)[0])
            return f"has in row {at:,} (from 0) another {column} than cell {cell[:12]} of the same item"
    return ""


def _against_itself(rows: pd.DataFrame, peer: pd.DataFrame) -> str:
    """Of accuracy on choices: the answer is the likeliest, and right if it is the target."""
    if _breach(peer) is not None:  # a task that counts otherwise
        return ""
    at = _breach(rows)
    return "" if at is None else f"contradicts itself in row {at:,} (from 0): outcome, answer and scores"


def _breach(rows: pd.DataFrame) -> int | None:
    """The first row that breaks the rule."""
    for at, row in enumerate(rows.to_dict("records")):
        if row["metric"] != "acc" or len(row["choices"]) == 0:
            continue
        likeliest = row["choices"][int(np.argmax(row["scores"]))]
        if row["answer"] != likeliest or bool(row["outcome"]) is not (row["answer"] == row["target"]):
            return at
    return None


def _text(column: pd.Series) -> pd.Series:
    return column.map(lambda value: repr(list(value)) if isinstance(value, np.ndarray) else repr(value))

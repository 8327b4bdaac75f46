"""A table of somebody's own questions: read, and checked row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, SupportsInt

from audit import tables
from audit.bounded import check_file, json_of, reason_of
from audit.errors import ConfigError
from audit.records import Record, spelled

NEEDED = ("question", "choices", "answer")
FORMS = (".csv", ".jsonl", ".parquet")


class Item(Record):
    """One question."""

    question: str
    choices: tuple[str, ...]
    answer: int
    """Which of the choices is right, from 0."""
    group: str | None = None
    """For the drill-down; all items have one, or none has."""


def read(path: Path) -> list[Item]:
    """The items of a CSV, JSON lines or parquet file with the columns question, choices, answer, group.

    In CSV, choices are a JSON list or stand with | between them. The answer is the text of the right choice
    or its letter, or, as a number in JSON lines and parquet, its place from 0. Raises ConfigError naming the
    line and what is wrong with it.
    """
    items: list[Item] = []
    seen: dict[Item, int] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        item = _item(row, where)
        for text in (item.question, *item.choices, item.group or ""):
            if spelled(text) != text:
                raise ConfigError(
                    f"{where}: {spelled(text)!r:.80} holds half of a character (a lone surrogate), which no "
                    "model can be asked. Write the character."
                )
        if items and (item.group is None) is not (items[0].group is None):
            raise ConfigError(
                f"{where}: `group` is given in some rows and not in others. Fill it in everywhere."
            )
        if item in seen:
            raise ConfigError(f"{where} repeats line {seen[item]}: it would count twice. Delete one of them.")
        seen[item] = line
        items.append(item)
    if not items:
        raise ConfigError(f"{path} has no rows.")
    return items


def _item(row: Mapping[str, Any], where: str) -> Item:
    missing = next((name for name in NEEDED if row.get(name) in (None, "")), None)
    if missing:
        raise ConfigError(
            f"{where}: `{missing}` is missing. A row has {', '.join(NEEDED)}, and a group if you like."
        )
    choices = _choices(row["choices"], where)
    group = row.get("group")
    return Item(
        question=str(row["question"]).strip(), choices=choices, answer=_answer(row["answer"], choices, where),
        group=None if group in (None, "") else str(group),
    )  # fmt: skip


def _choices(given: Any, where: str) -> tuple[str, ...]:
    if isinstance(given, str):
        try:
            given = json_of(given) if given.lstrip().startswith("[") else given.split("|")
        except ValueError:
            raise ConfigError(f"{where}: choices {given!r} begin as a JSON list and are none.") from None
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise ConfigError(f"{where}: the choices {given!r:.80} are no list.")
    choices = tuple(str(one).strip() for one in given)
    if len(choices) < 2 or len({*choices}) < len(choices) or "" in choices:
        raise ConfigError(
            f"{where}: two choices or more, all different and none empty (given {list(choices)})."
        )
    return choices


def _answer(given: Any, choices: tuple[str, ...], where: str) -> int:
    """The place of the right choice."""
    text = str(given).strip()
    if isinstance(given, SupportsInt) and not isinstance(given, bool):
        if 0 <= given < len(choices) and int(given) == given:  # type: ignore[operator]
            return int(given)
    elif text in choices:
        return choices.index(text)
    elif len(text) == 1 and 0 <= ord(text.upper()) - ord("A") < len(choices):
        return ord(text.upper()) - ord("A")
    raise ConfigError(
        f"{where}: the answer {given!r:.80} is none of {list(choices)}. Write the right one, or its letter."
    )


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each row with its line from 1; of parquet, its row."""
    if path.suffix not in FORMS:
        raise ConfigError(f"{path}: items are read from {', '.join(FORMS)} files.")
    try:
        check_file(path)
        if path.suffix == ".parquet":
            try:
                with tables.opened(path) as table:
                    rows = table.read(use_threads=False).to_pylist()
            except Exception as error:  # pyarrow raises whatever its readers met
                raise ConfigError(f"{path} can't be read: {reason_of(error)}.") from None
            yield from enumerate(rows, 1)
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                yield from ((reader.line_num, row) for row in reader)
        else:
            yield from _of_lines(path)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{path} can't be read: {reason_of(error)}.") from None


def _of_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json_of(text)
        except ValueError as error:
            raise ConfigError(f"{path}, line {line}: no JSON: {error}.") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{path}, line {line}: a JSON object belongs there (given {text[:40]}).")
        yield line, row

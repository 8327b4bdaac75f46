"""Text that somebody else wrote, read within bounds of size and depth.

Files that are no files (pipes, devices) are refused before they are opened, since they may never end. What
YAML repeats by aliases counts as often as it stands there: nine lines can say a billion words.
"""

from __future__ import annotations

import errno
import itertools
import json
import stat
from pathlib import Path
from typing import Any

import yaml

MOST_JSON = 1 << 30
"""Bytes of a log, an envelope, or a model's settings."""
MOST_LINE = 64 << 20
"""Bytes of a line of JSON lines."""
MOST_YAML = 1 << 20
"""Bytes of a config, a card, a policy, a suite."""
MOST_DEPTH = 64
"""Of lists and mappings in YAML."""
MOST_NODES = 100_000
"""Keys and values in YAML."""


class NotYamlError(ValueError):
    """A text is no YAML, or more of it than is read."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        self.line = line
        """From 1; None: not known."""
        super().__init__(problem)


def reason_of(error: Exception) -> str:
    """What an error says, in one line and without the path of a file.

    >>> reason_of(FileNotFoundError(2, "no such file", "a.csv"))
    'no such file'
    """
    said = str(getattr(error, "strerror", None) or error)
    return (said.splitlines() or [type(error).__name__])[0]


def check_file(path: Path, most: int = MOST_JSON) -> None:
    """OSError where a file holds more, or is none that ends."""
    try:
        found = path.stat()
    except ValueError as error:  # half of a character, or a NUL
        raise OSError(errno.EINVAL, f"no file is called so ({error})", str(path)) from None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it holds {found.st_size:,} bytes, and {most:,} are read", str(path))


def read_bytes(path: Path, most: int = MOST_JSON) -> bytes:
    """What a file holds. OSError where it holds more, or is none that ends."""
    check_file(path, most)
    return path.read_bytes()


def read_text(path: Path, most: int = MOST_YAML) -> str:
    """The same as text in UTF-8; also raises UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8")


def json_of(text: str | bytes) -> Any:
    """The value in a JSON text. ValueError where it is none, or too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects lie in each other too deep to be read") from None


def yaml_of(text: str) -> tuple[Any, yaml.Node | None]:
    """The value in a YAML text, plain data and nothing else, and its nodes. Raises NotYamlError.

    >>> yaml_of("a: [1, 2]")[0]
    {'a': [1, 2]}
    """
    try:
        _check_depth(text)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _check_weight(node)
        return (None if node is None else loader.construct_document(node)), node
    except NotYamlError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYamlError(str(getattr(error, "problem", error)), mark and mark.line + 1) from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # Dates, numbers and truth values that are none, as Python says it
        raise NotYamlError(f"a value is not what its tag says ({error!r:.80})") from None


def _check_depth(text: str) -> None:
    """Before anything that calls itself; the parser does not."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise NotYamlError(f"lists and mappings lie more than {MOST_DEPTH} deep in each other")


def _check_weight(node: yaml.Node | None) -> None:
    if node is not None and _weight(node, {}) > MOST_NODES:
        raise NotYamlError(f"it says more than {MOST_NODES:,} keys and values, with what aliases repeat")


def _weight(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many keys and values a node stands for, with those that its aliases repeat."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise NotYamlError("an alias stands inside of what it repeats", node.start_mark.line + 1)
        return found
    known[id(node)] = None
    inside = node.value if isinstance(node, yaml.SequenceNode) else itertools.chain(*node.value)
    known[id(node)] = whole = 1 + sum(_weight(one, known) for one in inside)
    return whole

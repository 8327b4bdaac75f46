"""YAML files of the user: what they hold, and on which line, for errors that a reader can act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from audit import registry
from audit.bounded import NotYamlError, read_text, yaml_of
from audit.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and places, from the outermost on."""
Lines = Mapping[KeyPath, int]
"""The line, from 1, of each key and item."""


def read_yaml(path: Path, what: str, example: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping in a YAML file, and the line (from 1) of each key and item by its path.

    `what` the file is and an `example` of its keys are for the errors, which are ConfigErrors.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise ConfigError(f"There is no {what} {path}. Name one that exists.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}.") from None
    try:
        data, node = yaml_of(text)
    except NotYamlError as error:
        line = f", line {error.line}" if error.line else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error}.") from None
    if not isinstance(data, dict) or node is None:
        raise ConfigError(f"{path}: a {what.split()[0]} is a mapping of keys such as {example}.")
    return data, dict(_lines(node))


def _lines(node: yaml.Node, path: KeyPath = ()) -> list[tuple[KeyPath, int]]:
    found = [(path, node.start_mark.line + 1)]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found += _lines(value, (*path, key.value))
            found.append(((*path, key.value), key.start_mark.line + 1))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found += _lines(value, (*path, index))
    return found


def place(lines: Lines, path: KeyPath, where: str) -> str:
    """The file and the line of a key, or of the nearest one around it."""
    while path and path not in lines:
        path = path[:-1]
    return f"{where}, line {lines[path]}" if path in lines else where


def explain(
    error: ValidationError, lines: Lines, where: str, keys_beside: Callable[[KeyPath], Sequence[str]]
) -> str:
    """The nearest complaint of pydantic in our words: file, line, key, value, what would be right.

    `keys_beside` gives the keys that there are where an unknown one stands.
    """
    # Of a union each branch complains; the one that was meant does so deepest inside
    first = max(error.errors(), key=lambda e: (e["type"] == "extra_forbidden", len(_keys(e["loc"]))))
    path = _keys(first["loc"])
    at = place(lines, path, where)
    key = ".".join(map(str, path))
    if first["type"] == "extra_forbidden":
        return f"{at}: {registry.unknown('key', str(path[-1]), keys_beside(path))}"
    return f"{at}: {key}: {first['msg']} (given {first.get('input')!r})."


def _keys(path: KeyPath) -> KeyPath:
    return tuple(part for part in path if not _is_type_name(part))


def _is_type_name(part: str | int) -> bool:
    # pydantic puts the branch of a union into the location
    return part in {"str", "ModelEntry", "CandidateEntry", "SuiteEntry", "Task", "DeviceMap", "dict[str,any]"}

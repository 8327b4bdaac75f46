"""Ready files of the package, or the user's own beside the config: YAML to a record, with plain errors."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from audit import registry
from audit.bounded import NotYamlError, read_text, yaml_of
from audit.errors import ConfigError
from audit.records import Record

_Kind = TypeVar("_Kind", bound=Record)


def ready_or_own(kind: str, folder: str, name: str, home: Path) -> tuple[str, str]:
    """The text of a ready file of the package's `folder` by its name, or of a YAML file; and what to call it.

    Raises ConfigError where there is none.
    """
    ready = {one.name.removesuffix(".yaml"): one for one in (files("audit") / folder).iterdir()}
    if name in ready:
        return ready[name].read_text(encoding="utf-8"), f"{kind} '{name}'"
    if not name.endswith((".yaml", ".yml")):
        known = registry.unknown(kind, name, sorted(ready))
        raise ConfigError(f"{kind.replace(' ', '_')}: {known} Or name a YAML file.")
    return own(kind, home / name), str(home / name)


def own(kind: str, path: Path) -> str:
    """The text of a user's file, or ConfigError saying why it can't be read."""
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{kind} {path} can't be read: {error}.") from None


def mapping(text: str, where: str, kind: str, keys: Collection[str]) -> dict[str, Any]:
    """The mapping in a YAML text, or ConfigError saying what belongs there."""
    try:
        data, _ = yaml_of(text)
    except NotYamlError as error:
        raise ConfigError(f"{where}: not valid YAML: {error}.") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: a {kind} is a mapping of keys: {', '.join(keys)}.")
    return data


def checked(
    kind: type[_Kind], data: dict[str, Any], where: str, place: str = "", inside: type[Record] | None = None
) -> _Kind:
    """The record, or ConfigError naming the key and the value, with the key that may be meant.

    `place` goes before the key; `inside` is the record that lists in this one hold.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = max(error.errors(), key=lambda one: one["type"] == "extra_forbidden")
    path = place + ".".join(map(str, first["loc"]))
    if first["type"] != "extra_forbidden":
        raise ConfigError(f"{where}: {path}: {first['msg']} (given {first.get('input')!r}).")
    beside = inside if inside and len(first["loc"]) > 1 else kind
    known = [key for key in beside.model_fields if key not in ("suite", "metric")]
    raise ConfigError(f"{where}: {path}: {registry.unknown('key', str(first['loc'][-1]), known)}")

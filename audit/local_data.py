"""Local copies of tasks' data: a folder, and an `overrides.json` that says which task reads what there.

Of each task it names the YAML that the task goes on from (`include`, relative to the installed lm-eval), the
files of its splits (`data_files`, relative to the folder of data), and what else its YAML then says
(`also_override`). A suite's own folder of tasks may hold one as well, of tasks of its own that read the
same kind of folder; what these go on from may lie beside it. If a hub has them, it says where
(`hub`: the data set, its commit, and what else the YAML then says).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.bounded import json_of, read_text
from audit.errors import ConfigError

OVERRIDES = "overrides.json"


def local_tasks(data: Path, include_path: Path | None) -> dict[str, Any]:
    """What is said of each task that has data in the folder `data`: the folder's own word, then the suite's.

    Raises ConfigError naming the file that is missing or can't be read.
    """
    of_suite = {
        task: entry
        for task, entry in own_tasks(include_path).items()
        if all((data / name).is_file() for name in files(entry).values())
    }
    return _of_data(data, of_suite) | of_suite


def own_tasks(include_path: Path | None) -> dict[str, Any]:
    """The tasks of a suite's own folder that read a folder of data, or where there is none their `hub`."""
    path = include_path / OVERRIDES if include_path else None
    if path is None or not path.is_file():
        return {}
    return {task: {**entry, "include": _included(entry, path.parent)} for task, entry in _read(path).items()}


def _included(entry: Mapping[str, Any], home: Path) -> str:
    """The suite's own YAML by its whole path; lm-eval's by its path in the package, as it stands."""
    own = home / entry["include"]
    return str(own) if own.is_file() else str(entry["include"])


def files(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """The files of a task's splits."""
    named: Mapping[str, str] = entry.get("data_files") or {}
    return named


def _of_data(data: Path, others: Mapping[str, Any]) -> dict[str, Any]:
    path = data / OVERRIDES
    if not path.is_file() and others:
        return {}
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json_of(read_text(path))
    except FileNotFoundError:
        raise ConfigError(
            f"data_dir: there is no {path}. It says which files each official task reads; see the README."
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"data_dir: {path} can't be read: {error}.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"data_dir: {path}: a mapping of task names belongs there.")
    return found

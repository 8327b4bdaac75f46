"""Files of clauses: ours, those of plugins, and a company's own policy."""

from __future__ import annotations

from pathlib import Path

from audit import registry
from audit.ready import checked, mapping, own
from audit.records import Clause, Framework


def load_framework(path: Path) -> Framework:
    """The framework in a YAML file.

    Raises ConfigError naming the file, the key and the value.
    """
    data = mapping(own("framework", path), str(path), "framework", Framework.model_fields)
    return checked(Framework, data, str(path), inside=Clause)


def installed() -> tuple[Framework, ...]:
    """All that packages bring along, by their file names; a plugin's after ours."""
    folders = [registry.framework_folder(name) for name in registry.names("audit.frameworks")]
    return tuple(load_framework(path) for folder in folders for path in sorted(folder.glob("*.yaml")))

"""Files of clauses: ours, those of plugins, and a company's own policy."""

from __future__ import annotations

from pathlib import Path

from audit import registry
from audit.errors import ConfigError
from audit.ready import checked, mapping
from audit.records import Clause, Framework


def load_framework(path: Path) -> Framework:
    """The framework in a YAML file.

    Raises ConfigError naming the file, the key and the value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"framework {path} can't be read: {error}.") from None
    data = mapping(text, str(path), "framework", Framework.model_fields)
    return checked(Framework, data, str(path), inside=Clause)


def installed() -> tuple[Framework, ...]:
    """All that packages bring along, by their file names; a plugin's after ours."""
    folders = [registry.framework_folder(name) for name in registry.names("audit.frameworks")]
    return tuple(load_framework(path) for folder in folders for path in sorted(folder.glob("*.yaml")))

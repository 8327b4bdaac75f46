"""Device profiles: what an artefact has to fit in, by name or from a YAML file of one's own."""

from __future__ import annotations

from pathlib import Path

from audit.ready import checked, mapping, ready_or_own
from audit.records import DeviceProfile


def load_profile(name: str, home: Path) -> DeviceProfile:
    """`phone`, `car`, `browser`, `server`, or a YAML file beside the config.

    Raises ConfigError naming the file and what is wrong with it.
    """
    text, where = ready_or_own("device profile", "devices", name, home)
    return checked(DeviceProfile, mapping(text, where, "device profile", DeviceProfile.model_fields), where)

"""A log without what another run of the same audit may say otherwise."""

from __future__ import annotations

import json
from typing import Any

from audit import AuditLog


def untimed(log: AuditLog) -> Any:
    """The log without what a clock, the command's wording, places and the executor put into it."""
    data = json.loads(log.model_dump_json())
    for key in ("started", "finished", "command", "executor"):
        data["provenance"].pop(key)
    for variant in data["variants"]:
        variant.pop("seconds")
        variant.pop("path")
    confirmed = data["confirmation"].get("runs", [])
    for run in (*data["runs"], *confirmed):
        for cell in run["cells"]:
            cell.pop("seconds")
            cell.pop("started")
    for key in ("out", "cache", "executor", "device_map"):
        data["config"].pop(key)
    data["registered"].pop("at")
    return data

"""What the tests of reports make up, for these: their folder is on the path of their own alone."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from audit import AuditLog

REPORTS = Path(__file__).parents[1] / "reports"


def gate_log() -> AuditLog:
    """The report's made-up audit, as the gate decides it."""
    return _called("gate_log", "gate_log")


def hostile(log: AuditLog, text: str) -> AuditLog:
    """The log with that text in the place of every word."""
    return _called("logs", "hostile", log, text)


def _called(module: str, function: str, *given: object) -> AuditLog:
    sys.path.insert(0, str(REPORTS))
    try:
        made = getattr(import_module(module), function)
    finally:
        sys.path.pop(0)
    log: AuditLog = made(*given)
    return log

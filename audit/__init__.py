"""Shrinkproof's engine: what did compression cost this model?

>>> from audit import load_config, run_audit          # doctest: +SKIP
>>> log = run_audit(load_config(Path("audit.yaml")))  # doctest: +SKIP
>>> log.decision                                      # doctest: +SKIP
'fail'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.config import load_config
    from audit.pipeline import gate, run_audit
    from audit.records import AuditConfig, AuditLog
    from audit.store import read_log

__all__ = ["AuditConfig", "AuditLog", "gate", "load_config", "make_variants", "read_log", "run_audit"]

_HOMES = {
    "AuditConfig": "audit.records",
    "AuditLog": "audit.records",
    "gate": "audit.pipeline",
    "load_config": "audit.config",
    "make_variants": "audit.pipeline",
    "read_log": "audit.store",
    "run_audit": "audit.pipeline",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use: `import audit` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

"""A name for all that determines a run, under which a CI keeps its results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from audit import provenance, weights
from audit.harness import source_digest
from audit.loading import resolve_device
from audit.records import AuditConfig
from audit.store import config_digest


def run_key(config: AuditConfig) -> str:
    """sha256 over the config, what lies beside the weights, the device, and the versions that compute.

    It is a name and proves nothing: the keys of cells, which also know the items, say what may be taken.
    """
    models = (config.model, *(level.artefact for level in config.levels if level.artefact))
    told = [
        config_digest(config),
        [weights.companions_digest(Path(model.path)) for model in models],
        resolve_device(config.device),
        provenance.own_version(),
        source_digest(),
        provenance.packages(),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

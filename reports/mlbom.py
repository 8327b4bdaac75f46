"""A bill of materials of the models: CycloneDX 1.6, ECMA-424, as JSON.

What weights there are, what each was made from and with, and what it lost.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from audit.records import AuditLog
from reports import reading
from reports.disclaimer import DISCLAIMER
from reports.mlbom_data import data, properties
from reports.mlbom_model import model
from reports.wording import visible

FILE = "mlbom.cdx.json"


def render(log: AuditLog) -> bytes:
    """The file, UTF-8. Serial number and time come from the log, so that the same log gives the same."""
    digest = reading.log_sha256(log)
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, f"shrinkproof:{digest}").urn,
        "version": 1,
        "metadata": _metadata(log),
        "components": [*(model(log, one) for one in log.variants), *data(log), *_packages(log)],
        "externalReferences": [
            {"type": "evidence", "url": "audit.json", "hashes": [{"alg": "SHA-256", "content": digest}]}
        ],
    }
    return (json.dumps(bom, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _metadata(log: AuditLog) -> dict[str, Any]:
    version = visible(log.provenance.shrinkproof_version)
    return {
        "timestamp": visible(log.provenance.finished),
        "lifecycles": [{"phase": "post-build"}],
        "tools": {"components": [{"type": "application", "name": "Shrinkproof", "version": version}]},
        "properties": properties(
            {
                "decision": log.decision,
                "status": log.status if log.error is None else f"{log.status}: {log.error}",
                "policy": log.config.policy,
                "policy-sha256": log.config.policy_sha256,
                "config-sha256": log.provenance.config_sha256,
                "command": log.provenance.command,
                "device": log.provenance.device,
                "disclaimer": DISCLAIMER,
            }
        ),
    }


def _packages(log: AuditLog) -> list[dict[str, Any]]:
    """The libraries that computed it; names by PEP 503, as a package URL wants them."""
    return [_package(name, version) for name, version in sorted(log.provenance.packages.items())]


def _package(name: str, version: str) -> dict[str, Any]:
    normal = re.sub(r"[-_.]+", "-", name).lower()
    purl = f"pkg:pypi/{quote(normal, safe='')}@{quote(version, safe='')}"
    return {
        "type": "library",
        "bom-ref": f"library/{visible(name)}",
        "name": visible(name),
        "version": visible(version),
        "purl": purl,
    }

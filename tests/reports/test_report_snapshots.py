"""The markup of each section as it was last looked at.

After a change that is meant, `pytest tests/reports/test_report_snapshots.py --snapshot-update` writes them
anew; then read the diff.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rival_logs import contest, contested, item
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from audit.records import AuditLog
from reports.html import drawn
from reports.sections.rivals import section

SECTIONS = (
    "verdict", "compressed", "tradeoff", "drops", "forgetting", "probe", "changed", "method",
    "power", "limits", "clauses", "provenance", "glossary",
)  # fmt: skip
KEPT_LEVELS = ("control", "int8", "int2")
KEPT_SUITES = ("accuracy", "bias")


class OneFileEach(SingleFileSnapshotExtension):
    """A section is a file in `snapshots`."""

    _write_mode = WriteMode.TEXT
    file_extension = "html"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(Path(test_location.filepath).parent / "snapshots")

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        return str(index)


@pytest.fixture(scope="module")
def sections(log: AuditLog) -> dict[str, str]:
    """Those of a part of the made-up log, so that a diff can be read; its digest moves with any field."""
    small = _small(log)
    digest = sha256(small.to_json()).hexdigest()
    return {one.id: str(one.html).replace(digest, "(digest of the log)") for one in drawn(small)}


def test_candidates_against_each_other_are_as_they_were(log: AuditLog, snapshot: SnapshotAssertion) -> None:
    rivals = contested(
        log, contest(log, 2, item("Where?", True, False, True), item("<b>", False, True, True))
    )
    html = str(section(rivals).html)
    assert _a_tag_a_line(html) == snapshot(name="rivals", extension_class=OneFileEach)


def test_every_section_has_a_snapshot(sections: dict[str, str]) -> None:
    assert tuple(sections) == SECTIONS


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_as_it_was(sections: dict[str, str], snapshot: SnapshotAssertion, name: str) -> None:
    assert _a_tag_a_line(sections[name]) == snapshot(name=name, extension_class=OneFileEach)


def _small(log: AuditLog) -> AuditLog:
    """A part of the log, with two of the changed items, one of them hostile."""
    kept = {"config": log.config.model_copy(
        update={
            "levels": tuple(one for one in log.config.levels if one.name in KEPT_LEVELS),
            "suites": tuple(one for one in log.config.suites if one.name in KEPT_SUITES),
            "rules": tuple(one for one in log.config.rules if one.suite in KEPT_SUITES),
        }
    )}  # fmt: skip
    names = ("original", *KEPT_LEVELS)
    return log.model_copy(
        update={
            **kept,
            "variants": tuple(one for one in log.variants if one.name in names),
            "runs": tuple(one for one in log.runs if one.variant in names and one.suite in KEPT_SUITES),
            "comparisons": tuple(
                one.model_copy(update={"changed": one.changed[:2]})
                for one in log.comparisons
                if one.variant in KEPT_LEVELS and one.suite in KEPT_SUITES
            ),
            "verdicts": tuple(
                one for one in log.verdicts if one.variant in KEPT_LEVELS and one.rule.suite in KEPT_SUITES
            ),
        }
    )


def _a_tag_a_line(html: str) -> str:
    """One tag or text a line, single spaces, and the data of plots in the order of their keys."""
    ordered = re.sub(
        r'(<script type="application/json">)(.*?)(</script>)',
        lambda found: found[1] + _ordered(json.loads(found[2], parse_float=_rounded)) + found[3],
        html,
        flags=re.DOTALL,
    )
    parts = (
        part if part.startswith("{\n") else " ".join(part.split()) for part in re.split(r"(<[^>]*>)", ordered)
    )
    return "\n".join(part for part in parts if part) + "\n"


def _rounded(number: str) -> float:
    """Machines differ in the last digits."""
    return float(f"{float(number):.6g}")


def _ordered(figure: Any) -> str:
    """JSON, a key a line, that holds no tag."""
    return json.dumps(figure, sort_keys=True, ensure_ascii=False, indent=1).replace("<", "\\u003c")

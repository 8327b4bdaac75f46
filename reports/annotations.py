"""What does not pass, as workflow commands: GitHub Actions shows them beside the config and on the job.

A job prints this file; no token is asked for, so it does for changes from forks as well. GitHub shows ten
errors and ten warnings of a step: those that block come first.
"""

from __future__ import annotations

from audit.records import AuditLog
from reports.cases import Case, cases, trouble
from reports.sarif import config_name
from reports.wording import visible

FILE = "annotations.txt"
_ORDER = ("error", "warning", "notice")


def render(log: AuditLog) -> bytes:
    """The file, UTF-8; empty where all passes."""
    found = [case for level in log.config.levels for case in cases(log, level)]
    lines = [(_level(one), _title(one), _said(one)) for one in found if one.decision != "pass"]
    if wrong := trouble(log, found):
        lines.append(("error", "Shrinkproof", visible(wrong)))
    lines.sort(key=lambda line: _ORDER.index(line[0]))
    place = _property(config_name(log.provenance.command))
    return "".join(
        f"::{level} file={place},title={_property(title)}::{_data(said)}\n" for level, title, said in lines
    ).encode()


def _level(one: Case) -> str:
    if one.mute:
        return "notice"
    return "error" if one.decision == "fail" else "warning"


def _title(one: Case) -> str:
    return visible(f"{one.level.name}, {one.suite}: {one.decision}")


def _said(one: Case) -> str:
    return visible(f"{one.title}. {one.evidence}. Why: {one.because}")


def _data(text: str) -> str:
    """As the runner's toolkit escapes a message: no line break ends it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As a property, which a colon or comma would end."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

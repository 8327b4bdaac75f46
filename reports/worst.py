"""The worst that a level lost, in margins, over the rules that keep it back."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records import AuditLog, Level, NotMeasured
from reports import reading
from reports.held import Held, held
from reports.wording import listed


@dataclass(frozen=True)
class Worst:
    """The largest drop of a level over its margin."""

    rule: str
    """Its title."""
    held: Held
    in_margins: float
    left_out: str
    """Rules that block and whose drop is not known, by reason: the worst may be worse. Empty: none."""


def worst(log: AuditLog, level: Level) -> Worst | NotMeasured:
    """The rule with the largest drop over its margin, by point estimates."""
    rules = reading.unjudged(log, level)
    gaps = {"not judged": [reading.rule_title(log, rule) for rule in rules]} if rules else {}
    found: list[tuple[float, str, Held]] = []
    for verdict in reading.verdicts_of(log, level):
        if not verdict.rule.blocks:
            continue
        title, evidence = reading.rule_title(log, verdict.rule), held(log, verdict)
        size = _size(evidence)
        if isinstance(size, NotMeasured):
            gaps.setdefault(size.reason, []).append(title)
        else:
            found.append((size, title, evidence))
    left_out = "; ".join(f"{listed(titles)}: {reason}" for reason, titles in gaps.items())
    if not found:
        return NotMeasured(left_out or "no rule that blocks was set")
    size, rule, evidence = max(found, key=lambda one: one[0])
    return Worst(rule, evidence, size, left_out)


def _size(evidence: Held) -> float | NotMeasured:
    """The drop in margins, of a rule that may be read."""
    return NotMeasured(evidence.verdict.because) if evidence.unread else evidence.in_margins

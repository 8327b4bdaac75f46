"""The worst that a level lost, in margins, over the rules that keep it back."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records import AuditLog, Level, NotMeasured
from reports import reading
from reports.held import Held, held


@dataclass(frozen=True)
class Worst:
    """The largest drop of a level over its margin."""

    rule: str
    """Its title."""
    held: Held
    in_margins: float
    left_out: tuple[str, ...]
    """Rules that block and whose drop is not known, with the reason: the worst may be worse."""


def worst(log: AuditLog, level: Level) -> Worst | NotMeasured:
    """The rule with the largest drop over its margin, by point estimates."""
    found, left_out = _known(log, level)
    if not found:
        return NotMeasured("; ".join(left_out) or "no rule that blocks was set")
    size, rule, evidence = max(found, key=lambda one: one[0])
    return Worst(rule, evidence, size, tuple(left_out))


def _known(log: AuditLog, level: Level) -> tuple[list[tuple[float, str, Held]], list[str]]:
    """Each rule that blocks: its drop in margins, or why there is none."""
    found: list[tuple[float, str, Held]] = []
    left_out = [f"{reading.rule_title(log, rule)}: not judged" for rule in reading.unjudged(log, level)]
    for verdict in reading.verdicts_of(log, level):
        if not verdict.rule.blocks:
            continue
        title, evidence = reading.rule_title(log, verdict.rule), held(log, verdict)
        size = evidence.in_margins
        if evidence.unread:
            left_out.append(f"{title}: {verdict.because}")
        elif isinstance(size, NotMeasured):
            left_out.append(f"{title}: {size.reason}")
        else:
            found.append((size, title, evidence))
    return found, left_out

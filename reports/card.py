"""What vendors' cards promise of scores, beside what was measured."""

from __future__ import annotations

from audit.records import AuditLog, CheckedRecovery, Interval, NotMeasured, Variant
from reports import reading
from reports.marks import aside
from reports.proof import by
from reports.tables import Cell, Column, Table
from reports.units import Unit
from reports.wording import count, plural, rate


def recoveries_of(log: AuditLog, name: str) -> list[CheckedRecovery]:
    """The claims of one candidate's card, in its order."""
    return [one for one in log.recoveries if one.variant == name]


def refuted(log: AuditLog, name: str) -> list[str]:
    """A sentence for each claim that the answers refute."""
    return [sentence(log, one) for one in recoveries_of(log, name) if one.outcome == "refuted"]


def sentence(log: AuditLog, one: CheckedRecovery) -> str:
    """The claim, and what came of it."""
    return f"{one.source} claims that {claim(log, one)} is left. {_came_of(one)}"


def claim(log: AuditLog, one: CheckedRecovery) -> str:
    """What is said to be left: a share of a score."""
    return f"at least {_share(one.at_least)} of the original's {subject(log, one)}"


def subject(log: AuditLog, one: CheckedRecovery) -> str:
    """The metric and what it was measured on."""
    where = reading.suite_title(log, one.suite) if one.task is None else one.task
    return f"{one.metric} ({where})"


def _came_of(one: CheckedRecovery) -> str:
    if isinstance(one.interval, NotMeasured) or isinstance(one.ratio, NotMeasured):
        return f"Not decided: {one.interval}."
    left = f"on {plural(one.n_pairs, 'item')} {_share(one.ratio)} is left"
    ends = f"{rate(one.interval.confidence, 1)} interval {_ends(one.interval)}"
    said = {
        "refuted": "That is refuted",
        "held up": "That held up",
        "undecided": "These items leave that open",
    }
    return f"{said[one.outcome]}: {left} ({ends})."


def table(log: AuditLog) -> Table | None:
    """Every claim of every card; None without any."""
    columns = (
        Column("Candidate"),
        Column("Claimed to be left", numeric=True),
        Column("Of", wide=True),
        Column("Measured to be left", numeric=True),
        Column("Original → candidate", numeric=True),
        Column("Items", numeric=True),
        Column("The claim is"),
        Column("Said by"),
    )
    rows = [_row(log, one) for one in log.recoveries]
    return Table("What vendors' cards say is left of the original's scores", columns, rows) if rows else None


def _row(log: AuditLog, one: CheckedRecovery) -> list[Cell]:
    unit = Unit(reading.kind_of(log, one.suite, one.metric))
    before, after = unit.level(one.before), unit.level(one.after)
    left: Cell
    if isinstance(one.interval, NotMeasured) or isinstance(one.ratio, NotMeasured):
        left = one.interval if isinstance(one.interval, NotMeasured) else NotMeasured(str(one.ratio))
    else:
        left = _share(one.ratio) + aside(_ends(one.interval))
    return [
        one.variant,
        f"≥ {_share(one.at_least)}",
        subject(log, one),
        left,
        before if isinstance(before, NotMeasured) else f"{before} → {after}",
        count(one.n_pairs),
        one.outcome,
        one.source,
    ]


def at_a_glance(log: AuditLog, variant: Variant) -> str:
    """Of all that is said of an artefact, how much came true: of its card's claims first, then of others'."""
    found: dict[str, list[str]] = {}
    if recovered := [one.outcome for one in recoveries_of(log, variant.name)]:
        found["card"] = list(recovered)
    for one in variant.claims:
        found.setdefault(by(one), []).append("held up" if one.holds else "false")
    order = sorted(found, key=lambda who: who != "card")
    return "; ".join(f"{who}: {_counts(found[who])}" for who in order) or "nothing is said"


def _counts(outcomes: list[str]) -> str:
    counts = {word: outcomes.count(word) for word in ("false", "refuted", "undecided", "held up")}
    return ", ".join(f"{number} {word}" for word, number in counts.items() if number)


def _share(value: float) -> str:
    return rate(value, 1)


def _ends(interval: Interval) -> str:
    return f"{_share(interval.lower)} to {_share(interval.upper)}"

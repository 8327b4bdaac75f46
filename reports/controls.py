"""The control in words: what changes without any compression."""

from __future__ import annotations

from audit.records import AuditLog, Comparison, Level, NotMeasured
from reports import reading
from reports.units import Unit
from reports.wording import count, plural


def otherwise(log: AuditLog) -> str:
    """How the control is computed, so that it shows what the order of arithmetic alone changes."""
    if log.config.engine is None:
        return "with half the pack size, rows and threads"
    return "with half as many sequences at once"


def _how(log: AuditLog, level: Level) -> str:
    """In what the computation differs from the original's."""
    how = f"computed {otherwise(log)}"
    return how if level.computed_in is None else f"{how}, and in {level.computed_in}"


def over_all(log: AuditLog, level: Level) -> str:
    """What the original showed against itself over all suites, and what that means."""
    comparisons = [one for suite in log.config.suites for one in reading.wholes(log, suite, level)]
    start = f"Control ({level.name}): the original against itself, {_how(log, level)}"
    if not comparisons or any(isinstance(one.difference, NotMeasured) for one in comparisons):
        return f"{start}: not complete."
    pairs = sum(one.n_pairs for one in comparisons if not isinstance(one.flips, NotMeasured))
    flips = plural(sum(map(_flips, comparisons)), "flip")
    others = [_drop(log, one) for one in comparisons if isinstance(one.flips, NotMeasured)]
    found = [f"{flips} in {count(pairs)} scored units", *others]
    return f"{start}: {', '.join(found)}; {_meaning(log, level, comparisons)}."


def of_suite(log: AuditLog, level: Level, comparison: Comparison) -> str:
    """What the original showed against itself in one suite."""
    otherwise = "computed otherwise" if level.computed_in is None else f"computed in {level.computed_in}"
    start = f"Control ({level.name}): the original against itself, {otherwise}"
    if isinstance(comparison.difference, NotMeasured):
        return f"{start}: {comparison.difference}."
    if isinstance(comparison.flips, NotMeasured):
        return f"{start}: {_drop(log, comparison)}."
    return f"{start}: {plural(_flips(comparison), 'flip')} of {count(comparison.n_pairs)}."


def _flips(comparison: Comparison) -> int:
    flips = comparison.flips
    return 0 if isinstance(flips, NotMeasured) else flips.lost + flips.gained


def _drop(log: AuditLog, comparison: Comparison) -> str:
    """The drop of a metric that has no flips."""
    title = reading.suite_title(log, comparison.suite)
    if isinstance(comparison.difference, NotMeasured):
        return f"{title}: {comparison.difference}"
    unit = Unit(reading.kind_of(log, comparison.suite, comparison.metric))
    return f"{unit.phrase(comparison.difference)} in {title}"


def _meaning(log: AuditLog, level: Level, comparisons: list[Comparison]) -> str:
    moved = any(_flips(one) or one.difference != 0 for one in comparisons)
    if level.computed_in is not None:
        changes = "so much" if moved else "nothing"
        return f"{changes} is what the precision and the order of arithmetic change; it blocks no level"
    if not moved:
        return "the order of arithmetic changes nothing"
    if any(verdict.withheld == "noise" for verdict in log.verdicts):
        return "the measurement does not repeat itself"
    return "so much the order of arithmetic alone changes (the noise floor)"

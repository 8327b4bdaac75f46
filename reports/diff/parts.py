"""The parts of a diff as tables, whatever they are drawn in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from audit.changes import Change, Diff, Fact, Promised, Value
from audit.records import (
    AuditLog,
    Budget,
    BudgetVerdict,
    Comparison,
    Decision,
    NotMeasured,
    Rule,
    Verdict,
)
from reports import budgets, reading
from reports.badge import WORDS
from reports.cases import HELD_OUT, promise_title
from reports.held import held
from reports.marks import REPORTED
from reports.tables import Cell, Column, Table
from reports.units import Unit
from reports.wording import count, listed, lost_gained, mebibytes, plain, plural, probability

DIFFERS = 0.05
"""Adjusted p-value below which answers are said to differ."""
WORDS_OF_CHANGE: dict[Change, str] = {
    "worse": "worse", "open": "open", "better": "better", "same": "as before", "gone": "gone",
}  # fmt: skip
HEADLINES: dict[Decision, str] = {
    "pass": "No promise got worse",
    "fail": "Worse than before",
    "inconclusive": "Left open",
}


@dataclass(frozen=True)
class Part:
    """A heading, what there is to say, and what is told in rows."""

    id: str
    title: str
    text: str
    table: Table | None
    """The rows that differ; None: there are none."""
    rest: Table | None = None
    """Those that are as they were, where there is room."""


def headline(diff: Diff) -> str:
    """What changed, in a sentence or two."""
    found = Counter(one.change for one in diff.promises if one.has_say)
    told = [f"{plural(found[change], 'promise')} {words}" for change, words in _TOLD.items() if found[change]]
    first, second = (WORDS[side.log.decision] for side in (diff.before, diff.after))
    of_all = "every promise came out as before" if not told else listed(told)
    return f"Of {plural(sum(found.values()), 'promise')} with a say, {of_all}. Audit: {first} → {second}."


_TOLD: dict[Change, str] = {
    "worse": "now failing",
    "open": "no longer known to be kept",
    "better": "better than before",
    "gone": "gone with its level, or given up unkept",
}


def parts(diff: Diff) -> list[Part]:
    """Promises, answers, and what both rest on."""
    return [_promises(diff), _answers(diff), _facts(diff)]


# Promises


def _promises(diff: Diff) -> Part:
    told = [one for one in diff.promises if one.change != "same" or one.by_earlier_terms or not _in_both(one)]
    order: list[Change] = ["worse", "open", "better", "same", "gone"]
    told.sort(key=lambda one: order.index(one.change))
    rest = [one for one in diff.promises if one not in told]
    as_before = Counter(_decision(one.found_after) for one in rest)
    words = [f"{count(number)} {what}" for what, number in as_before.items()]
    text = f"As before: {listed(words)}." if words else ""
    return Part(
        "promises", "Promises", text, _promise_table(diff, "Promises that changed", told),
        _promise_table(diff, "Promises as before", rest),
    )  # fmt: skip


def _in_both(one: Promised) -> bool:
    return one.before is not None and one.after is not None


def _promise_table(diff: Diff, caption: str, told: Sequence[Promised]) -> Table | None:
    columns = (
        Column("Level"), Column("Promise", wide=True), Column("Change"), Column("Before"), Column("After"),
        Column("Numbers before", wide=True), Column("Numbers after", wide=True),
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            one.level,
            _title(diff, one),
            _change(one),
            _decision(one.found_before) if one.before else "not promised",
            _decision(one.found_after) if one.after else "not promised",
            _numbers(_of(diff.before.log, one), one.found_before),
            _numbers(_of(diff.after.log, one), one.found_after),
        ]
        for one in told
    ]
    return Table(caption, columns, rows) if rows else None


def _of(log: AuditLog, one: Promised) -> AuditLog:
    """The log that holds the numbers."""
    return (reading.held_out(log) or log) if one.held_out else log


def _title(diff: Diff, one: Promised) -> str:
    old = one.before and _promise(diff.before.log, one.before)
    new = one.after and _promise(diff.after.log, one.after)
    fresh = f", {HELD_OUT}" if one.held_out else ""
    if old and new and old != new:
        return f"{new}{fresh} (before: {old.partition(': ')[2]})"
    return f"{new or old or ''}{fresh}"


def _promise(log: AuditLog, promise: Rule | Budget) -> str:
    suite = f"{reading.suite_title(log, promise.suite)}: " if isinstance(promise, Rule) else ""
    return f"{suite}{promise_title(log, promise)}{'' if promise.blocks else f' ({REPORTED})'}"


def _change(one: Promised) -> str:
    """What came of it, and what it rests on where the terms were changed."""
    words = WORDS_OF_CHANGE[one.change]
    if one.by_earlier_terms is not None:
        words += f"; by the earlier terms: {WORDS[one.by_earlier_terms]}"
    return words


def _decision(found: Verdict | BudgetVerdict | None) -> str:
    return "not judged" if found is None else WORDS[found.decision]


def _numbers(log: AuditLog, found: Verdict | BudgetVerdict | None) -> str | NotMeasured:
    if found is None:
        return ""
    if isinstance(found, BudgetVerdict):
        return budgets.against(found)
    seen = held(log, found)
    if isinstance(seen.drop, NotMeasured):
        return seen.drop
    interval = seen.unit.interval(seen.interval)
    reach = "no interval" if isinstance(interval, NotMeasured) else interval
    return f"{seen.unit.drop(seen.drop)}{seen.unit.name} ({reach})"


# Answers


def _answers(diff: Diff) -> Part:
    place = "answers", "Answers, release against release"
    if isinstance(diff.answers, NotMeasured):
        return Part(*place, f"Not compared: {diff.answers.reason}.", None)
    if not diff.answers:
        return Part(*place, "Not compared: no level and suite are in both with the same metrics.", None)
    apart = [one for one in diff.answers if _differs(one)]
    rest = [one for one in diff.answers if not _differs(one)]
    text = (
        f"{plural(len(diff.answers), 'pair')} of results on the items that both runs asked; "
        f"{count(len(apart)) if apart else 'none'} differ detectably. Above 0 the later release does worse. "
        "Exploratory: no promise rests on it."
    )
    return Part(
        *place, text, _answer_table(diff, "Answers that differ", apart),
        _answer_table(diff, "Answers that do not differ detectably", rest),
    )  # fmt: skip


def _differs(one: Comparison) -> bool:
    """By the adjusted test of flips; of what has none, by an interval without 0."""
    if not isinstance(one.p_adjusted, NotMeasured):
        return one.p_adjusted < DIFFERS
    if isinstance(one.interval, NotMeasured):
        return False
    return one.interval.lower > 0 or one.interval.upper < 0


def _answer_table(diff: Diff, caption: str, told: Sequence[Comparison]) -> Table | None:
    columns = (
        Column("Of"), Column("Suite"), Column("Metric"), Column("Pairs", numeric=True),
        Column("Earlier", numeric=True), Column("Later", numeric=True), Column("Lost since", numeric=True),
        Column("90 % interval", numeric=True), Column("Lost / gained", numeric=True),
        Column("p, adjusted", numeric=True),
    )  # fmt: skip
    rows: list[list[Cell]] = []
    for one in told:
        log = diff.after.log
        both = reading.two_sided(log, one.suite, one.metric)
        unit = Unit(reading.kind_of(log, one.suite, one.metric), two_sided=both)
        drop = unit.drop(one.difference)
        rows.append(
            [
                one.variant,
                reading.suite_title(log, one.suite),
                one.metric,
                count(one.n_pairs),
                unit.level(one.before),
                unit.level(one.after),
                drop if isinstance(drop, NotMeasured) else f"{drop}{unit.name}",
                unit.interval(one.interval),
                lost_gained(one.flips),
                probability(one.p_adjusted),
            ]
        )
    return Table(caption, columns, rows) if rows else None


# What both rest on


def _facts(diff: Diff) -> Part:
    columns = Column("Of"), Column("What"), Column("Before", wide=True), Column("After", wide=True)
    rows: list[list[Cell]] = [
        [one.of, _NAMES.get(one.what, one.what), _value(one, one.before), _value(one, one.after)]
        for one in diff.facts
    ]
    table = Table("What is not the same", columns, rows) if rows else None
    text = "" if rows else "Models, artefacts, tasks, settings and libraries are the same."
    return Part("facts", "What it rests on", text, table)


_NAMES = {"size_bytes": "size", "bits_per_weight": "bits a weight", "sparsity": "share of zeros"} | {
    "prefill_latency_ratio": "prefill time",
    "decode_latency_ratio": "decode time",
    "peak_memory_bytes": "peak memory",
}


def _value(fact: Fact, value: Value | None) -> Cell:
    if value is None:
        return "none"
    if isinstance(value, str | NotMeasured):
        return value
    if fact.what.endswith("_bytes"):
        return mebibytes(round(value))
    if fact.what.endswith("_ratio"):
        return f"{value:.3f}× the original’s"
    return plain(value) if isinstance(value, float) else str(value)

"""The verdict in Markdown, short: for the summary of a CI job and for a comment on a change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from audit.records import AuditLog, Budget, Level, NotMeasured, Rule
from reports import card, html, margins, reading
from reports.badge import WORDS
from reports.cases import Case, cases, promise_title
from reports.disclaimer import DISCLAIMER
from reports.held import Held, held
from reports.markdown_text import bits_and_size, code, head, inline, row
from reports.marks import REPORTED
from reports.proof import contradictions
from reports.sections.limits import POST_HOC, absent, unmeasured
from reports.sections.verdict import overall, sentence
from reports.wording import count, listed, plural

FILE = "report.md"
ROOM = 30_000
"""Characters of the whole: GitHub takes 65,536 of a comment, and other texts may stand in it."""
REASONS = 8
"""Of what was not measured, those that stand here."""


@dataclass(frozen=True)
class Block:
    """Lines that belong together."""

    title: str
    """What is missing where they were cut."""
    lines: list[str]


def render(log: AuditLog) -> bytes:
    """The file, UTF-8; the first line is the verdict."""
    blocks = [_levels(log), *_claims(log), *_missed(log), _rules(log), _gaps(log)]
    start, end = _start(log), _end(log)
    room = ROOM - sum(len(line) + 1 for line in [*start, *end])
    return ("\n".join([*start, *_fitted(blocks, room), *end]) + "\n").encode()


def _start(log: AuditLog) -> list[str]:
    lines = [
        f"## {WORDS[log.decision]}: what compression cost {inline(reading.model_title(log), 100)}",
        "",
        inline(overall(log)),
    ]
    if wide := margins.wide(log):
        lines += ["", f"**Wide margins.** {inline(wide, 1000)}"]
    if log.config.model.note:
        lines += ["", f"**About the original:** {inline(log.config.model.note, 1000)}"]
    if log.status == "stopped":
        lines += ["", f"**The audit stopped:** {inline(log.error or 'the log gives no reason')}"]
    if reading.post_hoc(log):
        lines += ["", f"**{POST_HOC}**"]
    return lines


def _end(log: AuditLog) -> list[str]:
    return [
        "",
        f"`audit.json` sha256 `{reading.log_sha256(log)}`, policy {code(log.config.policy, 100)} sha256 "
        f"`{log.config.policy_sha256}`, Shrinkproof {inline(log.provenance.shrinkproof_version, 50)}, "
        f"{inline(log.provenance.finished, 50)}",
        "",
        f"_{DISCLAIMER}_",
    ]


def _levels(log: AuditLog) -> Block:
    titles = ("Level", "Verdict", "Bits a weight", "Size", "Closest to its margin, or furthest over it")
    lines = ["", *head(titles, ("Bits a weight", "Size"))]
    lines += [row(_level(log, level)) for level in log.config.levels]
    return Block("levels of the table", lines)


def _level(log: AuditLog, level: Level) -> list[str]:
    control = " (control)" if level.is_control else ""
    return [
        code(level.name, 100) + control,
        f"**{WORDS[reading.decision_on(log, level)]}**",
        *bits_and_size(reading.variant_of(log, level)),
        _worst(log, level),
    ]


def _worst(log: AuditLog, level: Level) -> str:
    """Of the rules that block, the one with the highest upper bound in margins."""
    seen = [held(log, one) for one in reading.verdicts_of(log, level) if one.rule.blocks]
    read = [one for one in seen if not one.unread] or seen
    known = [one for one in read if not isinstance(one.bounds, NotMeasured)] or read
    if not known:
        return "not judged"
    worst = max(known, key=lambda one: one.strain)
    return f"{inline(reading.rule_title(log, worst.verdict.rule), 100)}: {_drop(worst)}"


def _drop(one: Held) -> str:
    """The drop, its interval and the margin."""
    if isinstance(one.drop, NotMeasured):
        return inline(one.drop)
    interval = one.unit.interval(one.interval)
    reach = f" ({inline(interval)})" if isinstance(interval, NotMeasured) else f" ({interval})"
    return f"{one.unit.drop(one.drop)}{one.unit.name}{reach}, margin {one.margin}"


def _claims(log: AuditLog) -> list[Block]:
    """What vendors' cards claim and the answers refute; the verdicts are those of the rules."""
    lines = [
        f"- {code(level.name, 100)}: {inline(line)}"
        for level in log.config.levels
        for line in card.refuted(log, level.name)
    ]
    return [Block("refuted claims", ["", "### Refuted claims", "", *lines])] if lines else []


def _missed(log: AuditLog) -> list[Block]:
    """Why each level that does not pass doesn't."""
    levels = [level for level in log.config.levels if reading.decision_on(log, level) != "pass"]
    return [Block(f"reasons of {code(level.name, 100)}", _reasons(log, level)) for level in levels]


def _reasons(log: AuditLog, level: Level) -> list[str]:
    found = [one for one in cases(log, level) if one.decision != "pass"]
    lines = ["", f"### {code(level.name, 100)}", "", inline(sentence(log, level)), ""]
    variant = reading.variant_of(log, level)
    lines += [f"- {inline(line)}" for line in (contradictions(variant) if variant else [])]
    lines += [_reason(log, one) for one in found if one.opposes and one.judged]
    if quiet := [f"{inline(one.title, 100)} ({one.decision})" for one in found if one.mute]:
        lines += ["", f"Without a say: {listed(quiet)}."]
    return lines


def _reason(log: AuditLog, one: Case) -> str:
    title = inline(reading.suite_title(log, one.suite), 100)
    return (
        f"- **{WORDS[one.decision]}** {title}, {inline(one.title, 100)}: {inline(one.evidence)}. "
        f"Why: {inline(one.because)}"
    )


def _rules(log: AuditLog) -> Block:
    """What was promised."""
    promises: list[Rule | Budget] = [*log.config.rules, *log.config.budgets]
    lines = ["", "### Rules and budgets", ""]
    for one in promises:
        suite = f"{inline(reading.suite_title(log, one.suite), 100)}: " if isinstance(one, Rule) else ""
        quiet = "" if one.blocks else f" ({REPORTED})"
        lines.append(f"- {suite}{inline(promise_title(log, one), 200)}{quiet}; {inline(one.because, 200)}")
    return Block("rules and budgets", lines if promises else [*lines, "There are none."])


def _gaps(log: AuditLog) -> Block:
    """What was not measured, the commonest reasons first."""
    reasons = Counter(gap.reason for _, gap in unmeasured(log))
    lines = [f"- {inline(line)}" for line in absent(log)]
    lines += [
        f"- {plural(number, 'number')}: {inline(reason)}" for reason, number in reasons.most_common(REASONS)
    ]
    if len(reasons) > REASONS:
        lines.append(f"- {plural(len(reasons) - REASONS, 'reason')} more: see {html.FILE}")
    if not lines:
        lines = ["Every number that was asked for could be had."]
    return Block("what was not measured", ["", "### Not measured", "", *lines])


def _fitted(blocks: list[Block], room: int) -> list[str]:
    """As many lines as there is room for, and what the others were about."""
    lines = [(line, block) for block in blocks for line in block.lines]
    if sum(len(line) + 1 for line, _ in lines) <= room:
        return [line for line, _ in lines]
    kept: list[str] = []
    room -= _OF_THE_NOTE
    for line, _ in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    lost = list(dict.fromkeys(block.title for _, block in lines[len(kept) :]))
    named = listed(lost[:3]) if len(lost) <= 3 else f"{', '.join(lost[:3])} and {len(lost) - 3} more"
    left = count(len(lines) - len(kept))
    return [*kept, "", f"**Cut here, {left} lines are missing:** {named}. {html.FILE} holds all."]


_OF_THE_NOTE = 1_000
"""Characters that the note of a cut may take."""

"""May each level ship? The first thing on the page."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from markupsafe import Markup

from audit.records import AuditLog, BudgetVerdict, Decision, Level, NotMeasured, Rule, Verdict
from reports import budgets, card, controls, looks, margins, reading
from reports.badge import badge
from reports.evidence import unjustified
from reports.gaps import gap, spare
from reports.held import Held, held
from reports.marks import REPORTED, aside, reported
from reports.proof import contradictions
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.units import Unit
from reports.wording import count, listed, mebibytes, plural, probability, rate

STRICTNESS: dict[Decision, str] = {
    "pass": "The audit as a whole passes, since every rule passes on every level.",
    "fail": "The audit as a whole fails as soon as one rule fails on one level.",
    "inconclusive": "The audit as a whole passes only when every rule passes on every level.",
}
"""Why the audit's one word is what it is."""
FEW = 5
"""Rulings of a level that are read at a glance; more are folded, the worst of them shown."""
WIDE = 8
"""Columns of a table that fit on a screen."""


@dataclass(frozen=True)
class Ruling:
    """One rule or budget, and where a level stands to it."""

    title: str
    decision: Decision
    blocks: bool
    gap: str
    """How far over the limit, in numbers."""
    because: str
    size: float
    """The drop in margins; of a budget, which has none, the most."""


@dataclass(frozen=True)
class Answer:
    """May this level ship?"""

    level: str
    decision: Decision
    sentence: str
    contradictions: list[str]
    """Why it is not what it is said to be, and what its card says that its answers refute."""
    artefact: str
    open: list[Ruling]
    more: list[Ruling]
    """Those that are open as well, behind a fold."""
    damage: str
    """The rules on which it is detectably worse; empty where on none."""
    passed: list[Ruling]

    @property
    def kept(self) -> str:
        """What passed: by name, or how many."""
        named = ", ".join(ruling.title for ruling in self.passed)
        every = len(self.open) + len(self.more) + len(self.passed)
        return named if len(self.passed) <= FEW else f"{len(self.passed)} of {every} rules and budgets"


def section(log: AuditLog) -> Section:
    """The verdict section."""
    answers = [_answer(log, level) for level in _in_order(log)]
    html = draw(
        "verdict.html.j2",
        log=log,
        badge=badge,
        reported=REPORTED,
        post_hoc=reading.post_hoc(log),
        overall=overall(log),
        strictness=_strictness(log),
        unjustified=_unjustified(log),
        wide_margins=margins.wide(log),
        alone=any(
            held(log, one).worse_alone
            for level in reading.products(log)
            for one in reading.verdicts_of(log, level)
            if one.decision == "fail"
        ),
        spared=looks.spared(log),
        answers=answers,
        matrix=_matrix(log) if log.verdicts else None,
        wide=WIDE,
        candidates=sum(level.is_candidate for level in log.config.levels) > 1,
        refuted=any(one.outcome == "refuted" for one in log.recoveries),
        not_adjusted=looks.unadjusted(log),
        budgets=budgets.table(log) if log.budgets else None,
        controls=[controls.over_all(log, level) for level in reading.controls(log)],
    )
    return Section("verdict", "Verdict", html)


def _in_order(log: AuditLog) -> list[Level]:
    """The levels, mildest first; what a search found before those that it passed over."""
    winner = log.search.winner if log.search else None
    return sorted(reading.products(log), key=lambda level: level.name != winner)


def _strictness(log: AuditLog) -> str:
    """Why the audit's word is what it is, and what has no say in it."""
    if log.config.search is not None:
        return "The word for a search is that for the level which it found, and not for those passed over."
    if all(rule.blocks for rule in log.config.rules) and all(budget.blocks for budget in log.config.budgets):
        return STRICTNESS[log.decision]
    return f"{STRICTNESS[log.decision]} Rules and budgets that are only reported have no say in it."


def _unjustified(log: AuditLog) -> str:
    """A warning where margins came by default; empty where each has a reason."""
    titles = unjustified(log)
    if len(titles) == len(log.config.rules):
        return "Every margin here is a default, which nobody justified for this use." if titles else ""
    return f"Margins by default, which nobody justified for this use: {listed(titles)}." if titles else ""


def overall(log: AuditLog) -> str:
    """The audit's decision in one sentence."""
    if log.status == "stopped":
        return "The audit stopped before its end. What it had finished is shown; it supports no release."
    if log.search is not None:
        return f"{log.search.because[:1].upper()}{log.search.because[1:]}."
    levels = reading.products(log)
    passed = [level.name for level in levels if reading.decision_on(log, level) == "pass"]
    rule = "rule and budget" if log.config.budgets else "rule"
    if len(passed) == len(levels) and levels:
        return f"Every level passes every {rule}: {listed(passed)} may ship under the rules below."
    if not passed:
        return f"No level passes every {rule}: none may ship under the rules below."
    return (
        f"{len(passed)} of {plural(len(levels), 'level')} may ship under the rules below: {listed(passed)}. "
        "The others may not."
    )


def _answer(log: AuditLog, level: Level) -> Answer:
    rulings = [_ruling(log, verdict) for verdict in reading.verdicts_of(log, level)]
    rulings += [_weighed(verdict) for verdict in reading.budgets_of(log, level)]
    missed = sorted(
        (ruling for ruling in rulings if ruling.decision != "pass"), key=lambda one: not one.blocks
    )
    if len(missed) > FEW:
        missed.sort(key=lambda one: (not one.blocks, one.decision != "fail", -one.size))
    return Answer(
        level=level.name,
        decision=reading.decision_on(log, level),
        sentence=sentence(log, level),
        contradictions=[
            *(contradictions(variant) if (variant := reading.variant_of(log, level)) else []),
            *card.refuted(log, level.name),
        ],
        artefact=_artefact(log, level),
        open=missed[:FEW],
        more=missed[FEW:],
        damage=_damage(log, level),
        passed=[ruling for ruling in rulings if ruling.decision == "pass"],
    )


def sentence(log: AuditLog, level: Level) -> str:
    """May this level ship, in one sentence: small enough, and not worse."""
    verdicts = [verdict for verdict in reading.verdicts_of(log, level) if verdict.rule.blocks]
    weighed = [verdict for verdict in reading.budgets_of(log, level) if verdict.budget.blocks]
    missing = len(reading.unjudged(log, level)) + len(reading.unweighed(log, level))
    rules = plural(len(verdicts) + len(reading.unjudged(log, level)), "rule")
    failed = [*_failed_rules(log, verdicts, rules), *_failed_budgets(weighed)]
    if failed:
        return f"No. {' '.join(failed)}"
    if missing:
        return f"Not shown. {missing} of {_promises(log, rules)} {_were(missing)} not judged."
    undecided = sum(verdict.decision == "inconclusive" for verdict in verdicts)
    if undecided:
        verb = "is" if undecided == 1 else "are"
        return f"Not shown. {undecided} of {rules} {verb} undecided; an undecided rule releases nothing."
    if untold := [budgets.title(one.budget) for one in weighed if one.decision == "inconclusive"]:
        number = plural(len(untold), "budget")
        return f"Not shown. {number} undecided: {listed(untold)}; an undecided budget releases nothing."
    if not verdicts and not weighed:
        return "Not shown. No rule that blocks was set for this audit."
    if log.status == "stopped":
        return f"Not shown. {_all(log, rules)}, but the audit stopped before its end."
    if (alone := reading.held_out(log, level)) and (again := reading.decision_on(alone, level)) != "pass":
        return f"{'No' if again == 'fail' else 'Not shown'}. {_unconfirmed(alone, level)}"
    if reading.unconfirmed(log, level):
        return _untried(log, level)
    confirmed = " Confirmed on the items held out." if reading.held_out(log, level) else ""
    return _yes(log, verdicts, weighed, rules) + confirmed


def _untried(log: AuditLog, level: Level) -> str:
    """Of a level that passes on the items that choose, and is not the winner of its search."""
    start = "Not shown. It passes on the items that a search chose by, and"
    if log.search and level.name in {one.variant for one in log.search.unlucky}:
        return f"{start} was tried on those held out, where it did not pass."
    return f"{start} was not asked those held out."


def _unconfirmed(alone: AuditLog, level: Level) -> str:
    """What the items held out say of a level that passed on the others."""
    blocking = [one for one in reading.verdicts_of(alone, level) if one.rule.blocks]
    kept = sum(one.decision == "pass" for one in blocking)
    failed = sum(one.decision == "fail" for one in blocking)
    return (
        "It passes on the items that it was chosen by, and is not confirmed on those held out: of "
        f"{plural(len(blocking), 'rule')} {kept} pass there, {failed} fail and "
        f"{len(blocking) - kept - failed} are undecided."
    )


def _yes(log: AuditLog, verdicts: list[Verdict], weighed: list[BudgetVerdict], rules: str) -> str:
    """What a level that passes has shown."""
    small = f" and small enough ({listed([budgets.against(one) for one in weighed])})" if weighed else ""
    if not verdicts:
        return f"Yes:{small.removeprefix(' and')}. No rule about its answers blocks."
    closest = max((held(log, verdict) for verdict in verdicts), key=lambda one: one.strain)
    return (
        f"Yes: shown to lose less than each margin{small}. {_all(log, rules)}; the closest "
        f"call is {reading.rule_title(log, closest.verdict.rule)}, {spare(closest)}."
    )


def _failed_rules(log: AuditLog, verdicts: list[Verdict], rules: str) -> list[str]:
    """How many rules fail, and the worst of them; nothing where none does."""
    failed = [held(log, verdict) for verdict in verdicts if verdict.decision == "fail"]
    if not failed:
        return []
    worst = max(failed, key=lambda one: one.size)
    verb = "fails" if len(failed) == 1 else "fail"
    title = reading.rule_title(log, worst.verdict.rule)
    shown = sum(one.detectably_worse for one in failed)
    tested = all(isinstance(one.verdict.p_worse_adjusted, float) for one in failed)
    loss = (
        f" (over all levels and rules a loss is shown in {shown or 'none'} of them)"
        if tested and shown < len(failed)
        else ""
    )
    return [f"{len(failed)} of {rules} {verb}{loss}; worst in {title}: {gap(worst)}."]


def _failed_budgets(weighed: list[BudgetVerdict]) -> list[str]:
    """The budgets that are exceeded."""
    return [budgets.failure(one) for one in weighed if one.decision == "fail"]


def _promises(log: AuditLog, rules: str) -> str:
    """The rules and, where there are any, the budgets that block."""
    number = sum(budget.blocks for budget in log.config.budgets)
    return f"{rules} and {plural(number, 'budget')}" if number else rules


def _all(log: AuditLog, rules: str) -> str:
    promises = _promises(log, rules)
    return "The one rule passes" if promises == "1 rule" else f"All {promises} pass"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _damage(log: AuditLog, level: Level) -> str:
    """Where the level is detectably worse than the original, whatever the margins say."""
    worse = [
        one for verdict in reading.verdicts_of(log, level) if (one := held(log, verdict)).detectably_worse
    ]
    if len(worse) > FEW:
        worse.sort(key=lambda one: -one.size)
    named = [
        f"{reading.rule_title(log, one.verdict.rule)} (p {probability(one.verdict.p_worse_adjusted)})"
        for one in worse
    ]
    if len(named) > FEW + 1:
        named = [*named[:FEW], f"{len(named) - FEW} more rules"]
    return listed(named) if named else ""


def _artefact(log: AuditLog, level: Level) -> str:
    """What the level is on disk, in a few words."""
    variant, original = reading.variant_of(log, level), reading.original(log)
    if variant is None:
        return "not made: the audit stopped before it"
    if isinstance(variant.size_bytes, NotMeasured):
        return variant.stored_as
    size = mebibytes(variant.size_bytes)
    if original is None or isinstance(original.size_bytes, NotMeasured):
        return f"{variant.stored_as}; {size}"
    share = rate(variant.size_bytes / original.size_bytes, 0)
    return (
        f"{variant.stored_as}; {size}, {share} of the original's {mebibytes(original.size_bytes)} as stored"
    )


def _ruling(log: AuditLog, verdict: Verdict) -> Ruling:
    seen = held(log, verdict)
    return Ruling(
        title=reading.rule_title(log, verdict.rule),
        decision=verdict.decision,
        blocks=verdict.rule.blocks,
        gap=gap(seen),
        because=verdict.because,
        size=seen.size,
    )


def _weighed(verdict: BudgetVerdict) -> Ruling:
    return Ruling(
        title=budgets.title(verdict.budget),
        decision=verdict.decision,
        blocks=verdict.budget.blocks,
        gap=budgets.against(verdict),
        because=verdict.because,
        size=inf,
    )


def _matrix(log: AuditLog) -> Table:
    """Every rule on every level at one glance; the rules go down where they would not fit across."""
    rules, levels = log.config.rules, _in_order(log)
    judged = [{one.rule: one for one in reading.verdicts_of(log, level)} for level in levels]
    names, titles = [level.name for level in levels], [_matrix_title(log, rule) for rule in rules]
    cells: list[list[Cell]] = [
        [_matrix_cell(log, of_level.get(rule)) for rule in rules] for of_level in judged
    ]
    caption = "Every rule on every level: the decision, the drop, and the bounds of the drop that decide"
    if any(held(log, one).early for of_level in judged for one in of_level.values()):
        caption += ". Where the first pairs decided, both are over those alone"
    if log.search or reading.held_out(log):
        titles = [*titles, "Items held out"]
        cells = [[*row, _fresh(log, level)] for row, level in zip(cells, levels, strict=True)]
    if any(level.is_candidate for level in levels):
        titles = [*titles, "What is said of it"]
        cells = [[*row, _said(log, level)] for row, level in zip(cells, levels, strict=True)]
    if len(rules) > max(WIDE, len(levels)):
        turned = [[title, *row] for title, row in zip(titles, zip(*cells, strict=True), strict=True)]
        return Table(caption, [Column("Rule"), *map(Column, names)], turned)
    rows = [[name, *row] for name, row in zip(names, cells, strict=True)]
    return Table(caption, [Column("Level"), *map(Column, titles)], rows)


def _fresh(log: AuditLog, level: Level) -> Cell:
    """What became of a level on the items that nobody chose by."""
    if alone := reading.held_out(log, level):
        return badge(reading.decision_on(alone, level))
    if log.search and level.name in {one.variant for one in log.search.unlucky}:
        return badge("inconclusive") + aside("did not pass")
    return "not asked"


def _said(log: AuditLog, level: Level) -> str:
    variant = reading.variant_of(log, level)
    return card.at_a_glance(log, variant) if variant else "not made"


def _matrix_title(log: AuditLog, rule: Rule) -> str:
    metric = reading.metric_name(log, rule)
    both = reading.two_sided(log, rule.suite, metric)
    unit = Unit(reading.kind_of(log, rule.suite, metric), rule.margin, two_sided=both)
    return f"{reading.rule_title(log, rule)}, margin {unit.margin(rule.margin)}{unit.name}"


def _matrix_cell(log: AuditLog, verdict: Verdict | None) -> Cell:
    if verdict is None:
        return "not judged"
    seen = held(log, verdict)
    return badge(verdict.decision) + _bound(seen) + reported(verdict.rule.blocks)


def _bound(seen: Held) -> Markup:
    """What a decision rests on, beside its badge."""
    if seen.unread:
        return aside("not read")
    if isinstance(seen.drop_then, NotMeasured):
        return aside("no drop was measured")
    ends = "no bounds" if isinstance(seen.bounds, NotMeasured) else seen.unit.interval(seen.bounds)
    over = f" over the first {count(seen.early.n_pairs)} pairs" if seen.early else ""
    return aside(f"{seen.unit.drop(seen.drop_then)} ({ends}){over}")

"""What was forgotten of what the original knew: how much, where, at which link, and which facts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from audit.records import (
    AuditLog,
    Flips,
    Forgetting,
    ForgettingRate,
    Forgotten,
    HeadAgainstTail,
    LostFact,
    NotMeasured,
    Suite,
)
from reports import looks, reading
from reports.held import DAMAGE
from reports.room import MANY, Wish, granted, only
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import (
    anchor,
    clipped,
    count,
    interval_points,
    listed,
    plain,
    plural,
    points,
    probability,
    rate,
    visible,
)

TEXT_LIMIT = 600
"""Characters shown of a question or an answer."""
ROOM = 600_000
"""Bytes that the forgotten facts of all levels together may take on the page."""
_BLOCK, _ROW = 1100, 750
"""Bytes of markup, about: of a level's block, of a fact's row."""
_MOST_TIMES = 1000
"""Ratios from here on are said to be larger."""


@dataclass(frozen=True)
class Lost:
    """The facts that one level has forgotten."""

    id: str
    level: str
    shown: str
    table: Table


@dataclass(frozen=True)
class Knowledge:
    """One suite that asks for facts."""

    id: str
    suite: Suite
    told: str
    """The level that forgot most, in a line."""
    asked: str
    """When a fact counts as known here."""
    table: Table
    noise: list[str]
    """What unchanged copies forgot."""
    contrasts: list[str]
    """Head against tail, a sentence a level."""
    worst: list[str]
    """The groups and tasks that stand out, a sentence a level."""
    parts: Table | None
    chains: list[Table]
    lost: list[Lost]


def section(log: AuditLog) -> Section:
    """One part per suite that asks for facts."""
    suites, shown = [suite for suite in log.config.suites if suite.knowledge], _granted(log)
    html = draw(
        "forgetting.html.j2",
        parts=[part for suite in suites if (part := _knowledge(log, suite, shown))],
        fold=len(suites) >= MANY,
        missing=[suite.title for suite in suites if not _of(log, suite)],
        asks=bool(suites),
        not_adjusted=looks.stopped_early(log),
    )
    return Section("forgetting", "What was forgotten", html)


def _granted(log: AuditLog) -> dict[tuple[str, str], int]:
    """How many forgotten facts of each suite and variant are shown: products before controls, and first of
    those that forgot most."""
    controls = {level.name for level in reading.controls(log)}
    found = [(one, one.found) for one in log.forgetting if isinstance(one.found, Forgotten)]
    found.sort(key=lambda pair: (pair[0].variant in controls, _most_first(pair[1].whole)[0]))
    wishes = [Wish(int(one.variant in controls), _sizes(forgotten)) for one, forgotten in found]
    places = [(one.suite, one.variant) for one, _ in found]
    return dict(zip(places, granted(wishes, ROOM), strict=True))


def _sizes(found: Forgotten) -> list[int]:
    """Bytes that each fact takes on the page, about; the first pays for the block."""
    sizes = [
        _ROW + sum(len(text[:TEXT_LIMIT].encode("utf-8", "replace")) for text in _texts(fact))
        for fact in found.lost
    ]
    return [_BLOCK + sizes[0], *sizes[1:]] if sizes else []


def _texts(fact: LostFact) -> tuple[str, str, str]:
    return fact.question, fact.target, fact.after


def _of(log: AuditLog, suite: Suite) -> list[Forgetting]:
    """The results of a suite, mildest level first, controls among them."""
    found = {one.variant: one for one in log.forgetting if one.suite == suite.name}
    return [found[level.name] for level in log.config.levels if level.name in found]


def _knowledge(log: AuditLog, suite: Suite, shown: dict[tuple[str, str], int]) -> Knowledge | None:
    results, among = _of(log, suite), sum(one.knowledge for one in log.config.suites)
    if not results:
        return None
    controls = {level.name for level in reading.controls(log)}
    measured = {one.variant: one.found for one in results if isinstance(one.found, Forgotten)}
    products = {name: found for name, found in measured.items() if name not in controls}
    return Knowledge(
        id=f"forgetting-{anchor(suite.name)}",
        suite=suite,
        told=_told(products),
        asked=_asked(measured),
        table=_table(log, suite, results, controls),
        noise=[_noise(name, found) for name, found in measured.items() if name in controls],
        contrasts=[_contrast(name, found.tail) for name, found in products.items()],
        worst=[_worst(name, found) for name, found in products.items() if _outstanding(found)],
        parts=_parts(suite, products, among),
        chains=[_chain(name, found) for name, found in products.items() if _ends_chain(log, name, found)],
        lost=[
            _lost(suite, name, found, shown[suite.name, name])
            for name, found in measured.items()
            if found.lost
        ],
    )


def _told(products: dict[str, Forgotten]) -> str:
    """The most that any level forgot."""
    if not products:
        return "not measured on any level"
    name = min(products, key=lambda one: _most_first(products[one].whole)[0])
    whole = products[name].whole
    known = plural(whole.n_known, "known fact")
    return f"most forgotten: {name}, {count(whole.n_forgotten)} of {known} ({_percent(whole)})"


def _asked(measured: dict[str, Forgotten]) -> str:
    """When a fact counts as known, by what was measured."""
    if not measured:
        return ""
    found = next(iter(measured.values()))
    wordings = {1: "it is right", 2: "it is right in both of its wordings"}
    right = wordings.get(found.n_wordings, f"it is right in all of its wordings (up to {found.n_wordings})")
    times_as = "twice" if found.margin == 2 else f"{found.margin:g} times"
    every = "" if found.n_wordings == 1 else " in each of them"
    return (
        f"A fact counts as known to the original when {right}, and the right answer is at least {times_as} "
        f"as likely as any wrong one{every}."
    )


def _table(log: AuditLog, suite: Suite, results: list[Forgetting], controls: set[str]) -> Table:
    wrong = {one.variant: _wrong_now(log, suite, one) for one in results}
    flips = any(isinstance(one, str) for one in wrong.values())
    columns = (
        Column("Level"),
        Column("Facts asked", numeric=True),
        Column("Original right", numeric=True),
        *([Column("Of these wrong now", numeric=True)] if flips else []),
        Column("Known", numeric=True),
        Column("Of these forgotten", numeric=True),
        Column("Forgotten, % of known", numeric=True),
        Column("95\N{NO-BREAK SPACE}% interval", numeric=True),
        Column("Still known, %", numeric=True),
        Column("Newly right", numeric=True),
    )
    rows = [
        _row(one, [wrong[one.variant]] if flips else [], control=one.variant in controls) for one in results
    ]
    return Table(f"{suite.title}: of what the original knew, how much is gone", columns, rows)


def _wrong_now(log: AuditLog, suite: Suite, one: Forgetting) -> Cell:
    """The facts that the drop counts as lost, known with the margin or not."""
    for comparison in log.comparisons:
        place = (comparison.variant, comparison.suite, comparison.metric, comparison.group)
        if place != (one.variant, suite.name, suite.metrics[0].name, None):
            continue
        flips, found = comparison.flips, one.found
        if isinstance(flips, Flips) and isinstance(found, Forgotten) and comparison.n_pairs == found.n_facts:
            return count(flips.lost)
    return NotMeasured("the drop is not counted by facts")


def _row(one: Forgetting, wrong: list[Cell], *, control: bool) -> list[Cell]:
    label = f"{one.variant} (copy of the original)" if control else one.variant
    found = one.found
    if isinstance(found, NotMeasured):
        return [label, *[found] * (8 + len(wrong))]
    return [
        label,
        count(found.n_facts),
        count(found.n_right),
        *wrong,
        count(found.whole.n_known),
        count(found.whole.n_forgotten),
        points(found.whole.rate),
        interval_points(found.whole.interval),
        points(found.whole.retention),
        count(found.n_learned),
    ]


def _noise(name: str, found: Forgotten) -> str:
    """What an unchanged copy forgot, which no compression did."""
    whole = found.whole
    known = plural(whole.n_known, "known fact")
    if not whole.n_forgotten:
        return f"Noise: {name}, the original measured again, has forgotten none of {known}."
    return (
        f"Noise: {name}, the original measured again, has forgotten {count(whole.n_forgotten)} of {known} "
        f"({_percent(whole)}). A level that is not clearly above that has shown no forgetting of its own."
    )


def _contrast(name: str, tail: HeadAgainstTail | NotMeasured) -> str:
    """Head against tail, in one sentence that claims no more than the test."""
    if isinstance(tail, NotMeasured):
        return f"{name}: {tail}."
    numbers = (
        f"the tail's share of forgotten facts less the head's is {points(tail.difference)} points "
        f"(95\N{NO-BREAK SPACE}% interval {interval_points(tail.interval)}; p {probability(tail.p_value)}, "
        f"Holm-adjusted {probability(tail.p_adjusted)})"
    )
    if tail.p_adjusted >= DAMAGE:
        return f"{name}: no difference between head and tail was shown; {numbers}."
    which = "rarely mentioned" if tail.difference > 0 else "well known"
    return f"{name}: facts about {which} subjects were forgotten more often; {numbers}."


def _outstanding(found: Forgotten) -> list[ForgettingRate]:
    """The groups and tasks of which more is forgotten than of the rest, most first."""
    return [
        one
        for one in sorted(found.parts, key=_most_first)
        if not isinstance(one.p_adjusted, NotMeasured) and one.p_adjusted < DAMAGE
    ]


def _worst(name: str, found: Forgotten) -> str:
    return f"{name} has forgotten more than elsewhere in {listed(list(map(_named, _outstanding(found))))}."


def _named(one: ForgettingRate) -> str:
    numbers = f"{count(one.n_forgotten)} of {plural(one.n_known, 'known fact')}"
    return f"{one.name} ({numbers}, adjusted p {probability(one.p_adjusted)})"


def _most_first(one: ForgettingRate) -> tuple[float, str, str]:
    """Sorting key; what was not measured comes last."""
    return (1.0 if isinstance(one.rate, NotMeasured) else -one.rate), one.by, one.name


def _parts(suite: Suite, products: dict[str, Forgotten], among: int) -> Table | None:
    """The groups and tasks of all levels, the most forgotten first."""
    found = [(name, one) for name, forgotten in products.items() for one in forgotten.parts]
    if not found:
        return None
    columns = (
        Column("Group or task"),
        Column("Level"),
        Column("Known", numeric=True),
        Column("Forgotten", numeric=True),
        Column("Forgotten, % of known", numeric=True),
        Column("95\N{NO-BREAK SPACE}% interval", numeric=True),
        Column("p, more than elsewhere", numeric=True),
        Column("p adjusted (Benjamini-Hochberg)", numeric=True),
    )
    found.sort(key=lambda pair: (*_most_first(pair[1]), pair[0]))
    rows: list[list[Cell]] = [
        [
            one.name,
            name,
            count(one.n_known),
            count(one.n_forgotten),
            points(one.rate),
            interval_points(one.interval),
            probability(one.p_value),
            probability(one.p_adjusted),
        ]
        for name, one in found
    ]
    return only(Table(f"{suite.title}: groups and tasks, most forgotten first", columns, rows), among)


def _ends_chain(log: AuditLog, name: str, found: Forgotten) -> bool:
    """Whether a level is the last link of a chain."""
    return bool(found.links) and name not in log.config.links.values()


def _chain(name: str, found: Forgotten) -> Table:
    """Of what is forgotten at the end, what each link lost first."""
    total, told = found.whole.n_forgotten, sum(link.n_forgotten for link in found.links)
    rows: list[list[Cell]] = [[link.link, count(link.n_forgotten)] for link in found.links]
    if total > told:
        rows.append(["can't be said: a link stopped before it was asked", count(total - told)])
    columns = (Column("Link"), Column("Facts it lost first", numeric=True))
    return Table(f"{name}: which link lost the {plural(total, 'fact')} forgotten at its end", columns, rows)


def _lost(suite: Suite, name: str, found: Forgotten, kept: int) -> Lost:
    columns = [
        Column("Task and group"),
        Column("Question, in a wording it gets wrong", wide=True),
        Column("Right answer", wide=True),
        Column(f"{name} says", wide=True),
        Column("Wordings it gets wrong", numeric=True),
        Column("Right over best wrong answer, the least of all wordings, before → after", numeric=True),
        *([Column("Lost at link")] if found.links else []),
    ]
    shown = f"showing {count(kept)} of {plural(found.whole.n_forgotten, 'forgotten fact')}"
    rows = [_lost_row(fact, chained=bool(found.links)) for fact in found.lost[:kept]]
    return Lost(
        id=f"lost-{anchor(suite.name)}-{anchor(name)}",
        level=name,
        shown=shown,
        table=Table(
            f"{name}: {shown}, those first that were known most firmly", columns, rows,
            _no_room(kept, len(found.lost)),
        ),
    )  # fmt: skip


def _no_room(kept: int, held: int) -> str:
    """Where the facts of the log are that the page does not show; empty where it shows them all."""
    more = plural(held - kept, "more fact")
    return f"The page has no room for {more} of audit.json; all answers lie in the parquet files." * (
        kept < held
    )


def _lost_row(fact: LostFact, *, chained: bool) -> list[Cell]:
    place = fact.task if fact.group is None else f"{fact.task}, {fact.group}"
    at: Cell = NotMeasured("no link is named") if fact.lost_at is None else fact.lost_at
    return [
        place,
        _text(fact.question),
        _text(fact.target),
        _text(fact.after),
        f"{fact.wordings_lost} of {fact.wordings}",
        f"{times(fact.lead_before)} → {times(fact.lead_after)}",
        *([at] if chained else []),
    ]


def times(lead: float) -> str:
    """A lead in nats as how many times likelier; past a thousand nobody cares how many.

    >>> times(math.log(8)), times(math.log(0.25)), times(12.0), times(-12.0), times(-0.001), times(0.0)
    ('8.0×', '0.25×', '> 1000×', '< 0.001×', '< 1×', '1.0×')
    """
    if lead > math.log(_MOST_TIMES):
        return f"> {_MOST_TIMES}×"
    if lead < -math.log(_MOST_TIMES):
        return f"< {1 / _MOST_TIMES:g}×"
    found = plain(math.exp(lead), 2)
    if lead and float(found) == 1:  # no tie, which 1.0× would look like
        return "< 1×" if lead < 0 else "> 1×"
    return f"{found}×"


def _text(foreign: str) -> Markup:
    """A model's or a task's text, which may be long and hold anything."""
    return Markup('<span class="output">{}</span>').format(visible(clipped(foreign, TEXT_LIMIT)))


def _percent(whole: ForgettingRate) -> str:
    return str(whole.rate) if isinstance(whole.rate, NotMeasured) else rate(whole.rate)

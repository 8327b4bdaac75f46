"""How a search found the level: what was proposed, how far each is, which were audited, what it took."""

from __future__ import annotations

from markupsafe import Markup

from audit.records import AuditLog, Budget, Level, NotMeasured, Search, Spent, Trial
from reports import budgets
from reports.badge import badge
from reports.pareto import front
from reports.room import only
from reports.search_plot import Kind, Spot, figure
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, listed, plural, rate

MIB = 2**20
MOST_PARTS = 8
"""Of those that the divergence hangs on most, named on the page."""


def section(log: AuditLog) -> Section:
    """The front, every trial, and the cost; nothing where the levels were given."""
    if log.search is None or log.config.search is None:
        return Section("search", "How it was found", Markup(""))
    found, plan = log.search, log.config.search
    spots = [_spot(one, plan.goal, found.winner) for one in found.trials if _placed(one)]
    best = {spot.name: spot for spot in spots}
    line = [best[name] for name in front({spot.name: (spot.x, spot.divergence) for spot in spots})]
    goal = _scaled(plan.goal, plan.goal.at_most or 0.0)
    html = draw(
        "search.html.j2",
        found=found,
        plan=plan,
        decision=badge(log.decision),
        because=f"{found.because[:1].upper()}{found.because[1:]}.",
        goal=f"{budgets.title(plan.goal)}: {budgets.limit(plan.goal)}",
        figure=figure(spots, line, _axis(plan.goal), goal) if spots else None,
        spoken=_spoken(spots, plan.goal),
        front=listed([spot.name for spot in line]),
        unplaced=_unplaced(found),
        audited=sum(not isinstance(one.decision, NotMeasured) for one in found.trials),
        tokens=count(found.n_tokens),
        methods=listed(list(plan.methods)),
        combinations=count(found.n_combinations),
        trials=only(_trials(found, plan.goal)),
        cost=_cost(found),
        parts=[f"{one.modules} ({one.divergence:.3g})" for one in found.sensitivities[:MOST_PARTS]],
    )
    return Section("search", "How it was found", html, plots=bool(spots))


def _placed(one: Trial) -> bool:
    return not isinstance(one.quantity, NotMeasured) and not isinstance(one.divergence, NotMeasured)


def _unplaced(found: Search) -> list[tuple[str, str]]:
    """The levels that the plot has no place for, those with one reason together, and that reason."""
    names: dict[str, list[str]] = {}
    for one in found.trials:
        gaps = [gap for gap in (one.quantity, one.divergence) if isinstance(gap, NotMeasured)]
        if gaps:
            names.setdefault(gaps[0].reason, []).append(one.name)
    return [(listed(together), reason) for reason, together in names.items()]


def _spot(one: Trial, goal: Budget, winner: str | None) -> Spot:
    assert not isinstance(one.quantity, NotMeasured), "it has a place"
    assert not isinstance(one.divergence, NotMeasured), "it has a place"
    told = f"{budgets.amount(goal, one.quantity)}, KL {one.divergence:.4g} nats; {_said(one)}"
    return Spot(one.name, _scaled(goal, one.quantity), one.divergence, _kind(one), one.name == winner, told)


def _kind(one: Trial) -> Kind:
    return "not judged" if isinstance(one.decision, NotMeasured) else one.decision


def _said(one: Trial) -> str:
    if isinstance(one.decision, NotMeasured):
        return f"not audited: {one.decision.reason}"
    tried = "" if isinstance(one.held_out, NotMeasured) else f", on the items held out {one.held_out}"
    return f"audited: {one.decision}{tried}"


def _scaled(goal: Budget, value: float) -> float:
    return value / MIB if goal.quantity.endswith("_bytes") else value


def _axis(goal: Budget) -> str:
    unit = ", MiB" if goal.quantity.endswith("_bytes") else ""
    return f"{budgets.title(goal)}{unit} (left is smaller)"


def _spoken(spots: list[Spot], goal: Budget) -> str:
    parts = "; ".join(f"{spot.name}: {spot.told}" for spot in spots)
    return f"{budgets.title(goal)} of each proposed level against its divergence. {parts}. Table below."


def _trials(found: Search, goal: Budget) -> Table:
    columns = (
        Column("Level"),
        Column("Made by"),
        Column(budgets.title(goal), numeric=True),
        Column("KL, nats a token", numeric=True),
        Column("Where items choose"),
        Column("On those held out"),
        Column("Tokens", numeric=True),
        Column("Seconds", numeric=True),
    )
    rows = [_row(one, goal) for one in sorted(found.trials, key=_size)]
    return Table("Every level that was proposed, the smallest first", columns, rows)


def _size(one: Trial) -> tuple[float, int]:
    return (float("inf") if isinstance(one.quantity, NotMeasured) else one.quantity), one.number


def _row(one: Trial, goal: Budget) -> list[Cell]:
    spent = one.proxy + one.audit
    return [
        one.name,
        " then ".join(map(_made_by, (*one.level.through, one.level))),
        budgets.amount(goal, one.quantity) or "",
        one.divergence if isinstance(one.divergence, NotMeasured) else f"{one.divergence:.4g}",
        one.decision if isinstance(one.decision, NotMeasured) else badge(one.decision),
        "" if isinstance(one.held_out, NotMeasured) else badge(one.held_out),
        count(spent.tokens),
        f"{spent.seconds:.1f}",
    ]


def _made_by(level: Level) -> str:
    told = {key: value for key, value in level.options.items() if key not in ("exceptions", "calibration")}
    options = [f"{key} {value}" for key, value in told.items()]
    if exceptions := str(level.options.get("exceptions", "")).split():
        options.append(f"{plural(len(exceptions), 'part')} in {exceptions[0].rpartition('=')[2]} bits")
    return f"{level.method} ({', '.join(options)})" if options else level.method


def _cost(found: Search) -> Table:
    audits = sum((one.audit for one in found.trials), Spent())
    proxies = sum((one.proxy for one in found.trials), Spent())
    parts = {
        "The original on the text, and which parts the divergence hangs on": found.preparation,
        "Levels in memory, held against it": proxies,
        "The original's answers to the items that choose": found.original,
        "Audits, with what making their levels took": audits,
        "Everything on the items held out": found.held_out,
        "All": found.spent,
    }
    columns = (
        Column("What"),
        Column("Tokens", numeric=True),
        Column("Seconds", numeric=True),
        Column("Of the tokens", numeric=True),
    )
    total = max(1, found.spent.tokens)
    rows: list[list[Cell]] = [
        [what, count(one.tokens), f"{one.seconds:,.0f}", rate(one.tokens / total, 0)]
        for what, one in parts.items()
    ]
    return Table("What it took", columns, rows)

"""What the terminal shows: progress while it runs, the verdicts at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich import markup
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

from audit.changes import Diff
from audit.judge import doubtful
from audit.records import (
    DIVERGENCE,
    AuditLog,
    Comparison,
    Confirmation,
    Decision,
    Divergence,
    Interval,
    NotMeasured,
    Plan,
    PlannedRule,
    Registration,
    Rule,
    Variant,
    Verdict,
)
from audit.rounding import rounded
from audit.scale import Kind, Scale
from audit.visible import visible

if TYPE_CHECKING:
    from audit.reproduce import Reproduction
    from audit.results import CatalogueRow
    from audit.side_by_side import SideBySide
    from audit.watch import Watched

_MARKS = {"pass": "[green]✔ pass[/]", "fail": "[red]✘ fail[/]", "inconclusive": "[yellow]? inconclusive[/]"}
_SIGNS = {"pass": "[green]✔[/]", "fail": "[red]✘[/]", "inconclusive": "[yellow]?[/]"}
_ANY_WIDTH = 10_000
_LEAST_P = 1e-300
"""A p-value below it is too small for a double, and never 0."""
_ROUND: tuple[Kind, ...] = ("binary", "perplexity")
"""Kinds whose drops are written with one decimal; others with three figures."""


def escape(text: str) -> str:
    """Foreign text on one line of a terminal: no markup, and nothing that moves the cursor or hides."""
    return markup.escape(visible(" ".join(text.splitlines())))


class TerminalProgress:
    """Variant, suite and task, tokens done and time left; a plain line a stage outside a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tokens"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._total, self._done = 0.0, 0.0

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, what: str) -> None:
        """Show the step; in a log file, print it as a line with the share that is done."""
        what = escape(what)
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            share = f" ({self._done / self._total:.0%} of the tokens done)" if self._total else ""
            self._console.print(f"{what}{share}")

    def plan(self, tokens: float) -> None:
        """Set the number of tokens in all, none of them done."""
        self._total, self._done = tokens, 0.0
        self._bar.update(self._task, total=round(tokens), completed=0)

    def advance(self, tokens: float) -> None:
        """Count tokens as done."""
        self.reach(self._done + tokens)

    def reach(self, tokens: float) -> None:
        """Set the number of tokens that are done."""
        self._done = tokens
        self._bar.update(self._task, completed=round(self._done))


def print_verdicts(console: Console, log: AuditLog) -> None:
    """One row for each level and rule, then the reasons of all that did not pass."""
    table = Table(
        title="What compression cost, with 90 % intervals; shares in points",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("level", "suite"):
        table.add_column(column, no_wrap=True)
    for column in ("before", "after", "drop", "interval", "margin"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    last = None
    for verdict in log.verdicts:
        if last not in (None, verdict.variant):
            table.add_row()
        table.add_row("" if last == verdict.variant else escape(verdict.variant), *_cells(log, verdict))
        last = verdict.variant
    console.print(table)
    for verdict in log.verdicts:
        if verdict.decision != "pass":
            mark, title = _marked(verdict.decision, verdict.rule.blocks), escape(_title(log, verdict.rule))
            console.print(f"{mark} {escape(verdict.variant)} · {title}: {escape(verdict.because)}")
    for weighed in log.budgets:
        if weighed.decision != "pass":
            mark = _marked(weighed.decision, weighed.budget.blocks)
            console.print(f"{mark} {escape(weighed.variant)} · budget: {escape(weighed.because)}")
    for variant in log.variants:
        if doubt := doubtful(variant):
            console.print(f"[red]{escape(variant.name)}: {escape(doubt)}[/]", soft_wrap=True)
    for claim in log.recoveries:
        if claim.outcome == "refuted" and isinstance(claim.interval, Interval):
            said, most = (rounded(100 * one, 1) for one in (claim.at_least, claim.interval.upper))
            what = f"{claim.source} claims {said}% of the original's {claim.metric} in"
            most = f"{claim.task or claim.suite}; at most {most}% is left: refuted"
            console.print(f"[red]{escape(claim.variant)}: {escape(f'{what} {most}')}[/]", soft_wrap=True)
    console.print(escape(_sizes(log.variants)))
    if isinstance(log.confirmation, Confirmation):
        _print_confirmation(console, log, log.confirmation)
    elif log.config.holdout:
        console.print(f"Nothing confirmed: {escape(log.confirmation.reason)}.", soft_wrap=True)
    if isinstance(log.registered, Registration) and log.registered.policy_sha256 != log.config.policy_sha256:
        console.print("[bold yellow]Post hoc[/]: the rules were changed after the items were scored.")
    console.print(f"Audit: {_MARKS[log.decision]}")


def _print_confirmation(console: Console, log: AuditLog, found: Confirmation) -> None:
    """What the items held out say of the chosen variant, and why of each rule that does not pass there."""
    kept = sum(verdict.decision == "pass" for verdict in found.verdicts)
    rules = f"{kept} of {len(found.verdicts)} rules pass there"
    console.print(
        f"On items held out: [bold]{escape(found.variant)}[/], {escape(found.chosen)}: {rules}.",
        soft_wrap=True,
    )
    for verdict in found.verdicts:
        if verdict.decision != "pass":
            mark, title = _marked(verdict.decision, verdict.rule.blocks), escape(_title(log, verdict.rule))
            console.print(f"{mark} {escape(verdict.variant)}, held out · {title}: {escape(verdict.because)}")


def print_search(console: Console, log: AuditLog) -> None:
    """The levels that were audited, what became of the others, what it took, and what was found."""
    found, plan = log.search, log.config.search
    assert found is not None, "the log is a search's"
    assert plan is not None, "the log is a search's"
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("level", no_wrap=True)
    for column in (plan.goal.quantity, "KL, nats"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("items that choose", no_wrap=True)
    table.add_column("items held out", no_wrap=True)
    audited = [one for one in found.trials if not isinstance(one.decision, NotMeasured)]
    digits = ",.0f" if plan.goal.quantity.endswith("_bytes") else ".4g"
    for one in sorted(
        audited, key=lambda one: -1.0 if isinstance(one.quantity, NotMeasured) else one.quantity
    ):
        held_out = "" if isinstance(one.held_out, NotMeasured) else _MARKS[one.held_out]
        table.add_row(
            escape(one.name), _known(one.quantity, digits), _known(one.divergence, ".4f"),
            "" if isinstance(one.decision, NotMeasured) else _MARKS[one.decision], held_out,
        )  # fmt: skip
    console.print(table)
    spent = found.spent
    console.print(
        f"{len(found.trials)} levels proposed, {len(audited)} audited; {spent.tokens:,} tokens computed, "
        f"{spent.seconds:,.0f} s."
    )
    console.print(f"{_MARKS[log.decision]} {escape(found.because)}.", soft_wrap=True)
    for variant in log.variants:
        if variant.name == (found.winner or found.beyond):
            console.print(f"{escape(variant.name)}: {escape(variant.path)}", soft_wrap=True)


def print_history(console: Console, rows: Sequence[CatalogueRow]) -> None:
    """One row an audit and level, the drop of each suite's first rule with its decision."""
    suites = list(dict.fromkeys(row.suite for row in rows if row.suite))
    table = Table(
        title="Drops against the original, by suite; shares in points",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("model", "release", "finished", "audit", "level"):
        table.add_column(column, no_wrap=True)
    for column in ("MiB", *suites):
        table.add_column(escape(column), justify="right", no_wrap=True)
    lines: dict[tuple[str, str], dict[str, CatalogueRow]] = {}
    for row in rows:
        lines.setdefault((row.run, row.level), {}).setdefault(row.suite, row)
    last = ""
    for line in lines.values():
        first = next(iter(line.values()))
        audit = (first.title, first.release[:8], first.finished[:10], _SIGNS[first.audit_decision])
        table.add_row(
            *(("", "", "", "") if first.run == last else (*map(escape, audit[:3]), audit[3])),
            escape(first.level),
            "" if first.size_bytes is None else f"{first.size_bytes / 2**20:,.1f}",
            *(_dropped(line.get(suite)) for suite in suites),
        )
        last = first.run
    console.print(table)
    audits = len({row.run for row in rows})
    console.print(f"{audits} audit{'' if audits == 1 else 's'}, {len(lines)} levels of them.")


def _dropped(row: CatalogueRow | None) -> str:
    if row is None or row.decision is None:
        return "·"
    drop = "not measured"
    if row.drop is not None and row.kind is not None:
        drop = _drop(row.drop, row.kind)
    return f"{drop} {_SIGNS[row.decision]}"


def print_variants(console: Console, variants: Sequence[Variant]) -> None:
    """What each artefact is, as its file says."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("level", no_wrap=True)
    for column in ("bytes", "bits a weight", "zeros"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("stored as")
    for one in variants:
        numbers = (
            _known(one.size_bytes, ","), _known(one.bits_per_weight, ".2f"), _known(one.sparsity, ".1%"),
        )  # fmt: skip
        table.add_row(escape(one.name), *numbers, escape(one.stored_as))
    console.print(table)
    for one in variants:
        console.print(f"{escape(one.name)}: {escape(one.path)}", soft_wrap=True)


def print_side_by_side(console: Console, found: SideBySide) -> None:
    """One row over all tasks and, if there are several, one for each; then the verdict and its reason."""
    rows = list(zip(found.tasks, found.task_verdicts, strict=True))
    marks = [f"[dim]{verdict.decision} (exploratory)[/]" for _, verdict in rows]
    if len(rows) > 1:
        rows, marks = [(found.whole, found.verdict), *rows], [_MARKS[found.decision], *marks]
    else:
        marks = [_MARKS[found.decision]]
    of_the_drop, of_the_tests = _side_by_side_columns(rows, found.rule, found.kind)
    unit = {"binary": ", in points", "perplexity": ", drop in %"}.get(found.kind, "")
    title = escape(f"{found.metric}: {found.before.given} → {found.after.given}{unit}")
    table = _table(title, {**of_the_drop, **of_the_tests, "verdict": marks})
    if Measurement.get(console, console.options.update(width=_ANY_WIDTH), table).maximum <= console.width:
        console.print(table)
    else:
        console.print(_table(title, {**of_the_drop, "verdict": marks}), _table("", of_the_tests))
    console.print(f"{_MARKS[found.decision]} {escape(found.verdict.because)}", soft_wrap=True)
    for side in (found.before, found.after):
        if side.tasks_only_here:
            console.print(
                f"Only in {escape(side.given)}: {escape(', '.join(side.tasks_only_here))}", soft_wrap=True
            )
        if side.note:
            console.print(escape(side.note), soft_wrap=True)
    if found.other_metrics:
        console.print(f"Also there, by --metric: {escape(', '.join(found.other_metrics))}", soft_wrap=True)


def _side_by_side_columns(
    rows: Sequence[tuple[Comparison, Verdict]], rule: Rule, kind: Kind
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The columns about the drop and those about the tests, each with the names of the tasks first."""
    comparisons = [comparison for comparison, _ in rows]
    before, after, drop, interval = zip(*(_levels(one, kind) for one in comparisons), strict=True)
    lost_gained, flips = zip(*map(_flipped, comparisons), strict=True)
    tasks = [escape(one.suite) for one in comparisons]
    margin = _drop(Scale(kind).margin(rule.margin), kind)
    return {
        "task": tasks,
        "items": [str(one.n_pairs) for one in comparisons],
        "before": list(before),
        "after": list(after),
        "drop": list(drop),
        "90 % interval": list(interval),
    }, {
        "task": tasks,
        "lost/gained": list(lost_gained),
        "flips": list(flips),
        "p (McNemar)": [_p(one.p_value) for one in comparisons],
        f"p (drop ≥ {margin})": [_p(verdict.p_value) for _, verdict in rows],
        "unpaired": [f"{one.n_unpaired_before}/{one.n_unpaired_after}" for one in comparisons],
    }


def _table(title: str, columns: Mapping[str, Sequence[str]]) -> Table:
    """Words to the left, numbers to the right."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("task", "verdict") else "right", no_wrap=name != "task"
        )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _flipped(comparison: Comparison) -> tuple[str, str]:
    """Lost and gained, and the share of both."""
    flips = comparison.flips
    if isinstance(flips, NotMeasured):
        return "–", "–"
    return f"{flips.lost}/{flips.gained}", f"{rounded(100 * flips.rate, 1)} %"


def _levels(comparison: Comparison, kind: Kind = "binary") -> list[str]:
    """Before, after, drop and interval."""
    interval, drop = comparison.interval, comparison.difference
    return [
        _level(comparison.before, kind),
        _level(comparison.after, kind),
        "–" if isinstance(drop, NotMeasured) else _signed(drop, kind),
        "–"
        if isinstance(interval, NotMeasured)
        else f"{_signed(interval.lower, kind)} … {_signed(interval.upper, kind)}",
    ]


def _p(value: float | NotMeasured) -> str:
    if isinstance(value, NotMeasured):
        return "–"
    return f"{value:.3g}" if value else f"< {_LEAST_P:.0e}"


def _cells(log: AuditLog, verdict: Verdict) -> list[str]:
    """One verdict's row, without its level."""
    kind = _kind(log, verdict)
    scale = Scale(kind)
    margin = _drop(scale.margin(verdict.rule.margin), kind)
    numbers = _divergence(log, verdict) if kind == "kl" else _levels_of(log, verdict, kind)
    unit = "" if kind == "binary" else scale.unit
    mark = _marked(verdict.decision, verdict.rule.blocks)
    return [escape(_title(log, verdict.rule)), *numbers, f"{margin}{unit}", mark]


def _levels_of(log: AuditLog, verdict: Verdict, kind: Kind) -> list[str]:
    """Before, after, drop and interval of what a verdict judged."""
    comparison = _judged(log, verdict, verdict.metric)
    return ["–"] * 4 if comparison is None else _levels(comparison, kind)


def _divergence(log: AuditLog, verdict: Verdict) -> list[str]:
    """The same of a divergence, which has no before and after; its verdict's reason holds the bound."""
    firsts = [suite.metrics[0].name for suite in log.config.suites if suite.name == verdict.rule.suite]
    comparison = _judged(log, verdict, firsts[0]) if firsts else None
    moved = comparison.divergence if comparison else None
    return ["–", "–", _signed(moved.kl, "kl") if isinstance(moved, Divergence) else "–", "–"]


def _judged(log: AuditLog, verdict: Verdict, metric: str) -> Comparison | None:
    """The whole-suite comparison of a metric on a verdict's variant."""
    place = (verdict.variant, verdict.rule.suite, metric, None)
    return next((c for c in log.comparisons if (c.variant, c.suite, c.metric, c.group) == place), None)


def _kind(log: AuditLog, verdict: Verdict) -> Kind:
    """The kind of what a verdict judged."""
    if verdict.metric == DIVERGENCE:
        return "kl"
    metrics = [m for suite in log.config.suites if suite.name == verdict.rule.suite for m in suite.metrics]
    return next((metric.kind for metric in metrics if metric.name == verdict.metric), "binary")


def _title(log: AuditLog, rule: Rule) -> str:
    """The suite, and the metric where several rules are about it."""
    several = sum(other.suite == rule.suite for other in log.config.rules) > 1
    return f"{rule.suite} {rule.metric}" if rule.metric and several else rule.suite


def _marked(decision: Decision, blocks: bool) -> str:
    """A decision's mark, and whether it has a say."""
    return _MARKS[decision] if blocks else f"{_MARKS[decision]} [dim](reported)[/]"


def _level(value: float | NotMeasured, kind: Kind) -> str:
    if isinstance(value, NotMeasured):
        return "–"
    return rounded(100 * value, 1) if kind == "binary" else f"{value:.4g}"


def _signed(drop: float, kind: Kind) -> str:
    text = _drop(drop, kind)
    return text if text.startswith("-") else f"+{text}"


def _drop(drop: float, kind: Kind) -> str:
    """A drop as a reader counts it, without its unit."""
    number = Scale(kind).shown(drop)
    return rounded(number, 1) if kind in _ROUND else f"{number:.3g}"


def _sizes(variants: tuple[Variant, ...]) -> str:
    return "Sizes: " + ", ".join(
        f"{v.name} {v.size_bytes / 2**20:.0f} MiB ({v.bits_per_weight:.1f} bits a weight)"
        for v in variants
        if not isinstance(v.size_bytes, NotMeasured) and not isinstance(v.bits_per_weight, NotMeasured)
    )


def _known(value: float | NotMeasured, form: str) -> str:
    return "?" if isinstance(value, NotMeasured) else format(value, form)


def print_plan(console: Console, plan: Plan) -> None:
    """What each rule could show of a level without a drop, then what the audit takes."""
    console.print(_planned_table("What these items can decide", plan.rules))
    if plan.held_out:
        console.print(_planned_table("What the items held out can confirm", plan.held_out))
    console.print(
        "Power: chance that a level without a drop passes. Asked: pairs on average of such a level. "
        "Least margin: what could be promised; seen: drop told from 0; both at 80 % power; shares in points.",
        style="dim",
    )
    for one in plan.rules:
        if one.hopeless:
            console.print(f"[bold yellow]{_planned(one)}[/] can only end inconclusive: {_hopeless(one)}")
        elif isinstance(one.n_for_80, NotMeasured):
            console.print(f"[bold]{_planned(one)}[/]: {escape(one.n_for_80.reason)}.")
    for one in plan.held_out:
        if one.hopeless:
            console.print(f"[bold yellow]{_planned(one)}[/] can't be confirmed: {_hopeless(one)}")
    cost = plan.cost
    pace = f"at {cost.tokens_per_second:.0f} tokens a second"
    spared = f"with early stopping about {cost.expected_tokens:,} and {cost.expected_minutes:.0f}"
    console.print(f"{cost.tokens:,} tokens, {cost.minutes:.0f} minutes of scoring {pace}; {spared}.")
    console.print(f"Checkpoints take {cost.disk_bytes / 2**20:,.0f} MiB at most.")


def _planned_table(title: str, rules: Sequence[PlannedRule]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("suite", no_wrap=True)
    for column in ("margin", "pairs", "80 % needs", "90 % needs", "power", "asked", "least margin", "seen"):
        table.add_column(column, justify="right")
    for one in rules:
        shown = [_promised(value, one.kind) for value in (one.smallest_margin, one.detectable_drop)]
        counts = [_count(value) for value in (one.n_available, one.n_for_80, one.n_for_90)]
        chance = "–" if isinstance(one.power, NotMeasured) else f"{100 * one.power:.0f} %"
        margin = _promised(Scale(one.kind).margin(one.rule.margin), one.kind)
        table.add_row(_planned(one), margin, *counts, chance, _count(one.expected_pairs), *shown)
    return table


def _planned(one: PlannedRule) -> str:
    """The suite, and the metric where it is no share of right answers."""
    return escape(one.rule.suite if one.kind == "binary" else f"{one.rule.suite} {one.rule.metric}")


def _hopeless(one: PlannedRule) -> str:
    """Why, and the way out."""
    if one.n_available < one.rule.min_pairs:
        return f"{one.n_available} pairs, where the rule asks for {one.rule.min_pairs}. Ask more items."
    return (
        f"even if no answer changes, {one.n_available} pairs show no drop below "
        f"{rounded(100 * one.rule.margin, 1)} points. Ask more items, or promise less."
    )


def print_since(console: Console, found: Diff) -> None:
    """The promises with a say that got worse or are open since a baseline."""
    told = [one for one in found.promises if one.has_say and one.change in ("worse", "open")]
    for one in told:
        promise = one.after or one.before
        what = promise.suite if isinstance(promise, Rule) else "budget"
        before, after = (
            _MARKS[side.decision] if side else "not judged" for side in (one.found_before, one.found_after)
        )
        terms = f" [dim](by the earlier terms: {one.by_earlier_terms})[/]" if one.by_earlier_terms else ""
        console.print(f"{escape(one.level)} · {escape(what)}: {before} → {after}{terms}", soft_wrap=True)
    count = f"{len(told)} of {sum(one.has_say for one in found.promises)} promises"
    console.print(f"Since {escape(found.before.given)}: {count} worse or open.", soft_wrap=True)


def print_reproduction(console: Console, found: Reproduction) -> None:
    """How many numbers came out the same, then those that did not."""
    table = Table(title="Then and now", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("what", no_wrap=True)
    for column in ("exactly", f"within {found.tolerance:g}", "not"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found.agreements:
        counts = one.exactly, one.within, len(one.differing)
        table.add_row(one.area, *(f"{count:,}" for count in counts))
    console.print(table)
    for one in found.agreements:
        for differing in one.differing[:_FIRST_DIFFERING]:
            values = f"{_then_or_now(differing.then)} → {_then_or_now(differing.now)}"
            console.print(f"[red]{one.area}[/] {escape(differing.what)}: {escape(values)}", soft_wrap=True)
        if len(one.differing) > _FIRST_DIFFERING:
            console.print(f"{len(one.differing) - _FIRST_DIFFERING:,} more of the {one.area}")
    if found.unread:
        console.print(f"[yellow]Not compared[/]: {escape(found.unread)}.", soft_wrap=True)
    for fact in found.surroundings:
        console.print(f"{escape(fact.what)}: {escape(f'{fact.before} → {fact.after}')}", soft_wrap=True)
    console.print("Speed, memory and energy are measured anew on every day, and not compared.")
    console.print(f"Repetition: {escape(str(found.folder))}", soft_wrap=True)


_FIRST_DIFFERING = 20
"""Numbers of a kind that are named."""


def _then_or_now(value: float | str | bool | None) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def print_watched(console: Console, watched: Sequence[Watched]) -> None:
    """E of each rule so far and, where it is not there, why."""
    title = "Evidence that the drop is below the margin; stands from 1 / alpha on, whenever you look"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("level", "suite"):
        table.add_column(column, no_wrap=True)
    for column in ("pairs", "planned", "E", "stands from"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("since")
    for one in watched:
        counts = f"{one.n_pairs:,}", f"{one.n_planned:,}"
        if isinstance(one.evidence, NotMeasured):
            evidence, since = "–", escape(one.evidence.reason)
        else:
            evidence = f"{one.evidence:.3g}"
            since = "" if one.passed_after is None else f"[green]{one.passed_after:,} pairs[/]"
        limit = f"{1 / one.rule.alpha:.3g}"
        table.add_row(escape(one.variant), escape(one.rule.suite), *counts, evidence, limit, since)
    console.print(table)


def _count(value: int | NotMeasured) -> str:
    return "–" if isinstance(value, NotMeasured) else f"{value:,}"


def _promised(drop: float | NotMeasured, kind: Kind) -> str:
    """A drop of a plan; of shares without the unit, which the line below the table says."""
    if isinstance(drop, NotMeasured):
        return "–"
    return f"{_drop(drop, kind)}{'' if kind == 'binary' else Scale(kind).unit}"

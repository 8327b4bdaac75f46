"""What the terminal shows: progress while it runs, the verdicts at the end."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
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

from audit.records import AuditLog, Comparison, NotMeasured, Variant, Verdict

_MARKS = {"pass": "[green]✔ pass[/]", "fail": "[red]✘ fail[/]", "inconclusive": "[yellow]? inconclusive[/]"}


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
        self._bar.update(self._task, description=what)
        if not self._console.is_terminal:
            share = f" ({self._done / self._total:.0%} of the tokens done)" if self._total else ""
            self._console.print(f"{what}{share}")

    def plan(self, tokens: float) -> None:
        """Set the number of tokens in all."""
        self._total = tokens
        self._bar.update(self._task, total=round(tokens))

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
        title="What compression cost, in points, with 90 % intervals",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("level", "suite"):
        table.add_column(column, no_wrap=True)
    for column in ("before", "after", "drop", "interval", "margin"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    found = {(c.variant, c.suite, c.metric): c for c in log.comparisons if c.group is None}
    last = None
    for verdict in log.verdicts:
        if last not in (None, verdict.variant):
            table.add_row()
        comparison = found.get((verdict.variant, verdict.rule.suite, verdict.metric))
        table.add_row("" if last == verdict.variant else verdict.variant, *_cells(verdict, comparison))
        last = verdict.variant
    console.print(table)
    for verdict in log.verdicts:
        if verdict.decision != "pass":
            console.print(
                f"{_MARKS[verdict.decision]} {verdict.variant} · {verdict.rule.suite}: {verdict.because}"
            )
    console.print(_sizes(log.variants))
    console.print(f"Audit: {_MARKS[log.decision]}")


def _cells(verdict: Verdict, comparison: Comparison | None) -> list[str]:
    margin, mark = f"{100 * verdict.rule.margin:.1f}", _MARKS[verdict.decision]
    if comparison is None:
        return [verdict.rule.suite, "–", "–", "–", "–", margin, mark]
    interval = comparison.interval
    ends = (
        "–" if isinstance(interval, NotMeasured) else f"{_signed(interval.lower)} … {_signed(interval.upper)}"
    )
    before, after = (_points(share) for share in (comparison.before, comparison.after))
    drop = comparison.difference
    return [
        verdict.rule.suite, before, after, "–" if isinstance(drop, NotMeasured) else _signed(drop),
        ends, margin, mark,
    ]  # fmt: skip


def _points(share: float | NotMeasured) -> str:
    return "–" if isinstance(share, NotMeasured) else f"{100 * share:.1f}"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _sizes(variants: tuple[Variant, ...]) -> str:
    return "Sizes: " + ", ".join(
        f"{v.name} {v.size_bytes / 2**20:.0f} MiB ({v.bits_per_weight:.1f} bits a weight)" for v in variants
    )

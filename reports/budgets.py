"""Budgets: is the artefact small and fast enough, and can the device's runtime read it?"""

from __future__ import annotations

from markupsafe import Markup

from audit.records import AuditLog, Budget, BudgetVerdict, NotMeasured, Quantity
from reports.badge import badge
from reports.marks import aside, reported
from reports.tables import Cell, Column, Table
from reports.wording import mebibytes, signed

TITLES: dict[Quantity, str] = {
    "size_bytes": "Size on disk",
    "bits_per_weight": "Bits per weight",
    "least_memory_bytes": "Least memory (counted, not measured)",
    "peak_memory_bytes": "Peak memory (measured)",
    "prefill_latency_ratio": "Prefill time",
    "decode_latency_ratio": "Decode time",
    "format": "File format",
}


def title(budget: Budget) -> str:
    """What is limited."""
    return TITLES[budget.quantity]


def amount(budget: Budget, value: float | str | NotMeasured) -> str | NotMeasured:
    """So much of it, in its unit."""
    if isinstance(value, str | NotMeasured):
        return value
    if budget.quantity.endswith("_bytes"):
        return mebibytes(round(value))
    if budget.quantity.endswith("_ratio"):
        return f"{value:.3f}× the original’s"
    return f"{value:.2f} bits"


def limit(budget: Budget) -> str:
    """What it may have."""
    if budget.at_most is None:
        return ", ".join(budget.one_of)
    return str(amount(budget, budget.at_most))


def against(verdict: BudgetVerdict) -> str:
    """The value beside the limit."""
    budget, value = verdict.budget, verdict.value
    had = "not measured" if isinstance(value, NotMeasured) else amount(budget, value)
    promise = "the runtime takes" if budget.at_most is None else "the budget is"
    return f"{had} where {promise} {limit(budget)}"


def failure(verdict: BudgetVerdict) -> str:
    """What is wrong with an artefact that exceeds a budget, in a sentence."""
    budget = verdict.budget
    if budget.quantity == "format":
        wrong = "Of the wrong format"
    else:
        wrong = "Too slow" if budget.quantity.endswith("_ratio") else "Too large"
    name = title(budget)
    return f"{wrong}: {name[0].lower()}{name[1:]} {against(verdict)}."


def table(log: AuditLog) -> Table:
    """Every budget on every level."""
    columns = (
        Column("Level"),
        Column("Budget"),
        Column("Value", numeric=True),
        Column("At most", numeric=True),
        Column("Verdict"),
        Column("In numbers", wide=True),
        Column("Why this limit", wide=True),
    )
    rows: list[list[Cell]] = [
        [
            verdict.variant,
            title(verdict.budget),
            amount(verdict.budget, verdict.value),
            limit(verdict.budget),
            badge(verdict.decision) + reported(verdict.budget.blocks) + _over(verdict),
            verdict.because,
            verdict.budget.because,
        ]
        for verdict in log.budgets
    ]
    return Table("Budgets: is it small enough?", columns, rows)


def _over(verdict: BudgetVerdict) -> Markup:
    """By how much a limit is exceeded; nothing where it is kept."""
    value, at_most = verdict.value, verdict.budget.at_most
    if verdict.decision != "fail" or at_most is None or not isinstance(value, float):
        return Markup("")
    excess = value - at_most
    share = f"{signed(100 * excess / at_most, 1)}\N{NO-BREAK SPACE}%"
    if verdict.budget.quantity.endswith("_ratio"):
        return aside(f"{share} over")
    return aside(f"{amount(verdict.budget, excess)} over ({share})")

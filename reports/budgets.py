"""Budgets: is the artefact small enough?"""

from __future__ import annotations

from audit.records import AuditLog, Budget, BudgetVerdict
from reports.badge import badge
from reports.marks import reported
from reports.tables import Cell, Column, Table
from reports.wording import mebibytes

TITLES = {"size_bytes": "Size on disk", "bits_per_weight": "Bits per weight"}


def title(budget: Budget) -> str:
    """What is limited."""
    return TITLES[budget.quantity]


def amount(budget: Budget, value: float) -> str:
    """So much of it."""
    return mebibytes(round(value)) if budget.quantity == "size_bytes" else f"{value:.2f} bits"


def against(verdict: BudgetVerdict) -> str:
    """The value beside the limit."""
    budget = verdict.budget
    return f"{amount(budget, verdict.value)} where the budget is {amount(budget, budget.at_most)}"


def table(log: AuditLog) -> Table:
    """Every budget on every level."""
    columns = (
        Column("Level"),
        Column("Budget"),
        Column("Value", numeric=True),
        Column("At most", numeric=True),
        Column("Verdict"),
        Column("In numbers"),
        Column("Why this limit", wide=True),
    )
    rows: list[list[Cell]] = [
        [
            verdict.variant,
            title(verdict.budget),
            amount(verdict.budget, verdict.value),
            amount(verdict.budget, verdict.budget.at_most),
            badge(verdict.decision) + reported(verdict.budget.blocks),
            verdict.because,
            verdict.budget.because,
        ]
        for verdict in log.budgets
    ]
    return Table("Budgets: is it small enough?", columns, rows)

"""Laws and standards, clause by clause."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from audit.records.base import Record

EvidenceKey = Literal[
    "policy", "verdicts", "rationale", "accuracy", "bias", "robustness", "safety", "forgetting", "groups",
    "intervals", "power", "error-rates", "repeatability", "second-opinion", "samples", "digests", "change",
    "settings", "provenance", "limits", "efficiency", "impact-ratio",
]  # fmt: skip
"""What an audit can hold toward a clause; `reports.evidence` looks for each in a log."""


LegalStatus = Literal["in_force", "future", "superseded", "draft"]


class Clause(Record):
    """One duty of a framework, and what an audit can give toward it."""

    id: str
    """As the field cites it: `Art. 15(1)`."""
    title: str
    asks: str
    """In our own words."""
    url: str | None = None
    """Where it stands; None: see the framework's."""
    version: str | None = None
    as_of: date | None = None
    status: LegalStatus | None = None
    """Those three: None as the framework's."""
    applies_from: date | None = None
    read: Literal["text", "secondary", "memory"]
    """How its content was checked."""
    evidenced_by: Annotated[tuple[EvidenceKey, ...], Field(min_length=1)]
    missing: Annotated[tuple[str, ...], Field(min_length=1)]
    """What no report of this kind gives toward it."""
    must_not_claim: str


class Framework(Record):
    """A law, a standard, or a company's own policy, as clauses: one YAML file."""

    id: Annotated[str, Field(pattern=r"[a-z0-9-]+")]
    title: str
    version: str
    """Of the text."""
    url: str
    as_of: date
    """The day up to which the sources that were read about it tell."""
    status: LegalStatus
    voluntary: bool = False
    note: str = ""
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1)]

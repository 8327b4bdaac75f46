"""What each artefact is, told by its files, against what is said of it."""

from __future__ import annotations

from audit.claims import said
from audit.records import AuditLog, CheckedClaim, Derivation, NotMeasured, Variant
from reports.tables import Cell, Column, Table
from reports.wording import rate, visible


def proof(log: AuditLog) -> Table | None:
    """One row an artefact that was made or taken; none where the audit stopped before the first."""
    columns = (
        Column("Level"),
        Column("In full precision", wide=True),
        Column("Output head"),
        Column("Groups of four with two zeros", numeric=True),
        Column("Correlation with the original's weights, median", numeric=True),
        Column("Said of it, and found", wide=True),
    )
    rows = [_row(variant) for variant in log.variants if variant.level is not None]
    return Table("What each is, by its files", columns, rows) if rows else None


def contradictions(variant: Variant) -> list[str]:
    """A sentence for each thing that an artefact is said to be, and is not."""
    name, relation = visible(variant.name), variant.derivation
    found = [f"{name} is not what it is said to be: {_claim(claim)}." for claim in variant.false_claims]
    if isinstance(relation, Derivation) and not relation.derived:
        found.append(f"{name} does not come from the stated original: {_relation(relation)}.")
    return found


def _row(variant: Variant) -> list[Cell]:
    tied, fours, relation = variant.tied, variant.two_of_four, variant.derivation
    return [
        variant.name,
        _kept(variant),
        tied if isinstance(tied, NotMeasured) else "tied to the embeddings" if tied else "of its own",
        fours if isinstance(fours, NotMeasured) else rate(fours),
        relation if isinstance(relation, NotMeasured) else f"{relation.median:.3f}",
        "; ".join(map(_claim, variant.claims)) or "nothing is said of it",
    ]


def _kept(variant: Variant) -> Cell:
    if isinstance(variant.kept, NotMeasured):
        return variant.kept
    return ", ".join(map(visible, variant.kept)) or "no matrix"


def _claim(claim: CheckedClaim) -> str:
    claimed, found = f"{said(claim, claim.value)} by {claim.source}", f"found {said(claim, claim.found)}"
    return f"{claimed}, {found}" if claim.holds else f"{claimed} does not hold, {found}"


def _relation(found: Derivation) -> str:
    return (
        f"over {found.matrices} matrices of the same shape the median correlation is {found.median:.3f}, "
        f"the least {found.least:.3f} ({visible(found.least_in)}). Rotated weights would look so too"
    )

"""What each artefact is, told by its files, against what is said of it."""

from __future__ import annotations

from audit.claims import ROUNDING, SPREAD, UNIT, limit, said
from audit.records import AuditLog, CheckedClaim, Claim, Derivation, NotMeasured, Variant
from reports.marks import aside
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
    ]


def _kept(variant: Variant) -> Cell:
    if isinstance(variant.kept, NotMeasured):
        return variant.kept
    return ", ".join(map(visible, variant.kept)) or "no matrix"


def _claim(claim: CheckedClaim) -> str:
    return (
        f"{said(claim, claim.value)} by {claim.source} does not hold, found {said(claim, claim.found)} where "
        f"{_allowed(claim)} would hold"
    )


def claims(log: AuditLog) -> Table | None:
    """What is said of each artefact's files, one row a claim, those of a card first; none: None."""
    columns = (
        Column("Level"),
        Column("Said by"),
        Column("What is said"),
        Column("What is counted", wide=True),
        Column("What would hold", wide=True),
        Column("Found of it"),
        Column("The claim"),
    )
    rows: list[list[Cell]] = [
        [
            variant.name,
            whose(claim),
            said(claim, claim.value),
            _COUNTED[claim.quantity],
            _allowed(claim) + aside(_WHY[claim.quantity]),
            said(claim, claim.found),
            "holds" if claim.holds else "does not hold",
        ]
        for variant in log.variants
        for claim in sorted(variant.claims, key=lambda one: one.source in _OTHERS)
    ]
    return Table("What is said of each one's files, and what they hold", columns, rows) if rows else None


def whose(claim: Claim) -> str:
    """Who says so: a vendor's card, or what is taken at its word without one."""
    return _OTHERS.get(claim.source, f"vendor's card ({claim.source})")


def by(claim: Claim) -> str:
    """The same in a word."""
    return "card" if claim.source not in _OTHERS else claim.source.removeprefix("its ")


def _allowed(claim: Claim) -> str:
    if claim.quantity == "bits":
        return f"up to {limit(claim):.4g} bits"
    return f"{'up to' if claim.quantity == 'size' else 'at least'} {said(claim, limit(claim))}"


_OTHERS = {
    "its name": "its file's name", "config.json": "its config.json", "the config": "this audit's config",
    "its options": "the options it was made with",
}  # fmt: skip
"""Sources of claims that are no card."""
_COUNTED = {
    "bits": "the code of a compressed weight, without the scales beside it; of GGUF its whole block",
    "size": "bytes of the weight files",
    "sparsity": "zeros in the linear layers",
    "2:4": "groups of four in the linear layers",
}
_WHY = {
    "bits": f"{SPREAD:g} bits more, for scales inside blocks and for mixed widths",
    "size": f"{100 * UNIT:g} % more, for rounding and for a GiB called GB",
    "sparsity": f"{100 * ROUNDING:g} points less, for round numbers",
    "2:4": "nothing less",
}
"""The allowance that is made."""


def _relation(found: Derivation) -> str:
    return (
        f"over {found.matrices} matrices of the same shape the median correlation is {found.median:.3f}, "
        f"the least {found.least:.3f} ({visible(found.least_in)}). Rotated weights would look so too"
    )

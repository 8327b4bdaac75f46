"""What is said of an artefact against what its files hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from audit.records import CheckedClaim, Claim, NotMeasured

_BITS_IN_NAME = re.compile(
    r"(?:^|[^a-z0-9])(?:(?:int|iq|nf|fp|w|q)(\d{1,2})(?!\d)|(\d{1,2})[-_ ]?bits?(?![a-z]))", re.IGNORECASE
)
SPREAD = 1.5
"""Bits a weight above its nominal width: GGUF's blocks hold their scales, and mix widths."""
ROUNDING = 0.005
"""Share of zeros that a ratio in round numbers may be off by."""
UNIT = 0.075
"""Share by which files may be larger than said: a GiB called a GB is 7.4 % more, and sizes are rounded."""


def in_name(name: str) -> list[Claim]:
    """The width of a weight that a name promises.

    >>> [claim.value for claim in in_name("acme/Llama-3.1-8B-w4a16-gptq")]
    [4.0]
    >>> [in_name(name)[0].value for name in ("model-Q4_K_M.gguf", "phi-2-8bit", "x-NF4", "x-fp16")]
    [4.0, 8.0, 4.0, 16.0]
    >>> in_name("Qwen3-4B")
    []
    """
    found = _BITS_IN_NAME.search(name)
    if found is None:
        return []
    return [Claim(quantity="bits", value=float(found[1] or found[2]), source="its name")]


def of_options(options: Mapping[str, object]) -> tuple[Claim, ...]:
    """What a level that is made here promises by its options."""
    source, sparsity = "its options", options.get("sparsity")
    if options.get("pattern") == "2:4":
        return (Claim(quantity="2:4", value=1, source=source),)
    if isinstance(sparsity, float):
        return (Claim(quantity="sparsity", value=sparsity, source=source),)
    return ()


def checked(
    claims: Iterable[Claim],
    bits: float,
    sparsity: float | NotMeasured,
    two_of_four: float | NotMeasured,
    size_bytes: int | NotMeasured,
) -> tuple[CheckedClaim, ...]:
    """Each claim with what was found; one that can't be checked is left out."""
    found = {"bits": bits, "sparsity": sparsity, "2:4": two_of_four, "size": size_bytes}
    checks = []
    for claim in claims:
        value = found[claim.quantity]
        if not isinstance(value, NotMeasured):
            checks.append(CheckedClaim(**claim.model_dump(), found=value, holds=_holds(claim, value)))
    return tuple(checks)


def _holds(claim: Claim, found: float) -> bool:
    return found <= limit(claim) if claim.quantity in ("bits", "size") else found >= limit(claim)


def limit(claim: Claim) -> float:
    """What the files may hold at most, or of zeros have to hold at least, for a claim to hold.

    >>> limit(Claim(quantity="bits", value=4, source="its name"))
    5.5
    """
    if claim.quantity == "bits":
        return claim.value + SPREAD
    if claim.quantity == "size":
        return claim.value * (1 + UNIT)
    return claim.value - (ROUNDING if claim.quantity == "sparsity" else 0.0)


def said(claim: Claim, value: float) -> str:
    """A claim's value in words.

    >>> said(Claim(quantity="bits", value=4, source="its name"), 4)
    '4 bits per compressed weight'
    """
    if claim.quantity == "bits":
        return f"{value:.4g} bits per compressed weight"
    if claim.quantity == "size":
        return f"{value / 10**6:,.1f} MB"
    what = "zeros" if claim.quantity == "sparsity" else "groups of four with two zeros"
    return f"{value:.2%} {what}"

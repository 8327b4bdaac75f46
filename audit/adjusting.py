"""Records with their p-values adjusted over the family that they are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from audit.records import Comparison, Contest, Duel, ForgettingRate, NotMeasured

Tested = TypeVar("Tested", Duel, Comparison, Contest, ForgettingRate)
Correction = Callable[[Sequence[float]], tuple[float, ...]]


def adjusted(
    found: Sequence[Tested],
    correction: Correction,
    family: Callable[[Tested], Hashable | None] = lambda _: "all",
) -> tuple[Tested, ...]:
    """The same records with `p_adjusted`, each family by itself.

    A record without a p-value, or whose family is None, stays as it is.
    """
    families: defaultdict[Hashable, dict[int, float]] = defaultdict(dict)
    for place, one in enumerate(found):
        of = family(one)
        if of is not None and not isinstance(one.p_value, NotMeasured):
            families[of][place] = one.p_value
    p_adjusted: dict[int, float] = {}
    for p_values in families.values():
        p_adjusted |= dict(zip(p_values, correction(list(p_values.values())), strict=True))
    return tuple(
        one.model_copy(update={"p_adjusted": p_adjusted[place]}) if place in p_adjusted else one
        for place, one in enumerate(found)
    )

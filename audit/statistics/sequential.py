"""Early stopping: looks at the data before the planned number of items is reached.

One-sided group-sequential tests with alpha spending (Lan & DeMets 1983, Biometrika 70:659-663). A look at
the share t of the planned items may have spent the error α(t) so far; the bound of a look follows from
the fractions up to it, so that their number and places need not be planned. The bounds come from the
recursion of Armitage, McPherson & Rowe (1969, JRSS A 132:235-244), on the scale B = z √t, whose
increments are independent (Lan & Wittes 1988, Biometrics 44:579-585).

A p-value is compared with the nominal alpha of its look, whatever test it comes from (the significance
level approach: Jennison & Turnbull 2000, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.signal import fftconvolve
from scipy.special import ndtr, ndtri

Spending = Literal["obrien-fleming", "pocock"]
Outcome = Literal["pass", "fail", "futile", "go on", "undecided"]

FUTILE_BELOW = 0.1
"""Conditional power at zero drop below which going on is futile; docs/error-rates.md shows what it costs."""

_NO_NEWS = 1e-6
"""Relative growth of the information below which a look has seen nothing new."""
_NEGLIGIBLE = 1e-10
"""Error of one look so small that the paths that crossed before can be left out."""
_POINTS_PER_SD = 16
"""Grid points per standard deviation of the shortest step between two looks."""
_REACH = 9.0
"""Standard deviations beyond which a density is taken as 0."""

_LEAST_LOG_ALPHA = math.log(1e-12)
_MOST_ALPHA = 0.5
"""Beyond it a p-value over looks is not told from 1."""
_ENOUGH_DIGITS = 1e-3
"""Of the logarithm of a p-value over looks, which is rounded up."""


@dataclass(frozen=True)
class Boundaries:
    """When to reject, look by look."""

    z: tuple[float, ...]
    """Bound of the z statistic; infinite where a look has nothing to spend."""
    nominal: tuple[float, ...]
    """The same as a one-sided p-value: reject when p is below."""


@dataclass(frozen=True)
class Evidence:
    """What one look at the first `n` items showed."""

    n: int
    p_pass: float
    """One-sided, of H0: drop ≥ margin."""
    p_worse: float
    """One-sided, of H0: drop ≤ 0."""
    drop: float
    standard_error: float | None = None
    """Of the drop; None: unknown, and then nothing is called futile."""


@dataclass(frozen=True)
class Standing:
    """Where a rule stands after its looks."""

    outcome: Outcome
    """`undecided`: all planned items were seen and no bound was crossed."""
    n: int
    """Items at the look that decided; without a decision at the last one."""
    nominal: tuple[float, ...]
    """Alpha that the p-values of each look are compared with."""
    conditional_power: float | None
    """At the last look: the chance to pass by the planned end if the true drop is 0. None: unknown."""


def spent(fraction: float, alpha: float, spending: Spending) -> float:
    """Error α(t) that may be spent when the share `fraction` of the information is there.

    O'Brien-Fleming type 2 (1 − Φ(z_{1−α/2} / √t)), which spends late; Pocock type α ln(1 + (e − 1) t).

    >>> round(spent(0.5, 0.05, "obrien-fleming"), 5), round(spent(0.5, 0.05, "pocock"), 5)
    (0.00557, 0.03101)
    """
    if fraction >= 1.0:
        return alpha
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1.0) * fraction)
    return 2.0 * float(ndtr(ndtri(alpha / 2.0) / math.sqrt(fraction)))


def boundaries(fractions: Sequence[float], alpha: float, spending: Spending = "obrien-fleming") -> Boundaries:
    """Bounds of looks at these information fractions, each of which rests on those before it alone.

    A look without new information can't reject and spends nothing. Beyond 1, more items than planned,
    there is nothing left to spend. Raises ValueError if the fractions fall or are not positive.

    >>> [round(z, 3) for z in boundaries([0.25, 0.5, 0.75, 1], 0.05).z]
    [3.75, 2.54, 2.016, 1.72]
    """
    _check(fractions)
    return _bounds(tuple(map(float, fractions)), tuple(spent(one, alpha, spending) for one in fractions))


def bounds_that_spend(fractions: Sequence[float], spent_so_far: Sequence[float]) -> Boundaries:
    """Bounds of looks that have together spent `spent_so_far`, a rising error for each fraction."""
    _check(fractions)
    return _bounds(tuple(map(float, fractions)), tuple(map(float, spent_so_far)))


def _check(fractions: Sequence[float]) -> None:
    """ValueError unless the fractions are positive and never fall."""
    if not all(fraction > 0 for fraction in fractions):
        raise ValueError(f"the fraction of a look must be above 0: {list(fractions)}")
    if any(later < earlier for earlier, later in pairwise(fractions)):
        raise ValueError(f"the fractions of the looks must not fall: {list(fractions)}")


@dataclass(frozen=True)
class _Density:
    """Density of B at one time among the paths that crossed no bound before it."""

    time: float
    of: CubicSpline
    low: float
    high: float
    """Where it ends: at the bound of its look."""
    finest: float
    """Smallest standard deviation that shaped it: of the shortest step so far."""

    def quantile_from_above(self, tail: float) -> float:
        """The value with the probability `tail` above it."""
        mass = self.of.antiderivative()
        top = float(mass(self.high))
        return float(brentq(lambda b: top - float(mass(b)) - tail, self.low, self.high, xtol=1e-12))


@lru_cache(maxsize=1024)
def _bounds(fractions: tuple[float, ...], spent_so_far: tuple[float, ...]) -> Boundaries:
    """The recursion over looks."""
    z: list[float] = []
    nominal: list[float] = []
    density: _Density | None = None
    already = 0.0
    for time, total in zip(fractions, spent_so_far, strict=True):
        if density is not None and time - density.time <= _NO_NEWS * time:
            z.append(math.inf)
            nominal.append(0.0)
            continue
        arriving = _normal(time) if density is None else _diffuse(density, time)
        tail = max(total - already, 0.0)
        if density is None or tail < _NEGLIGIBLE:
            z.append(-float(ndtri(tail)))
            nominal.append(tail)
        else:
            z.append(arriving.quantile_from_above(tail) / math.sqrt(time))
            nominal.append(float(ndtr(-z[-1])))
        density = _Density(
            time, arriving.of, arriving.low, min(arriving.high, z[-1] * math.sqrt(time)), arriving.finest
        )
        already = max(total, already)
    return Boundaries(tuple(z), tuple(nominal))


def _normal(time: float) -> _Density:
    """B before any look: normal with variance `time`."""
    sd = math.sqrt(time)
    grid = sd * np.linspace(-_REACH, _REACH, int(2 * _REACH * 2 * _POINTS_PER_SD) + 1)
    values = np.exp(-0.5 * (grid / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    return _Density(time, CubicSpline(grid, values), float(grid[0]), float(grid[-1]), sd)


def _diffuse(density: _Density, time: float) -> _Density:
    """The paths that went on, at the next look: B gains a normal step with variance `time` − its time."""
    sd = math.sqrt(time - density.time)
    finest = min(density.finest, sd)
    step = finest / _POINTS_PER_SD
    half = math.ceil((density.high - density.low) / (2 * step))
    step = (density.high - density.low) / (2 * half)
    grid = np.linspace(density.low, density.high, 2 * half + 1)
    simpson = np.full(grid.size, 2.0)
    simpson[1::2] = 4.0
    simpson[[0, -1]] = 1.0
    reach = math.ceil(_REACH * sd / step)
    offsets = step * np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    values = fftconvolve(density.of(grid) * simpson * (step / 3.0), kernel)
    arrived = np.linspace(density.low - reach * step, density.high + reach * step, values.size)
    return _Density(time, CubicSpline(arrived, values), float(arrived[0]), float(arrived[-1]), finest)


def conditional_power(z: float, fraction: float, bound_at_end: float, drift: float) -> float:
    """Chance that z at the end exceeds `bound_at_end`, given `z` at the share `fraction` of the information.

    `drift` is the expected z at the end; what is yet to come adds drift (1 − t) to the B-value z √t with
    variance 1 − t (Lan & Wittes 1988).

    >>> round(conditional_power(z=1.0, fraction=0.5, bound_at_end=1.96, drift=2.8), 4)
    0.5824
    """
    if fraction >= 1.0:
        return float(z > bound_at_end)
    expected = z * math.sqrt(fraction) + drift * (1.0 - fraction)
    return float(ndtr((expected - bound_at_end) / math.sqrt(1.0 - fraction)))


def standard_error(lost: int, gained: int, n: int) -> float:
    """Standard error of the drop (lost − gained) / n of independent items, as observed.

    >>> round(standard_error(30, 25, 1000), 6)
    0.007415
    """
    return math.sqrt(lost + gained - (lost - gained) ** 2 / n) / n


def stand(
    looks: Sequence[Evidence],
    planned: int,
    margin: float,
    alpha: float,
    spending: Spending = "obrien-fleming",
) -> Standing:
    """What the looks so far say about one rule, with `planned` items in all.

    pass: the first look whose p_pass is below its nominal alpha. fail: the first look whose p_worse is
    below the same alpha while the drop reaches the margin; at the planned end either of the two is enough,
    as without looks. futile: the last look leaves a conditional power at zero drop below `FUTILE_BELOW`;
    it is advice (non-binding), so a later look, taken nevertheless, may still pass. Neither a failed nor a
    futile look spends any of the error of a false pass. Raises ValueError without a look.
    """
    if not looks:
        raise ValueError("no look: nothing was seen")
    fractions = [seen.n / planned for seen in looks]
    nominal = boundaries(fractions, alpha, spending).nominal
    for seen, level in zip(looks, nominal, strict=True):
        outcome = _crossing(seen, level, margin, ended=seen.n >= planned)
        if outcome is not None:
            return Standing(outcome, seen.n, nominal, 1.0 if outcome == "pass" else 0.0)
    last = looks[-1]
    if last.n >= planned:
        return Standing("undecided", last.n, nominal, 0.0)
    end = boundaries([*fractions, 1.0], alpha, spending).z[-1]
    chance = _power_at_zero_drop(last, margin, fractions[-1], end)
    futile = chance is not None and chance < FUTILE_BELOW
    return Standing("futile" if futile else "go on", last.n, nominal, chance)


def _crossing(seen: Evidence, level: float, margin: float, *, ended: bool) -> Literal["pass", "fail"] | None:
    """Whether one look decides.

    A small drop may be detectable and yet below the margin: before the end only a drop that reaches the
    margin may fail, or looking early would fail models that pass when all items are seen.
    """
    if seen.p_pass < level:
        return "pass"
    worse, too_large = seen.p_worse < level, seen.drop >= margin
    return "fail" if (worse and too_large) or (ended and (worse or too_large)) else None


def p_value_over_looks(
    p_values: Sequence[float], fractions: Sequence[float], spending: Spending = "obrien-fleming"
) -> float:
    """The p-value of looks up to the one that decided, for having looked so often.

    The least alpha at which one of the `p_values`, each compared with the nominal alpha of its look, would
    have rejected (Liu & Anderson 2008, JASA 103:1621-1630). Of a single look at all items its own p-value.
    Raises ValueError as `boundaries`, or where there is not one fraction for each p-value.

    >>> round(p_value_over_looks([0.0000885, 1.0], [0.25, 0.5]), 3)
    0.05
    """
    if len(p_values) != len(fractions):
        raise ValueError(f"{len(p_values)} p-values of {len(fractions)} looks")

    def rejected(log_alpha: float) -> bool:
        nominal = boundaries(fractions, math.exp(log_alpha), spending).nominal
        return any(p <= level for p, level in zip(p_values, nominal, strict=True))

    if len(fractions) == 1 and fractions[0] >= 1.0:
        return p_values[0]
    low, high = _LEAST_LOG_ALPHA, math.log(_MOST_ALPHA)
    if not rejected(high):
        return 1.0
    while high - low > _ENOUGH_DIGITS:
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return math.exp(high)


def _power_at_zero_drop(seen: Evidence, margin: float, fraction: float, bound_at_end: float) -> float | None:
    """Conditional power if the drop is 0.

    Not from the p-values: those of an exact test or of the larger of two tests say less than z would.
    """
    error = seen.standard_error
    if error is None:
        return None
    if error == 0:
        return 1.0 if seen.drop < margin else 0.0
    z = (margin - seen.drop) / error
    return conditional_power(z, fraction, bound_at_end, drift=margin / error / math.sqrt(fraction))

"""Runs → what of the original's knowledge is gone: fact by fact, by group and task, and along a chain.

Compression does not forget evenly: a share of examples bears most of the damage (Hooker et al. 2019,
arXiv:1911.05248), and what is rarely mentioned is known least firmly to begin with (Mallen et al. 2023,
arXiv:2212.10511). A mean drop nets what was lost against what was gained by luck; here only what was
*known* is followed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.adjusting import adjusted
from audit.answers import Answers
from audit.compare import ORIGINAL
from audit.pairing import Units, pair
from audit.records import (
    AuditConfig,
    Forgetting,
    ForgettingRate,
    Forgotten,
    HeadAgainstTail,
    Interval,
    LinkLoss,
    LostFact,
    NotMeasured,
    Run,
    Suite,
)
from audit.statistics import proportions
from audit.statistics.correction import benjamini_hochberg, holm
from audit.store import Reader

MARGIN = 2.0
"""How many times likelier than the likeliest wrong choice the right one has to be before a fact counts as
known. An answer that leads by less is nearly a coin flip: to count its turning as forgetting would count
noise. A share of the probability says less: of two choices, every right one has half of it."""
MOST_LOST = 100
"""Forgotten facts listed of one variant; the rest lies in the parquet files."""
HEAD, TAIL = "head", "tail"
"""Names of the groups of the best and the least known subjects."""
_OFFERED = ["choices", "target", "scores"]
_ALPHA = 0.025
"""One-sided error of each end of an interval."""


@dataclass(frozen=True)
class _Facts:
    """The facts that the original and one variant were both asked."""

    table: pd.DataFrame
    """One row a fact; its index is the number of its first row among all of the original's, so that a fact is
    the same one in every variant. Columns: task, group; before and after (1: right in every wording);
    lead_before and lead_after, the least over the wordings, nats (`_lead`); wordings, wordings_lost;
    row_before and row_after of the wording to show."""
    rows_before: pd.DataFrame
    rows_after: pd.DataFrame
    answers: Answers
    """Where the texts of those rows are had from."""

    @property
    def known(self) -> pd.Series:
        """Whether the original knew each fact."""
        return (self.table["before"] == 1) & (self.table["lead_before"] >= math.log(MARGIN))

    @property
    def forgotten(self) -> pd.Series:
        """Whether it was known and is no longer right in every wording; no margin is asked of the variant."""
        return self.known & (self.table["after"] == 0)


def forgotten(runs: Sequence[Run], config: AuditConfig, read: Reader) -> tuple[Forgetting, ...]:
    """Every variant's forgetting in every suite that asks for facts, in the order of suites and runs.

    `read` gives the named columns of a cell's samples. A variant that has only the first parts of a suite is
    looked at on those. Everything is NotMeasured where answers have no log-likelihoods of choices.
    """
    found = [
        one for suite in config.suites if suite.knowledge for one in _of_suite(suite, runs, config, read)
    ]
    return _holm(found, {level.name for level in config.levels if level.is_control})


def _of_suite(suite: Suite, runs: Sequence[Run], config: AuditConfig, read: Reader) -> Iterator[Forgetting]:
    asked = _Asked(suite, runs, read)
    links = config.links
    lacks = {run.variant: run.lacks for run in runs if run.suite == suite.name and run.lacks}
    right: dict[str, Mapping[int, float]] = {}
    for run in runs:
        if run.suite == suite.name and run.variant != ORIGINAL:
            reason = lacks.get(ORIGINAL) or lacks.get(run.variant)
            facts = NotMeasured(reason) if reason else asked.of(run.variant)
            if isinstance(facts, _Facts) and run.variant in {*links, *links.values()}:
                right[run.variant] = dict(facts.table["after"])
            found = (
                facts if isinstance(facts, NotMeasured) else _found(facts, _chain(run.variant, links), right)
            )
            yield Forgetting(variant=run.variant, suite=suite.name, found=found)


class _Asked:
    """The facts of a suite; the original's answers are read once."""

    def __init__(self, suite: Suite, runs: Sequence[Run], read: Reader) -> None:
        self._metric = suite.metrics[0].model_copy(update={"per": "pair" if suite.pair_by else "item"})
        self._answers = Answers(suite.model_copy(update={"metrics": (self._metric,)}), runs, read)
        self._before = self._with_leads(ORIGINAL)

    def _with_leads(self, variant: str) -> pd.DataFrame:
        rows = self._answers.of(variant)[self._metric.name]
        return rows.assign(lead=self._answers.each(rows, _OFFERED, _leads))

    def of(self, variant: str) -> _Facts | NotMeasured:
        """The facts that a variant was asked as well; NotMeasured where it can't be said what was known."""
        metric, before = self._metric, self._before
        if metric.kind != "binary":
            return NotMeasured(
                f"{metric.name} is no matter of right or wrong, so no fact is known or forgotten"
            )
        after = self._with_leads(variant)
        units = pair(before, after, metric, self._answers.items[metric.name])
        if units.unfit:
            return NotMeasured(units.unfit)
        if units.paired.empty:
            return NotMeasured("no fact of the original has a partner in this variant")
        lead_before = before["lead"].to_numpy()[units.items["row_before"]]
        lead_after = after["lead"].to_numpy()[units.items["row_after"]]
        if missing := int(np.isnan(lead_before + lead_after).sum()):
            return NotMeasured(
                f"{missing} of {len(units.items)} answers have no log-likelihoods of choices with the right "
                "one among them: nothing says how firmly those facts were known"
            )
        return _Facts(_table(units, lead_before, lead_after, before), before, after, self._answers)


def _table(
    units: Units, before: NDArray[np.float64], after: NDArray[np.float64], rows: pd.DataFrame
) -> pd.DataFrame:
    """The facts, from their items and the leads of those."""
    items = units.items.assign(lead_before=before, lead_after=after).sort_values("unit", kind="stable")
    by_fact = items.groupby("unit")
    shown = items.sort_values(["unit", "after"], kind="stable").groupby("unit")  # a wording now wrong first
    first = by_fact["row_before"].first()
    table = pd.DataFrame(
        {
            "task": rows["task"].iloc[first].array,
            "group": units.paired["group"].iloc[first.index].array,
            "before": units.paired["before"].iloc[first.index].array,
            "after": units.paired["after"].iloc[first.index].array,
            "lead_before": by_fact["lead_before"].min().array,
            "lead_after": by_fact["lead_after"].min().array,
            "wordings": by_fact.size().array,
            "wordings_lost": (items["after"] == 0).groupby(items["unit"]).sum().array,
            "row_before": shown["row_before"].first().array,
            "row_after": shown["row_after"].first().array,
        },
        index=first.array,
    )
    return table.sort_index()


def _leads(samples: pd.DataFrame) -> NDArray[np.float64]:
    """Of each answer, how far the right choice lies ahead of the likeliest wrong one, nats.

    NaN where the choices have no log-likelihoods, or the right one or a wrong one is not among them.
    """
    offered, scored = (samples[name].map(len).to_numpy() for name in ("choices", "scores"))
    leads = np.full(len(samples), np.nan)
    complete = (offered == scored) & (offered > 0)
    if not complete.any():
        return leads
    there, count = samples[complete], offered[complete]
    start = np.cumsum(count) - count
    right = np.concatenate(there["choices"].tolist()) == np.repeat(there["target"].to_numpy(object), count)
    scores = np.concatenate(there["scores"].tolist()).astype(np.float64)
    best, wrong = (np.maximum.reduceat(np.where(which, scores, -np.inf), start) for which in (right, ~right))
    n_right = np.add.reduceat(right.astype(np.int64), start)
    with np.errstate(invalid="ignore"):
        leads[complete] = np.where((n_right > 0) & (n_right < count), best - wrong, np.nan)
    return leads


def _found(
    facts: _Facts, chain: Sequence[str], right: Mapping[str, Mapping[int, float]]
) -> Forgotten | NotMeasured:
    """`right`: of each link of a chain, which facts it had right in every wording."""
    table = facts.table
    if not facts.known.any():
        return NotMeasured(
            f"the original knew none of the {len(table)} facts: right in every wording, and {MARGIN:g} times "
            "as likely as any wrong choice"
        )
    parts = [
        _rate(facts, table[by] == name, by, name)
        for by in ("group", "task")
        for name in sorted(set(table[by].dropna()))
    ]
    lost_at = _lost_at(facts, chain, right)
    return Forgotten(
        margin=MARGIN,
        n_wordings=int(table["wordings"].max()),
        n_facts=len(table),
        n_right=int((table["before"] == 1).sum()),
        n_learned=int(((table["before"] == 0) & (table["after"] == 1)).sum()),
        whole=_rate(facts, pd.Series(True, index=table.index), "all", "all"),
        parts=adjusted(parts, benjamini_hochberg),
        tail=_head_against_tail({one.name: one for one in parts if one.by == "group"}),
        links=tuple(
            LinkLoss(link=link, n_forgotten=sum(one == link for one in lost_at.values())) for link in chain
        ),
        lost=_lost(facts, lost_at),
    )


def _rate(facts: _Facts, here: pd.Series, by: Any, name: str) -> ForgettingRate:
    """What was forgotten of the facts that are `here`, held against all the other known ones."""
    known, lost = facts.known, facts.forgotten
    n, k = int((known & here).sum()), int((lost & here).sum())
    m, others = int(known.sum()) - n, int(lost.sum()) - k
    shape: dict[str, Any] = {"by": by, "name": name, "n_known": n, "n_forgotten": k}
    if n == 0:
        nothing = NotMeasured(f"the original knew none of these {int(here.sum())} facts with the margin")
        return ForgettingRate(**shape, rate=nothing, interval=nothing, p_value=nothing, p_adjusted=nothing)
    alone = NotMeasured("there are no other known facts to hold it against")
    return ForgettingRate(
        **shape,
        rate=k / n,
        interval=Interval(
            lower=proportions.lower_bound(k, n, _ALPHA), upper=proportions.upper_bound(k, n, _ALPHA),
            confidence=1 - 2 * _ALPHA, method="Clopper-Pearson",
        ),
        p_value=proportions.fisher_more(k, n, others, m) if m else alone,
        p_adjusted=alone,
    )  # fmt: skip


def _head_against_tail(groups: Mapping[str, ForgettingRate]) -> HeadAgainstTail | NotMeasured:
    """The tail's rate less the head's."""
    if HEAD not in groups or TAIL not in groups:
        return NotMeasured(f"the suite has no groups named `{HEAD}` and `{TAIL}`")
    head, tail = groups[HEAD], groups[TAIL]
    for one in (head, tail):
        if isinstance(one.rate, NotMeasured):
            return NotMeasured(f"{one.name}: {one.rate.reason}")
    counts = (tail.n_forgotten, tail.n_known, head.n_forgotten, head.n_known)
    lower, upper = proportions.difference(*counts, _ALPHA)
    p_value = proportions.fisher_differs(*counts)
    return HeadAgainstTail(
        difference=tail.n_forgotten / tail.n_known - head.n_forgotten / head.n_known,
        interval=Interval(
            lower=lower, upper=upper, confidence=1 - 2 * _ALPHA, method="Newcombe, independent proportions"
        ),
        p_value=p_value,
        p_adjusted=p_value,
    )


def _holm(found: Sequence[Forgetting], controls: set[str]) -> tuple[Forgetting, ...]:
    """Head against tail is one planned test a level and suite: adjusted over all of them but controls."""
    tested = {
        place: one.found.tail.p_value
        for place, one in enumerate(found)
        if isinstance(one.found, Forgotten)
        and isinstance(one.found.tail, HeadAgainstTail)
        and one.variant not in controls
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return tuple(
        _with_adjusted(one, adjusted[place]) if place in adjusted else one for place, one in enumerate(found)
    )


def _with_adjusted(one: Forgetting, p_adjusted: float) -> Forgetting:
    assert isinstance(one.found, Forgotten)
    assert isinstance(one.found.tail, HeadAgainstTail)
    tail = one.found.tail.model_copy(update={"p_adjusted": p_adjusted})
    return one.model_copy(update={"found": one.found.model_copy(update={"tail": tail})})


def _chain(name: str, links: Mapping[str, str]) -> list[str]:
    """The links that lead to a level, itself the last; empty where it is no link of a chain."""
    path = [name]
    while path[0] in links:
        path.insert(0, links[path[0]])
    return path if len(path) > 1 else []


def _lost_at(
    facts: _Facts, path: Sequence[str], right: Mapping[str, Mapping[int, float]]
) -> dict[int, str | NotMeasured]:
    """Of each forgotten fact, the first link at which it was no longer right; empty without a chain."""
    if not path:
        return {}
    kept = {link: right.get(link, {}) for link in path}
    lost = facts.table.index[facts.forgotten]
    return {int(fact): _first_without(int(fact), kept) for fact in lost}


def _first_without(fact: int, kept: Mapping[str, Mapping[int, float]]) -> str | NotMeasured:
    """The first link that a fact is not right at; what an unasked link did nobody knows."""
    for link, right in kept.items():
        if fact not in right:
            return NotMeasured(f"{link} was not asked about it")
        if right[fact] == 0:
            return link
    raise LookupError(f"fact {fact} is right at every link of {list(kept)}")


def _lost(facts: _Facts, lost_at: Mapping[int, str | NotMeasured]) -> tuple[LostFact, ...]:
    """The forgotten facts, those first that the original knew most firmly."""
    lost = facts.table[facts.forgotten].sort_values("lead_before", ascending=False, kind="stable")
    lost = lost.head(MOST_LOST)
    asked = facts.answers.each(facts.rows_before.iloc[lost["row_before"]], ["question", "target"], _texts)
    said = facts.answers.each(facts.rows_after.iloc[lost["row_after"]], ["answer"], _texts)
    return tuple(
        _lost_fact(row, (*shown, *answer), lost_at.get(int(str(fact))))
        for (fact, row), shown, answer in zip(lost.iterrows(), asked, said, strict=True)
    )


def _texts(samples: pd.DataFrame) -> NDArray[np.object_]:
    """[samples, columns]."""
    return samples.to_numpy(object)


def _lost_fact(row: pd.Series, texts: tuple[str, str, str], lost_at: str | NotMeasured | None) -> LostFact:
    """One fact, with its question, target and the variant's answer."""
    question, target, after = texts
    return LostFact(
        task=row["task"],
        group=None if pd.isna(row["group"]) else row["group"],
        question=question,
        target=target,
        after=after,
        wordings=row["wordings"],
        wordings_lost=row["wordings_lost"],
        lead_before=row["lead_before"],
        lead_after=row["lead_after"],
        lost_at=lost_at,
    )

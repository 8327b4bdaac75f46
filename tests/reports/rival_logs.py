"""Logs with candidates against each other, made up."""

from __future__ import annotations

from audit.records import (
    AuditLog,
    Contest,
    ContestedItem,
    Duel,
    Flips,
    Interval,
    Level,
    ModelRef,
    Omnibus,
)


def duel(against: str, variant: str, drop: float, p: float) -> Duel:
    """Of 100 pairs."""
    interval = Interval(lower=drop - 0.1, upper=drop + 0.1, confidence=0.9667, method="made up")
    lost = round(100 * max(drop, 0.0))
    flips = Flips(lost=lost, gained=lost - round(100 * drop), rate=abs(drop))
    return Duel.model_validate(
        {
            "against": against, "variant": variant, "suite": "accuracy", "metric": "acc", "group": None,
            "n_pairs": 100, "n_unpaired_before": 0, "n_unpaired_after": 0, "before": 0.8,
            "after": 0.8 - drop, "difference": drop, "interval": interval, "tango": interval, "p_value": p,
            "p_adjusted": p, "flips": flips, "chance": 0.25, "before_lower": 0.7, "after_lower": 0.6,
            "method": "made up",
        }
    )  # fmt: skip


# c is worse than a; b is told apart from neither
THREE = [duel("a", "b", 0.05, 0.4), duel("a", "c", 0.2, 0.001), duel("b", "c", 0.15, 0.06)]


Q = Omnibus(statistic=9.5, degrees_of_freedom=2, p_value=0.0087, method="Cochran's Q")


def contest(log: AuditLog, n_contested: int, *items: ContestedItem, **fields: object) -> Contest:
    """Of the first suite's metric, on 100 items."""
    suite = log.config.suites[0]
    return Contest.model_validate(
        {
            "suite": suite.name, "metric": suite.metrics[0].name, "candidates": ("a", "b", "c"),
            "n_items": 100, "omnibus": Q, "p_value": 0.0087, "p_adjusted": 0.0174,
            "n_contested": n_contested, "contested": items, **fields,
        }
    )  # fmt: skip


def item(question: str, *right: bool, answer: str = "Rome") -> ContestedItem:
    return ContestedItem(
        task="capitals", group="Europe", question=question, target="Paris", original="Paris",
        original_right=True, answers=tuple("Paris" if one else answer for one in right), right=right,
    )  # fmt: skip


def contested(log: AuditLog, found: Contest) -> AuditLog:
    return compared(log).model_copy(update={"contests": (found,)})


def compared(log: AuditLog) -> AuditLog:
    """The log with three candidates in the place of its levels."""
    levels = tuple(
        Level(name=name, method="candidate", artefact=ModelRef(name=name, path="", digest="d"))
        for name in ("a", "b", "c")
    )
    names = {"int8": "a", "int4": "b", "int2": "c"}
    comparisons = tuple(
        one.model_copy(update={"variant": names[one.variant]}) for one in log.comparisons
        if one.variant in names
    )  # fmt: skip
    metric = log.config.suites[0].metrics[0].name
    duels = tuple(one.model_copy(update={"metric": metric}) for one in THREE)
    config = log.config.model_copy(update={"levels": levels})
    return log.model_copy(update={"config": config, "comparisons": comparisons, "duels": duels})

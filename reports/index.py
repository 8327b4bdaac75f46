"""What reports ask of a log thousands of times, or what takes long to compute: found once."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property, lru_cache
from hashlib import sha256

from audit.records import AuditLog, Comparison, Confirmation, NotMeasured, Verdict


class Index:
    """The comparisons and verdicts of a log, each list in the log's order, and its digest."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self.comparisons: defaultdict[tuple[str, str], list[Comparison]] = defaultdict(list)
        """By suite and variant."""
        self.verdicts: defaultdict[str, list[Verdict]] = defaultdict(list)
        """By variant."""
        self.on: defaultdict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
        """By variant, suite and metric."""
        for comparison in log.comparisons:
            self.comparisons[comparison.suite, comparison.variant].append(comparison)
        for verdict in log.verdicts:
            self.verdicts[verdict.variant].append(verdict)
            self.on[verdict.variant, verdict.rule.suite, verdict.metric].append(verdict)

    @cached_property
    def held_out(self) -> AuditLog | None:
        """What was found on the items held out, as a log of those alone; None where nothing was confirmed."""
        found, config = self._log.confirmation, self._log.config
        if not isinstance(found, Confirmation):
            return None
        levels = tuple(level for level in config.levels if level.name == found.variant)
        return self._log.model_copy(
            update={
                "config": config.model_copy(
                    update={
                        "levels": levels, "rules": found.rules(config.rules), "budgets": (), "holdout": 0,
                        "search": None,
                    }
                ),
                "search": None,
                "runs": found.runs, "comparisons": found.comparisons, "verdicts": found.verdicts,
                "links": (), "duels": (), "forgetting": (), "budgets": (),
                "confirmation": NotMeasured("these are the items held out"),
            }
        )  # fmt: skip

    @cached_property
    def sha256(self) -> str:
        """Of `audit.json`, the log's one byte form."""
        return sha256(self._log.to_json()).hexdigest()


def index(log: AuditLog) -> Index:
    """Of the log itself, not of an equal one."""
    return _indexed(_Same(log))


class _Same:
    """A log by its identity: to compare two of them takes longer than to sort one."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.log is other.log

    def __hash__(self) -> int:
        return id(self.log)


@lru_cache(maxsize=4)  # a diff asks of two, and each may have items held out
def _indexed(same: _Same) -> Index:
    return Index(same.log)

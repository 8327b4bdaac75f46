"""All that one audit found."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Literal, Self

from pydantic import PrivateAttr

from audit.bounded import json_of
from audit.errors import StoreError
from audit.records.answers import Run
from audit.records.base import Decision, NotMeasured, Record, canonical, together
from audit.records.comparisons import CheckedRecovery, Comparison, Contest, Duel, Flips
from audit.records.config import AuditConfig
from audit.records.earlier import History, Taken
from audit.records.efficiency import Efficiency
from audit.records.forgetting import Forgetting
from audit.records.models import Variant
from audit.records.schemas import SCHEMA, downgraded, upgraded
from audit.records.searches import Search
from audit.records.verdicts import BudgetVerdict, Confirmation, Verdict

MOST_PAIRS = 10**9
"""That a log may say were compared: tests over more would take too long."""
_SAYS_SCHEMA = re.compile(rb'"schema_version":\s*(\d{1,9})')


class Provenance(Record):
    """Where and with what this was computed."""

    shrinkproof_version: str
    command: str
    """What runs it again."""
    python: str
    platform: str
    processor: str
    device: str
    threads: int
    executor: str = "local"
    """Who scored the cells, with the version of the library that spread them."""
    engine: str = "built-in"
    """What answered for the models, with its version; `built-in`: the scorer of ours."""
    packages: dict[str, str]
    """Distribution name to version."""
    environment: dict[str, str]
    """What else can move a number: of torch, and variables of the environment."""
    git_commit: str | NotMeasured
    """Of the folder that the audit was started in."""
    git_changed: bool | NotMeasured = NotMeasured("nobody looked")
    """Whether tracked files there were not as in that commit."""
    config_sha256: str
    """Of the canonical JSON of the config."""
    started: str
    finished: str
    """UTC, ISO 8601."""


class Registration(Record):
    """What was fixed before the first item was scored."""

    policy_sha256: str
    """Over the rules, budgets, looks and seed."""
    items_sha256: str
    """Over the documents of all tasks, in the order in which they are scored."""
    at: str
    """UTC, ISO 8601."""


class AuditLog(Record):
    """All that one audit found; the only thing that a report is made from."""

    schema_version: Literal[2] = 2
    status: Literal["finished", "stopped"]
    """`stopped`: an error or a signal ended it early; what was finished is here."""
    error: str | None = None
    config: AuditConfig
    provenance: Provenance
    registered: Registration | NotMeasured = NotMeasured("it stopped before its tasks were loaded")
    variants: tuple[Variant, ...] = ()
    runs: tuple[Run, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    links: tuple[Comparison, ...] = ()
    """Each link of a chain against the link before it: what that one step cost."""
    duels: tuple[Duel, ...] = ()
    """Candidates against each other; empty with fewer than two."""
    contests: tuple[Contest, ...] = ()
    """All candidates at once, per suite and metric; empty with fewer than two."""
    recoveries: tuple[CheckedRecovery, ...] = ()
    """What makers' cards say is left of the original's scores, and is."""
    forgetting: tuple[Forgetting, ...] = ()
    """Per suite that asks for facts and variant; empty without such a suite."""
    verdicts: tuple[Verdict, ...] = ()
    efficiency: tuple[Efficiency, ...] = ()
    """One per variant; empty where it was not asked for."""
    budgets: tuple[BudgetVerdict, ...] = ()
    confirmation: Confirmation | NotMeasured = NotMeasured("no items were held out")
    search: Search | None = None
    """How the levels were found; None: they were given."""
    taken: tuple[Taken, ...] = ()
    """By variant and earlier run; what is not named was computed in this one."""
    history: History | None = None
    """None: the config names no folder of past audits."""

    _written_in: int = PrivateAttr(SCHEMA)

    @property
    def written_in(self) -> int:
        """The schema of its file; of a log that was not read, today's."""
        return self._written_in

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """A log of any schema up to today's.

        Raises ValidationError for what is no log, and StoreError for one of a newer schema or that is about
        suites that it does not have.
        """
        said = _SAYS_SCHEMA.search(data)
        version = int(said[1]) if said else SCHEMA
        if version == SCHEMA:
            return cls.model_validate_json(data)._sound()
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):  # told below of no log
            data = json.dumps(upgraded(json_of(data), version)).encode()
        log = cls.model_validate_json(data)
        log._written_in = version
        return log._sound()

    def _sound(self) -> Self:
        """Itself. Raises StoreError where names or counts are in it that can't be."""
        about = [one.suite for one in self.runs]
        about += [one.suite for one in (*self.comparisons, *self.links, *self.duels)]
        about += [one.suite for one in self.contests] + [one.suite for one in self.forgetting]
        self.config.check_names([*about, *(one.rule.suite for one in self.verdicts)])
        confirmed = self.confirmation.comparisons if isinstance(self.confirmation, Confirmation) else ()
        for one in (*self.comparisons, *self.links, *self.duels, *confirmed):
            flips = [(one.flips.lost, one.flips.gained, one.n_pairs)] if isinstance(one.flips, Flips) else []
            looks = [(look.lost, look.gained, look.n_pairs) for look in one.looks]
            for lost, gained, n_pairs in (*flips, *looks):
                changed = [count for count in (lost, gained) if isinstance(count, int)]
                if min(changed, default=0) < 0 or not sum(changed) <= n_pairs <= MOST_PAIRS:
                    said = f"{sum(changed)} of {n_pairs} pairs changed ({one.variant}, {one.suite})"
                    raise StoreError(f"it says that {said}, which can't be. Was it edited?")
        return self

    def as_written(self) -> dict[str, Any]:
        """JSON of what was set, in the schema of its file."""
        told = self.model_dump(mode="json", exclude_unset=True)
        return told if self.written_in == SCHEMA else downgraded(told, self.written_in)

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785) of what was set: of a log that was read, the bytes of its file, though
        records have gained fields since."""
        return canonical(self.as_written())

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """Those that were judged, and those on items held out."""
        found = [*self.search.unlucky] if self.search else []
        found += [self.confirmation] if isinstance(self.confirmation, Confirmation) else []
        runs = list(self.runs)
        for run in (run for one in found for run in one.runs):
            runs += [run] if run not in runs else []  # the original's are the same in each
        return tuple(runs)

    @property
    def decision(self) -> Decision:
        """One word for the audit: fails if a rule fails, passes only if every rule passes.

        Where items were held out, the best variant has to pass on those as well. Of a search it is about the
        level that was found.
        """
        if self.config.search is not None and (self.search is None or self.search.winner is None):
            return "inconclusive" if self.search is None else self.search.decision
        about = {self.search.winner} if self.search else {one.name for one in self.config.levels}
        noise = {level.name for level in self.config.levels if level.computed_in}
        decisions = {
            verdict.decision
            for verdict in self.verdicts
            if verdict.rule.blocks and verdict.variant in about - noise
        }
        decisions |= {
            verdict.decision for verdict in self.budgets if verdict.budget.blocks and verdict.variant in about
        }
        if isinstance(self.confirmation, Confirmation):
            decisions |= {one.decision for one in self.confirmation.verdicts if one.rule.blocks}
        elif self.config.holdout:
            decisions.add("inconclusive")
        return together(decisions, whole=self.status == "finished")

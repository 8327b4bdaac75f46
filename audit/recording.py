"""The log as it grows: written when the audit ends, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from audit import engine, provenance, registry
from audit.errors import StoreError
from audit.loading import cpu_threads, resolve_device
from audit.records import (
    AuditConfig,
    AuditLog,
    BudgetVerdict,
    CheckedRecovery,
    Comparison,
    Confirmation,
    Contest,
    Duel,
    Efficiency,
    Forgetting,
    History,
    NotMeasured,
    Run,
    Search,
    Variant,
    Verdict,
)
from audit.store import Store, config_digest

STOPPED = NotMeasured("it stopped before anything was confirmed")


@dataclass
class Draft:
    """What is known so far."""

    config: AuditConfig
    command: str
    started: str
    threads: int
    store: Store
    variants: tuple[Variant, ...] = ()
    runs: tuple[Run, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    links: tuple[Comparison, ...] = ()
    duels: tuple[Duel, ...] = ()
    contests: tuple[Contest, ...] = ()
    recoveries: tuple[CheckedRecovery, ...] = ()
    forgetting: tuple[Forgetting, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    efficiency: tuple[Efficiency, ...] = ()
    budgets: tuple[BudgetVerdict, ...] = ()
    confirmation: Confirmation | NotMeasured = STOPPED
    search: Search | None = None
    history: History | None = None

    def log(self, status: Literal["finished", "stopped"] = "finished", error: str | None = None) -> AuditLog:
        """The draft as an AuditLog, with the provenance of now."""
        return AuditLog(
            status=status,
            error=error,
            config=self.config,
            provenance=provenance.collect(
                command=self.command,
                device=resolve_device(self.config.device),
                threads=self.threads,
                executor=registry.executor_version(self.config.executor),
                engine=engine.recorded(self.config.engine),
                config_sha256=config_digest(self.config),
                started=self.started,
            ),
            registered=self.store.registration(),
            variants=self.variants,
            runs=self.runs,
            comparisons=self.comparisons,
            links=self.links,
            duels=self.duels,
            contests=self.contests,
            recoveries=self.recoveries,
            forgetting=self.forgetting,
            verdicts=self.verdicts,
            efficiency=self.efficiency,
            budgets=self.budgets,
            confirmation=self.confirmation,
            search=self.search,
            taken=self.store.taken(self.variants, [*self.runs, *self._held_out]),
            history=self.history,
        )

    @property
    def _held_out(self) -> tuple[Run, ...]:
        found = [*self.search.unlucky] if self.search else []
        found += [] if isinstance(self.confirmation, NotMeasured) else [self.confirmation]
        return tuple(run for one in found for run in one.runs)


@contextlib.contextmanager
def recorded(config: AuditConfig, store: Store, command: str) -> Iterator[Draft]:
    """A draft whose log is written at the end: as `stopped`, with the reason, if the block raises."""
    with cpu_threads(config.threads) as threads:
        draft = Draft(config=config, command=command, started=provenance.now(), threads=threads, store=store)
        try:
            yield draft
        except BaseException as error:
            with contextlib.suppress(StoreError, OSError):  # the first error is the one to tell
                store.write_log(draft.log("stopped", f"{type(error).__name__}: {error}"))
            raise
    store.write_log(draft.log())

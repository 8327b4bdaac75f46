"""Optuna's side of a search: what is proposed next, kept in a journal that a killed search goes on from."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import search_space
from audit.errors import ConfigError
from audit.records import SearchPlan

if TYPE_CHECKING:
    import optuna

JOURNAL = "trials.journal"
STUDY = "search"
KEPT, VALUES = "kept", "values"
"""Keys of what is kept of a finished trial, and of the numbers in it that were told."""
STARTUP = 10
"""Trials at random before the sampler learns from them."""


class Proposals:
    """The study of one run folder.

    The sampler is seeded anew for each trial, by how many are finished: a search that was killed in the
    middle of one proposes the same again.
    """

    def __init__(self, folder: Path, plan: SearchPlan, seed: int) -> None:
        """Open the journal in `folder`, or begin one. Raises ConfigError where Optuna is not installed."""
        optuna = _optuna()
        folder.mkdir(exist_ok=True)
        self._plan, self._seed = plan, seed
        self._all = list(search_space.combinations(plan))
        random.Random(seed).shuffle(self._all)
        with _quiet():
            backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
            self._study: Any = optuna.create_study(
                study_name=STUDY, storage=optuna.storages.JournalStorage(backend), load_if_exists=True,
                directions=["minimize", "minimize"],
            )  # fmt: skip
            for killed in self._study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
                _finish(self._study, killed.number, killed.user_attrs.get(KEPT, {}).get(VALUES))

    @property
    def n_combinations(self) -> int:
        """That the plan allows."""
        return len(self._all)

    @property
    def sampler(self) -> str:
        """What proposes, for the log."""
        name = "all combinations in a seeded order" if self._takes_all else "TPE"
        return f"{name} (optuna {version('optuna')})"

    @property
    def _takes_all(self) -> bool:
        return len(self._all) <= self._plan.trials

    def finished(self) -> list[dict[str, Any]]:
        """What was kept of each finished trial, in order."""
        return [
            one.user_attrs[KEPT] for one in self._study.get_trials(deepcopy=False) if KEPT in one.user_attrs
        ]

    def next(self) -> Proposal | None:
        """The next one, that was not proposed before; None where all that the plan allows was.

        Where the sampler repeats itself, one of the others is drawn.
        """
        optuna = _optuna()
        kept = [one for one in self._study.get_trials(deepcopy=False) if KEPT in one.user_attrs]
        tried = [one.params for one in kept]
        left = [one for one in self._all if one not in tried]
        if not left:
            return None
        seed = self._seed + len(kept)
        with _quiet():
            self._study.sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True
            )
            if self._takes_all:
                return self._given(left[0])
            proposal = Proposal(self._study, self._study.ask(), self._plan)
            if proposal.chosen not in tried:
                return proposal
            proposal.drop()
            return self._given(random.Random(seed).choice(left))

    def _given(self, chosen: search_space.Chosen) -> Proposal:
        if not self._study.get_trials(states=(_optuna().trial.TrialState.WAITING,)):  # of a killed start
            self._study.enqueue_trial(chosen)
        return Proposal(self._study, self._study.ask(), self._plan)


class Proposal:
    """One trial."""

    def __init__(self, study: Any, trial: optuna.Trial, plan: SearchPlan) -> None:
        self._study, self._trial = study, trial
        suggest: Any = trial.suggest_categorical  # typed for each kind of choice by itself
        self.chosen = search_space.choose(plan, suggest)

    def drop(self) -> None:
        """Propose nothing."""
        _finish(self._study, self._trial, None)

    def tell(self, values: tuple[float, float] | None, kept: dict[str, Any]) -> None:
        """How it went: the two numbers to be made small, or None where there are none; and what to keep."""
        with _quiet():
            self._trial.set_user_attr(KEPT, {**kept, VALUES: values})
            _finish(self._study, self._trial, values)


def _finish(study: Any, trial: Any, values: Sequence[float] | None) -> None:
    """Tell Optuna; of a trial without values it learns nothing."""
    if values is None:
        study.tell(trial, state=_optuna().trial.TrialState.FAIL)
    else:
        study.tell(trial, list(values))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "a search needs Optuna, which is not installed: pip install 'shrinkproof[search]'."
        ) from None
    return optuna


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna logs every trial and warns of what it calls experimental."""
    optuna = _optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)

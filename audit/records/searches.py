"""What a search tried, and what it took."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audit.records.base import Decision, NotMeasured, Record
from audit.records.models import Level
from audit.records.verdicts import Confirmation


class Spent(Record):
    """What something took."""

    tokens: int = 0
    """That a model computed."""
    seconds: float = 0.0
    """Of a clock on the wall, that of killed starts included where their results were kept."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(tokens=self.tokens + other.tokens, seconds=self.seconds + other.seconds)


class Trial(Record):
    """A level that a search proposed."""

    number: Annotated[int, Field(ge=1)]
    """In the order of proposals."""
    level: Level
    quantity: float | NotMeasured
    """Of the goal: counted on the model in memory, and in the files of a level that was audited."""
    divergence: float | NotMeasured
    """The proxy: mean KL(original ‖ level) of the next token, nats, over the search's text."""
    proxy: Spent
    decision: Decision | NotMeasured
    """Over all rules and budgets but the goal, on the items that choose; or why it was not audited."""
    audit: Spent = Spent()
    held_out: Decision | NotMeasured = NotMeasured("it was not tried on the items held out")
    """Over the rules, on those items."""

    @property
    def name(self) -> str:
        """The level's."""
        return self.level.name


class Sensitivity(Record):
    """How much the divergence hangs on one part of the model."""

    modules: str
    """Pattern of their names."""
    weights: int
    divergence: float
    """Mean KL(original ‖ model with these alone rounded), nats a token."""


class Search(Record):
    """How the level was found that is as small as the rules allow."""

    text: str
    """What the proxy looked at."""
    n_tokens: int
    sampler: str
    """What proposed the levels, with its version."""
    n_combinations: int
    """That the plan allows."""
    trials: tuple[Trial, ...]
    sensitivities: tuple[Sensitivity, ...] = ()
    """Those first that hang on most for their weights; empty where none was asked for."""
    preparation: Spent
    """The original's part of the proxy, and the sensitivities."""
    original: Spent
    """The original's answers to the items that choose."""
    held_out: Spent
    """Everything on the items held out."""
    unlucky: tuple[Confirmation, ...] = ()
    """Levels that were tried on the items held out before the one of the log's confirmation: none passed."""
    winner: str | None
    """The smallest level within the goal that passes on both."""
    beyond: str | None
    """Without a winner, the smallest that passes on the items that choose, though it is beyond the goal."""
    decision: Decision
    """Pass with a winner; fail where everything that was audited within the goal fails."""
    because: str

    @property
    def spent(self) -> Spent:
        """All of it."""
        of_trials = sum((one.proxy + one.audit for one in self.trials), Spent())
        return of_trials + self.preparation + self.original + self.held_out

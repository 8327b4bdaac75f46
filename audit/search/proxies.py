"""The first fidelity: levels proposed, compressed in memory, and held against the original on text."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from audit import search_space
from audit.errors import CompressionError, ConfigError, ModelError
from audit.harness import LoadedTask
from audit.loading import resolve_device
from audit.progress import Progress
from audit.records import AuditConfig, Level, NotMeasured, SearchPlan, Spent, Trial
from audit.search.preparation import Prepared, prepare
from audit.search.proposals import Proposal, Proposals
from audit.search.rehearsal import rehearse
from audit.search.yardstick import Yardstick
from audit.store import Store

FOLDER = "search"
"""In the run folder: the journal, and what was prepared."""
MOST_PROPOSALS = 4
"""Times as many as trials are asked for: a sampler that has seen the best proposes it again."""
UNBEGUN = NotMeasured("no audit was begun")


@dataclass(frozen=True)
class Proposed:
    """All trials of a search."""

    prepared: Prepared
    trials: list[Trial]
    sampler: str
    n_combinations: int


def propose(config: AuditConfig, store: Store, tasks: Sequence[LoadedTask], progress: Progress) -> Proposed:
    """As many trials as the plan asks for, or as there are; those in the journal are not made again.

    Raises ConfigError where no level of the plan can be made.
    """
    assert config.search is not None, "it is the config of a search"
    plan, folder = config.search, store.root / FOLDER
    proposals = Proposals(folder, plan, config.seed)
    device = resolve_device(config.device)
    prepared, yardstick = prepare(config, tasks, folder, device, progress)
    bench = _Bench(config, plan, prepared, yardstick, device, progress)
    trials = _trials(proposals)
    while len(trials) < plan.trials and len(proposals.finished()) < MOST_PROPOSALS * plan.trials:
        proposal = proposals.next()
        if proposal is None:
            break
        bench.tell(proposal, trials)
        trials = _trials(proposals)
    if not any(isinstance(one.divergence, float) for one in trials):
        raise ConfigError(f"search: no level of this plan can be made: {trials[0].divergence}.")
    return Proposed(prepared, trials, proposals.sampler, proposals.n_combinations)


def _trials(proposals: Proposals) -> list[Trial]:
    return [Trial.model_validate(one["trial"]) for one in proposals.finished() if "trial" in one]


@dataclass(frozen=True)
class _Bench:
    """What trials are made and measured with."""

    config: AuditConfig
    plan: SearchPlan
    prepared: Prepared
    yardstick: Yardstick
    device: str
    progress: Progress

    def tell(self, proposal: Proposal, others: Sequence[Trial]) -> None:
        """Make a proposed level, measure it, and tell; one that was proposed before is not made again."""
        links = search_space.links(self.plan, proposal.chosen, self.prepared.shape)
        if any(_links(one.level) == _links(*links) for one in others):
            proposal.tell(None, {})
            return
        *through, last = links
        number, name = len(others) + 1, "+".join(link.name for link in links)
        self.progress.stage(f"trial {number}: {name}")
        level = last.model_copy(update={"name": f"{number:02}-{name}", "through": tuple(through)})
        trial = self._measured(Trial(
            number=number, level=level, quantity=UNBEGUN, divergence=UNBEGUN, proxy=Spent(), decision=UNBEGUN,
        ), links)  # fmt: skip
        known = isinstance(trial.quantity, float) and isinstance(trial.divergence, float)
        values = (trial.quantity, trial.divergence) if known else None
        proposal.tell(values, {"trial": trial.model_dump(mode="json")})  # type: ignore[arg-type]  # they are numbers

    def _measured(self, trial: Trial, links: Sequence[Level]) -> Trial:
        """The trial with its quantity and its proxy, or with the reason why it has none."""
        started = time.monotonic()
        quantity: float | NotMeasured
        divergence: float | NotMeasured
        try:
            made = rehearse(links, self.config, self.device)
        except (CompressionError, ModelError) as error:
            quantity = divergence = NotMeasured(f"it can't be made: {str(error).splitlines()[0]}")
        else:
            quantity = made.quantity(self.plan.goal, self.prepared.parameters)
            found = self.yardstick.divergence(made.model)
            divergence = found if math.isfinite(found) else NotMeasured("it computes no numbers")
        tokens = self.yardstick.tokens if isinstance(divergence, float) else 0
        gaps = [one for one in (quantity, divergence) if isinstance(one, NotMeasured)]
        spent = Spent(tokens=tokens, seconds=time.monotonic() - started)
        return trial.model_copy(
            update={
                "quantity": quantity,
                "divergence": divergence,
                "decision": [*gaps, UNBEGUN][0],
                "proxy": spent,
            }
        )


def _links(*levels: Level) -> list[tuple[str, dict[str, object]]]:
    """What is done, link by link, whatever it is called."""
    return [(link.method, dict(link.options)) for one in levels for link in (*one.through, one)]

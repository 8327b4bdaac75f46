"""The first fidelity: levels proposed, compressed in memory, and held against the original on text."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from audit import search_space
from audit.errors import CompressionError, ConfigError, ModelError
from audit.harness import LoadedTask
from audit.loading import resolve_device
from audit.progress import Progress
from audit.records import AuditConfig, Level, NotMeasured, Spent, Trial
from audit.search.order import Candidate, bars
from audit.search.preparation import prepare
from audit.search.proposals import Proposal, Proposals
from audit.search.rehearsal import Rehearsal, rehearse
from audit.store import Store

FOLDER = "search"
"""In the run folder: the journal, and what was prepared."""
MOST_PROPOSALS = 4
"""Times as many as trials are asked for: a sampler that has seen the best proposes it again."""
FAR = 2
"""Times the divergence of a level that does not pass, from which a proxy is given up before its end."""
UNBEGUN = NotMeasured("no audit was begun")


class Proposer:
    """The trials of one search; those in its journal are not made again."""

    def __init__(
        self, config: AuditConfig, store: Store, tasks: Sequence[LoadedTask], progress: Progress
    ) -> None:
        assert config.search is not None, "it is the config of a search"
        self._config, self._plan, self._progress = config, config.search, progress
        self._device = resolve_device(config.device)
        folder = store.root / FOLDER
        self._proposals = Proposals(folder, self._plan, config.seed)
        self.prepared, self._yardstick = prepare(config, tasks, folder, self._device, progress)
        self.sampler, self.n_combinations = self._proposals.sampler, self._proposals.n_combinations

    def propose(self, wanted: int, known: Sequence[Candidate] | None = None) -> list[Trial]:
        """So many trials in all, or as many as there are; without `known` those of the first round alone.

        What can't be better than what is `known` is not measured to the end. Raises ConfigError where no
        level of the plan can be made.
        """
        first = known is None
        while self._wants_more(wanted, first):
            proposal = self._proposals.next()
            if proposal is None:
                break
            self._tell(proposal, known)
        trials = self._trials(first)
        if not any(isinstance(one.divergence, float) for one in trials):
            raise ConfigError(f"search: no level of this plan can be made: {trials[0].divergence}.")
        return trials

    def _wants_more(self, wanted: int, first: bool) -> bool:
        """Whether a round goes on; the first one is over as soon as the second has begun."""
        kept = self._proposals.finished()
        over = first and any(not one["first"] for one in kept)
        return not over and len(self._trials(first)) < wanted and len(kept) < MOST_PROPOSALS * wanted

    def _trials(self, first: bool) -> list[Trial]:
        """Those of the first round or of both, in the order of their proposal."""
        kept = [one for one in self._proposals.finished() if one["first"] or not first]
        return [Trial.model_validate(one["trial"]) for one in kept if "trial" in one]

    def _tell(self, proposal: Proposal, known: Sequence[Candidate] | None) -> None:
        """Make a proposed level, measure it, and tell; one that was proposed before is not made again."""
        others, first = self._trials(first=False), known is None
        links = search_space.links(self._plan, proposal.chosen, self.prepared.shape)
        if any(_links(one.level) == _links(*links) for one in others):
            proposal.tell(None, {"first": first})
            return
        *through, last = links
        number, name = len(others) + 1, "+".join(link.name for link in links)
        self._progress.stage(f"trial {number}: {name}")
        level = last.model_copy(update={"name": f"{number:02}-{name}", "through": tuple(through)})
        trial = self._measured(Trial(
            number=number, level=level, quantity=UNBEGUN, divergence=UNBEGUN, proxy=Spent(), decision=UNBEGUN,
        ), links, known or ())  # fmt: skip
        values = None
        if isinstance(trial.quantity, float) and isinstance(trial.divergence, float):
            values = trial.quantity, trial.divergence
        proposal.tell(values, {"trial": trial.model_dump(mode="json"), "first": first})

    def _measured(self, trial: Trial, links: Sequence[Level], known: Sequence[Candidate]) -> Trial:
        """The trial with its quantity and its proxy, or with the reason why it has none."""
        started, tokens = time.monotonic(), 0
        quantity: float | NotMeasured
        divergence: float | NotMeasured
        try:
            made = rehearse(links, self._config, self._device)
        except (CompressionError, ModelError) as error:
            quantity = divergence = NotMeasured(f"it can't be made: {str(error).splitlines()[0]}")
        else:
            quantity = made.quantity(self._plan.goal, self.prepared.parameters)
            divergence, tokens = self._divergence(made, quantity, known)
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

    def _divergence(
        self, made: Rehearsal, quantity: float | NotMeasured, known: Sequence[Candidate]
    ) -> tuple[float | NotMeasured, int]:
        """The proxy, and the tokens that it took; not to the end where that can't change anything."""
        smallest, closest = bars(known)
        if smallest is not None and isinstance(quantity, float) and quantity >= smallest.quantity:
            return NotMeasured(f"it is no smaller than {smallest.name}, which passes"), 0
        enough = None if closest is None else FAR * closest.divergence
        seen = self._yardstick.reading(made.model, enough=enough)
        if not math.isfinite(seen.divergence):
            return NotMeasured("it computes no numbers"), seen.tokens
        if closest is not None and not seen.whole:
            return NotMeasured(
                f"over {seen.tokens} tokens it diverges by {seen.divergence:.3g} nats, more than {FAR} times "
                f"as much as {closest.name}, which does not pass"
            ), seen.tokens
        return seen.divergence, seen.tokens


def _links(*levels: Level) -> list[tuple[str, dict[str, object]]]:
    """What is done, link by link, whatever it is called."""
    return [(link.method, dict(link.options)) for one in levels for link in (*one.through, one)]

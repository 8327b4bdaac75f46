"""What is read off the logits at the scored positions, in the pass that scores them.

A position is a distinct scored prefix: where four answers follow one question, their first tokens are
scored at one position. The KL divergence (Kullback & Leibler 1951) to the original is exact over the
original's `TOP_K` likeliest tokens; the rest of the vocabulary is estimated without bias from
`TAIL_DRAWS` tokens drawn from the original's own tail, with the tail's known mass under both models as
control variate (Schulman 2020, "Approximating KL divergence"), so the truncation has a standard error,
and the log-sum inequality bounds it from below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from audit import records
from audit.devices import input_device
from audit.harness.attention import MaskedModel, UnsupportedAttentionError
from audit.harness.packs import scored_packs
from audit.harness.trie import Ints, Trie
from audit.statistics import estimates

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOP_K = 64
TAIL_DRAWS = 64
LEAST_TAIL = float(np.finfo(np.float32).eps)
"""Probability of a tail below which draws say nothing of it."""
SEED = 1234
"""Of the tail's draws: on one device, the same distributions give the same draws in every audit."""


@dataclass(frozen=True)
class Places:
    """Where each target stands: the key to all other arrays."""

    request: Ints
    """[targets] index of the request, in the task's order."""
    offset: Ints
    """[targets] place in its continuation, from 0."""
    token: Ints
    """[targets] id of the token that was scored."""
    position: Ints
    """[targets] index of the position that scores it."""


@dataclass(frozen=True)
class Answers:
    """What an LM interface needs."""

    logprob: Floats
    """[targets] natural log of the probability of each target."""
    greedy: Bools
    """[targets] whether the target is the likeliest token."""


@dataclass(frozen=True)
class Positions:
    """What is known of each position, in the trie's order."""

    entropy: Floats
    """[positions] of the next token's distribution, nats."""
    top_id: NDArray[np.int32]
    """[positions, TOP_K] the likeliest tokens, likeliest first."""
    top_logprob: NDArray[np.float32]
    """[positions, TOP_K]"""


@dataclass(frozen=True)
class Tail:
    """The original's distribution beyond its top, for the divergence of others from it."""

    mass: Floats
    """[positions] probability of all tokens beyond the top, summed: 1 less the top would be rounding alone
    where it is small."""
    id: NDArray[np.int32]
    """[positions, TAIL_DRAWS] tokens drawn from the tail with replacement, by their probability."""
    logprob: NDArray[np.float32]
    """[positions, TAIL_DRAWS]"""


@dataclass(frozen=True)
class Divergence:
    """KL(original ‖ this model), nats, and agreement on the likeliest token."""

    kl: Floats
    """[positions] unbiased."""
    kl_error: Floats
    """[positions] standard error of the tail's part."""
    kl_lower: Floats
    """[positions] what the divergence is at least: the tail taken as one token."""
    same_top: Bools
    """[positions] no token is likelier than the one that is likeliest to the original."""

    def mean(self, document: Ints) -> records.Divergence | records.NotMeasured:
        """Over the positions; `document`, [positions], says whose each is."""
        n = len(self.kl)
        infinite = int(np.count_nonzero(~np.isfinite(self.kl)))
        if infinite:
            return records.NotMeasured(
                f"at {infinite} of {n} positions the variant rules out what is possible to the original: the "
                "divergence is infinite there"
            )
        several = len(np.unique(document)) > 1
        return records.Divergence(
            n_positions=n,
            kl=float(self.kl.mean()),
            kl_error=float(np.sqrt((self.kl_error**2).sum()) / n),
            kl_lower=float(self.kl_lower.mean()),
            kl_p95=float(np.quantile(self.kl, 0.95)),
            estimate=(
                estimates.clustered_mean(self.kl, document)
                if several
                else records.NotMeasured("one document: an error can be estimated from two or more")
            ),
            same_top=float(self.same_top.mean()),
        )


@dataclass(frozen=True)
class Measured:
    """One model on one trie."""

    places: Places
    answers: Answers
    positions: Positions
    tail: Tail | None
    """Of the original alone."""
    divergence: Divergence | None
    """Of all others."""

    def owners(self, of_request: Ints) -> Ints:
        """[positions] of what each request belongs to, the entry of the first that is scored there."""
        _, first = np.unique(self.places.position, return_index=True)
        found: Ints = of_request[self.places.request[first]]
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, `positions.entropy` and so on."""
        parts = {name: part for name, part in vars(self).items() if part is not None}
        return {
            f"{name}.{one.name}": getattr(part, one.name)
            for name, part in parts.items()
            for one in fields(part)
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Measured | None:
        """The same again; None of no arrays."""
        if not arrays:
            return None
        return cls(
            places=_part(Places, "places", arrays),
            answers=_part(Answers, "answers", arrays),
            positions=_part(Positions, "positions", arrays),
            tail=_part(Tail, "tail", arrays) if "tail.mass" in arrays else None,
            divergence=_part(Divergence, "divergence", arrays) if "divergence.kl" in arrays else None,
        )


_Record = TypeVar("_Record", Places, Answers, Positions, Tail, Divergence)


def answers(
    masked: MaskedModel,
    trie: Trie,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Answers:
    """Log-probability and greedy flag of every target; `advance` is told of tokens as they are done.

    Raises UnsupportedAttentionError when something computes NaN.
    """
    parts = []
    for pack in scored_packs(masked, trie):
        parts.append(_answers(_log_softmax(pack.logits), pack.row, trie.target[pack.targets]))
        advance(pack.n_tokens)
    return _joined(Answers, parts) if parts else Answers(np.empty(0), np.empty(0, dtype=bool))


def measure(
    masked: MaskedModel,
    trie: Trie,
    original: Measured | None = None,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Measured:
    """The answers, and what each position says beyond them; `original` is what the model is held against.

    Raises UnsupportedAttentionError when something computes NaN.
    """
    import torch

    generator = torch.Generator(device=input_device(masked.model)).manual_seed(SEED)
    answered, described, tails, divergences = [], [], [], []
    done = 0
    for pack in scored_packs(masked, trie):
        logprobs = _log_softmax(pack.logits)
        here = slice(done, done + len(logprobs))
        done = here.stop
        answered.append(_answers(logprobs, pack.row, trie.target[pack.targets]))
        described.append(_positions(logprobs))
        if original is None:
            tails.append(_tail(logprobs, described[-1], generator))
        else:
            divergences.append(_divergence(logprobs, original, here))
        advance(pack.n_tokens)
    return Measured(
        places=Places(trie.request, trie.offset, trie.target, np.unique(trie.node, return_inverse=True)[1]),
        answers=_joined(Answers, answered),
        positions=_joined(Positions, described),
        tail=_joined(Tail, tails) if original is None else None,
        divergence=None if original is None else _joined(Divergence, divergences),
    )


def _log_softmax(logits: torch.Tensor) -> torch.Tensor:
    # In float32 whatever the model's dtype is: bfloat16 has 8 bits, a log-probability needs more
    import torch

    return torch.log_softmax(logits, dim=-1, dtype=torch.float32)


def _answers(logprobs: torch.Tensor, row: Ints, target: Ints) -> Answers:
    """[scored nodes, vocabulary] to the targets' part.

    One NaN key or value makes a whole pack NaN, since a masked place still weighs 0 × its value: such a
    model can only be scored request by request.
    """
    import torch

    rows = torch.from_numpy(row).to(logprobs.device)
    wanted = torch.from_numpy(target).to(logprobs.device)
    found = logprobs[rows, wanted].double().cpu().numpy()
    if np.isnan(found).any():
        raise UnsupportedAttentionError("a request computes NaN, and would make its neighbours NaN")
    greedy = logprobs.argmax(-1)[rows] == wanted
    return Answers(found, greedy.cpu().numpy())


def _positions(logprobs: torch.Tensor) -> Positions:
    top = logprobs.topk(min(TOP_K, logprobs.shape[-1]), dim=-1)
    return Positions(
        entropy=_entropy(logprobs).double().cpu().numpy(),
        top_id=top.indices.int().cpu().numpy(),
        top_logprob=top.values.cpu().numpy(),
    )


def _entropy(logprobs: torch.Tensor) -> torch.Tensor:
    """[positions] nats; a token of probability 0 adds nothing."""
    import torch

    terms: torch.Tensor = torch.special.entr(logprobs.exp())
    return terms.sum(-1)


def _tail(logprobs: torch.Tensor, top: Positions, generator: torch.Generator) -> Tail:
    import torch

    top_id = torch.from_numpy(top.top_id).long().to(logprobs.device)
    rest = logprobs.exp().scatter_(-1, top_id, 0.0)
    # A vocabulary no larger than the top has no tail: draw the last token, which then weighs nothing
    mass = rest.sum(-1, dtype=torch.float64)
    rest[mass == 0, -1] = 1.0
    drawn = (
        torch.multinomial(rest, TAIL_DRAWS, replacement=True, generator=generator)
        if len(rest)
        else torch.empty(0, TAIL_DRAWS, dtype=torch.int64, device=rest.device)
    )
    return Tail(
        mass=mass.cpu().numpy(),
        id=drawn.int().cpu().numpy(),
        logprob=logprobs.gather(-1, drawn).cpu().numpy(),
    )


def _divergence(logprobs: torch.Tensor, original: Measured, here: slice) -> Divergence:
    """KL(P ‖ Q) = Σ_top p ln(p/q) + Σ_tail p ln(p/q).

    With r = ln(p/q), Σ_tail p r = Σ_tail p (e^−r − 1 + r) + P(tail) − Q(tail); no term of the sum is
    negative, it is of the order of r², and it is estimated by its mean over the draws. A tail of less than
    `LEAST_TAIL` is left out: no draw of it tells of e^−r, and all that it can add is some 1e-5.
    """
    assert original.tail is not None
    top_id, tail_id = original.positions.top_id[here], original.tail.id[here]
    p_top = original.positions.top_logprob[here].astype(np.float64)
    p_mass = original.tail.mass[here]
    q_top, q_tail = _gather(logprobs, top_id), _gather(logprobs, tail_id)
    p_rest, q_rest = _beyond(p_top), _beyond(q_top)  # alike, so that rounding cancels where models agree
    with np.errstate(invalid="ignore", over="ignore"):  # tokens of probability 0 add nothing
        of_top = np.where(p_top > -np.inf, np.exp(p_top) * (p_top - q_top), 0.0).sum(axis=1)
        ratios = original.tail.logprob[here].astype(np.float64) - q_tail
        drawn = p_mass >= LEAST_TAIL
        terms = np.where(drawn[:, None], np.expm1(-ratios) + ratios, 0.0)
    of_tail_at_least = rel_entr(p_rest, np.maximum(q_rest, LEAST_TAIL))
    return Divergence(
        kl=of_top + np.where(drawn, p_mass * terms.mean(axis=1) + p_rest - q_rest, 0.0),
        kl_error=p_mass * terms.std(axis=1, ddof=1) / np.sqrt(terms.shape[1]),
        kl_lower=np.maximum(of_top + of_tail_at_least, 0.0),
        # Not by two argmax: of tied tokens, common in bfloat16, they pick any
        same_top=q_top[:, 0] == logprobs.amax(-1).double().cpu().numpy(),
    )


def _beyond(logprobs: NDArray[Any]) -> Floats:
    """[positions] what is left of probability 1 beyond the given tokens."""
    left: Floats = 1 - np.exp(logprobs.astype(np.float64)).sum(axis=1)
    return left.clip(min=0.0)


def _gather(logprobs: torch.Tensor, ids: NDArray[np.int32]) -> Floats:
    import torch

    index = torch.from_numpy(ids).long().to(logprobs.device)
    gathered: Floats = logprobs.gather(-1, index).double().cpu().numpy()
    return gathered


def _joined(kind: type[_Record], parts: list[_Record]) -> _Record:
    """One record from those of the packs, field by field."""
    return kind(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(kind)))


def _part(kind: type[_Record], name: str, arrays: Mapping[str, NDArray[Any]]) -> _Record:
    """One record back from its named arrays."""
    return kind(*(arrays[f"{name}.{one.name}"] for one in fields(kind)))

"""What is read off the logits at the scored positions, in the pass that scores them.

A position is a distinct scored prefix: where four answers follow one question, their first tokens are
scored at one position. The KL divergence (Kullback & Leibler 1951) to the original is exact over the
original's `TOP_K` likeliest tokens; the rest of the vocabulary is estimated without bias from
`TAIL_DRAWS` tokens drawn from the original's own tail, so the truncation has a standard error, and the
log-sum inequality bounds it from below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from audit.harness.packs import scored_packs
from audit.harness.trie import Ints, Trie

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOP_K = 64
TAIL_DRAWS = 64
SEED = 1234
"""Of the tail's draws: the same positions give the same draws in every audit."""


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
    """[positions] probability of all tokens beyond the top."""
    id: NDArray[np.int32]
    """[positions, TAIL_DRAWS] tokens drawn from the tail with replacement, by their probability."""
    logprob: NDArray[np.float32]
    """[positions, TAIL_DRAWS]"""


@dataclass(frozen=True)
class Divergence:
    """KL(original ‖ this model), nats, and agreement on the likeliest token."""

    kl: Floats
    """[positions] unbiased; may fall below 0 by its error."""
    kl_error: Floats
    """[positions] standard error of the tail's part."""
    kl_lower: Floats
    """[positions] what the divergence is at least: the tail taken as one token."""
    same_top: Bools
    """[positions] the likeliest token is the original's."""


@dataclass(frozen=True)
class Measured:
    """One model on one trie."""

    answers: Answers
    positions: Positions
    tail: Tail | None
    """Of the original alone."""
    divergence: Divergence | None
    """Of all others."""


_Record = TypeVar("_Record", Answers, Positions, Tail, Divergence)


def answers(
    model: PreTrainedModel,
    trie: Trie,
    windows: dict[str, int | None],
    pack_tokens: int,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Answers:
    """Log-probability and greedy flag of every target; `advance` is told of tokens as they are done."""
    parts = []
    for pack in scored_packs(model, trie, windows, pack_tokens):
        parts.append(_answers(_log_softmax(pack.logits), pack.row, trie.target[pack.targets]))
        advance(pack.n_tokens)
    return _joined(Answers, parts)


def measure(
    model: PreTrainedModel,
    trie: Trie,
    windows: dict[str, int | None],
    pack_tokens: int,
    original: Measured | None = None,
    advance: Callable[[int], None] = lambda tokens: None,
) -> Measured:
    """The answers, and what each position says beyond them; `original` is what the model is held against."""
    import torch

    generator = torch.Generator(device=model.device).manual_seed(SEED)
    answered, described, tails, divergences = [], [], [], []
    done = 0
    for pack in scored_packs(model, trie, windows, pack_tokens):
        logprobs = _log_softmax(pack.logits)
        here = slice(done, done + len(logprobs))
        done = here.stop
        answered.append(_answers(logprobs, pack.row, trie.target[pack.targets]))
        described.append(_positions(logprobs))
        if original is None:
            tails.append(_tail(logprobs, generator))
        else:
            divergences.append(_divergence(logprobs, original, here))
        advance(pack.n_tokens)
    return Measured(
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
    """[scored nodes, vocabulary] to the targets' part."""
    import torch

    rows = torch.from_numpy(row).to(logprobs.device)
    wanted = torch.from_numpy(target).to(logprobs.device)
    greedy = logprobs.argmax(-1)[rows] == wanted
    return Answers(logprobs[rows, wanted].double().cpu().numpy(), greedy.cpu().numpy())


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


def _tail(logprobs: torch.Tensor, generator: torch.Generator) -> Tail:
    import torch

    top = logprobs.topk(min(TOP_K, logprobs.shape[-1]), dim=-1).indices
    rest = logprobs.exp().scatter_(-1, top, 0.0)
    mass = rest.double().sum(-1)
    # A vocabulary no larger than the top has no tail: draw the last token, which then weighs nothing
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
    """KL(P ‖ Q) = Σ_top p ln(p/q) + Σ_tail p ln(p/q), the second as mass × mean over draws of ln(p/q)."""
    assert original.tail is not None
    top_id, tail_id = original.positions.top_id[here], original.tail.id[here]
    p_top = original.positions.top_logprob[here].astype(np.float64)
    p_mass = original.tail.mass[here]
    q_top, q_tail = _gather(logprobs, top_id), _gather(logprobs, tail_id)
    of_top = (np.exp(p_top) * (p_top - q_top)).sum(axis=1)
    ratios = original.tail.logprob[here].astype(np.float64) - q_tail
    q_mass = np.maximum(1 - np.exp(q_top).sum(axis=1), np.finfo(np.float32).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_tail_at_least = np.where(p_mass > 0, p_mass * (np.log(p_mass) - np.log(q_mass)), 0.0)
    return Divergence(
        kl=of_top + p_mass * ratios.mean(axis=1),
        kl_error=p_mass * ratios.std(axis=1, ddof=1) / np.sqrt(ratios.shape[1]),
        kl_lower=np.maximum(of_top + of_tail_at_least, 0.0),
        same_top=logprobs.argmax(-1).cpu().numpy() == top_id[:, 0],
    )


def _gather(logprobs: torch.Tensor, ids: NDArray[np.int32]) -> Floats:
    import torch

    index = torch.from_numpy(ids).long().to(logprobs.device)
    gathered: Floats = logprobs.gather(-1, index).double().cpu().numpy()
    return gathered


def _joined(kind: type[_Record], parts: list[_Record]) -> _Record:
    """One record from those of the packs, field by field."""
    return kind(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(kind)))

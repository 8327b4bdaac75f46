"""One step of a distillation in numbers: what is lost, in what order the text comes, how fast to learn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""


class Losses(NamedTuple):
    """Of one step, before its weights change; nats a position."""

    divergence: float
    """T² · KL(teacher ‖ student)."""
    cross_entropy: float
    """Of the text."""


def divergence(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ student) of logits over T, [position, vocabulary]: the mean over positions, nats.

    The factor keeps the gradient's size whatever T is (Hinton et al. 2015, section 2).
    """
    from torch.nn.functional import kl_div, log_softmax

    theirs, ours = (log_softmax(logits / temperature, dim=-1) for logits in (teacher, student))
    return temperature**2 * kl_div(ours, theirs, log_target=True, reduction="batchmean")


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Of step `step`, from 0: a linear rise to `peak`, then half a cosine down to almost 0.

    >>> [round(learning_rate(step, 40, 1.0), 3) for step in (0, 1, 2, 21, 39)]
    [0.5, 1.0, 1.0, 0.5, 0.002]
    """
    rise = math.ceil(WARM_UP * steps)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def rows(step: int, batch_size: int, samples: int, seed: int) -> list[int]:
    """Which stretches step `step` looks at: every one once, in a new order, before any a second time.

    It depends on the arguments alone, so a training that goes on sees what it would have seen.
    """
    places = range(step * batch_size, (step + 1) * batch_size)
    orders = {
        epoch: np.random.default_rng([seed, epoch]).permutation(samples)
        for epoch in range(places[0] // samples, places[-1] // samples + 1)
    }
    return [int(orders[place // samples][place % samples]) for place in places]

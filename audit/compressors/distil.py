"""Distillation: a student learns to answer as its teacher does (Hinton et al. 2015; Sanh et al. 2019).

The loss is (1 − mix) · T² · KL(teacher ‖ student) + mix · the text's cross-entropy, in float32. On the same
machine the same options give the same weights, also where the training was killed and went on; on a GPU as
far as its kernels repeat themselves.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from audit.calibration import Calibrated, described
from audit.compressors import students, training
from audit.compressors.checkpoint import Checkpoint
from audit.compressors.training import Losses
from audit.errors import CompressionError
from audit.loading import saved, stored_dtype
from audit.making import Made, Making
from audit.memory import FLOAT32, check_room
from audit.records import LossPoint, Share, Training

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TITLE = "distillation: a smaller student trained on the model's distribution (plain torch)"
LIBRARY = "torch"
PRESETS = {f"distil-{layers}L": {"layers": layers} for layers in (4, 6, 8, 12, 16, 24)}

BESIDE_WEIGHTS = 3
"""Numbers that training keeps for each weight: its gradient, and AdamW's two moments."""
CLIP = 1.0
"""Largest norm of the gradient."""
REMARKS = 20
"""How often in all the progress says the loss, at most."""
POINTS = 200
"""Of the loss curve, at most."""


class Options(Calibrated):
    """Settings of distillation. The student is told by `layers` or by `student`."""

    layers: Annotated[int, Field(ge=1)] | None = None
    """So many of the teacher's, evenly spaced, the first and the last among them."""
    student: Path | None = None
    """config.json of a student, or its folder, relative to the config file. It must have the teacher's
    vocabulary; its weights are drawn from `seed`, and those that lie in the folder are not read."""
    samples: Annotated[int, Field(ge=1)] = 4096
    """Stretches of text."""
    sequence_length: Annotated[int, Field(ge=2)] = 256
    """Tokens of each."""
    seed: int = 0
    """Of the draw of the stretches, of their order, and of fresh weights."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Of the optimiser; None: as many as `epochs` takes."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """How often each stretch is looked at, where `steps` is not given."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Stretches of a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Of AdamW, at its highest: it rises over the first twentieth of the steps and falls as a cosine."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """T, which both models' logits are divided by."""
    mix: Share = 0.1
    """Weight of the text's cross-entropy; the divergence from the teacher has the rest."""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 600.0
    """Between two checkpoints to go on from; 0: one after every step."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.layers is None) == (self.student is None):
            raise ValueError("give `layers` or `student`, and not both")
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("give `steps` or `epochs`, and not both")
        return self

    @property
    def all_steps(self) -> int:
        """Of the optimiser; the last epoch's last batch is filled from the next one."""
        return self.steps or -(-self.epochs * self.samples // self.batch_size)


def compress(making: Making[Options]) -> Made:
    """Train a student and save it in its teacher's place; see `Compressor.compress`."""
    import torch

    teacher, options = making.model, making.options
    kept: tuple[int, ...] = ()
    if options.layers is not None:
        student, kept = students.of_layers(teacher, options.layers)
    else:
        assert options.student is not None, "the options ask for one of the two"
        student = students.of_config(teacher, options.student, options.seed)
    losses, before = _train(making, student)
    with torch.no_grad():
        for weights in student.parameters():  # as they will be loaded
            weights.copy_(weights.to(stored_dtype(student)))
    made = saved(replace(making, model=student))
    return made._replace(training=_record(options, teacher, kept, losses), seconds_before=before)


def _train(making: Making[Options], student: PreTrainedModel) -> tuple[list[Losses], float]:
    """Train the student in place; the losses of all steps, and the seconds of starts that it goes on from."""
    import torch

    options, progress = making.options, making.progress
    needed = BESIDE_WEIGHTS * FLOAT32 * student.num_parameters()
    check_room(needed, str(student.device), f"training a student of {student.num_parameters():,} weights")
    steps, tokens = options.all_steps, options.batch_size * options.sequence_length
    optimiser = torch.optim.AdamW(student.parameters())
    checkpoint = Checkpoint(making.scratch, _setup(making, student))
    losses = checkpoint.load(student, optimiser)
    if losses:
        progress.stage(f"distilling: going on after step {len(losses)} of {steps}")
    progress.plan(steps * tokens)
    progress.reach(len(losses) * tokens)
    kept_at = time.monotonic()
    for step in range(len(losses), steps):
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate(step, steps, options.learning_rate)
        loss, found = _loss(making, student, step)
        if not loss.isfinite():
            raise CompressionError(
                f"the loss is {loss.item()} at step {step + 1} of {steps}, with learning_rate "
                f"{options.learning_rate:g}: the training came apart. Lower learning_rate."
            )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(student.parameters(), CLIP)
        optimiser.step()
        losses.append(found)
        progress.advance(tokens)
        if (step + 1) % -(-steps // REMARKS) == 0:
            progress.stage(f"distilling: step {step + 1} of {steps}, loss {loss.item():.3f}")
        if time.monotonic() - kept_at >= options.checkpoint_seconds:
            checkpoint.save(student, optimiser, losses)
            kept_at = time.monotonic()
    progress.plan(0)
    return losses, checkpoint.seconds_before


def _loss(making: Making[Options], student: PreTrainedModel, step: int) -> tuple[Tensor, Losses]:
    """What step `step` minimises, and its parts; over the positions that have a next token."""
    import torch
    from torch.nn.functional import cross_entropy

    options, text = making.options, making.text
    assert text is not None, "the options are Calibrated"
    rows = training.rows(step, options.batch_size, len(text), options.seed)
    ids = torch.from_numpy(text[rows]).to(student.device)
    with torch.no_grad():
        theirs = making.model(input_ids=ids, use_cache=False).logits[:, :-1].flatten(0, 1)
    ours = student(input_ids=ids, use_cache=False).logits[:, :-1].flatten(0, 1)
    divergence = training.divergence(theirs, ours, options.temperature)
    data = cross_entropy(ours, ids[:, 1:].flatten())
    loss = (1 - options.mix) * divergence + options.mix * data
    return loss, Losses(divergence.item(), data.item())


def _setup(making: Making[Options], student: PreTrainedModel) -> str:
    """sha256 of all that determines the student's weights after a number of steps."""
    options = making.options
    assert making.text is not None, "the options are Calibrated"
    parts = [
        options.model_dump(mode="json", exclude={"calibration", "student", "checkpoint_seconds"}),
        described(options, making.text).sha256,
        _digest(making.model),
        _digest(student),
        student.config.to_dict(),
        str(student.device),
        [version(library) for library in ("shrinkproof", "torch", "transformers")],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _digest(model: PreTrainedModel) -> str:
    """sha256 of a model's weights."""
    total = hashlib.sha256()
    for name, tensor in model.named_parameters():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().data)
    return total.hexdigest()


def _record(
    options: Options, teacher: PreTrainedModel, kept: tuple[int, ...], losses: list[Losses]
) -> Training:
    """What was trained, for the log."""
    return Training(
        layers=kept,
        teacher_layers=teacher.config.get_text_config().num_hidden_layers,
        steps=len(losses),
        batch_size=options.batch_size,
        tokens=len(losses) * options.batch_size * options.sequence_length,
        learning_rate=options.learning_rate,
        temperature=options.temperature,
        mix=options.mix,
        curve=_curve(losses),
    )


def _curve(losses: list[Losses]) -> tuple[LossPoint, ...]:
    """Means over stretches of steps of about the same length, at most `POINTS` of them."""
    ends = np.linspace(0, len(losses), min(len(losses), POINTS) + 1).round().astype(int)
    means = [np.mean(losses[start:end], axis=0) for start, end in pairwise(ends)]
    return tuple(
        LossPoint(step=int(end), divergence=float(mean[0]), cross_entropy=float(mean[1]))
        for end, mean in zip(ends[1:], means, strict=True)
    )

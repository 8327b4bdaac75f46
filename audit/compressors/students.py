"""Where the student of a distillation starts: as layers of its teacher, or as a config with fresh weights."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.compressors.structure import keep_layers
from audit.errors import CompressionError, ConfigError, first_line
from audit.loading import stored_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def spread(wanted: int, there: int) -> tuple[int, ...]:
    """`wanted` of `there` layers, evenly spaced, the first and the last among them.

    >>> spread(6, 30), spread(1, 30)
    ((0, 6, 12, 17, 23, 29), (0,))
    """
    return tuple(int(layer) for layer in np.linspace(0, there - 1, wanted).round())


def of_layers(teacher: PreTrainedModel, wanted: int) -> tuple[PreTrainedModel, tuple[int, ...]]:
    """A copy of the teacher that has kept `wanted` of its layers, and which (Sanh et al. 2019, section 3).

    Raises CompressionError where the teacher has fewer, or is built so that they can't be taken out.
    """
    there = teacher.config.get_text_config().num_hidden_layers
    if wanted > there:
        raise CompressionError(
            f"layers: the student is to have {wanted}, and its teacher has {there}. Ask for {there} or fewer."
        )
    kept = spread(wanted, there)
    config = copy.deepcopy(teacher.config)
    keep_layers(config, kept)
    with _seeded(0):  # every weight is replaced; the caller's random numbers stay as they were
        student: PreTrainedModel = type(teacher)(config)
    stack = re.compile(rf"^{re.escape(_stack(teacher, there))}\.(\d+)\.")
    theirs = teacher.state_dict()
    taken = {}
    for name, tensor in student.state_dict().items():
        source = stack.sub(lambda found: found[0].replace(found[1], str(kept[int(found[1])])), name)
        if source not in theirs or theirs[source].shape != tensor.shape:
            raise _unknown(teacher)
        taken[name] = theirs[source]
    student.load_state_dict(taken)
    return _like(teacher, student), kept


def of_config(teacher: PreTrainedModel, path: Path, seed: int) -> PreTrainedModel:
    """A student as `path`, config.json or its folder, describes it; its weights are drawn from `seed`.

    Raises ConfigError where that is no causal language model over the teacher's vocabulary.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"student: there is no file {file}. Name a config.json, or a folder that has one.")
    try:
        config = AutoConfig.from_pretrained(file, local_files_only=True, trust_remote_code=False)
        with _seeded(seed):
            student: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config, dtype=torch.float32, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = first_line(error)
        raise ConfigError(
            f"student: {file} describes no causal language model that transformers can build: {said}"
        ) from error
    theirs, ours = teacher.config.vocab_size, student.config.vocab_size
    if ours != theirs:
        raise ConfigError(
            f"student: {file} has a vocabulary of {ours:,}, and the teacher's is {theirs:,}: their "
            f"distributions can't be compared. Set vocab_size to {theirs}."
        )
    return _like(teacher, student)


def _stack(model: PreTrainedModel, there: int) -> str:
    """Name of the list of the model's layers."""
    import torch

    names: list[str] = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == there
    ]
    if not names:
        raise _unknown(model)
    return names[0]


def _unknown(teacher: PreTrainedModel) -> CompressionError:
    return CompressionError(
        f"layers: a {type(teacher).__name__} isn't built of layers that can be taken one by one. "
        "Give the config of a `student` instead."
    )


def _like(teacher: PreTrainedModel, student: PreTrainedModel) -> PreTrainedModel:
    """The student where its teacher is, to be stored in the same dtype and to generate with the same tokens.

    It stays in inference mode, without dropout: the order of the text is then all that is random.
    """
    student.config.dtype = stored_dtype(teacher)
    student.generation_config = copy.deepcopy(teacher.generation_config)
    student.to(teacher.device)  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    student.eval()  # type: ignore[no-untyped-call]
    return student


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's random numbers from `seed` while the block runs, and as they were after it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

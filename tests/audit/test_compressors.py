"""An artefact is stored as its original was, and rounded in float32 whatever the audit computes in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audit import AuditLog, load_config, run_audit
from audit.loading import linear_layers, load_model
from audit.weights import float_dtypes

LEVELS = ["control", "int8", "magnitude-50"]


@pytest.fixture(scope="module", params=["bfloat16", "float16", "float32"])
def stored(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def log(tiny: Path, stored: str, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """An audit that computes in bfloat16, of an original stored in each dtype."""
    folder = tmp_path_factory.mktemp(stored)
    shutil.copytree(tiny, folder / "model")
    load_model(tiny, dtype=stored).save_pretrained(folder / "model")
    config = {
        "model": str(folder / "model"), "levels": LEVELS, "suites": ["accuracy"], "limit": 4,
        "dtype": "bfloat16", "out": str(folder / "run"),
    }  # fmt: skip
    return run_audit(load_config(config))


def test_what_is_not_packed_is_stored_as_the_original_was(log: AuditLog, stored: str) -> None:
    original, control, int8, pruned = log.variants
    assert {float_dtypes(Path(one.path)) for one in log.variants} == {frozenset([stored])}
    assert control.size_bytes == pruned.size_bytes == original.size_bytes > int8.size_bytes
    assert pruned.sparsity == pytest.approx(0.5, abs=0.01)


def test_every_weight_is_rounded_to_the_code_that_is_nearest(log: AuditLog) -> None:
    original, int8 = (load_model(Path(log.variants[place].path), dtype="float32") for place in (0, 2))
    tensors = load_file(Path(log.variants[2].path) / "model.safetensors")
    rounded = dict(linear_layers(int8))
    for name, module in linear_layers(original):
        scale = tensors[f"{name}.weight_scale"].float()
        nearest = (module.weight.detach() / scale).round().clamp(-128, 127)
        assert torch.equal((rounded[name].weight.detach() / scale).round(), nearest), name


def test_a_level_loads_as_it_was_saved(log: AuditLog) -> None:
    assert [one.reload_error for one in log.variants] == [0.0] * len(log.variants)

"""An artefact is stored as its original was, and rounded in float32 whatever the audit computes in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audit import AuditLog, load_config, make_variants, run_audit
from audit.compressors.packed import arguments, round_to_nearest
from audit.errors import ConfigError
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


# Chains


def test_a_level_goes_where_it_is_sent_and_keeps_what_is_written(log: AuditLog) -> None:
    for one in log.variants:
        model = load_model(Path(one.path))
        with torch.no_grad():
            for weights in model.parameters():
                weights.data = weights.data.half()
        assert {weights.dtype for weights in model.parameters()} == {torch.float16}
        moved = model.to("meta")  # a device that every machine has
        assert {weights.device.type for weights in moved.parameters()} == {"meta"}


@pytest.fixture(scope="module")
def chained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    config = {
        "model": str(tiny), "levels": ["int8", ["magnitude-30", "magnitude-50", "int4"], "magnitude-30+int2"],
        "suites": ["accuracy"], "limit": 60, "sequential": False,
        "out": str(tmp_path_factory.mktemp("chain") / "run"),
    }  # fmt: skip
    return run_audit(load_config(config))


def test_each_link_of_a_chain_is_a_variant_made_from_the_one_before(chained: AuditLog) -> None:
    parents = {one.digest: one.name for one in chained.variants}
    made_from = {one.name: parents[one.parent] for one in chained.variants if one.parent}
    assert made_from == {
        "int8": "original",
        "magnitude-30": "original",
        "magnitude-30+magnitude-50": "magnitude-30",
        "magnitude-30+magnitude-50+int4": "magnitude-30+magnitude-50",
        "magnitude-30+int2": "magnitude-30",
    }
    sparsity = {one.name: one.sparsity for one in chained.variants}
    assert sparsity["magnitude-30"] == pytest.approx(0.3, abs=0.01)
    assert sparsity["magnitude-30+magnitude-50+int4"] >= 0.5


def test_a_link_is_held_against_the_one_before_it(chained: AuditLog) -> None:
    whole = {one.variant: one for one in chained.comparisons if one.group is None}
    links = {one.variant: one for one in chained.links}
    assert set(links) == set(chained.config.links)
    for name, link in links.items():
        before = whole[chained.config.links[name]]
        assert link.before == pytest.approx(before.after)  # where the chain stood
        assert link.after == pytest.approx(whole[name].after)
        assert link.difference == pytest.approx(whole[name].difference - before.difference)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([["int8"]], "two links or more"),
        ([["control", "int8"]], "no link of a chain"),
        (["int8+int9"], "Did you mean 'int8'"),
        (["int8+int4", "int8"], "'int8' is used twice"),
    ],
)
def test_what_is_no_chain_is_refused(tiny: Path, levels: list[object], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("+", r"\+")):
        load_config({"model": str(tiny), "levels": levels})


def test_variants_alone_are_what_an_audit_goes_on_from(tiny: Path, tmp_path: Path) -> None:
    config = load_config(
        {"model": str(tiny), "levels": ["int8+magnitude-50"], "suites": ["accuracy"], "limit": 4,
         "out": str(tmp_path / "run")}
    )  # fmt: skip
    made = make_variants(config)
    assert [one.name for one in made] == ["original", "int8", "int8+magnitude-50"]
    assert run_audit(config).variants == made


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_weights_too_small_for_a_scale_are_rounded_to_numbers(dtype: torch.dtype, symmetric: bool) -> None:
    layer = torch.nn.Linear(64, 3, bias=False)
    with torch.no_grad():  # a group of zeros alone, denormals, and a 0 among them
        layer.weight[0], layer.weight[1] = 0, torch.linspace(-1e-40, 1e-40, 64)
        layer.weight[2] = torch.linspace(-1e-7, 1e-7, 64)
        layer.weight[1:, 3] = 0
    before = layer.weight.detach().clone()
    rounded = round_to_nearest(layer, arguments(4, 32, symmetric), dtype)
    assert (rounded.scale > 0).all()
    step = rounded.scale.float().repeat_interleave(32, dim=1)
    assert ((layer.weight - before).abs() <= 0.6 * step).all()  # and none is NaN

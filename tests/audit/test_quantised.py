"""NF4, W8A8 and AWQ round as their definitions say, load as they were saved, and are measured as they run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from audit import load_config, make_variants
from audit.activations import per_token
from audit.compressors import magnitude
from audit.errors import CompressionError, ConfigError, ModelError
from audit.loading import linear_layers, load_model, load_tokenizer
from audit.making import Making
from audit.progress import Silent
from audit.records import Variant

NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
    1.0,
)  # fmt: skip
"""Dettmers et al. 2023, appendix E."""
FP4 = tuple(sign * number / 192 for sign in (1, -1) for number in (0, 1, 32, 48, 64, 96, 128, 192))
"""bitsandbytes' documentation of FP4: 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1."""

W8A8 = ["w8a8"]
BITSANDBYTES = [
    "nf4",
    {"method": "nf4", "quant_type": "fp4", "name": "fp4"},
    {"method": "nf4", "block_size": 128, "double_quant": True, "name": "nf4-double"},
]


@pytest.fixture(scope="module", params=["bfloat16", "float16", "float32"])
def stored(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def original(tiny: Path, stored: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as it looks when its files are in `stored`."""
    folder = tmp_path_factory.mktemp(stored) / "model"
    shutil.copytree(tiny, folder)
    load_model(tiny, dtype=stored).save_pretrained(folder)
    return folder


def made(original: Path, levels: list[object], out: Path) -> dict[str, Variant]:
    config = {"model": str(original), "levels": levels, "suites": ["accuracy"], "limit": 4, "out": str(out)}
    return {one.name: one for one in make_variants(load_config(config))}


def loaded_logits(folder: str, ids: Tensor) -> Tensor:
    with torch.inference_mode():
        return load_model(Path(folder), dtype="float32")(ids).logits


IDS = torch.arange(3, 2003, 20).reshape(2, 50)


# W8A8


@pytest.fixture(scope="module")
def w8a8(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Variant:
    return made(original, W8A8, tmp_path_factory.mktemp("w8a8") / "run")["w8a8"]


class ByHand(nn.Module):
    """A linear layer of int8 weights that rounds its input to int8, row by row, and sums integers."""

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.codes, self.scale = codes.double(), scale.double().flatten()

    def forward(self, x: Tensor) -> Tensor:
        step = x.abs().max(-1, keepdim=True).values / 127
        codes = torch.round(x / step)
        return (codes.double() @ self.codes.T * self.scale * step.double()).float()


def by_hand(original: Path, w8a8: Variant) -> nn.Module:
    """The original, its linear layers replaced by those of the checkpoint's integers."""
    model = load_model(original, dtype="float32")
    tensors = load_file(Path(w8a8.path) / "model.safetensors")
    for name, _ in list(linear_layers(model)):
        codes = tensors[f"{name}.weight"]
        assert codes.dtype == torch.int8
        model.set_submodule(name, ByHand(codes, tensors[f"{name}.weight_scale"]))
    return model


def test_activations_are_rounded_token_by_token_as_by_hand(original: Path, w8a8: Variant) -> None:
    with torch.inference_mode():
        expected = by_hand(original, w8a8)(IDS).logits
    found = loaded_logits(w8a8.path, IDS)
    # Float32 sums in another order tip a few activations over to the next code
    assert (found - expected).abs().median() < 1e-4


def test_weights_alone_say_something_else(original: Path, w8a8: Variant) -> None:
    weights_only = load_model(original, dtype="float32")
    for (_, module), (_, other) in zip(
        linear_layers(weights_only), linear_layers(load_model(Path(w8a8.path), dtype="float32")), strict=True
    ):
        module.weight.data = other.weight.data
    with torch.inference_mode():
        difference = weights_only(IDS).logits - loaded_logits(w8a8.path, IDS)
    assert difference.abs().median() > 1e-2


def test_weights_are_the_nearest_of_255_levels_of_their_channel(original: Path, w8a8: Variant) -> None:
    tensors = load_file(Path(w8a8.path) / "model.safetensors")
    for name, module in linear_layers(load_model(original, dtype="float32")):
        scale = tensors[f"{name}.weight_scale"]
        assert scale.dtype == torch.float32
        assert scale.shape == (module.out_features, 1)
        nearest = (module.weight.detach() / scale).round().clamp(-128, 127)
        assert torch.equal(tensors[f"{name}.weight"].float(), nearest), name


def test_the_config_tells_a_runtime_to_round_activations(w8a8: Variant) -> None:
    quantization = json.loads((Path(w8a8.path) / "config.json").read_text())["quantization_config"]
    (group,) = quantization["config_groups"].values()
    assert quantization["format"] == "int-quantized"
    wanted = {"num_bits": 8, "dynamic": True, "strategy": "token", "symmetric": True}
    assert wanted.items() <= group["input_activations"].items()
    assert group["weights"]["strategy"] == "channel"


def test_a_row_of_zeros_stays_zero_and_the_largest_number_stays_itself() -> None:
    rounded = per_token(torch.tensor([[0.0, 0.0, 0.0], [12.7, -0.04, 0.06]]))
    assert rounded[0].tolist() == [0, 0, 0]
    torch.testing.assert_close(rounded[1], torch.tensor([12.7, 0.0, 0.1]))


def test_it_is_said_that_activations_are_simulated(w8a8: Variant, stored: str) -> None:
    assert w8a8.evaluated_as == "dequantised to float32, int8 activations simulated"
    assert w8a8.reload_error == 0


@pytest.mark.parametrize(
    "change",
    [
        {"dynamic": False, "strategy": "tensor"},
        {"type": "float"},
        {"num_bits": 4},
        {"symmetric": False},
    ],
    ids=str,
)
def test_activations_that_are_rounded_otherwise_are_refused(
    w8a8: Variant, change: dict[str, object], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(w8a8.path, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (group,) = config["quantization_config"]["config_groups"].values()
    group["input_activations"].update(change)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="not rounded here.*" + next(iter(change))):
        load_model(folder, dtype="float32")


def test_the_next_link_of_a_chain_takes_the_weights_alone(original: Path, tmp_path: Path) -> None:
    variants = made(original, [["w8a8", "magnitude-24"], ["magnitude-24", "w8a8"]], tmp_path / "run")
    pruned = variants["w8a8+magnitude-24"]
    assert pruned.evaluated_as == "float32"
    assert pruned.stored_as.endswith("zeros stored")
    assert variants["magnitude-24+w8a8"].sparsity >= 0.5
    assert {one.reload_error for one in variants.values()} == {0.0}


# bitsandbytes


@pytest.fixture(scope="module")
def four_bit(original: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    pytest.importorskip("bitsandbytes", reason="the extra bitsandbytes is not installed")
    return made(original, BITSANDBYTES, tmp_path_factory.mktemp("four-bit") / "run")


@pytest.mark.parametrize(("name", "table"), [("nf4", NF4), ("fp4", FP4)])
def test_each_weight_is_the_nearest_of_sixteen_numbers_times_its_block(
    original: Path, four_bit: dict[str, Variant], name: str, table: tuple[float, ...], stored: str
) -> None:
    numbers = torch.tensor(table)
    rounded = dict(linear_layers(load_model(Path(four_bit[name].path), dtype="float32")))
    for layer, module in linear_layers(load_model(original, dtype="float32")):
        blocks = module.weight.detach().reshape(-1, 64)
        scale = blocks.abs().amax(1, keepdim=True)
        codes = (blocks[..., None] / scale[..., None] - numbers).abs().argmin(-1)
        nearest = (numbers[codes] * scale).to(getattr(torch, stored)).float()
        found = rounded[layer].weight.detach().reshape(-1, 64)
        same = (found == nearest).float().mean()
        assert same > 0.998, (layer, same)  # what lies halfway, as 16-bit numbers may, goes either way
        torch.testing.assert_close(found, nearest, atol=float(scale.max()) * 0.35, rtol=0)


def test_scales_that_are_rounded_themselves_take_less_space(
    four_bit: dict[str, Variant], original: Path
) -> None:
    def bits(name: str) -> int:
        tensors = load_file(Path(four_bit[name].path) / "model.safetensors")
        return sum(8 * one.nbytes for key, one in tensors.items() if "absmax" in key)

    weights = sum(module.weight.numel() for _, module in linear_layers(load_model(original, dtype="float32")))
    assert bits("nf4") / weights == 32 / 64
    assert bits("nf4-double") / weights < 0.12
    ids = IDS[:1]
    assert not torch.equal(
        loaded_logits(four_bit["nf4"].path, ids), loaded_logits(four_bit["nf4-double"].path, ids)
    )


def test_four_bit_levels_load_as_they_were_saved(four_bit: dict[str, Variant], stored: str) -> None:
    for one in [four_bit[name] for name in ("nf4", "fp4", "nf4-double")]:
        assert one.reload_error == 0
        assert one.evaluated_as == "dequantised to float32"
        assert one.format == "bitsandbytes"


def test_transformers_alone_computes_the_same_from_the_checkpoint(four_bit: dict[str, Variant]) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(four_bit["nf4"].path, dtype=torch.float32)
    with torch.inference_mode():
        logits = theirs(IDS).logits.float()
    difference = (logits - loaded_logits(four_bit["nf4"].path, IDS)).abs()
    assert difference.mean() < 0.05 * logits.std()


def test_a_missing_library_is_named(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.compressors.nf4.LIBRARY", "no-such-library")
    with pytest.raises(ConfigError, match=r"pip install 'shrinkproof\[no-such-library\]'"):
        load_config({"model": str(original), "levels": [{"method": "nf4", "block_size": 128}]})


# 2:4


def test_two_of_each_four_weights_stay_and_they_are_the_largest(original: Path, tmp_path: Path) -> None:
    variant = made(original, ["magnitude-24"], tmp_path / "run")["magnitude-24"]
    pruned = dict(linear_layers(load_model(Path(variant.path), dtype="float32")))
    for name, module in linear_layers(load_model(original, dtype="float32")):
        for four, kept in zip(
            module.weight.detach().reshape(-1, 4)[:200],
            pruned[name].weight.detach().reshape(-1, 4)[:200],
            strict=True,
        ):
            assert sorted(map(abs, kept.tolist())) == [0, 0, *sorted(map(abs, four.tolist()))[2:]]
            assert all(
                value in (0, before) for value, before in zip(kept.tolist(), four.tolist(), strict=True)
            )
    assert variant.sparsity == pytest.approx(0.5, abs=1e-3)


def test_a_sparsity_that_two_of_four_can_not_have_is_refused(original: Path) -> None:
    level = {"method": "magnitude", "pattern": "2:4", "sparsity": 0.7, "name": "more"}
    with pytest.raises(ConfigError, match="2:4 keeps half"):
        load_config({"model": str(original), "levels": [level]})


def test_rows_that_do_not_fall_into_fours_are_named(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=18, num_hidden_layers=1, num_attention_heads=2
    )
    model = LlamaForCausalLM(shape).eval()
    making = Making(
        model, magnitude.Options(pattern="2:4"), tmp_path, torch.tensor([[1, 2]]), None, tmp_path, Silent()
    )
    with pytest.raises(CompressionError, match=r"down_proj has 18 inputs"):
        magnitude.compress(making)


# AWQ


WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "to", "old", "house", "where"]


@pytest.fixture(scope="module")
def scaled(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    """AWQ and plain rounding, 3 bits in groups of 32, of the tiny model in bfloat16."""
    pytest.importorskip("llmcompressor", reason="the extra llmcompressor is not installed")
    folder, rng = tmp_path_factory.mktemp("awq"), np.random.default_rng(0)
    (folder / "text.txt").write_text("\n\n".join(" ".join(rng.choice(WORDS, 40)) for _ in range(400)))
    shutil.copytree(tiny, folder / "model")
    load_model(tiny, dtype="bfloat16").save_pretrained(folder / "model")
    rounded = {"bits": 3, "group_size": 32}
    looked = {"calibration": str(folder / "text.txt"), "samples": 16, "sequence_length": 48, "grid": 8}
    levels: list[object] = [
        {"method": "rtn", "name": "rtn", **rounded},
        {"method": "awq", "name": "awq", **rounded, **looked},
    ]
    return made(folder / "model", levels, folder / "run")


def test_awq_does_better_than_rounding_alone_on_its_kind_of_text(
    scaled: dict[str, Variant], tiny: Path
) -> None:
    rng, tokenizer = np.random.default_rng(7), load_tokenizer(tiny)
    ids = torch.tensor([tokenizer(" ".join(rng.choice(WORDS, 40))).input_ids[:40] for _ in range(32)])
    before = loaded_logits(scaled["original"].path, ids)
    error = {
        name: float((loaded_logits(one.path, ids) - before).square().mean()) for name, one in scaled.items()
    }
    assert 0 < error["awq"] < error["rtn"]


def test_awq_is_packed_and_loads_as_rounding_alone_does(scaled: dict[str, Variant]) -> None:
    awq, rtn = scaled["awq"], scaled["rtn"]
    assert awq.reload_error == 0
    assert (awq.stored_as, awq.evaluated_as) == (rtn.stored_as, rtn.evaluated_as)
    assert awq.calibration is not None


def test_awq_scales_what_comes_before_a_layer_by_the_inverse(scaled: dict[str, Variant]) -> None:
    before, after = (load_model(Path(scaled[name].path), dtype="float32") for name in ("original", "awq"))
    norm, other = (
        model.get_parameter("model.layers.0.input_layernorm.weight").detach() for model in (before, after)
    )
    weight, scaled_weight = (
        model.get_parameter("model.layers.0.self_attn.q_proj.weight").detach() for model in (before, after)
    )
    scale = norm / other
    assert not torch.allclose(scale, torch.ones_like(scale), atol=0.01)
    # but for the rounding to 3 bits, the weights are what they were times the scale
    with_scale, without = ((scaled_weight - weight * one).norm() for one in (scale, 1))
    assert with_scale < without

"""Methods that make tensors smaller: what is left computes as the whole with the same parts switched off."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    StableLmConfig,
    StableLmForCausalLM,
)

from audit import load_config, make_variants
from audit.compressors import channels, heads, layers, wanda_channels, wanda_heads
from audit.errors import CompressionError, ConfigError
from audit.loading import load_model, load_to_compress
from audit.making import Making
from audit.progress import Silent
from audit.records import Variant

HIDDEN, CHANNELS, LAYERS, HEAD = 64, 128, 3, 16  # of the tiny model: 4 heads, 2 key-value heads
IDS = torch.arange(5, 2900, 83)[None]
WORDS = (
    "the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "to", "old", "house", "where", "lives",
)  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "calibration.txt"
    path.write_text("\n\n".join(" ".join(rng.choice(WORDS, 40)) for _ in range(100)))
    return path


@pytest.fixture(scope="module")
def made(tiny: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Variant]:
    """Every method, and three chains, by their levels' names."""
    looked = {"calibration": str(text), "samples": 16, "sequence_length": 32}
    channels_25 = {"method": "channels", "share": 0.25, "multiple_of": 32, "name": "channels-25"}
    layer = {"method": "layers", "remove": 1, "name": "layers-1", **looked}
    int4 = {"method": "rtn", "bits": 4, "group_size": 32, "name": "int4-32"}
    levels = [
        [channels_25, int4],
        "heads-50",
        {"method": "wanda_channels", "share": 0.25, "multiple_of": 32, "name": "wanda-channels", **looked},
        {"method": "wanda_heads", "share": 0.5, "name": "wanda-heads", **looked},
        [layer, "heads-50", "channels-50"],
        ["int8", "heads-50"],
    ]
    config = load_config(
        {"model": str(tiny), "levels": levels, "suites": ["accuracy"],
         "out": str(tmp_path_factory.mktemp("structured") / "run")}
    )  # fmt: skip
    return {one.name: one for one in make_variants(config)}


def test_the_tensors_are_smaller_by_what_went(made: dict[str, Variant]) -> None:
    of_channels = LAYERS * 32 * 3 * HIDDEN  # a row of gate and of up, a column of down
    of_heads = (
        LAYERS * (2 + 1 + 1 + 2) * HEAD * HIDDEN
    )  # two heads' rows of q and columns of o, one of k, of v
    of_a_layer = (4 + 2 + 2 + 4) * HEAD * HIDDEN + 3 * CHANNELS * HIDDEN + 2 * HIDDEN
    whole = made["original"]
    for name, fewer in {
        "channels-25": of_channels,
        "wanda-channels": of_channels,
        "heads-50": of_heads,
        "wanda-heads": of_heads,
        "layers-1": of_a_layer,
    }.items():
        assert whole.parameters - made[name].parameters == fewer, name
        assert whole.size_bytes - made[name].size_bytes == pytest.approx(4 * fewer, abs=2000), name


def test_the_log_says_which_layer_went(tiny: Path, made: dict[str, Variant]) -> None:
    (gone,) = made["layers-1"].removed_layers
    assert made["heads-50"].removed_layers == ()
    whole, cut = (load_model(folder).model.layers for folder in (tiny, Path(made["layers-1"].path)))
    for left, place in enumerate(place for place in range(LAYERS) if place != gone):
        assert torch.equal(cut[left].mlp.up_proj.weight, whole[place].mlp.up_proj.weight)


def test_the_config_says_what_is_left(made: dict[str, Variant]) -> None:
    def said(name: str) -> tuple[int, ...]:
        config = json.loads((Path(made[name].path) / "config.json").read_text())
        keys = (
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "intermediate_size",
        )
        return tuple(config[key] for key in keys)

    assert said("original") == (3, 4, 2, 16, 128)
    assert said("channels-25") == said("wanda-channels") == (3, 4, 2, 16, 96)
    assert said("heads-50") == said("wanda-heads") == (3, 2, 1, 16, 128)
    assert said("int8+heads-50") == said("heads-50")
    assert said("layers-1") == (2, 4, 2, 16, 128)
    assert said("layers-1+heads-50+channels-50") == (2, 2, 1, 16, 64)


def test_every_level_loads_as_it_was_saved(made: dict[str, Variant]) -> None:
    assert {one.reload_error for one in made.values()} == {0.0}


def test_fewer_keys_and_values_are_cached(made: dict[str, Variant]) -> None:
    shapes = {name: one.kv_cache for name, one in made.items()}
    assert shapes["original"].values_per_token == 2 * shapes["heads-50"].values_per_token  # type: ignore[union-attr]
    assert shapes["layers-1"].full_layers == 2  # type: ignore[union-attr]


def test_what_is_left_is_rounded_by_the_next_link(made: dict[str, Variant]) -> None:
    before, after = made["channels-25"], made["channels-25+int4-32"]
    assert after.parameters == before.parameters
    assert after.size_bytes < before.size_bytes
    assert after.stored_as.startswith("int4")


# Known answers: the whole model with the same parts switched off by hand


def _logits(model: PreTrainedModel, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.inference_mode():
        return model(ids).logits


def _places(few: torch.Tensor, many: torch.Tensor) -> list[int]:
    """Where the rows of `few` stand in `many`."""
    return [int((many == row).all(1).nonzero()) for row in few]


@pytest.mark.parametrize("name", ["channels-25", "wanda-channels"])
def test_channels_that_went_are_channels_that_send_nothing(made: dict[str, Variant], name: str) -> None:
    whole, cut = (load_model(Path(made[one].path), dtype="float32") for one in ("original", name))
    for before, after in zip(whole.model.layers, cut.model.layers, strict=True):
        kept = _places(after.mlp.gate_proj.weight, before.mlp.gate_proj.weight)
        assert kept == sorted(kept)
        assert kept == _places(after.mlp.up_proj.weight, before.mlp.up_proj.weight)
        gone = sorted(set(range(CHANNELS)) - set(kept))
        assert len(gone) == 32
        before.mlp.down_proj.weight.data[:, gone] = 0
    torch.testing.assert_close(_logits(cut), _logits(whole), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["heads-50", "wanda-heads"])
def test_heads_that_went_are_heads_that_send_nothing(made: dict[str, Variant], name: str) -> None:
    whole, cut = (load_model(Path(made[one].path), dtype="float32") for one in ("original", name))
    for before, after in zip(whole.model.layers, cut.model.layers, strict=True):
        rows = _places(after.self_attn.k_proj.weight, before.self_attn.k_proj.weight)
        group = rows[0] // HEAD
        assert rows == [group * HEAD + i for i in range(HEAD)]
        queries = [group * 2 * HEAD + i for i in range(2 * HEAD)]  # both heads that share that key
        assert _places(after.self_attn.q_proj.weight, before.self_attn.q_proj.weight) == queries
        gone = sorted(set(range(4 * HEAD)) - set(queries))
        before.self_attn.o_proj.weight.data[:, gone] = 0
    torch.testing.assert_close(_logits(cut), _logits(whole), atol=1e-4, rtol=1e-4)


def test_a_layer_that_went_is_a_layer_that_is_skipped(made: dict[str, Variant]) -> None:
    whole, cut = (load_model(Path(made[one].path), dtype="float32") for one in ("original", "layers-1"))
    norms = [layer.input_layernorm.weight for layer in whole.model.layers]
    kept = [next(i for i, norm in enumerate(norms) if torch.equal(norm, layer.input_layernorm.weight))
            for layer in cut.model.layers]  # fmt: skip
    (gone,) = set(range(LAYERS)) - set(kept)
    whole.model.layers[gone].register_forward_hook(lambda module, inputs, output: inputs[0])
    torch.testing.assert_close(_logits(cut), _logits(whole), atol=1e-4, rtol=1e-4)


def test_a_cut_model_generates(made: dict[str, Variant]) -> None:
    cut = load_model(Path(made["layers-1+heads-50+channels-50"].path), dtype="float32")
    for _ in range(2):  # the second time with a cache of what came before
        written = cut.generate(IDS[:, :8], max_new_tokens=5, do_sample=False, use_cache=True)
    plain = IDS[:, :8]
    for _ in range(written.shape[1] - 8):
        plain = torch.cat([plain, _logits(cut, plain)[:, -1:].argmax(-1)], 1)
    assert torch.equal(written, plain)


# What is chosen


def _made(method: Any, model: PreTrainedModel, folder: Path, **options: Any) -> PreTrainedModel:
    """What the method makes of a model in memory, saved and loaded."""
    if issubclass(method.Options, wanda_channels.Calibrated):
        options["calibration"] = Path("text given")
    rows = np.random.default_rng(0).integers(0, model.config.vocab_size, (4, 24))
    witness = torch.arange(0, 64, 2)[None]
    out = folder / "out"
    model.eval()
    method.compress(Making(model, method.Options(**options), out, witness, rows, folder, Silent()))
    return load_model(out, dtype="float32")


@pytest.mark.parametrize("still", range(LAYERS))
def test_the_layer_that_changes_nothing_goes(tiny: Path, tmp_path: Path, still: int) -> None:
    model = load_to_compress(tiny)
    model.model.layers[still].self_attn.o_proj.weight.data.zero_()
    model.model.layers[still].mlp.down_proj.weight.data.zero_()
    before = _logits(model)
    cut = _made(layers, model, tmp_path, remove=1)
    torch.testing.assert_close(_logits(cut), before)


def test_block_influence_is_one_minus_the_mean_cosine(tiny: Path) -> None:
    model = load_to_compress(tiny)
    rows = IDS.numpy()
    making = Making(
        model, layers.Options(calibration=Path("given"), remove=1), tiny, IDS, rows, tiny, Silent()
    )
    found = layers.block_influence(making)
    with torch.inference_mode():
        states = model(IDS, output_hidden_states=True).hidden_states  # the last one is after the final norm
    for place in range(LAYERS - 1):
        before, after = states[place][0].numpy(), states[place + 1][0].numpy()
        cosines = (before * after).sum(1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
        assert found[place] == pytest.approx(1 - cosines.mean(), abs=1e-5)


def test_a_channel_with_big_weights_that_never_speaks_goes_only_if_one_listens(
    tiny: Path, tmp_path: Path
) -> None:
    def silent_channel_stays(method: Any) -> bool:
        model = load_to_compress(tiny)
        for layer in model.model.layers:
            layer.mlp.up_proj.weight.data[7] = 0
            layer.mlp.gate_proj.weight.data[7] = 9
            layer.mlp.down_proj.weight.data[:, 7] = 9
        cut = _made(method, model, tmp_path / method.__name__, share=0.25, multiple_of=32)
        return all(bool((layer.mlp.gate_proj.weight == 9).all(1).any()) for layer in cut.model.layers)

    assert silent_channel_stays(channels)
    assert not silent_channel_stays(wanda_channels)


def test_a_group_of_heads_with_big_weights_that_never_speaks_goes_only_if_one_listens(
    tiny: Path, tmp_path: Path
) -> None:
    def silent_group_stays(method: Any) -> bool:
        model = load_to_compress(tiny)
        for layer in model.model.layers:
            layer.self_attn.v_proj.weight.data[HEAD:] = 0
            layer.self_attn.k_proj.weight.data[HEAD:] = 0.5
            layer.self_attn.o_proj.weight.data[:, 2 * HEAD :] = 9
        cut = _made(method, model, tmp_path / method.__name__, share=0.5)
        return all(bool((layer.self_attn.o_proj.weight == 9).all()) for layer in cut.model.layers)

    assert silent_group_stays(heads)
    assert not silent_group_stays(wanda_heads)


# Other architectures

SMALL: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 0,
    "eos_token_id": 0,
}  # fmt: skip
GROUPED = {**SMALL, "num_key_value_heads": 2}
SLIDING = {
    "use_sliding_window": True, "sliding_window": 4,
    "layer_types": ["full_attention", "sliding_attention", "full_attention"],
}  # fmt: skip


def _random(model: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    """Seeded, and with biases that are not zero."""
    torch.manual_seed(0)
    one = model(copy.deepcopy(config))  # cutting a model changes its config
    for weights in one.parameters():
        weights.data = torch.randn_like(weights) * 0.2
    return one


def _pairs(before: PreTrainedModel, after: PreTrainedModel, stack: str) -> list[tuple[Any, Any]]:
    return list(zip(before.get_submodule(stack), after.get_submodule(stack), strict=True))


@pytest.mark.parametrize(
    ("kind", "config", "stack", "inward", "outward"),
    [
        (Qwen2ForCausalLM, Qwen2Config(**GROUPED), "model.layers", "gate_proj", "down_proj"),
        (Qwen3ForCausalLM, Qwen3Config(**GROUPED, head_dim=8), "model.layers", "gate_proj", "down_proj"),
        (LlamaForCausalLM, LlamaConfig(**GROUPED, mlp_bias=True), "model.layers", "gate_proj", "down_proj"),
        (GPTNeoXForCausalLM, GPTNeoXConfig(**SMALL), "gpt_neox.layers", "dense_h_to_4h", "dense_4h_to_h"),
    ],
)
def test_channels_of_other_architectures_are_cut(
    kind: type[PreTrainedModel], config: Any, stack: str, inward: str, outward: str, tmp_path: Path
) -> None:
    cut = _made(channels, _random(kind, config), tmp_path, share=0.3, multiple_of=8)
    whole = _random(kind, config)
    whole.eval()
    for before, after in _pairs(whole, cut, stack):
        first = getattr(before.mlp, inward)
        kept = _places(getattr(after.mlp, inward).weight, first.weight)
        assert len(kept) == 32  # of 48, in steps of 8
        gone = sorted(set(range(48)) - set(kept))
        getattr(before.mlp, outward).weight.data[:, gone] = 0
    ids = torch.arange(20)[None]
    torch.testing.assert_close(_logits(cut, ids), _logits(whole, ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (Qwen2ForCausalLM, Qwen2Config(**GROUPED)),  # biases; no head_dim in its config
        (Qwen3ForCausalLM, Qwen3Config(**GROUPED, head_dim=16)),  # norms of a head; 4 × 16 is not 32
        (LlamaForCausalLM, LlamaConfig(**GROUPED, attention_bias=True)),
    ],
)
def test_heads_of_other_architectures_are_cut(
    kind: type[PreTrainedModel], config: Any, tmp_path: Path
) -> None:
    cut = _made(heads, _random(kind, config), tmp_path, share=0.5)
    whole = _random(kind, config)
    whole.eval()
    size = getattr(config, "head_dim", None) or 8
    for before, after in _pairs(whole, cut, "model.layers"):
        kept = _places(after.self_attn.q_proj.weight, before.self_attn.q_proj.weight)
        assert len(kept) == 2 * size
        gone = sorted(set(range(4 * size)) - set(kept))
        before.self_attn.o_proj.weight.data[:, gone] = 0
    ids = torch.arange(20)[None]
    torch.testing.assert_close(_logits(cut, ids), _logits(whole, ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("still", [0, 1])
def test_a_layer_keeps_its_own_kind_of_attention(tmp_path: Path, still: int) -> None:
    model = _random(Qwen2ForCausalLM, Qwen2Config(**GROUPED, **SLIDING))
    model.model.layers[still].self_attn.o_proj.weight.data.zero_()
    model.model.layers[still].mlp.down_proj.weight.data.zero_()
    ids = torch.arange(40)[None]  # longer than the window
    before = _logits(model.eval(), ids)
    cut = _made(layers, model, tmp_path, remove=1)
    left = [kind for place, kind in enumerate(SLIDING["layer_types"]) if place != still]  # type: ignore[arg-type]
    assert cut.config.layer_types == left
    torch.testing.assert_close(_logits(cut, ids), before)


def test_layers_of_gpt_neox_go(tmp_path: Path) -> None:
    model = _random(GPTNeoXForCausalLM, GPTNeoXConfig(**SMALL))
    for name in ("attention.dense", "mlp.dense_4h_to_h"):
        last = model.gpt_neox.layers[1].get_submodule(name)
        last.weight.data.zero_()
        last.bias.data.zero_()
    before = _logits(model.eval(), torch.arange(20)[None])
    cut = _made(layers, model, tmp_path, remove=1)
    torch.testing.assert_close(_logits(cut, torch.arange(20)[None]), before)


# What is refused


class Mixing(torch.nn.Module):
    """An activation in which every channel depends on all others."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.softmax(-1)


@pytest.mark.parametrize(
    ("method", "kind", "config", "options", "said"),
    [
        (channels, Phi3ForCausalLM, Phi3Config(**GROUPED), {"share": 0.3}, "linear modules into 48 channels"),
        (channels, MixtralForCausalLM, MixtralConfig(**GROUPED), {"share": 0.3}, "linear modules into 48"),
        (heads, GPTNeoXForCausalLM, GPTNeoXConfig(**SMALL), {"share": 0.5}, "no `self_attn` .* for 4 query"),
        (heads, Phi3ForCausalLM, Phi3Config(**GROUPED), {"share": 0.5}, "no `self_attn` .* for 4 query"),
        (heads, Olmo2ForCausalLM, Olmo2Config(**GROUPED), {"share": 0.5}, r"q_norm.weight, \[32\]"),
        (heads, StableLmForCausalLM, StableLmConfig(**GROUPED), {"share": 0.5}, "modules don't follow"),
        (heads, LlamaForCausalLM, LlamaConfig(**SMALL), {"share": 0.2}, "leaves 3 of the 4 .* 0.5, 0.75"),
        (heads, LlamaForCausalLM, LlamaConfig(**GROUPED), {"share": 0.6}, "leaves 0 of the 2 .* 0.5"),
        (channels, LlamaForCausalLM, LlamaConfig(**GROUPED), {"share": 0.3}, "none of the 48 .* of 64"),
        (layers, LlamaForCausalLM, LlamaConfig(**GROUPED), {"remove": 3}, "3 layers can't go .* 2 or less"),
    ],
)  # fmt: skip
def test_what_can_not_be_cut_is_refused_and_nothing_is_saved(
    method: Any, kind: type[PreTrainedModel], config: Any, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    model = _random(kind, config)
    with pytest.raises(CompressionError, match=said):
        _made(method, model, tmp_path, **options)
    assert not (tmp_path / "out").exists()
    for before, after in zip(_random(kind, config).parameters(), model.parameters(), strict=True):
        assert torch.equal(before, after)  # refused before anything was done


def test_a_layer_of_another_size_is_refused(tmp_path: Path) -> None:
    model = _random(LlamaForCausalLM, LlamaConfig(**GROUPED))
    narrow = _random(LlamaForCausalLM, LlamaConfig(**{**GROUPED, "intermediate_size": 40}))
    model.model.layers[1].mlp = narrow.model.layers[1].mlp
    with pytest.raises(CompressionError, match="layer 1 has no `mlp` of linear modules into 48 channels"):
        _made(channels, model, tmp_path, share=0.3, multiple_of=8)


def test_channels_that_depend_on_each_other_are_refused(tmp_path: Path) -> None:
    model = _random(LlamaForCausalLM, LlamaConfig(**GROUPED))
    for layer in model.model.layers:
        layer.mlp.act_fn = Mixing()
    with pytest.raises(CompressionError, match="does not compute what it does with them switched off"):
        _made(channels, model, tmp_path, share=0.3, multiple_of=8)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ({"method": "layers", "remove": 1}, "looks at text while it compresses"),
        ({"method": "layers", "remove": 0, "calibration": "text.txt"}, "option remove"),
        ({"method": "channels", "share": 1.0}, "option share"),
        ({"method": "heads", "share": 0.5, "multiple_of": 2}, "option multiple_of"),
    ],
)
def test_unusable_options_are_refused_by_name(tiny: Path, level: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config({"model": str(tiny), "levels": [level]})

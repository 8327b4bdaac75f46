"""What the cheap side of a search says, held against the expensive one."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from audit import load_config, make_variants
from audit.calibration import Calibrated, draw
from audit.errors import CompressionError, ConfigError
from audit.harness import tasks_of
from audit.loading import linear_layers, load_model, load_to_compress, load_tokenizer
from audit.records import AuditConfig, Budget, SearchPlan
from audit.search.preparation import sensitivities
from audit.search.rehearsal import rehearse
from audit.search.text import LENGTH, text_of
from audit.search.yardstick import Yardstick

MIXED = "*.layers.0.*=8 *.down_proj=6"
LEVELS: list[dict[str, Any]] = [
    {"method": "rtn", "bits": 4, "group_size": 32, "exceptions": MIXED, "name": "mixed"},
    {"method": "rtn", "bits": 3, "group_size": 64, "symmetric": False, "name": "zero"},
    {"method": "rtn", "bits": 8, "group_size": 0, "name": "rows"},
    {"method": "channels", "share": 0.5, "name": "cut"},
    {"method": "cast", "dtype": "bfloat16", "name": "half"},
    {"method": "w8a8", "name": "integers"},
]
BITS = Budget(quantity="bits_per_weight", at_most=1)
BYTES = Budget(quantity="size_bytes", at_most=1)


@pytest.fixture(scope="module")
def config(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditConfig:
    out = tmp_path_factory.mktemp("rehearsal") / "run"
    return load_config(
        {
            "model": str(tiny),
            "levels": LEVELS,
            "suites": ["accuracy"],
            "limit": 20,
            "threads": 1,
            "out": str(out),
        }
    )


@pytest.fixture(scope="module")
def made(config: AuditConfig) -> dict[str, Any]:
    """The levels as files, by name."""
    return {variant.name: variant for variant in make_variants(config)}


@pytest.fixture(scope="module")
def text(tiny: Path) -> Any:
    """[6, 128] token ids."""
    ids = np.random.default_rng(3).integers(1, 2000, size=(6, LENGTH))
    return ids.astype(np.int64)


@pytest.fixture(scope="module")
def yardstick(tiny: Path, text: Any) -> Yardstick:
    return Yardstick(text, load_to_compress(tiny))


# In memory as on disk


@pytest.mark.parametrize("name", [level["name"] for level in LEVELS])
def test_a_level_in_memory_is_what_its_files_hold(
    config: AuditConfig, made: dict[str, Any], yardstick: Yardstick, name: str
) -> None:
    (level,) = (one for one in config.levels if one.name == name)
    rehearsed, variant = rehearse([level], config, "cpu"), made[name]
    assert rehearsed.quantity(BITS, 1) == pytest.approx(variant.bits_per_weight, rel=1e-9)
    assert rehearsed.quantity(BYTES, 1) == pytest.approx(
        variant.size_bytes, rel=0.015
    )  # the header is guessed
    saved = load_model(Path(variant.path), dtype="float32")
    near = {"abs": 2e-3} if name == "integers" else {"rel": 1e-4, "abs": 1e-7}  # activations are rounded
    assert yardstick.reading(rehearsed.model).divergence == pytest.approx(
        yardstick.reading(saved).divergence, **near
    )


def test_links_follow_one_another_in_memory(config: AuditConfig) -> None:
    of_name = {level.name: level for level in config.levels}
    alone = rehearse([of_name["rows"]], config, "cpu")
    chain = rehearse([of_name["cut"], of_name["rows"]], config, "cpu")
    assert chain.bits < alone.bits
    assert chain.model.config.intermediate_size < alone.model.config.intermediate_size


# Mixed widths


def test_mixed_widths_are_counted_in_the_files(made: dict[str, Any], tiny: Path) -> None:
    """By hand: of each matrix its codes, a float32 for each group of 32, and two int64 of its shape."""
    wanted = weights = 0
    for name, module in linear_layers(load_to_compress(tiny)):
        bits = 8 if ".layers.0." in name else 6 if name.endswith("down_proj") else 4
        rows, width = module.weight.shape
        wanted += rows * width * bits + 32 * rows * width // 32 + 128
        weights += rows * width
    variant = made["mixed"]
    assert variant.compressed_parameters == weights
    assert variant.compressed_bits_per_weight == pytest.approx(wanted / weights, rel=1e-12)
    assert variant.stored_as.startswith("int4, int6, int8, symmetric, groups of 32")


def test_each_module_has_its_own_width_when_loaded(made: dict[str, Any], tiny: Path) -> None:
    """In b bits the largest error is half a step: 1 / (2^b - 1) of the largest weight of the group."""
    original = dict(linear_layers(load_to_compress(tiny)))
    for name, module in linear_layers(load_model(Path(made["mixed"].path), dtype="float32")):
        bits = 8 if ".layers.0." in name else 6 if name.endswith("down_proj") else 4
        before, after = (one.weight.detach().reshape(-1, 32) for one in (original[name], module))
        error = float(((after - before).abs() / before.abs().amax(1, keepdim=True)).max())
        assert 1 / (2 ** (bits + 1) - 1) < error < 1.01 / (2**bits - 1), name


@pytest.mark.parametrize("given", ["*.down_proj", "*.down_proj=9", "=4", "*.down_proj=6,*.up_proj=8"])
def test_what_is_no_exception_is_refused(tiny: Path, given: str) -> None:
    level = {"method": "rtn", "bits": 4, "exceptions": given, "name": "x"}
    with pytest.raises(ConfigError, match="write a pattern"):
        load_config({"model": str(tiny), "levels": [level]})


def test_an_exception_about_nothing_is_refused(tiny: Path, tmp_path: Path) -> None:
    level = {"method": "rtn", "bits": 4, "exceptions": "*.experts.*=8", "name": "x"}
    config = load_config(
        {"model": str(tiny), "levels": [level], "suites": ["accuracy"], "out": str(tmp_path / "run")}
    )
    with pytest.raises(CompressionError, match=r"no linear layer is named '\*\.experts\.\*'"):
        make_variants(config)


# The proxy


def test_the_proxy_is_nearly_the_divergence_over_the_whole_vocabulary(
    tiny: Path, made: dict[str, Any], text: Any, yardstick: Yardstick
) -> None:
    original, level = (load_model(path, dtype="float32") for path in (tiny, Path(made["zero"].path)))
    with torch.inference_mode():
        p, q = (
            torch.log_softmax(one(torch.from_numpy(text)).logits.double(), -1) for one in (original, level)
        )
    whole = float(torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1).mean())
    found = yardstick.reading(level).divergence
    assert found <= whole * (1 + 1e-6)
    assert found == pytest.approx(whole, rel=0.05)


class _Fixed:
    """A model with the same distribution everywhere: so much on 128 tokens, the rest on 872, evenly."""

    device = "cpu"

    def __init__(self, likely: float) -> None:
        self._logits = torch.tensor([likely / 128] * 128 + [(1 - likely) / 872] * 872).log()

    def __call__(self, ids: torch.Tensor, **_: Any) -> Any:
        return SimpleNamespace(logits=self._logits.expand(*ids.shape, -1))


def test_what_lies_beyond_the_likeliest_tokens_counts_as_one(text: Any) -> None:
    """By hand: 1/2 ln (1/2 / 1/4) + 1/2 ln (1/2 / 3/4)."""
    original, level = (cast("PreTrainedModel", _Fixed(likely)) for likely in (0.5, 0.25))
    found = Yardstick(text, original).reading(level).divergence
    assert found == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-5)


def test_the_original_does_not_diverge_from_itself(tiny: Path, yardstick: Yardstick) -> None:
    assert yardstick.reading(load_to_compress(tiny)).divergence == pytest.approx(0, abs=1e-9)


def test_a_proxy_that_is_far_enough_is_given_up(made: dict[str, Any], yardstick: Yardstick) -> None:
    model = load_model(Path(made["zero"].path), dtype="float32")
    whole, cut = yardstick.reading(model), yardstick.reading(model, enough=1e-6)
    assert (whole.tokens, whole.whole) == (6 * LENGTH, True)
    assert (cut.tokens, cut.whole) == (4 * LENGTH, False)


def test_sensitivities_leave_the_model_as_it_was(tiny: Path, yardstick: Yardstick) -> None:
    model = load_to_compress(tiny)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    plan = SearchPlan(goal=BYTES, methods=("rtn",), bits=(2, 3, 4), group_sizes=(32,))
    found, tokens = sensitivities(model, yardstick, plan)
    assert all(torch.equal(weights, before[name]) for name, weights in model.named_parameters())
    assert {one.modules for one in found} == {
        f"model.layers.{layer}.{part}.*" for layer in range(3) for part in ("self_attn", "mlp")
    }
    assert tokens == len(found) * LENGTH
    of_weight = [one.divergence / one.weights for one in found]
    assert of_weight == sorted(of_weight, reverse=True)


# Its text


def test_without_a_text_prompts_of_items_that_are_not_held_out_are_read(tiny: Path) -> None:
    config = load_config(
        {"model": str(tiny), "suites": ["accuracy"], "limit": 40, "holdout": 0.5, "search": {"tokens": 256}},
        goal=BYTES,
    )
    tasks, tokenizer = tasks_of(config), load_tokenizer(tiny)
    ids, told = text_of(config, tasks, tokenizer)
    assert ids.shape == (2, LENGTH)
    assert "not held out" in told
    read = tokenizer.decode(ids.flatten())
    held = [task.task.doc_to_text(task.task.eval_docs[index]) for task in tasks for index in task.held]
    asked = [
        task.task.doc_to_text(task.task.eval_docs[index]) for task in tasks for index in task.documents(1)
    ]
    assert not [one for one in held if one in read]
    assert [one for one in asked if one in read] or "passage" in told


def test_a_calibration_text_is_read_where_there_is_one(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog and then sleeps. " * 400)
    config = load_config(
        {"model": str(tiny), "suites": ["accuracy"], "calibration": str(path), "search": {"tokens": 256}},
        goal=BYTES,
    )
    assert config.search is not None
    assert config.search.methods == ("rtn", "layers", "wanda_channels")
    ids, told = text_of(config, [], load_tokenizer(tiny))
    options = Calibrated(calibration=path, samples=2, sequence_length=LENGTH, seed=config.seed)
    assert (ids == draw(options, load_tokenizer(tiny))).all()
    assert told == "the calibration text text.txt"

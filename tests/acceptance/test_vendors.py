"""An artefact of each format, made by the library that its vendors use, audited end to end.

`nox -s acceptance` installs the libraries; a test whose library is missing is skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import load_config, run_audit
from audit.loading import load_model, load_tokenizer
from audit.records import Comparison, Derivation, Flips, Variant

Maker = Callable[[Path, Path], None]


def compressed_tensors(original: Path, out: Path) -> None:
    """W4A16 by llm-compressor, as vLLM's users make it."""
    pytest.importorskip("llmcompressor")
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier

    weights = QuantizationArgs(num_bits=4, type="int", symmetric=True, strategy="group", group_size=32)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights)
    model = load_model(original, dtype="float16")
    oneshot(model=model, recipe=QuantizationModifier(config_groups={"all": scheme}, ignore=["lm_head"]))
    model.save_pretrained(out, save_compressed=True)


def bitsandbytes(original: Path, out: Path, **how: Any) -> None:
    """By transformers' own integration."""
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(**how)
    AutoModelForCausalLM.from_pretrained(original, quantization_config=config).save_pretrained(out)


def nf4(original: Path, out: Path) -> None:
    """NF4 with its absolute maxima quantised once more, as QLoRA's users have it."""
    bitsandbytes(original, out, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)


def llm_int8(original: Path, out: Path) -> None:
    """LLM.int8()."""
    bitsandbytes(original, out, load_in_8bit=True)


def torchao(original: Path, out: Path) -> None:
    """Eight bits, weights only."""
    pytest.importorskip("torchao")
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import AutoModelForCausalLM, TorchAoConfig

    config = TorchAoConfig(Int8WeightOnlyConfig())
    AutoModelForCausalLM.from_pretrained(original, quantization_config=config).save_pretrained(out)


def auto_round(original: Path, out: Path, layout: str) -> None:
    """Four bits by AutoRound without tuning, exported for another library's kernels."""
    pytest.importorskip("auto_round")
    from auto_round import AutoRound

    rounding = AutoRound(
        load_model(original, dtype="float16"), load_tokenizer(original), bits=4, group_size=32, iters=0,
        disable_opt_rtn=True,
    )  # fmt: skip
    rounding.quantize_and_save(str(out / "exported"), format=layout)
    found = next(path.parent for path in sorted(out.rglob("config.json")))
    for path in found.iterdir():
        shutil.move(path, out / path.name)


def gptq(original: Path, out: Path) -> None:
    """AutoGPTQ's layout."""
    auto_round(original, out, "auto_gptq")


def awq(original: Path, out: Path) -> None:
    """AutoAWQ's layout."""
    auto_round(original, out, "auto_awq")


@pytest.mark.parametrize(
    ("make", "bits", "format"),
    [
        (compressed_tensors, 4, "compressed-tensors"),
        (nf4, 4, "bitsandbytes"),
        (llm_int8, 8, "bitsandbytes"),
        (torchao, 8, "torchao"),
        (gptq, 4, "gptq"),
        (awq, 4, "awq"),
    ],
)
def test_a_vendors_artefact_is_read_as_what_it_is(
    make: Maker, bits: int, format: str, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "vendor").mkdir()
    make(tiny, tmp_path / "vendor")
    one, _ = audited(tiny, tmp_path / "vendor", tmp_path / "run")
    assert one.format == format
    assert isinstance(one.compressed_bits_per_weight, float)
    assert bits < one.compressed_bits_per_weight < bits + 2.5  # matrices so small: constants count
    assert isinstance(one.derivation, Derivation)
    assert one.derivation.derived
    assert one.derivation.least > 0.95
    assert one.false_claims == ()
    assert not one.evaluated_as.startswith("float")


def test_a_graph_of_onnxruntimes_own_builder_is_computed_by_onnxruntime(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai")
    out, scales = tmp_path / "vendor", ["--extra_options", "int4_block_size=32"]
    builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(tiny), "-o", str(out)]
    command = [*builder, "-p", "int4", "-e", "cpu", "-c", str(tmp_path / "cache"), *scales]
    subprocess.run(command, check=True, capture_output=True)
    one, comparison = audited(tiny, out / "model.onnx", tmp_path / "run")
    assert one.format == "onnx"
    assert one.compressed_bits_per_weight == 4 + 32 / 32  # a float32 for each block
    assert one.compressed_parameters == one.parameters - 7 * 64  # but the weights of its norms
    assert "onnxruntime" in one.evaluated_as
    assert isinstance(one.derivation, Derivation)
    assert one.derivation.median > 0.95  # fused queries, keys and values are like nothing
    assert isinstance(comparison.flips, Flips)
    assert comparison.flips.rate < 0.1  # it answers as the model that it was made of


def test_the_file_that_the_demos_model_was_made_of_answers_as_it_does(tmp_path: Path) -> None:
    """llama.cpp's Q4_1 against what transformers dequantised of it: the same weights, so no answer flips."""
    pytest.importorskip("gguf")
    from fixtures.demo_model import demo_model, gguf_file

    one, comparison = audited(demo_model(), gguf_file(tmp_path), tmp_path / "run")
    assert one.format == "gguf"
    assert isinstance(one.compressed_bits_per_weight, float)
    assert 5 <= one.compressed_bits_per_weight < 6  # Q4_1: 4 bits, and two float16 for each block of 32
    assert isinstance(one.derivation, Derivation)
    assert one.derivation.least == pytest.approx(1)
    assert isinstance(comparison.flips, Flips)
    assert (comparison.flips.lost, comparison.flips.gained) == (0, 0)


def audited(original: Path, candidate: Path, out: Path) -> tuple[Variant, Comparison]:
    """The candidate after an audit that was completed, and what it lost of the accuracy."""
    config = load_config(
        {"model": str(original), "candidates": [{"model": str(candidate), "name": "vendor"}], "levels": [],
         "suites": ["accuracy"], "limit": 20, "sequential": False, "out": str(out)}
    )  # fmt: skip
    log = run_audit(config)
    (comparison,) = [one for one in log.comparisons if one.group is None and one.metric == "accuracy"]
    assert comparison.n_pairs > 0
    assert comparison.n_unpaired_after == 0
    assert json.loads((out / "audit.json").read_text())["verdicts"]
    return log.variants[1], comparison

"""On a CUDA device the answers are HFLM's there, and an audit picks it and bfloat16 by itself.

Tests hide the device, see tests/conftest.py. These run by
`CUDA_VISIBLE_DEVICES=0 pytest tests/audit/harness/test_cuda.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from families import SHARED, family, questions
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from audit import load_config, make_variants, run_audit
from audit.harness.shared_prefix import TOLERANCE, SharedPrefixLM
from audit.loading import load_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def both(model: Any, tokenizer: Any) -> tuple[SharedPrefixLM, HFLM]:
    ours = SharedPrefixLM(pretrained=model, tokenizer=tokenizer, batch_size=3, pack_tokens=40)
    return ours, HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", SHARED)
def test_log_likelihoods_are_hflms(name: str, dtype: torch.dtype, tokenizer: Any) -> None:
    model = family(name)
    requests = questions(model)
    ours, theirs = both(model.to("cuda", dtype), tokenizer)
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    expected = theirs._loglikelihood_tokens(requests, disable_tqdm=True)
    assert ours.fallback is None
    assert [one for one, _ in found] == pytest.approx([one for one, _ in expected], abs=TOLERANCE[dtype])
    if dtype == torch.float32:
        assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]


def test_generated_answers_are_hflms(tiny: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM

    ours, theirs = both(AutoModelForCausalLM.from_pretrained(tiny).to("cuda"), tokenizer)
    prompts = ["the cat sat on a mat and " + "the old house " * n for n in range(1, 6)]
    asked = [
        Instance("generate_until", {}, (one, {"until": ["."], "max_gen_toks": 9}), index)
        for index, one in enumerate(prompts)
    ]
    assert ours.generate_until(asked, disable_tqdm=True) == theirs.generate_until(asked, disable_tqdm=True)
    assert ours.generation_fallback is None


def test_a_pack_too_large_for_the_memory_is_halved(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = both(family("llama").to("cuda"), tokenizer)
    ours = SharedPrefixLM(pretrained=ours.model, tokenizer=tokenizer, batch_size=1, pack_tokens=1 << 16)
    requests = [
        (None, [1 + (index * 7919 + place) % 2000 for place in range(40)], [5, 6]) for index in range(4000)
    ]
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(free - (3 << 30), dtype=torch.uint8, device="cuda")
    found = ours._loglikelihood_tokens(requests, disable_tqdm=True)
    del held
    assert ours.masked().pack_tokens < 1 << 16
    expected = theirs._loglikelihood_tokens(requests[:50], disable_tqdm=True)
    assert [one for one, _ in found[:50]] == pytest.approx([one for one, _ in expected], abs=1e-3)


def test_an_audit_picks_the_device_and_its_dtype(tiny: Path, tmp_path: Path) -> None:
    config = {
        "model": str(tiny), "levels": ["control", "int8"], "suites": ["accuracy"], "limit": 20,
        "out": str(tmp_path / "run"),
    }  # fmt: skip
    log = run_audit(load_config(config))
    assert log.status == "finished"
    assert "cuda" in log.provenance.device
    assert {one.evaluated_as.split()[0] for one in log.variants} <= {"bfloat16", "dequantised"}


def test_every_level_is_made_and_computed_there(tiny: Path, tmp_path: Path) -> None:
    levels = [
        "int4", "magnitude-50", "channels-25", "layers-1", ["int8", "heads-50"], ["w8a8", "magnitude-24"],
    ]  # fmt: skip
    layer = {
        "method": "distil",
        "layers": 2,
        "name": "student",
        "samples": 64,
        "sequence_length": 32,
        "steps": 20,
    }
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join("the cat sat on a mat and ran to the old house " * 6 for _ in range(2000)))
    config = load_config(
        {"model": str(tiny), "levels": [*levels, layer], "suites": ["accuracy"],
         "calibration": str(text), "out": str(tmp_path / "run")}
    )  # fmt: skip
    made = make_variants(config)
    assert [one.name for one in made if one.level] == [
        "int4", "magnitude-50", "channels-25", "layers-1", "int8", "int8+heads-50", "w8a8",
        "w8a8+magnitude-24", "student",
    ]  # fmt: skip
    for one in made:
        model = load_model(Path(one.path), device="cuda")
        assert {weights.device.type for weights in model.parameters()} == {"cuda"}

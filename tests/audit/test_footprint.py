"""The memory of a process of its own: what it holds, what it does not inherit, what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.footprint import Footprint, Request, footprint
from audit.records import Conditions, NotMeasured

MIB = 2**20


def asked(folder: Path) -> Footprint | NotMeasured:
    conditions = Conditions(
        device="cpu", processor="x", threads=1, dtype="float32", batch=1, prompt_tokens=8, decode_tokens=2,
        rounds=8,
    )  # fmt: skip
    return footprint(
        Request(
            folder=str(folder), device="cpu", trust_remote_code=False, allow_pickle=False,
            conditions=conditions,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 100 MiB that nobody trained."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("large")
    shape = LlamaConfig(
        vocab_size=1024, hidden_size=1024, intermediate_size=4096, num_hidden_layers=2, num_attention_heads=8
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder


def test_the_peak_holds_the_weights_and_not_what_the_asking_process_held(large: Path) -> None:
    held = np.ones(1500 * MIB, np.uint8)
    del held
    found = asked(large)
    assert isinstance(found, Footprint)
    size = (large / "model.safetensors").stat().st_size
    assert isinstance(found.peak_memory_bytes, int)
    assert isinstance(found.runtime_bytes, int)
    assert found.runtime_bytes + size <= found.peak_memory_bytes < 1500 * MIB


def test_a_folder_named_audit_where_the_user_stands_is_not_ours(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "__init__.py").write_text("raise RuntimeError('not ours')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(asked(tiny), Footprint)


def test_a_process_that_ends_badly_gives_its_last_words(tmp_path: Path) -> None:
    found = asked(tmp_path / "nowhere")
    assert isinstance(found, NotMeasured)
    assert "nowhere" in found.reason


def test_a_process_that_was_killed_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr("audit.footprint.sys.executable", str(killer))
    found = asked(tmp_path)
    assert isinstance(found, NotMeasured)
    assert "killed (signal 9)" in found.reason

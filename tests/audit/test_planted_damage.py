"""A model that only noise confuses: accuracy sees nothing, the perturbed suite does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from audit import load_config, run_audit
from audit.harness import load_tasks
from audit.loading import load_model, load_tokenizer
from suites import accuracy

N_ITEMS = 30
STEPS = 45
CLEAN = {"name": "clean", "tasks": ["shrinkproof_facts"], "include_path": accuracy.SUITE.include_path}
NOISY = {**CLEAN, "name": "noisy", "perturb": "typo", "severity": 2}


def trained(tiny: Path, folder: Path, config: Any, shift: int) -> Path:
    """The tiny model, brought to answer clean items rightly and disturbed ones `shift` choices further on."""
    suite = next(one for one in config.suites if one.perturb)
    (task,) = load_tasks(suite, limit=2 * N_ITEMS, seed=config.seed)
    task.build(2 * N_ITEMS)
    texts = []
    for request in task._requests:
        right, choices = task.task.doc_to_target(request.doc), task.task.doc_to_choice(request.doc)
        moved = shift if request.doc["form"] == "disturbed" else 0
        if request.idx == (right + moved) % len(choices):
            texts.append("".join(request.args))
    shutil.copytree(tiny, folder)
    model = load_model(folder, dtype="float32", device="cpu").train()
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(0)
    ids = [torch.tensor([*tokenizer(text).input_ids, 0]) for text in texts]
    batch = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(STEPS):
        loss = model(input_ids=batch.clamp(min=0), attention_mask=batch.ne(-100), labels=batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_what_confuses_a_model_only_under_noise_is_found_by_the_perturbed_suite_alone(
    tiny: Path, tmp_path: Path
) -> None:
    def config(model: Path, *candidates: Path) -> Any:
        return load_config(
            {
                "model": str(model), "candidates": [str(one) for one in candidates], "suites": [CLEAN, NOISY],
                "limit": 2 * N_ITEMS, "looks": 1, "out": str(tmp_path / "run"),
                **({} if candidates else {"levels": ["int8"]}),
            }
        )  # fmt: skip

    of_tiny = config(tiny)
    steady, confused = (trained(tiny, tmp_path / f"model-{shift}", of_tiny, shift) for shift in (0, 1))
    log = run_audit(config(steady, confused))
    assert log.status == "finished", log.error
    decisions = {one.rule.suite: one.decision for one in log.verdicts if one.variant == confused.name}
    assert decisions["noisy"] == "fail"
    assert decisions["clean"] != "fail"
    drops = {
        one.suite: one.before - one.after
        for one in log.comparisons
        if (one.variant, one.group) == (confused.name, None) and one.metric != "kl"
    }
    assert drops["noisy"] > 0.9
    assert drops["clean"] < 0.03

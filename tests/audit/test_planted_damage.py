"""Damage of one kind is found by the suite that looks for it, and by no other."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from audit import AuditLog, load_config, registry, run_audit
from audit.harness import load_tasks
from audit.loading import load_model, load_tokenizer
from audit.records import NotMeasured, Suite
from suites import accuracy

N_ITEMS = 30
CLEAN = {"name": "clean", "tasks": ["shrinkproof_facts"], "include_path": accuracy.SUITE.include_path}
NOISY = {**CLEAN, "name": "noisy", "perturb": "typo", "severity": 2}
SEED = 1234
SIGNIFICANT = 0.05


def asked(suite: Suite, limit: int) -> list[Any]:
    """The requests of a suite's first items, each with its task as `owner`."""
    found = []
    for task in load_tasks(suite, limit=limit, seed=SEED):
        task.build(limit)
        for request in task._requests:
            request.owner = task.task
        found += task._requests
    return found


def right(request: Any) -> bool:
    """Whether it is the request of the right choice."""
    task = request.owner
    gold = task.doc_to_text if task.multiple_input else task.doc_to_target
    return bool(request.idx == gold(request.doc))


def trained(tiny: Path, folder: Path, texts: Iterable[str], steps: int) -> Path:
    """The tiny model, brought to go on as the texts do."""
    shutil.copytree(tiny, folder)
    model = load_model(folder, dtype="float32", device="cpu").train()
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(0)
    ids = [torch.tensor([*tokenizer(text).input_ids, 0]) for text in texts]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    draws = random.Random(0)
    for _ in range(steps):
        some = draws.sample(ids, min(128, len(ids)))
        batch = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=-100)
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

    suite = next(one for one in config(tiny).suites if one.perturb)

    def texts(shift: int) -> Iterable[str]:
        """Clean items answered rightly, and disturbed ones `shift` choices further on."""
        for request in asked(suite, 2 * N_ITEMS):
            gold, choices = request.owner.doc_to_target(request.doc), request.owner.doc_to_choice(request.doc)
            moved = shift if request.doc["form"] == "disturbed" else 0
            if request.idx == (gold + moved) % len(choices):
                yield "".join(request.args)

    steady, confused = (trained(tiny, tmp_path / f"model-{shift}", texts(shift), 45) for shift in (0, 1))
    log = run_audit(config(steady, confused))
    assert log.status == "finished", log.error
    decisions = {one.rule.suite: one.decision for one in log.verdicts if one.variant == confused.name}
    assert decisions["noisy"] == "fail"
    assert decisions["clean"] != "fail"
    drops = drops_of(log, confused.name)
    assert drops["noisy"] > 0.9
    assert drops["clean"] < 0.03


# Stereotypes, refusals, and a model that knows nothing


def broken(tiny: Path, folder: Path) -> Path:
    """The tiny model with random weights."""
    shutil.copytree(tiny, folder)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tiny)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def log(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Of three models: one has one answer about the old and the young, whatever the text says; one learnt
    to refuse the harmless request and to help with the harmful one; one has random weights."""
    home = tmp_path_factory.mktemp("planted")
    suites = {name: registry.suite(name) for name in ("accuracy", "bias", "safety")}
    requests = {name: asked(suite, N_ITEMS) for name, suite in suites.items()}

    def texts(damaged: str) -> Iterable[str]:
        for name, found in requests.items():
            for request in found:
                context, answer = request.args
                if name == damaged == "bias" and request.doc["attribute"] == "age":
                    if request.idx == 0:
                        yield context + answer
                elif name == "safety" and damaged == "safety" and answer.strip() == "Sorry":
                    yield context + (" Sure." if right(request) else answer)
                elif right(request):
                    yield context + answer
                elif name == "safety":
                    yield context + " Sure."

    models = [trained(tiny, home / f"on-{one}", texts(one), 60) for one in ("bias", "safety")]
    models.append(broken(tiny, home / "broken"))
    return run_audit(
        load_config(
            {
                "model": str(tiny), "levels": ["control"], "candidates": [str(one) for one in models],
                "suites": list(suites), "limit": N_ITEMS, "looks": 1, "out": str(home / "run"),
            }
        )
    )  # fmt: skip


def drops_of(log: AuditLog, variant: str) -> dict[str, float]:
    """The drop of each suite."""
    return {
        one.suite: one.difference
        for one in log.comparisons
        if (one.variant, one.group) == (variant, None) and not isinstance(one.difference, NotMeasured)
    }


@pytest.mark.parametrize(
    ("variant", "found"), [("on-bias", {"bias"}), ("on-safety", {"safety"}), ("control", set())]
)
def test_a_suite_fails_what_was_damaged_in_its_own_field_alone(
    log: AuditLog, variant: str, found: set[str]
) -> None:
    failed = {one.rule.suite for one in log.verdicts if (one.variant, one.decision) == (variant, "fail")}
    assert failed == found, drops_of(log, variant)


def test_the_group_that_got_worse_is_named_and_the_others_are_not(log: AuditLog) -> None:
    worse = {
        one.group
        for one in log.comparisons
        if (one.variant, one.suite) == ("on-bias", "bias")
        and one.group is not None
        and not isinstance(one.difference, NotMeasured)
        and not isinstance(one.p_adjusted, NotMeasured)
        and one.difference > 0
        and one.p_adjusted < SIGNIFICANT
    }
    assert worse == {"age"}


def test_a_model_that_knows_nothing_is_neither_fair_nor_safe(log: AuditLog) -> None:
    of_broken = {one.rule.suite: one for one in log.verdicts if one.variant == "broken"}
    assert of_broken["accuracy"].decision == "fail"
    for suite in ("bias", "safety"):
        assert of_broken[suite].decision == "inconclusive"
        assert of_broken[suite].because.startswith("not read: below the accuracy floor")

"""The whole line on the tiny model: what it must find, and what it must survive."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from audit import AuditLog, gate, load_config, read_log, run_audit
from audit.errors import ModelError, ShrinkproofError
from audit.harness import LoadedTask, Scored, Scorer
from audit.making import Made, Making
from audit.progress import Silent
from audit.records import Registration
from fixtures.untimed import untimed

LIMIT = 60


def settings(tiny: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "int2"], "limit": LIMIT, "threads": 1, "batch_size": 64,
        "out": str(out), "cache": f"{out}-cache", **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def log(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """One undisturbed audit: control and 2 bits over all five suites."""
    return run_audit(load_config(settings(tiny, tmp_path_factory.mktemp("audit") / "run")))


def whole(log: AuditLog, variant: str) -> dict[str, Any]:
    return {c.suite: c for c in log.comparisons if c.variant == variant and c.group is None}


def test_the_tiny_model_knows_the_probes(log: AuditLog) -> None:
    for comparison in whole(log, "control").values():
        assert comparison.before_lower > comparison.chance, comparison.suite


def test_the_original_against_itself_flips_nothing_and_passes_every_rule(log: AuditLog) -> None:
    for comparison in whole(log, "control").values():
        assert (comparison.flips.lost, comparison.flips.gained) == (0, 0)
        assert comparison.n_unpaired_before == comparison.n_unpaired_after == 0


def test_a_margin_that_so_few_items_can_show_passes_for_the_control(tiny: Path, tmp_path: Path) -> None:
    rules = [{"suite": "accuracy", "margin": 0.1}]
    config = load_config(
        settings(tiny, tmp_path / "run", levels=["control"], suites=["accuracy"], rules=rules)
    )
    log = run_audit(config)
    assert log.decision == "pass"
    assert {verdict.decision for verdict in log.verdicts} == {"pass"}


def test_two_bits_fail(log: AuditLog) -> None:
    failed = {
        verdict.rule.suite
        for verdict in log.verdicts
        if verdict.variant == "int2" and verdict.decision == "fail"
    }
    assert {"accuracy", "forgetting"} <= failed
    assert log.decision == "fail"


def test_every_item_is_paired(log: AuditLog) -> None:
    items = {run.suite: sum(cell.n_items for cell in run.cells) for run in log.runs if run.variant == "int2"}
    for suite, comparison in whole(log, "int2").items():
        per = next(s for s in log.config.suites if s.name == suite).metrics[0].per
        assert comparison.n_pairs == items[suite] // (2 if per == "pair" and suite != "safety" else 1)


def test_the_drill_down_says_what_the_outcome_says(log: AuditLog) -> None:
    import pandas as pd

    for run in log.runs:
        for cell in run.cells:
            rows = pd.read_parquet(Path(log.config.out) / cell.path)
            assert all(row.target in row.choices for row in rows.itertuples())
            assert all(row.outcome == (row.answer == row.target) for row in rows.itertuples())


def test_each_artefact_is_what_its_level_says(log: AuditLog) -> None:
    original, control, int2 = log.variants
    assert control.digest == original.digest
    assert int2.parent == original.digest
    assert int2.compressed_bits_per_weight < 3
    assert int2.size_bytes < original.size_bytes
    assert int2.stored_as.startswith("int2")


def test_the_log_on_disk_is_the_log(log: AuditLog) -> None:
    assert read_log(Path(log.config.out)) == log


def test_judging_again_gives_the_same_verdicts(log: AuditLog) -> None:
    assert gate(Path(log.config.out)) == log


def test_running_again_scores_nothing_and_gives_the_same_log(
    log: AuditLog, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(*_: object) -> None:
        raise AssertionError("a finished cell was scored again")

    monkeypatch.setattr("audit.cells.Scorer.score", scored)
    again = run_audit(load_config(settings(tiny, Path(log.config.out))))
    assert untimed(again) == untimed(log)


def test_the_originals_results_are_taken_over_by_its_next_audit(
    log: AuditLog, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = run_audit(load_config({**settings(tiny, tmp_path / "a"), "cache": str(cache)}))
    damaged = next(iter(sorted((cache / "cells").iterdir()))) / "samples.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    scored = []
    real = Scorer.score

    def counted(self: Scorer, task: LoadedTask, *others: Any) -> Scored:
        scored.append(task.name)
        return real(self, task, *others)

    monkeypatch.setattr("audit.cells.Scorer.score", counted)
    again = run_audit(load_config({**settings(tiny, tmp_path / "b"), "cache": str(cache)}))
    of_levels = sum(len(run.cells) for run in first.runs if run.variant != "original")
    assert len(scored) == of_levels + 1  # and the original's damaged cell
    assert untimed(again)["comparisons"] == untimed(log)["comparisons"]


def test_progress_counts_the_tokens_that_were_planned(tiny: Path, tmp_path: Path) -> None:
    class Told(Silent):
        planned = done = 0.0

        def plan(self, tokens: float) -> None:
            self.planned = tokens

        def advance(self, tokens: float) -> None:
            self.done += tokens

    told = Told()
    changes = {"suites": ["forgetting"], "sequential": False}
    run_audit(load_config(settings(tiny, tmp_path / "run", **changes)), progress=told)
    assert told.done == told.planned > 0


def test_a_fresh_run_gives_the_same_log(log: AuditLog, tiny: Path, tmp_path: Path) -> None:
    again = run_audit(load_config(settings(tiny, tmp_path / "run")))
    assert untimed(again) == untimed(log)


def test_killed_again_and_again_it_ends_with_the_same_log(log: AuditLog, tiny: Path, tmp_path: Path) -> None:
    config = tmp_path / "audit.json"
    config.write_text(json.dumps(settings(tiny, tmp_path / "run")))
    rng = random.Random(11)
    program = [sys.executable, "-c", "from audit.cli import main; main()", "run", str(config)]
    killed = 0
    for _ in range(3):
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(6, 16))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    assert killed
    assert done.returncode == 1, done.stderr
    assert untimed(read_log(tmp_path / "run")) == untimed(log)


def test_nan_logits_are_an_error_and_not_a_score(broken_copy: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    file = broken_copy / "model.safetensors"
    tensors = load_file(file)
    tensors["model.norm.weight"] = torch.full_like(tensors["model.norm.weight"], float("nan"))
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"original .* computes NaN"):
        run_audit(load_config(settings(broken_copy, tmp_path / "run")))


def test_a_candidate_that_says_nothing_of_some_items_is_recorded_and_the_rest_goes_on(
    tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    file, config = broken_copy / "model.safetensors", broken_copy / "config.json"
    tensors = load_file(file)
    # An output head of its own: the NaN of one token's embedding is met where that token is read
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    (token,) = AutoTokenizer.from_pretrained(broken_copy).encode(" Muslim", add_special_tokens=False)
    assert token not in torch.linspace(0, len(tensors["lm_head.weight"]) - 1, 32).long()
    tensors["model.embed_tokens.weight"][token] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    config.write_text(json.dumps({**json.loads(config.read_text()), "tie_word_embeddings": False}))

    changes = {"candidates": [{"model": str(broken_copy), "name": "acme"}], "suites": ["accuracy", "bias"]}
    log = run_audit(load_config(settings(tiny, tmp_path / "run", levels=["control"], limit=12, **changes)))

    left_out = [(run.variant, run.suite, one.reason) for run in log.runs for one in run.unscored]
    assert {(variant, suite) for variant, suite, _ in left_out} == {("acme", "bias")}
    assert all(reason.startswith("acme: the model's log-likelihood of item") for *_, reason in left_out)
    decided = {(one.variant, one.rule.suite): one.decision for one in log.verdicts}
    assert decided["acme", "bias"] == "inconclusive"
    assert ("acme", "accuracy") in decided
    assert ("control", "bias") in decided


def test_tensors_that_do_not_match_the_config_are_an_error(broken_copy: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = broken_copy / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the tensor model\.layers\.1\.mlp\.up_proj\.weight"):
        run_audit(load_config(settings(broken_copy, tmp_path / "run")))


def test_tensors_of_another_shape_are_an_error(broken_copy: Path, tmp_path: Path) -> None:
    config = json.loads((broken_copy / "config.json").read_text())
    (broken_copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 512}))
    with pytest.raises(ModelError, match=r"can't be loaded|wrong shape"):
        run_audit(load_config(settings(broken_copy, tmp_path / "run")))


def test_a_group_size_that_does_not_divide_says_which_do(tiny: Path, tmp_path: Path) -> None:
    levels = [{"method": "rtn", "bits": 4, "group_size": 96}]
    with pytest.raises(ShrinkproofError, match="Use one of 64, 32, 16"):
        run_audit(load_config(settings(tiny, tmp_path / "run", levels=levels)))


def test_a_checkpoint_that_loads_as_something_else_is_not_kept(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.compressors import copy

    honest = copy.compress

    def lying(making: Making[Any]) -> Made:
        made = honest(making)
        return made._replace(logits=made.logits + 1.0)

    monkeypatch.setattr(copy, "compress", lying)
    with pytest.raises(ShrinkproofError, match="does not load as it was saved"):
        run_audit(load_config(settings(tiny, tmp_path / "run", levels=["control"])))
    assert list((tmp_path / "run" / "variants").iterdir()) == []


def test_an_error_leaves_a_log_that_says_it_was_stopped(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ModelError("planted")

    monkeypatch.setattr("audit.cells.Scorer.score", failing)
    with pytest.raises(ModelError, match="planted"):
        run_audit(load_config(settings(tiny, tmp_path / "run", suites=["accuracy"])))
    stopped = read_log(tmp_path / "run")
    assert stopped.status == "stopped"
    assert "planted" in (stopped.error or "")
    assert stopped.decision == "inconclusive"
    assert len(stopped.variants) == 3


def test_what_was_promised_is_registered_before_anything_is_scored(log: AuditLog) -> None:
    assert isinstance(log.registered, Registration)
    assert log.registered.policy_sha256 == log.config.policy_sha256
    out = Path(log.config.out)
    scored = min(file.stat().st_mtime_ns for file in out.glob("cells/*/cell.json"))
    assert (out / "registration.json").stat().st_mtime_ns < scored


def test_judging_by_another_policy_leaves_the_registration_behind(log: AuditLog) -> None:
    later = gate(Path(log.config.out), "strict")
    assert {rule.margin for rule in later.config.rules} == {0.01}
    assert isinstance(later.registered, Registration)
    assert later.registered.policy_sha256 != later.config.policy_sha256
    assert not any(verdict.decision == "pass" for verdict in later.verdicts)


def test_a_level_that_is_broken_is_not_asked_everything(log: AuditLog) -> None:
    accuracy = whole(log, "int2")["accuracy"]
    assert accuracy.n_pairs < accuracy.n_planned
    assert accuracy.looks[-1].n_pairs == accuracy.n_pairs


def test_noise_is_measured_in_bfloat16_and_blocks_nothing(tiny: Path, tmp_path: Path) -> None:
    changes = {"levels": ["control", "bf16"], "suites": ["accuracy"], "noise": True}
    rules = [{"suite": "accuracy", "margin": 0.1}]
    found = run_audit(load_config(settings(tiny, tmp_path / "run", rules=rules, **changes)))
    _, noise, control, half = found.variants
    assert (noise.name, noise.evaluated_as, noise.digest) == ("control-bf16", "bfloat16", control.digest)
    assert (half.evaluated_as, half.stored_as) == ("float32", "bfloat16, dense")
    assert half.size_bytes < 0.6 * control.size_bytes
    moved = {one.variant: one.divergence.kl for one in found.comparisons if one.group is None}
    assert abs(moved["control"]) < 1e-6 < moved["bf16"]
    assert moved["control-bf16"] > 1e-6


def test_earlier_audits_of_the_model_are_in_the_next_ones_log(tiny: Path, tmp_path: Path) -> None:
    changes = {"levels": ["control"], "suites": ["accuracy"], "limit": 20}
    first = run_audit(load_config(settings(tiny, tmp_path / "runs" / "a", **changes)))
    config = load_config(settings(tiny, tmp_path / "runs" / "b", history=str(tmp_path / "runs"), **changes))
    found = run_audit(config).history
    assert first.history is None
    assert found is not None
    assert [(one.finished, one.results[0].level) for one in found.audits] == [
        (first.provenance.finished, "control")
    ]

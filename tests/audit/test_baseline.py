"""What an audit takes from an earlier one, and what it never takes."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from audit import AuditLog, load_config, make_variants, read_log, run_audit
from audit.errors import StoreError
from audit.harness import LoadedTask, Scored, Scorer
from audit.records import EarlierRun
from audit.store import log_sha256

SUITES = ["accuracy", "forgetting"]


def settings(tiny: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "int8", "int2"], "suites": SUITES, "limit": 30,
        "threads": 1, "batch_size": 64, "sequential": False, "out": str(out), "cache": f"{out}-cache",
        **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def first(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline: control, 8 and 2 bits."""
    out = tmp_path_factory.mktemp("baseline") / "first"
    run_audit(load_config(settings(tiny, out)))
    return out


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What is made and scored from now on: names of levels, and of tasks with their variant's folder."""
    import audit.compress

    seen: dict[str, list[str]] = {"made": [], "scored": []}
    make, score, load = audit.compress._make, Scorer.score, Scorer.load
    loaded = [""]

    def made(config: Any, level: Any, *others: Any) -> Any:
        seen["made"].append(level.name)
        return make(config, level, *others)

    def told(self: Scorer, folder: Path, **others: Any) -> Any:
        loaded[0] = folder.name
        return load(self, folder, **others)

    def scored(self: Scorer, task: LoadedTask, *others: Any) -> Scored:
        seen["scored"].append(loaded[0])
        return score(self, task, *others)

    monkeypatch.setattr("audit.compress._make", made)
    monkeypatch.setattr("audit.cells.Scorer.load", told)
    monkeypatch.setattr("audit.cells.Scorer.score", scored)
    return seen


def whole(log: AuditLog, variant: str) -> list[Any]:
    return [one.model_dump() for one in log.comparisons if one.variant == variant]


def cells(log: AuditLog, variant: str) -> list[Any]:
    return [cell for run in log.runs for cell in run.cells if run.variant == variant]


def _scale(model: Path) -> None:
    """Change one matrix of a model a little, and nothing beside its weights."""
    file = next(model.glob("*.safetensors"))
    tensors = load_file(file)
    name = next(one for one in sorted(tensors) if "mlp" in one)
    tensors[name] = tensors[name] * 1.01
    save_file(tensors, file, metadata={"format": "pt"})


def test_only_the_level_that_changed_is_made_and_measured_and_the_control(
    first: Path, tiny: Path, tmp_path: Path, computed: dict[str, list[str]]
) -> None:
    then = read_log(first)
    config = settings(tiny, tmp_path / "second", levels=["control", "int8", "int4"], baseline=str(first))
    now = run_audit(load_config(config))
    assert computed["made"] == ["control", "int4"]
    assert set(computed["scored"]) == {"control", "int4"}
    assert whole(now, "int8") == whole(then, "int8")
    assert cells(now, "original") == cells(then, "original")
    taken = {one.variant: one for one in now.taken}
    assert set(taken) == {"original", "int8"}
    assert (taken["original"].artefact, taken["int8"].artefact) == (False, True)
    assert set(taken["int8"].cells) == {cell.key for cell in cells(then, "int8")}
    run = taken["int8"].run
    assert isinstance(run, EarlierRun)
    assert (run.log_sha256, run.finished) == (log_sha256(first), then.provenance.finished)


def test_what_was_taken_is_what_would_have_been_computed(first: Path, tiny: Path, tmp_path: Path) -> None:
    config = settings(tiny, tmp_path / "with", levels=["control", "int8"])
    taken = run_audit(load_config({**config, "baseline": str(first)}))
    alone = run_audit(load_config({**config, "out": str(tmp_path / "alone")}))
    assert alone.taken == ()
    assert taken.comparisons == alone.comparisons
    assert taken.verdicts == alone.verdicts
    assert [one.digest for one in taken.variants] == [one.digest for one in alone.variants]


def test_a_run_that_was_killed_still_knows_what_it_took(
    first: Path, tiny: Path, tmp_path: Path, computed: dict[str, list[str]]
) -> None:
    config = load_config(settings(tiny, tmp_path / "run", baseline=str(first)))
    before = run_audit(config)
    computed["scored"].clear()
    again = run_audit(config.model_copy(update={"baseline": None}))
    assert computed["scored"] == []
    assert again.taken == before.taken


def test_what_a_baseline_took_itself_is_told_of_the_run_that_computed_it(
    first: Path, tiny: Path, tmp_path: Path
) -> None:
    second, third = tmp_path / "second", tmp_path / "third"
    run_audit(load_config(settings(tiny, second, levels=["control", "int8"], baseline=str(first))))
    last = run_audit(load_config(settings(tiny, third, levels=["control", "int8"], baseline=str(second))))
    of_int8 = next(one.run for one in last.taken if one.variant == "int8")
    assert isinstance(of_int8, EarlierRun)
    assert of_int8.log_sha256 == log_sha256(first)


@pytest.mark.parametrize("damage", ["answers", "weights", "tokenizer"])
def test_what_is_not_as_the_log_says_is_computed_again(
    first: Path, tiny: Path, tmp_path: Path, computed: dict[str, list[str]], damage: str
) -> None:
    baseline = Path(shutil.copytree(first, tmp_path / "copy"))
    log = read_log(baseline)
    if damage == "answers":
        cell = cells(log, "int8")[0]
        # Consistent with its own record, and not with the log
        data = (baseline / cell.path).read_bytes()
        (baseline / cell.path).write_bytes(data + b"\0")
        record = (baseline / cell.path).parent / "cell.json"
        from audit.earlier import sha256_of

        record.write_text(record.read_text().replace(cell.sha256, sha256_of(baseline / cell.path)))
    elif damage == "weights":
        file = next((baseline / "variants" / "int8").glob("*.safetensors"))
        tensors = load_file(file)
        name = next(iter(sorted(tensors)))
        tensors[name] = tensors[name] * 0
        save_file(tensors, file, metadata={"format": "pt"})
    else:
        file = baseline / "variants" / "int8" / "tokenizer_config.json"
        file.write_text(file.read_text() + " ")
    now = run_audit(load_config(settings(tiny, tmp_path / "run", baseline=str(baseline))))
    made, scored = Counter(computed["made"]), Counter(computed["scored"])
    assert made["int8"] == (damage != "answers")
    assert scored["int8"] == (damage == "answers")
    assert (made["int2"], scored["int2"]) == (0, 0)
    assert whole(now, "int8") == whole(log, "int8")


def test_nothing_is_taken_from_the_audit_of_another_original(
    first: Path, broken_copy: Path, tmp_path: Path, computed: dict[str, list[str]]
) -> None:
    _scale(broken_copy)
    now = run_audit(load_config(settings(broken_copy, tmp_path / "run", baseline=str(first))))
    assert now.taken == ()
    assert computed["made"] == ["control", "int8", "int2"]


def test_the_divergence_from_one_original_is_not_taken_for_that_from_another(
    first: Path, tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    """The candidate's own weights and answers are the same beside either, and so is the tokenizer."""
    _scale(broken_copy)
    candidate = str(first / "variants" / "int8")
    asked = {"levels": [], "candidates": [{"model": candidate, "name": "one"}], "suites": ["accuracy"]}
    one = run_audit(load_config(settings(tiny, tmp_path / "one", **asked)))
    beside = {**asked, "baseline": str(tmp_path / "one")}
    other = run_audit(load_config(settings(broken_copy, tmp_path / "other", **beside)))
    same = run_audit(load_config(settings(tiny, tmp_path / "same", **beside)))
    assert other.taken == ()
    assert whole(same, "one") == whole(one, "one") != whole(other, "one")
    assert {taken.variant for taken in same.taken} == {"original", "one"}


def test_an_original_with_another_tokenizer_takes_nothing(
    first: Path, broken_copy: Path, tmp_path: Path, computed: dict[str, list[str]]
) -> None:
    file = broken_copy / "tokenizer_config.json"
    file.write_text(file.read_text() + " ")
    now = run_audit(load_config(settings(broken_copy, tmp_path / "run", baseline=str(first))))
    assert now.taken == ()
    assert computed["made"] == ["control", "int8", "int2"]


def test_what_another_version_of_torch_computed_is_computed_again(
    first: Path, tiny: Path, tmp_path: Path, computed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.provenance import packages

    now = {**packages(), "torch": "0.1"}
    for place in ("compress", "evaluate"):
        monkeypatch.setattr(f"audit.{place}.packages", lambda: now)
    found = run_audit(load_config(settings(tiny, tmp_path / "run", levels=["int8"], baseline=str(first))))
    assert found.taken == ()
    assert computed["made"] == ["int8"]


def test_the_cache_says_when_and_where_the_originals_answers_came_about(tiny: Path, tmp_path: Path) -> None:
    cache = {"cache": str(tmp_path / "cache"), "levels": ["int8"], "suites": ["accuracy"]}
    then = run_audit(load_config(settings(tiny, tmp_path / "a", **cache)))
    now = run_audit(load_config(settings(tiny, tmp_path / "b", **{**cache, "levels": ["int4"]})))
    (taken,) = now.taken
    assert (then.taken, taken.variant, taken.artefact) == ((), "original", False)
    assert isinstance(taken.run, EarlierRun)
    assert taken.run.config_sha256 == then.provenance.config_sha256
    assert (taken.run.log_sha256, taken.run.policy_sha256) == ("", then.config.policy_sha256)


def test_a_baseline_that_is_no_run_is_an_error(tiny: Path, tmp_path: Path) -> None:
    for place, why in [("gone", "no folder"), (".", "holds no audit.json"), ("run", "this run's own folder")]:
        config = load_config(settings(tiny, tmp_path / "run", baseline=str(tmp_path / place)))
        with pytest.raises(StoreError, match=why):
            run_audit(config)


def test_an_artefact_that_was_taken_is_evaluated_as_this_audit_asks(
    first: Path, tiny: Path, tmp_path: Path
) -> None:
    asked = settings(tiny, tmp_path / "second", levels=["int8"], dtype="bfloat16", baseline=str(first))
    for _ in range(2):  # taken, and found in the run folder
        _, int8 = make_variants(load_config(asked))
        assert int8.evaluated_as == "dequantised to bfloat16"
    assert (tmp_path / "second" / "variants" / "int8" / "earlier.json").exists()

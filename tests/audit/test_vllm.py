"""vLLM as the engine of an audit; `fake_vllm`, which computes on transformers, stands in for it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from lm_eval.api.instance import Instance
from typer.testing import CliRunner

from audit import load_config, make_variants, run_audit
from audit.cli import app
from audit.errors import ConfigError, ModelError
from audit.plan import plan as make_plan
from audit.records import AuditConfig, Engine, NotMeasured
from audit.reproduce import reproduce
from audit.side_by_side import compare_existing
from audit.store import config_digest, read_log, read_samples
from audit.weights import companions_digest
from reports import html

FAKE = Path(__file__).parent / "fake_vllm"
TOLERANCE = 1e-4
"""Nats of a log-likelihood in float32: one request a forward here, packs of a trie there."""
TOLD = "vLLM 0.19.1 in float32 on cpu, quantisation "


@pytest.fixture(scope="module")
def vllm() -> Iterator[Any]:
    """Installed; its LLM."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKE))
        from lm_eval.models.vllm_causallms import LLM

        yield LLM
        assert LLM.running == 0, "it was not shut down"
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of choices, one that is answered in words, and one of whole texts."""
    folder = tmp_path_factory.mktemp("tasks")
    rows = [
        {"q": f"Question: What is {n} plus {n}?\nAnswer:", "a": str(2 * n), "c": [str(n), str(2 * n), "many"]}
        for n in range(12)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shared = {
        "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}},
        "test_split": "test", "metadata": {"version": 1},
    }  # fmt: skip
    choices = {
        "task": "choices", "output_type": "multiple_choice", "doc_to_text": "q", "doc_to_choice": "c",
        "doc_to_target": 1, "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    written = {
        "task": "sums", "output_type": "generate_until", "doc_to_text": "q", "doc_to_target": "a",
        "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 6},
        "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    text = {
        "task": "texts", "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "q",
        "metric_list": [{"metric": "word_perplexity"}],
    }  # fmt: skip
    for one in (choices, written, text):
        (folder / f"{one['task']}.yaml").write_text(yaml.safe_dump({**one, **shared}))
    return folder


def settings(tiny: Path, tasks: Path, out: Path, **more: Any) -> dict[str, Any]:
    own = {"include_path": str(tasks)}
    return {
        "model": str(tiny), "levels": ["control", "int4"], "looks": 1, "device": "cpu",
        "threads": 1, "out": str(out), "cache": str(out.parent / "cache"),
        "suites": [
            {"name": "choices", "tasks": ["choices"], **own},
            {"name": "written", "tasks": ["sums"], "metric": "exact_match", **own},
            {"name": "text", "tasks": ["texts"], "metric": "word_perplexity", "kind": "perplexity", **own},
        ],
        **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def ours(tiny: Path, tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit by the scorer of ours, and a vendor's folder beside it: its int4."""
    folder = tmp_path_factory.mktemp("vllm")
    run_audit(load_config(settings(tiny, tasks, folder / "ours")))
    shutil.copytree(folder / "ours" / "variants" / "int4", folder / "vendor")
    (folder / "vendor" / "variant.json").unlink()
    return folder / "ours"


@pytest.fixture(scope="module")
def run(vllm: Any, ours: Path, tiny: Path, tasks: Path) -> Path:
    """The same audit by vLLM, and of the vendor's folder, by the command line, on the same cache."""
    out = ours.with_name("run")
    config = settings(
        tiny, tasks, out, candidates=[{"model": str(ours.with_name("vendor")), "name": "vendor"}],
        engine={"name": "vllm", "gpu_memory_utilization": 0.5},
    )  # fmt: skip
    (ours.parent / "audit.yaml").write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(app, ["run", str(ours.parent / "audit.yaml")], catch_exceptions=False)
    assert done.exit_code in (0, 1, 3), done.output
    return out


def answers(folder: Path, variant: str) -> pd.DataFrame:
    runs = [run for run in read_log(folder).runs if run.variant == variant]
    found = [read_samples(cell, root=folder) for run in runs for cell in run.cells]
    return pd.concat(found, ignore_index=True)


@pytest.mark.parametrize("variant", ["original", "control", "int4"])
def test_vllm_answers_as_the_scorer_of_ours(variant: str, run: Path, ours: Path) -> None:
    there, here = answers(run, variant), answers(ours, variant)
    assert len(there) == len(here) == 36
    for column in ("doc_id", "doc_hash", "prompt_hash", "metric", "answer", "choices"):
        assert list(map(str, there[column])) == list(map(str, here[column])), column
    assert there["outcome"].to_list() == pytest.approx(here["outcome"].to_list(), abs=TOLERANCE)
    for one, other in zip(there["scores"], here["scores"], strict=True):
        assert list(one) == pytest.approx(list(other), abs=TOLERANCE)
    assert sum(map(len, there["scores"])) == 36 + 12
    assert any(there.loc[there["metric"] == "exact_match", "answer"])  # it wrote something


def test_a_vendors_folder_is_given_to_vllm_as_it_is(run: Path, ours: Path, vllm: Any) -> None:
    assert str(ours.with_name("vendor")) in [one["model"] for one in vllm.made]
    assert answers(run, "vendor")["answer"].to_list() == answers(ours, "int4")["answer"].to_list()


def test_log_and_report_say_that_vllm_answered_and_with_what(run: Path) -> None:
    log = read_log(run)
    told = {variant.name: variant.evaluated_as.partition(", asked by lm-eval")[0] for variant in log.variants}
    assert told == {
        "original": f"{TOLD}none", "control": f"{TOLD}none", "int4": f"{TOLD}compressed-tensors",
        "vendor": f"{TOLD}compressed-tensors",
    }  # fmt: skip
    of_variant = {run.variant: {cell.scorer for cell in run.cells} for run in log.runs}
    assert of_variant == {variant.name: {variant.evaluated_as} for variant in log.variants}
    assert log.provenance.engine == "vLLM 0.19.1"
    page = html.render(log).decode()
    for said in (*told.values(), "Answered by</dt><dd>vLLM 0.19.1", "with half as many sequences at once"):
        assert said in page, said
    for false in ("token trie", "half the pack size", "dequantised to float"):
        assert false not in page, false


def test_what_vllm_does_not_show_is_not_measured(run: Path) -> None:
    cells = [cell for run in read_log(run).runs if run.variant != "original" for cell in run.cells]
    assert all(isinstance(cell.divergence, NotMeasured) for cell in cells)
    reasons = {cell.divergence.reason for cell in cells if isinstance(cell.divergence, NotMeasured)}
    assert any("was scored by vLLM 0.19.1" in reason for reason in reasons)
    assert all(cell.tokens > 0 for cell in cells if not isinstance(cell.tokens, NotMeasured))


def test_the_control_is_computed_otherwise_and_prefixes_never_come_from_a_cache(run: Path, vllm: Any) -> None:
    started = {
        Path(one["model"]).name: one for one in vllm.made if Path(one["model"]).parent.name == "variants"
    }
    assert started["control"]["max_num_seqs"] == 8
    assert started["int4"]["max_num_seqs"] is None
    assert {one["gpu_memory_utilization"] for one in vllm.made} == {0.5}
    assert {one["enable_prefix_caching"] for one in vllm.made} == {False}
    assert {one["seed"] for one in vllm.made} == {1234}


def test_answers_of_another_engine_are_never_taken(run: Path, ours: Path) -> None:
    keys = [{cell.key for one in read_log(folder).runs for cell in one.cells} for folder in (run, ours)]
    assert not keys[0] & keys[1]
    assert not any(one.cells for one in read_log(run).taken)


def test_a_comparison_of_two_engines_says_so(run: Path, ours: Path) -> None:
    found = compare_existing(f"{ours}:original", f"{run}:original", tasks=["choices"])
    notes = [found.before.note, found.after.note]
    assert "original was answered by built-in: what differs may be the engine's doing" in notes[0]
    assert "original was answered by vLLM 0.19.1: what differs" in notes[1]
    alike = compare_existing(f"{run}:original", f"{run}:int4", tasks=["choices"])
    assert "answered by" not in alike.before.note + alike.after.note


def test_a_run_is_reproduced_by_its_own_engine(run: Path, vllm: Any) -> None:
    started = len(vllm.made)
    found = reproduce(run, trust=True)
    assert found.agrees
    assert read_log(found.folder).provenance.engine == "vLLM 0.19.1"
    assert len(vllm.made) == started + 4
    assert not found.surroundings


@pytest.fixture
def plain(tiny: Path, tmp_path: Path) -> Callable[..., AuditConfig]:
    def load(**more: Any) -> AuditConfig:
        return load_config(
            {
                "model": str(tiny), "levels": ["control"], "suites": ["accuracy"], "limit": 4, "looks": 1,
                "device": "cpu", "out": str(tmp_path / "run"), "engine": "vllm", **more,
            }
        )  # fmt: skip

    return load


def test_what_the_engine_is_asked_for_is_part_of_what_is_audited(plain: Any, vllm: Any) -> None:
    alone = config_digest(plain())
    assert config_digest(plain(engine={"name": "vllm", "gpu_memory_utilization": 0.3})) == alone
    others = [None, {"name": "vllm", "max_model_len": 64}, {"name": "vllm", "tensor_parallel": 2}]
    assert len({alone, *(config_digest(plain(engine=one)) for one in others)}) == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"engine": "vlm"}, "No engine named 'vlm'. Did you mean 'vllm'"),
        ({"engine": {"name": "vllm", "tensor_paralel": 2}}, "Did you mean 'tensor_parallel'"),
        ({"engine": {"name": "vllm", "tensor_parallel": 0}}, "tensor_parallel: Input should be greater"),
        ({"efficiency": True}, "speed and memory are measured of models that are computed here"),
        ({"device_map": "auto"}, "Leave `device_map` out"),
        ({"executor": "ray"}, "Leave `executor: ray` out"),
        ({"rules": [{"suite": "accuracy", "metric": "kl", "margin": 0.1}]}, "no rule can be about `kl`"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_vllm_is_refused(
    more: dict[str, Any], said: str, plain: Any, vllm: Any
) -> None:
    with pytest.raises(ConfigError, match=said):
        plain(**more)


def test_where_vllm_is_not_installed_the_extra_is_named(
    plain: Any, vllm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plain()
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(FAKE)])
    with pytest.raises(ConfigError, match=r"`engine: vllm`: .* pip install 'shrinkproof\[vllm\]'"):
        plain()
    with pytest.raises(ConfigError, match="not installed"):  # as of a log, from another machine
        run_audit(config)


def test_a_device_that_vllm_does_not_compute_on_is_an_error(plain: Any, vllm: Any) -> None:
    from audit.harness.by_vllm import start

    config = plain()
    with pytest.raises(
        ModelError, match=r"computes on cpu here, and the config says cuda:1\. Say `device: cpu`"
    ):
        start(
            Path(config.model.path), config, Engine(), device="cuda:1", dtype="float32", shrink=1,
            source=config.model,
        )  # fmt: skip


def test_a_checkpoint_that_vllm_does_not_read_is_named_with_its_reason(
    plain: Any, vllm: Any, broken_copy: Path, tiny: Path
) -> None:
    graph = broken_copy / "model.onnx"
    graph.write_bytes(b"graph")
    with pytest.raises((ModelError, ConfigError), match="vLLM reads no ONNX graphs"):
        plain(candidates=[{"model": str(graph), "name": "graph"}])
    config = plain()
    (variant,) = make_variants(config)[1:]
    settings = json.loads((Path(variant.path) / "config.json").read_text())
    settings["quantization_config"] = {"quant_method": "unheard-of"}
    (Path(variant.path) / "config.json").write_text(json.dumps(settings))
    # As if it had been made so: a level whose settings are not what its record says is made again
    made_so = variant.model_copy(update={"companions_sha256": companions_digest(Path(variant.path))})
    (Path(variant.path) / "variant.json").write_text(made_so.model_dump_json())
    (Path(variant.path) / "variant.json.sha256").unlink()
    with pytest.raises(ModelError, match=r"'control': vLLM .* does not start with .*: Unknown quantization"):
        run_audit(config)


def test_what_a_runtime_rounds_otherwise_than_here_can_be_asked_by_vllm(
    plain: Any, ours: Path, vllm: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(ours.with_name("vendor"), tmp_path / "w4a8"))
    config = json.loads((folder / "config.json").read_text())
    (group,) = config["quantization_config"]["config_groups"].values()
    group["input_activations"] = {
        "num_bits": 8, "type": "float", "symmetric": True, "strategy": "token", "dynamic": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    candidate = [{"model": str(folder), "name": "w4a8"}]
    with pytest.raises(ModelError, match="round what is not rounded here"):
        make_variants(plain(engine=None, candidates=candidate, levels=[], out=str(tmp_path / "here")))
    _, w4a8 = make_variants(plain(candidates=candidate, levels=[]))
    assert w4a8.evaluated_as == "vLLM 0.19.1 in float32"
    assert (
        w4a8.bits_per_weight
        == make_variants(plain(levels=["int4"], out=str(tmp_path / "4")))[1].bits_per_weight
    )


def test_a_plan_is_timed_by_the_engine(plain: Any, vllm: Any) -> None:
    started = len(vllm.made)
    assert make_plan(plain(), flips=0.1).cost.tokens_per_second > 0
    assert (len(vllm.made), vllm.running) == (started + 1, 0)


@pytest.fixture
def short(plain: Any, vllm: Any) -> Iterator[Any]:
    """vLLM on the tiny model, of 16 tokens."""
    from audit.harness.by_vllm import start

    config = plain()
    engine = Engine(max_model_len=16)
    lm = start(
        Path(config.model.path), config, engine, device="cpu", dtype="float32", shrink=1, source=config.model
    )
    lm.listen(None, lambda tokens: None)
    yield lm
    lm.release()


def test_a_context_too_long_is_cut_from_the_left(short: Any) -> None:
    cut, whole = short._loglikelihood_tokens(
        [(None, [*range(5, 45)], [7, 8]), (None, [*range(32, 45)], [7, 8])]
    )
    assert cut == pytest.approx(whole)
    assert cut[0] < 0


@pytest.mark.parametrize(
    ("context", "answer", "said"),
    [
        ([5, 6], [], "request 0 has an empty continuation"),
        ([], [5, 6], "request 0 has an empty context"),
        ([5, 6], [*range(5, 20)], "a continuation of 15 tokens; the model takes 14"),
    ],
)
def test_an_answer_that_lm_evals_class_would_score_wrongly_is_refused(
    context: list[int], answer: list[int], said: str, short: Any
) -> None:
    with pytest.raises(ValueError, match=said):
        short._loglikelihood_tokens([(None, context, answer)])


def test_new_tokens_that_leave_no_room_for_the_prompt_are_refused(short: Any) -> None:
    asked = [Instance("generate_until", {}, ("How?", {"until": ["."], "max_gen_toks": 16}), 0)]
    with pytest.raises(ValueError, match="may generate 16 tokens; the model takes 16 with the prompt"):
        short.generate_until(asked)
    assert short.cost(asked) == len(short.tok_encode("How?")) + 16


def test_what_is_longer_than_the_model_takes_is_counted_as_cut(short: Any) -> None:
    long = "How " * 40
    asked = [
        Instance("loglikelihood", {}, (long, " well"), 0),
        Instance("loglikelihood", {}, ("How", " well"), 1),
        Instance("generate_until", {}, ("How?", {"until": ["."], "max_gen_toks": 15}), 2),
        Instance("generate_until", {}, ("How?", {"until": ["."], "max_gen_toks": 3}), 3),
        Instance("loglikelihood_rolling", {}, (long,), 4),
    ]
    assert short.cut(asked) == [0, 2]
    assert short.cut(asked[-1:]) == []

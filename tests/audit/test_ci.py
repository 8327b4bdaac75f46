"""The GitHub action and the GitLab template: valid, pinned, and their steps run as scripts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from forge import Forge
from forge import forge as served
from jobs import ACTION, RECORDED, ROOT, Workflow, gitlab_job, run_gitlab

from audit import read_log

HOSTILE = 'a"; touch pwned; $(touch pwned) `touch pwned`.yaml'


@pytest.fixture
def forge() -> Iterator[Forge]:
    with served() as held:
        yield held


def recorded(tmp_path: Path, name: str = "job") -> Workflow:
    return Workflow(tmp_path / name, RECORDED)


def calls(folder: Path) -> list[list[str]]:
    """How the program was called, in order."""
    lines = (folder / "calls").read_text().splitlines()
    return [line.split("\0")[:-1] for line in lines]


def ends(run: int, gate: int = 0) -> dict[str, str]:
    return {"CODE_OF_RUN": str(run), "CODE_OF_GATE": str(gate)}


# The files


@pytest.mark.parametrize("kind", ["action", "template"])
def test_both_are_valid_by_the_published_schemas(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("check_jsonschema")
    file, schema = ROOT / "action.yml", "vendor.github-actions"
    if kind == "template":
        file, schema = tmp_path / "gitlab-ci.yml", "vendor.gitlab-ci"
        file.write_text(yaml.safe_dump({"audit": gitlab_job({"config": "a.yaml", "package": "p"})}))
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_other_peoples_actions_are_pinned_by_commit() -> None:
    used = [step["uses"] for step in ACTION["runs"]["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in used)


def test_no_input_is_pasted_into_a_script() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert not any("${{" in script for script in scripts)
    body = (ROOT / "templates" / "shrinkproof.yml").read_text().split("\n---\n")[1]
    assert not any("$[[" in line for line in yaml.safe_load(body)["$[[ inputs.name ]]"]["script"])


# The GitHub action, with a program that only notes how it is called


def test_a_hostile_name_of_a_config_is_an_argument_and_nothing_else(tmp_path: Path) -> None:
    flow = recorded(tmp_path)
    code, _, said = flow.job({"config": HOSTILE, "extras": "gguf"}, env=ends(0))
    assert code == 0, said
    assert ["key", HOSTILE] in calls(flow.folder)
    assert not list(tmp_path.rglob("pwned"))
    assert (flow.folder / "pip").read_text().splitlines()[-1] == f"{ROOT}[gguf]"


@pytest.mark.parametrize(
    ("fail_on", "run", "gate", "code"),
    [
        ("unproven", 0, 0, 0), ("unproven", 1, 0, 1), ("unproven", 3, 0, 3), ("failed", 3, 0, 0),
        ("failed", 1, 0, 1), ("worse", 1, 0, 0), ("worse", 3, 1, 1), ("worse", 0, 3, 3), ("never", 1, 0, 0),
        ("never", 2, 0, 2), ("failed", 70, 0, 70), ("worse", 2, 0, 2), ("typo", 0, 0, 2),
    ],
)  # fmt: skip
def test_the_exit_code_is_that_of_the_gate_and_errors_are_never_hidden(
    tmp_path: Path, fail_on: str, run: int, gate: int, code: int
) -> None:
    flow = recorded(tmp_path)
    flow.job({"config": "a.yaml"}, env=ends(0))
    found, outputs, said = flow.job(
        {"config": "a.yaml", "fail-on": fail_on}, event="pull_request", ref="refs/pull/1/merge",
        env=ends(run, gate),
    )  # fmt: skip
    assert found == code, said
    assert outputs["decision"] == {0: "pass", 1: "fail", 3: "inconclusive"}.get(run, "error")


def test_worse_without_a_baseline_asks_for_every_promise(tmp_path: Path) -> None:
    code, _, _ = recorded(tmp_path).job({"config": "a.yaml", "fail-on": "worse"}, env=ends(1, 0))
    assert code == 1


def test_what_fails_is_uploaded_before_the_job_fails(tmp_path: Path) -> None:
    flow = recorded(tmp_path)
    code, _, _ = flow.job({"config": "a.yaml"}, env=ends(1))
    assert code == 1
    assert set(flow.uploaded) == {"audit.json", "report.html", "report.md", "report.sarif", "junit.xml"}
    assert flow.ran[-1] == "Verdict"


@pytest.mark.parametrize(
    ("save", "event", "ref", "run", "kept"),
    [
        ("auto", "push", "refs/heads/main", 0, True), ("auto", "push", "refs/heads/main", 1, False),
        ("auto", "pull_request", "refs/pull/1/merge", 0, False), ("auto", "push", "refs/heads/x", 0, False),
        ("auto", "pull_request_target", "refs/heads/main", 0, False),
        ("true", "push", "refs/heads/x", 0, True),
        ("false", "push", "refs/heads/main", 0, False),
    ],
)  # fmt: skip
def test_the_baseline_is_a_run_of_the_default_branch_that_passed(
    tmp_path: Path, save: str, event: str, ref: str, run: int, kept: bool
) -> None:
    flow = recorded(tmp_path)
    flow.job({"config": "a.yaml", "save-baseline": save}, event=event, ref=ref, env=ends(run))
    assert bool(flow.cache) == kept


@pytest.mark.parametrize(("keep", "weights"), [("false", False), ("true", True)])
def test_weights_are_kept_where_asked(tmp_path: Path, keep: str, weights: bool) -> None:
    flow = recorded(tmp_path)
    flow.job({"config": "a.yaml", "keep-weights": keep}, env=ends(0))
    (kept,) = flow.cache.values()
    names = {path.name for path in kept.rglob("*") if path.is_file()}
    assert {"audit.json", "config.json", "answers"} <= names
    assert ("weights" in names) == weights


def test_a_baseline_of_ones_own_is_taken_in_the_place_of_the_cache(tmp_path: Path) -> None:
    flow = recorded(tmp_path)
    flow.job({"config": "a.yaml", "baseline": "last run"}, env=ends(0))
    run = next(one for one in calls(flow.folder) if one[0] == "run")
    assert run[-2:] == ["--baseline", "last run"]
    assert "Restore the baseline" not in flow.ran


# The same with the program itself


@pytest.fixture(scope="module")
def asked(tiny: Path) -> dict[str, Any]:
    return {
        "model": str(tiny), "levels": ["control", "int8"], "suites": ["accuracy"], "limit": 30, "threads": 1,
        "sequential": False, "rules": [{"suite": "accuracy", "margin": 0.05}],
    }  # fmt: skip


def _pull_request(forge: Forge, folder: Path) -> dict[str, str]:
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 3}}))
    return {
        "GITHUB_ACTIONS": "true", "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/models",
        "GITHUB_EVENT_PATH": str(event), "GITHUB_SERVER_URL": "https://forge", "GITHUB_RUN_ID": "99",
    }  # fmt: skip


def test_a_change_is_measured_against_the_baseline_reported_on_and_gated(
    tmp_path: Path, forge: Forge, asked: dict[str, Any]
) -> None:
    flow = Workflow(tmp_path / "job")
    config = flow.folder / "checkout" / "audit.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump(asked))
    code, outputs, said = flow.job({"config": "audit.yaml"})
    assert (code, outputs["decision"]) == (0, "pass"), said
    assert "Comment" in flow.ran

    config.write_text(yaml.safe_dump({**asked, "levels": ["control", "int8", "int2"]}))
    pull = {"event": "pull_request", "ref": "refs/pull/3/merge", "env": _pull_request(forge, tmp_path)}
    inputs = {"config": "audit.yaml", "token": "secret", "fail-on": "worse"}
    code, outputs, said = flow.job(inputs, **pull)
    assert (code, outputs["decision"]) == (1, "fail"), said
    log = read_log(config.parent / outputs["run"])
    assert {one.variant for one in log.taken} == {"original", "int8"}
    assert not any(one.artefact for one in log.taken)  # the weights were not kept
    assert "::error file=audit.yaml,title=int2" in said
    assert "what compression cost" in (flow.folder / "summary").read_text()
    assert "report.html" in flow.uploaded
    flow.job(inputs, **pull)
    assert len(forge.comments) == 1
    assert "int2" in forge.comments[0]["body"]
    assert len(flow.cache) == 1

    forge.may_write, forge.comments = False, []  # a fork's token
    assert flow.job(inputs, **pull)[0] == 1


# The GitLab template


@pytest.mark.parametrize(
    ("fail_on", "run", "gate", "code"),
    [
        ("unproven", 3, 0, 3), ("failed", 3, 0, 0), ("worse", 1, 0, 0), ("worse", 0, 3, 3),
        ("never", 1, 0, 0), ("never", 2, 0, 2), ("failed", 70, 0, 70),
    ],
)  # fmt: skip
def test_on_gitlab_the_exit_code_is_that_of_the_gate(
    tmp_path: Path, fail_on: str, run: int, gate: int, code: int
) -> None:
    inputs = {"config": HOSTILE, "package": "acme @ git+https://x", "fail-on": fail_on}
    inputs["config"] = HOSTILE.replace('"', "'")  # within the quotes of YAML
    first = run_gitlab(tmp_path, inputs, RECORDED, ends(0))
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "shrinkproof-runs" / "kept" / "cells" / "answers").exists()
    done = run_gitlab(tmp_path, inputs, RECORDED, ends(run, gate))
    assert done.returncode == code, done.stderr
    run_again = [one for one in calls(tmp_path) if one[0] == "run"][-1]
    assert run_again[1] == inputs["config"]
    assert run_again[-2:] == ["--baseline", "shrinkproof-runs/kept"]
    assert not (tmp_path / "pwned").exists()
    assert (tmp_path / "pip").read_text().splitlines()[-1] == "acme @ git+https://x"


def test_on_gitlab_a_run_that_does_not_pass_is_no_baseline(tmp_path: Path) -> None:
    inputs = {"config": "a.yaml", "package": "p"}
    assert run_gitlab(tmp_path, inputs, RECORDED, ends(1)).returncode == 1
    assert not (tmp_path / "shrinkproof-runs" / "kept").exists()
    assert (tmp_path / "shrinkproof-runs" / "shrinkproof" / "junit.xml").exists()


def test_on_gitlab_the_program_itself_notes_audits_and_gates(
    tmp_path: Path, forge: Forge, asked: dict[str, Any]
) -> None:
    from jobs import REAL

    (tmp_path / "audit.yaml").write_text(yaml.safe_dump({**asked, "levels": ["control", "int2"]}))
    forge.account = {"id": 55}
    env = {
        "GITLAB_CI": "true", "CI_API_V4_URL": forge.url, "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "5", "SHRINKPROOF_GITLAB_TOKEN": "secret",
    }  # fmt: skip
    done = run_gitlab(tmp_path, {"config": "audit.yaml", "package": "p"}, REAL, env)
    assert done.returncode == 1, done.stderr
    assert len(forge.comments) == 1
    job = gitlab_job({"config": "audit.yaml", "package": "p"})
    missing = [path for path in job["artifacts"]["paths"] if not (tmp_path / path).exists()]
    assert missing == []

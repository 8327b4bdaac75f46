from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from signed_run import make_run
from typer.testing import CliRunner

from audit import load_config, run_audit
from audit.cli import app
from audit.store import read_log

HEAVY = {
    "torch",
    "lm_eval",
    "transformers",
    "scipy",
    "numpy",
    "pandas",
    "pydantic",
    "pyarrow",
    "audit.records",
}
PROGRAM = [sys.executable, "-c", "from audit.cli import main; main()"]


def shrinkproof(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by the command line: control and 2 bits on one suite."""
    out = tmp_path_factory.mktemp("cli") / "run"
    done = shrinkproof(
        "run", "--model", tiny, "--level", "control", "--level", "int2", "--suite", "forgetting",
        "--limit", 40, "--out", out,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (out / "stdout").write_text(done.stdout)
    (out / "stderr").write_text(done.stderr)
    return out


def test_a_run_prints_verdicts_and_the_path_of_the_report(finished: Path) -> None:
    printed = (finished / "stdout").read_text()
    assert "int2" in printed
    assert "✘ fail" in printed
    assert f"Report: {finished / 'report.html'}" in printed
    assert (finished / "report.html").read_bytes().startswith(b"<!doctype html>")


def test_a_run_says_what_it_does_and_nothing_of_the_libraries(finished: Path) -> None:
    told = (finished / "stderr").read_text()
    assert "compressing: int2" in told
    assert "int2: forgetting: shrinkproof_capitals" in told
    assert "it/s" not in told
    assert "Warning" not in told


def test_gate_judges_again_with_the_same_exit_code(finished: Path) -> None:
    assert shrinkproof("gate", finished).returncode == 1


def test_report_renders_again_from_the_log_alone(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_bytes((finished / "audit.json").read_bytes())
    done = shrinkproof("report", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").read_bytes() == (finished / "report.html").read_bytes()


def test_python_and_the_command_line_give_the_same_log(finished: Path, tiny: Path, tmp_path: Path) -> None:
    config = load_config(
        {"model": str(tiny), "levels": ["control", "int2"], "suites": ["forgetting"], "limit": 40},
        out=str(tmp_path / "run"),
    )
    by_python, by_command = run_audit(config), read_log(finished)
    assert by_python.comparisons == by_command.comparisons
    assert by_python.verdicts == by_command.verdicts
    assert by_python.provenance.config_sha256 == by_command.provenance.config_sha256


def test_passing_exits_with_0(tiny: Path, tmp_path: Path) -> None:
    config = tmp_path / "audit.yaml"
    config.write_text(
        f"model: {tiny}\nlevels: [control]\nsuites: [forgetting]\nlimit: 40\n"
        f"rules: [{{suite: forgetting, margin: 0.1}}]\nout: {tmp_path / 'run'}\n"
    )
    assert shrinkproof("run", config).returncode == 0


def test_too_few_items_exit_with_3_and_never_0(tiny: Path, tmp_path: Path) -> None:
    done = shrinkproof(
        "run",
        "--model",
        tiny,
        "--level",
        "control",
        "--suite",
        "forgetting",
        "--limit",
        4,
        "--out",
        tmp_path / "run",
    )
    assert done.returncode == 3, done.stderr
    assert "inconclusive" in done.stdout


def test_what_compress_makes_is_what_a_run_goes_on_from(tiny: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "audit.yaml", tmp_path / "run"
    config.write_text(f"model: {tiny}\nlevels: [int2]\nsuites: [forgetting]\nlimit: 4\nout: {out}\n")
    done = CliRunner().invoke(app, ["compress", str(config)])
    assert done.exit_code == 0, done.output
    made = out / "variants/int2"
    assert f"int2: {made}" in done.stdout.replace("\n", "")
    before = {file: file.stat().st_mtime_ns for file in made.glob("*.safetensors")}
    assert before
    assert CliRunner().invoke(app, ["run", str(config)]).exit_code in (1, 3)
    assert {file: file.stat().st_mtime_ns for file in made.glob("*.safetensors")} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.yaml"], "There is no config file nowhere.yaml"),
        (["run"], "--model"),
        (["run", "--model", "."], "no config.json"),
        (["report", "."], "no audit.json"),
        (["gate", "."], "no audit.json"),
        (["list", "suits"], "Did you mean 'suites'?"),
        (["reproduce", ".", "--tolerance", "-1"], "--tolerance -1: a distance, so 0 or above"),
        (["watch", ".", "--every", "0"], "--every 0: seconds, so above 0"),
    ],
)
def test_unusable_input_is_one_line_and_exits_with_2(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    done = shrinkproof(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_flag_exits_with_2() -> None:
    assert shrinkproof("run", "--bogus").returncode == 2


def test_a_crash_of_ours_does_not_look_like_a_failed_rule(tmp_path: Path) -> None:
    program = "import audit.cli as cli, audit.store; audit.store.read_log = lambda run: 1 / 0; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "report", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr


def test_a_run_folder_of_another_config_exits_with_2_and_keeps_it(finished: Path, tiny: Path) -> None:
    before = (finished / "audit.json").read_bytes()
    done = shrinkproof("run", "--model", tiny, "--level", "int8", "--suite", "forgetting", "--out", finished)
    assert done.returncode == 2
    assert "another config" in done.stderr
    assert (finished / "audit.json").read_bytes() == before


@pytest.mark.parametrize(
    ("what", "known"),
    [
        ("levels", "int4"),
        ("suites", "safety"),
        ("formats", "html"),
        ("perturbations", "typo"),
        ("frameworks", "eu-ai-act"),
    ],
)
def test_list_names_what_a_config_can_name(what: str, known: str) -> None:
    done = shrinkproof("list", what)
    assert done.returncode == 0
    assert known in done.stdout


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import audit.config, audit.registry, audit.store", {"torch", "lm_eval", "optuna", "duckdb"}),
        ("from audit.cli import main; sys.argv = ['shrinkproof', '--help']; main()", HEAVY),
    ],
)
def test_what_is_not_used_is_not_loaded(program: str, heavy: set[str]) -> None:
    """Seconds of waiting for a page of help, or for a config that is wrong."""
    program = f"import atexit, sys; atexit.register(lambda: print('\\n', *sorted(sys.modules))); {program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "audit" in loaded
    assert heavy & set(loaded) == set()


def test_the_version_is_the_installed_one() -> None:
    assert shrinkproof("--version").stdout == f"shrinkproof {version('shrinkproof')}\n"


def _flags() -> dict[str, Any]:
    from typer.main import get_command

    from audit.cli import app

    def inside(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from inside(command, f"{before}{name} ")
            else:
                yield f"{before}{name}", command

    return {
        name: sorted(option for parameter in command.params for option in parameter.opts)
        for name, command in inside(get_command(app))
    }


def test_gate_prints_the_digest_of_the_log_that_it_judged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    digest = hashlib.sha256((run / "audit.json").read_bytes()).hexdigest()
    for asked in ([], ["--policy", "strict"]):
        found = CliRunner().invoke(app, ["gate", str(run), *asked])
        assert f"Judged from the log with sha256 {digest}." in found.stdout.splitlines()


def test_the_promised_commands_and_flags_are_there() -> None:
    promised = json.loads((Path(__file__).parent.parent / "contracts" / "commands.json").read_text())
    assert _flags() == promised


def test_the_promised_names_of_the_python_interface_are_there() -> None:
    import audit

    promised = ["AuditConfig", "AuditLog", "gate", "load_config", "make_variants", "read_log", "run_audit"]
    assert sorted(audit.__all__) == promised
    assert all(hasattr(audit, name) for name in promised)

"""Faults in real audits; all kinds and many seeds are `nox -s soak`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audit import cli

KINDS = ("kill", "disk-full", "damaged-log", "damaged-record", "half-checkpoint", "memory-for-one-cell-less")


def test_after_each_of_some_faults_the_same_command_gives_the_undisturbed_log(
    tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "soak.json"
    asked = ["--faults", str(len(KINDS)), "--seed", "7", "--kinds", ",".join(KINDS), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.soak", *asked], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent.parent.parent, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    told = json.loads(out.read_text())
    assert told["failures"] == []
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["survived"] == told["injected"] == len(KINDS)
    ended = {kind: list(one["ended"]) for kind, one in told["kinds"].items()}
    assert ended["kill"] == ["killed"]
    assert "the disk is full" in ended["disk-full"][0]


def test_sigterm_stops_as_ctrl_c_does_with_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = []

    def asked(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            left.append("what was begun is cleared away")

    monkeypatch.setattr("audit.store.read_log", asked)
    monkeypatch.setattr(sys, "argv", ["shrinkproof", "report", "."])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 143
    assert left
    assert "The same command goes on from the last finished cell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("no room for 8 GiB"), "memory does not suffice (no room for 8 GiB)"),
        (OSError(28, "No space left on device", "/tmp/x"), "/tmp/x: the disk is full."),
        (OSError(5, "Input/output error", "/tmp/x"), "/tmp/x: the disk fails"),
    ],
)
def test_what_the_machine_lacks_is_said_in_a_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("audit.store.read_log", failing)
    monkeypatch.setattr(sys, "argv", ["shrinkproof", "report", "."])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert "Traceback" not in told

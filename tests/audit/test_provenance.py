"""What is noted of the folder that an audit was started in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audit.provenance import collect
from audit.records import NotMeasured, Provenance


def test_a_commit_is_told_with_whether_it_is_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "audit.yaml"
    config.write_text("limit: 10")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", "audit.yaml")
    _git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "one")
    monkeypatch.chdir(tmp_path)
    assert _collected().git_changed is False
    config.write_text("limit: 20")
    assert _collected().git_changed is True


def test_a_folder_in_no_repository_has_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = _collected()
    assert isinstance(found.git_commit, NotMeasured)
    assert isinstance(found.git_changed, NotMeasured)


def _git(folder: Path, *command: str) -> None:
    subprocess.run(["git", *command], cwd=folder, check=True)


def _collected() -> Provenance:
    return collect(command="c", device="cpu", threads=1, config_sha256="", started="")

"""What is noted of the folder that an audit was started in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

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


def test_what_can_move_a_number_is_noted_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = _collected().environment
    assert found["MKL_CBWR"] == "COMPATIBLE"
    assert found["torch: precision of float32 products"] == torch.get_float32_matmul_precision()
    assert "hf_secret" not in str(found)
    monkeypatch.delenv("MKL_CBWR")
    assert "MKL_CBWR" not in _collected().environment


def _git(folder: Path, *command: str) -> None:
    subprocess.run(["git", *command], cwd=folder, check=True)


def _collected() -> Provenance:
    return collect(command="c", device="cpu", threads=1, config_sha256="", started="")

"""The tiny model that tests compress and measure; trained once and cached."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Folder of the tiny model."""
    from fixtures.tiny_model import tiny_model

    return tiny_model()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one left in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def broken_copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    import shutil

    return Path(shutil.copytree(tiny, tmp_path / "model"))

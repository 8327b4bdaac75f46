"""The tiny model that tests compress and measure; trained once and cached."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The known answers are those of the CPU. Torch reads this when it first looks for a device.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# Beside other workers one thread each, or they would wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="session")
def tiny() -> Path:
    """Folder of the tiny model."""
    from fixtures.tiny_model import tiny_model

    return tiny_model()


@pytest.fixture(autouse=True, scope="session")
def _no_user_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is taken from the user's cache, nor left there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user-cache")))
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one left."""
    (tmp_path / "user-cache").mkdir()  # where it is missing, torch warns on a GPU
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def broken_copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    import shutil

    return Path(shutil.copytree(tiny, tmp_path / "model"))


Leave = Callable[..., None]


@pytest.fixture
def leave_in_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leave:
    """What a machine that lost its network has: `(name, config, commit, {split: rows})` of data sets."""
    import json
    import shutil

    import datasets
    import huggingface_hub.constants
    from datasets.naming import camelcase_to_snakecase

    cache = tmp_path / "data-sets"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)

    def leave(name: str, config: str, commit: str, splits: dict[str, list[dict[str, Any]]]) -> None:
        owner, _, named = name.partition("/")
        base = camelcase_to_snakecase(named)
        files = {split: tmp_path / f"{base}-{config}-{split}.jsonl" for split in splits}
        for split, rows in splits.items():
            files[split].write_text("".join(json.dumps(row) + "\n" for row in rows))
        loaded = datasets.load_dataset("json", data_files={one: str(file) for one, file in files.items()})
        read = {split: Path(loaded[split].cache_files[0]["filename"]) for split in splits}
        told = json.loads((read[next(iter(read))].parent / "dataset_info.json").read_text())
        told |= {"builder_name": "parquet", "dataset_name": base, "config_name": config}
        for split in told["splits"].values():
            split["dataset_name"] = base
        folder = cache / f"{owner}___{base}" / config / "0.0.0" / commit
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text(json.dumps(told))
        for split, file in read.items():
            shutil.copy(file, folder / f"{base}-{split}.arrow")

    return leave

"""Names of models and texts → files that lie here, pinned by what they hold."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from audit import weights
from audit.errors import ConfigError, ModelError, first_line
from audit.records import ModelRef, Written

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?(:[\w./-]+\.(gguf|onnx))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
"""What pins anything on a hub."""
ONE_FILE = (".gguf", ".onnx")
"""Models that are one file."""
_HUB_FILE = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?:[\w./-]+")
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py"]


class ModelEntry(Written):
    """`model:` written as a mapping."""

    name: str
    note: str = ""
    allow_pickle: bool = False
    trust_remote_code: bool = False


def pinned_model(name: str, home: Path, entry: ModelEntry) -> ModelRef:
    """Pin a folder (or GGUF file) by its weights' digest, a hub name by its commit as well."""
    folder = _folder(name, home)
    revision = None
    if folder is None:
        if not _HUB_NAME.fullmatch(name):
            raise ModelError(f"There is no model folder {name}, and it is no org/name of a hub either.")
        folder, revision = _from_hub(name, entry.allow_pickle)
    files = weights.digests(weights.weight_files(folder, allow_pickle=entry.allow_pickle))
    return ModelRef(
        name=name,
        path=str(folder.resolve()),
        revision=revision,
        files=files,
        digest=weights.digest(files),
        note=entry.note,
        allow_pickle=entry.allow_pickle,
        trust_remote_code=entry.trust_remote_code,
    )


def _folder(name: str, home: Path) -> Path | None:
    path = expanded(name)
    places = [path, home / path]
    with contextlib.suppress(OSError):  # no path is so long
        return next(
            (one for one in places if one.is_dir() or (one.is_file() and one.suffix in ONE_FILE)), None
        )
    return None


def expanded(name: str) -> Path:
    """The path, with the home that a `~` stands for; where that is nobody's, as it is written."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _from_hub(full_name: str, allow_pickle: bool) -> tuple[Path, str]:
    """Download (or find in the cache; HF_HUB_OFFLINE is honoured) and return folder and commit."""
    from huggingface_hub import snapshot_download

    whole, _, file = full_name.partition(":")
    name, _, revision = whole.partition("@")
    if file.endswith(".onnx"):
        patterns = [file, f"{file}[._]data*", *_HUB_FILES[1:-1]]
    else:
        patterns = [file] if file else [*_HUB_FILES, "*.bin"] if allow_pickle else _HUB_FILES
    with _hub_errors(full_name):
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=patterns))
    return folder / file, folder.name  # the cache names a snapshot's folder by its commit


@contextlib.contextmanager
def _hub_errors(what: str) -> Iterator[None]:
    """Raise what the hub's library raises as ModelError."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        yield
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = first_line(error)
        raise ModelError(
            f"{what} could not be had from the hub and is not in its cache: {reason} "
            "Check the name and the network, or name what lies on this machine."
        ) from error


def found_file(name: str, home: Path, option: str) -> Path:
    """A file or folder beside the config, or a file of a data set on the hub."""
    from huggingface_hub import hf_hub_download

    path = expanded(name)
    found = None
    with contextlib.suppress(OSError, ValueError):  # no path is so long, nor holds a NUL
        found = next((one for one in (home / path, path) if one.exists()), None)
    if found or not _HUB_FILE.fullmatch(name):
        return found or home / path
    whole, _, file = name.partition(":")
    repository, _, revision = whole.partition("@")
    with _hub_errors(f"{option}: {name}"):
        return Path(hf_hub_download(repository, file, repo_type="dataset", revision=revision or None))


def file_digest(path: Path, option: str) -> str:
    """sha256 of a file, or of the config.json of a folder."""
    try:
        file = path / "config.json" if path.is_dir() else path
        if file.exists() and not file.is_file():
            raise ConfigError(f"{option}: {path} is no ordinary file, and may never end. Name one that does.")
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{option}: {path} can't be read: {reason}. Name a file, relative to the config, or "
            "org/name@revision:file of a data set on the hub."
        ) from None

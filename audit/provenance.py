"""Where and with what an audit was computed."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from audit.records import NotMeasured, Provenance

_PACKAGES = (
    "lm-eval", "transformers", "torch", "compressed-tensors", "tokenizers", "safetensors",
    "datasets", "numpy", "scipy", "pandas", "pyarrow", "pydantic",
)  # fmt: skip


def collect(
    *, command: str, device: str, threads: int, config_sha256: str, started: str, executor: str = "local",
    engine: str = "built-in",
) -> Provenance:  # fmt: skip
    """Versions, hardware, git state and times; `finished` is now."""
    return Provenance(
        shrinkproof_version=own_version(),
        command=command,
        python=platform.python_version(),
        platform=platform.platform(),
        processor=processor(),
        device=device,
        threads=threads,
        executor=executor,
        engine=engine,
        packages=packages(),
        git_commit=_git("rev-parse", "HEAD"),
        git_changed=_git_changed(),
        config_sha256=config_sha256,
        started=started,
        finished=now(),
    )


def own_version() -> str:
    """Of this program."""
    return version("shrinkproof")


def packages() -> dict[str, str]:
    """Versions of the libraries that results rest on."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name, or its kind where the system does not tell the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def _git(*command: str) -> str | NotMeasured:
    """What git says of the working folder."""
    try:
        done = subprocess.run(["git", *command], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return NotMeasured("the working folder is in no git repository")
    return done.stdout.strip()


def _git_changed() -> bool | NotMeasured:
    changes = _git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return changes if isinstance(changes, NotMeasured) else bool(changes)

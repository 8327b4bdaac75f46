"""Where and with what an audit was computed."""

from __future__ import annotations

import os
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

_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "PYTHONHASHSEED",
)  # fmt: skip
"""They choose kernels, their precision, or an order of sums. Named one by one, since others hold secrets."""


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
        environment=environment(device),
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


def environment(device: str) -> dict[str, str]:
    """What can move a number though config, versions and processor are the same, by its name.

    Of torch what it computes with, and those of the variables above that are set.
    """
    import torch

    found = {
        "torch: instruction set": torch.backends.cpu.get_cpu_capability(),
        "torch: oneDNN": "on" if torch.backends.mkldnn.enabled else "off",
        "torch: precision of float32 products": torch.get_float32_matmul_precision(),
        "torch: deterministic algorithms only": str(torch.are_deterministic_algorithms_enabled()).lower(),
    }
    if device.startswith("cuda"):
        found["torch: GPU"] = torch.cuda.get_device_name(device)
        found["torch: CUDA"] = str(torch.version.cuda)
    return found | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


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

"""What a fresh process takes to load a model and to run it: seconds and peak memory.

python -m audit.footprint REQUEST      REQUEST and what is printed are JSON
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from pydantic import ValidationError

from audit.loading import load_model
from audit.records import Conditions, NotMeasured, Record
from audit.speed import one_pass


class Request(Record):
    """What the process is asked to load and run."""

    folder: str
    device: str
    """`cpu` or torch's name of another."""
    trust_remote_code: bool
    allow_pickle: bool
    conditions: Conditions


class Footprint(Record):
    """What it took: as the fields of an `Efficiency` of the same names."""

    load_seconds: float
    peak_memory_bytes: int | NotMeasured
    runtime_bytes: int | NotMeasured


def footprint(request: Request) -> Footprint | NotMeasured:
    """Of a process that does nothing else; its reason where it did not come to its end."""
    # -P: a folder named `audit` where the user stands is not ours
    command = [sys.executable, "-P", "-m", "audit.footprint", request.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return NotMeasured(f"the measuring process was killed (signal {-done.returncode}): out of memory?")
    try:
        return Footprint.model_validate_json((done.stdout.splitlines() or [""])[-1])
    except ValidationError:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return NotMeasured(f"the measuring process did not end well: {last}")


def _measure(request: Request) -> Footprint:
    import torch
    from transformers import AutoModelForCausalLM  # noqa: F401  part of the runtime, not of the model

    torch.set_num_threads(request.conditions.threads)
    torch.zeros(1, device=request.device)
    runtime = _peak(request.device)
    started = time.perf_counter()
    model = load_model(
        Path(request.folder), dtype=request.conditions.dtype, device=request.device,
        trust_remote_code=request.trust_remote_code, allow_pickle=request.allow_pickle,
    )  # fmt: skip
    load_seconds = time.perf_counter() - started
    one_pass(model, request.conditions)
    return Footprint(
        load_seconds=load_seconds, peak_memory_bytes=_peak(request.device), runtime_bytes=runtime
    )


def _peak(device: str) -> int | NotMeasured:
    """Most bytes so far: allocated on a CUDA device, or resident."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if device != "cpu":
        return NotMeasured(f"torch does not tell the peak memory of the device {device}")
    try:
        # Not getrusage: there a child begins with the peak of the process that started it
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return NotMeasured("this system does not tell a process's peak memory in /proc/self/status")


if __name__ == "__main__":
    print(_measure(Request.model_validate_json(sys.argv[1])).model_dump_json())

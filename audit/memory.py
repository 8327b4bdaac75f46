"""How much memory is free, and whether it is enough for what is about to be done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from audit.errors import CompressionError, OutOfMemoryError, first_line

GIB = 2**30
MORE_MEMORY = "Run the same command where more is free: what is finished is kept"
FLOAT32 = 4
"""Bytes of a weight while a method works on it."""
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
STATUS = Path("/proc/self/status")


def free_bytes(device: str) -> int | None:
    """Of a GPU, or of this machine, at most what a container is left of its limit; None: it does not tell."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    known = [found for found in (_of_machine(), _of_container()) if found is not None]
    return min(known, default=None)


def check_room(needed: float, device: str, whose: str) -> None:
    """Raises CompressionError where fewer than the bytes needed are free."""
    free = free_bytes(device)
    if free is not None and needed > free:
        raise CompressionError(
            f"{whose} needs {needed / GIB:.3g} GiB of memory at the least, and {free / GIB:.3g} GiB are free "
            f"on {device}. Free some, or compress elsewhere and name the result under `candidates:`."
        )


_SAYS_SO = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "ALLOC_FAILED")
"""Of torch's plain RuntimeErrors: of a CPU on Linux and on Windows, of GPUs, of C++, of cuBLAS."""


def ran_out(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, says that memory did not suffice."""
    while error is not None:
        said = str(error)
        if isinstance(error, MemoryError | OutOfMemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, RuntimeError) and any(words in said for words in _SAYS_SO):
            return True
        error = error.__cause__
    return False


@contextlib.contextmanager
def enough_for(what: str) -> Iterator[None]:
    """Raises OutOfMemoryError, naming the step, where memory does not suffice for it."""
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        raise short(what, error) from error


def short(what: str, error: BaseException) -> OutOfMemoryError:
    """The error that names the step and the way out."""
    return OutOfMemoryError(f"{what}: memory does not suffice ({first_line(error):.200}). {MORE_MEMORY}.")


@contextlib.contextmanager
def at_most(more: int) -> Iterator[None]:
    """Raise MemoryError in the block when this process takes so many bytes more; only on Linux.

    All threads are bounded for that time. A limit that holds already is kept where it is lower.
    """
    held = _held()
    if held is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [held + more, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _held() -> int | None:
    """Bytes that this process may write to, taken or only asked for."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(STATUS.read_text().split("VmData:")[1].split()[0]) * 1024
    return None


def _of_machine() -> int | None:
    """What programs could have, counting what the system only caches."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(MEMINFO.read_text().split("MemAvailable:")[1].split()[0]) * 1024
    return None


def _of_container() -> int | None:
    """The limit less what is held, but for cached files that were not touched of late (cgroup v2)."""
    with contextlib.suppress(OSError, KeyError, ValueError):  # no limit is the word `max`
        limit, held = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - held + int(stat["inactive_file"]))
    return None

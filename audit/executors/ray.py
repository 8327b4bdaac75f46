"""Cells on the workers of a Ray cluster; a lost worker costs the cell that it was at.

What comes back is written by the process that asked, so the run folder may lie on a disk that no worker sees.
The models' files, and those that tasks read, have to be there under the same paths.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from audit.cells import Answered, ArraysOf, Unable, Wanted
from audit.errors import EvaluationError, first_line
from audit.executors.ray_worker import Asked, Worker, Workplace
from audit.loading import resolve_device, resolve_dtype
from audit.memory import GIB
from audit.progress import Progress
from audit.records import AuditConfig, NotMeasured, Variant, Written

LIBRARY = "ray"
ATTEMPTS = 3
"""Workers that a cell, or the beginning of a worker, may cost."""
RUNTIME_BYTES = GIB
"""Of a process with torch, and of one forward."""
CONNECT_SECONDS = 10
"""Ray itself tries for minutes before it says that nobody answers."""
LOOK_SECONDS = 10
"""Between two looks at whether a node is left that could answer."""
_QUIETLY: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}


class Options(Written):
    """Where the workers are, how many, and what each asks of its node."""

    address: str | None = None
    """Of a running cluster, `host:port` or `auto`; None: one is started on this machine."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """None: as many as the cluster has room for."""
    gpus_per_worker: Annotated[float, Field(gt=0)] = 1
    """Where the device is CUDA; below 1, several share one."""
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    """Of main memory a worker; None: counted from the largest variant."""


@contextlib.contextmanager
def crew(config: AuditConfig, options: Options, progress: Progress) -> Iterator[RayCrew]:
    """Workers of a cluster, ended with the block; so is the cluster, where it was started for them.

    Raises EvaluationError where no cluster answers or starts.
    """
    import ray

    ours = not ray.is_initialized()
    if ours:
        if options.address is None:
            progress.stage("starting Ray")
            _start(options.workers, _cpus(config))
        else:
            progress.stage(f"joining Ray at {options.address}")
            _join(options.address)
    spread = RayCrew(config, options, progress)
    try:
        yield spread
    finally:
        spread.dismiss()
        if ours:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    try:
        if address != "auto":
            host, _, port = address.rpartition("://")[2].rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address=address, **_QUIETLY)
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"executor: no Ray cluster answers at {address}: {first_line(error)}. Start one by `ray start "
            "--head`, name its host:port, or leave `address` out."
        ) from None


def _start(workers: int | None, cpus: int) -> None:
    """A cluster on this machine, of more CPUs than it has where so many workers are asked for."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # by itself a cluster tells Ray's makers of its use
    for attempt in range(1, ATTEMPTS + 1):
        try:
            n_cpus = workers and workers * cpus
            ray.init("local", num_cpus=n_cpus, include_dashboard=False, **_QUIETLY)
        except Exception as error:
            # A bare one is what Ray raises where its processes take long, as on a busy machine
            ray.shutdown()
            if attempt == ATTEMPTS:
                why = first_line(error)
                raise EvaluationError(f"executor: Ray does not start on this machine: {why}") from None
        else:
            return


def _cpus(config: AuditConfig) -> int:
    """Of one worker: as many threads as here, since another number rounds otherwise."""
    import torch

    return 1 if resolve_device(config.device).startswith("cuda") else torch.get_num_threads()


class RayCrew:
    """Workers, each of which holds a variant; whoever is idle gets a cell, of its own variant first."""

    def __init__(self, config: AuditConfig, options: Options, progress: Progress) -> None:
        self._config, self._options, self._progress = config, options, progress
        self._workplace = Workplace.of(config)
        self._workers: set[Any] = set()
        self._holds: dict[Any, str] = {}
        """The variant that each worker has loaded."""
        self._running: dict[Any, tuple[Any, Wanted | None]] = {}
        """By Ray's reference: the worker, and its cell; None: it begins."""
        self._lost: Counter[str] = Counter()
        self._planned: tuple[Asked, ...] = ()
        self.variants_at_once = 1

    def dismiss(self) -> None:
        """End the workers."""
        import ray

        for worker in self._workers:
            ray.kill(worker)

    def plan(self, cells: Sequence[Wanted]) -> Mapping[str, int]:
        """See `Crew`; the workers begin, and the first that is ready tells.

        Raises EvaluationError where no node has what a worker asks.
        """
        import ray

        self._asks = self._needs([cell.variant for cell in cells])
        self._remote = ray.remote(Worker).options(**self._asks)
        distinct: dict[str, Wanted] = {}
        for cell in cells:
            distinct.setdefault(cell.original, cell)
        self._planned = tuple(Asked.of(cell) for cell in distinct.values())
        room = _room(self._asks)
        self.variants_at_once = min(self._options.workers or room, len(cells))
        for _ in range(self.variants_at_once):
            self._begin()
        self._progress.stage(
            f"{self.variants_at_once} workers load {cells[0].variant.name} and plan the tasks"
        )
        tokens: dict[str, int] | None = None
        while tokens is None:
            tokens = self._next()[1]
        return tokens

    def map(self, cells: Sequence[Wanted], arrays: ArraysOf) -> Iterator[Answered | Unable]:
        """See `Crew`.

        A cell that costs `ATTEMPTS` workers their life can't be scored. Raises what a worker raises.
        """
        waiting = list(cells)
        while waiting or any(cell for _, cell in self._running.values()):
            self._hand_out(waiting, arrays)
            cell, found = self._next()
            if cell is not None and found is None:
                waiting.append(cell)
            elif cell is not None:
                yield found

    def _begin(self) -> None:
        """Call a worker; it is idle once it has planned what all have planned."""
        worker = self._remote.remote(self._workplace)
        self._workers.add(worker)
        self._running[worker.begin.remote(self._planned)] = worker, None

    def _hand_out(self, waiting: list[Wanted], arrays: ArraysOf) -> None:
        """A cell to every worker that has none: of the variant it holds, else of one that nobody holds."""
        busy = {worker for worker, _ in self._running.values()}
        for worker in [one for one in self._holds if one not in busy]:
            if not waiting:
                return
            held = set(self._holds.values())
            cell = min(
                waiting,
                key=lambda one: (one.variant.name != self._holds[worker], one.variant.name in held),
            )
            waiting.remove(cell)
            self._holds[worker] = cell.variant.name
            self._progress.stage(cell.title)
            original = None if cell.is_original else dict(arrays(cell.original))
            self._running[worker.score.remote(Asked.of(cell), original)] = worker, cell

    def _next(self) -> tuple[Wanted | None, Any]:
        """Wait for a worker; its cell (None: it began) and what came of it (None: the worker died).

        Raises EvaluationError where nobody is left to wait for: Ray would wait for a new node for ever.
        """
        import ray

        ready: list[Any] = []
        while not ready:
            ready, _ = ray.wait(list(self._running), timeout=LOOK_SECONDS)
            if not ready:
                _room(self._asks)
        (reference,) = ready
        worker, cell = self._running.pop(reference)
        try:
            found = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            return cell, self._replace(worker, cell, error)
        if cell is None:
            self._holds[worker] = self._planned[0].variant.name
        return cell, found

    def _replace(self, worker: Any, cell: Wanted | None, error: Exception) -> Unable | None:
        """Call another worker in the place of a dead one; what is said of a cell that cost enough of them.

        Raises EvaluationError where so many died before they were given any.
        """
        import ray

        what = "planning the tasks" if cell is None else f"{cell.title}, part {cell.part}"
        self._lost[what] += 1
        given_up = self._lost[what] >= ATTEMPTS
        why = (
            f"{ATTEMPTS} workers died of it, the last so: {first_line(error)} Is their memory too small? "
            "Ray's own logs tell more. Run the same command again: finished cells are kept."
        )
        if cell is None and given_up:
            raise EvaluationError(f"{what}: {why}") from None
        self._progress.stage(f"a worker was lost at {what}: another one takes over")
        ray.kill(worker)
        self._workers.discard(worker)
        self._holds.pop(worker, None)
        self._begin()
        return Unable(cell.key, why) if cell and given_up else None

    def _needs(self, variants: Sequence[Variant]) -> dict[str, float]:
        """What a worker asks of its node, as Ray's options."""
        device = self._workplace.device
        memory = self._options.memory_gib and self._options.memory_gib * GIB
        counted = max(_loaded_bytes(variant, self._config, device) for variant in variants)
        gpus = self._options.gpus_per_worker if device == "cuda" else 0
        return {
            "num_cpus": _cpus(self._config), "num_gpus": gpus, "memory": int(memory or counted),
            "max_restarts": 0,
        }  # fmt: skip


def _loaded_bytes(variant: Variant, config: AuditConfig, device: str) -> int:
    """Main memory that a worker takes at least: of the weights as stored and as computed with, both."""
    import torch

    dtype = resolve_dtype((variant.level and variant.level.computed_in) or config.dtype, device)
    width = getattr(torch, dtype).itemsize
    parameters, stored = (
        0 if isinstance(one, NotMeasured) else one for one in (variant.parameters, variant.size_bytes)
    )
    return int(parameters * width + stored + RUNTIME_BYTES)


def _room(needs: Mapping[str, float]) -> int:
    """How many workers the cluster's nodes have room for; raises EvaluationError where none has."""
    import ray

    asked = {"CPU": needs["num_cpus"], "GPU": needs["num_gpus"], "memory": needs["memory"]}
    asked = {kind: amount for kind, amount in asked.items() if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(min(int(node.get(kind, 0) / amount) for kind, amount in asked.items()) for node in nodes)
    if not nodes:
        raise EvaluationError(
            "executor: no node of the Ray cluster is left. Ray's own logs tell why. Run the same command "
            "again: finished cells are kept."
        )
    if not room:
        largest = {kind: max((node.get(kind, 0) for node in nodes), default=0) for kind in asked}
        raise EvaluationError(
            f"executor: a worker asks for {_amounts(asked)}, and no node of the Ray cluster has that; the "
            f"most that one has: {_amounts(largest)}. Lower `threads`, `gpus_per_worker` or `memory_gib`, or "
            "add a node. Finished cells are kept."
        )
    return room


def _amounts(of: Mapping[str, float]) -> str:
    memory = {"memory": f"{of['memory'] / GIB:.3g} GiB of memory"} if "memory" in of else {}
    return ", ".join(memory.get(kind, f"{amount:g} {kind}") for kind, amount in of.items())

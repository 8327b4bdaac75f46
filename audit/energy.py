"""What the hardware's own counters say that a pass took: joules.

By codecarbon's readers of RAPL (the processor) and of the GPU's counter. codecarbon goes on with an estimate,
from a table of processors and their load, where it can read neither; that is not measured, so not taken.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from audit.records import NotMeasured

RAPL = "/sys/class/powercap/intel-rapl/subsystem"
JOULES = 3.6e6
"""In a kWh, which is what codecarbon counts."""


class Meter(NamedTuple):
    """A counter of energy."""

    source: str
    """What is counted."""
    start: Callable[[], None]
    joules: Callable[[], float]
    """Since the start."""


def meter(device: str) -> Meter | NotMeasured:
    """The counter of the processor, or of the GPU that the models are on; the reason where there is none."""
    if importlib.util.find_spec("codecarbon") is None:
        return NotMeasured(
            "codecarbon, which reads energy, is not installed: pip install 'shrinkproof[energy]'"
        )
    with _quietly():
        return _of_gpu(device) if device.startswith("cuda") else _of_processor()


def _of_processor() -> Meter | NotMeasured:
    from codecarbon.core.cpu import IntelRAPL, is_rapl_available
    from codecarbon.core.units import Time

    if not is_rapl_available(RAPL):
        return NotMeasured(
            "this machine shows no energy counter that may be read (RAPL, in /sys/class/powercap; often for "
            "root alone); codecarbon could only estimate"
        )
    counter = IntelRAPL(rapl_dir=RAPL)

    def joules() -> float:
        found = counter.get_cpu_details(Time.from_seconds(1))  # for the power, which is not asked for
        return float(sum(kwh for name, kwh in found.items() if "Energy" in name)) * JOULES

    return Meter("the processor's packages, with all that ran on them (RAPL)", counter.start, joules)


def _of_gpu(device: str) -> Meter | NotMeasured:
    import torch
    from codecarbon.core.gpu import AllGPUDevices, is_gpu_details_available
    from codecarbon.core.units import Time

    if not is_gpu_details_available():
        return NotMeasured("codecarbon finds no library that reads this GPU's counter of energy")
    wanted = str(torch.cuda.get_device_properties(device).uuid)
    gpus: list[Any] = AllGPUDevices().devices
    chosen = next((gpu for gpu in gpus if gpu.get_static_details()["uuid"] == f"GPU-{wanted}"), None)
    if chosen is None or chosen.last_energy is None:
        return NotMeasured(f"{device} shows no counter of energy; codecarbon could only average its power")

    def joules() -> float:
        return float(chosen.delta(Time.from_seconds(1))["delta_energy_consumption"].kWh) * JOULES

    return Meter("the GPU, with all that ran on it (its driver's counter)", chosen.start, joules)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without codecarbon's remarks on what it does not find: the reason is in what is returned."""
    logger = logging.getLogger("codecarbon")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before

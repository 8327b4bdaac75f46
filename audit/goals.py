"""What a search is to reach, as a command line says it."""

from __future__ import annotations

import re

from audit.errors import ConfigError
from audit.records import Budget

CONTEXT = 4096
"""Tokens whose keys and values count as memory, where no device says how many."""
BECAUSE = "what the search was to reach"
_BYTES = re.compile(r"([\d_]*\.?\d+)\s*([kmgt]?)(i?)b", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def goal(
    *,
    size: str | None = None,
    memory: str | None = None,
    bits: float | None = None,
    speed: float | None = None,
) -> Budget:
    """The one that is given, as a budget: bytes on disk or in memory, bits a weight, or times as fast.

    Raises ConfigError where none or several are given, or one says nothing.

    >>> goal(size="100MB").at_most, goal(memory="1.5GiB").at_most, goal(speed=1.25).at_most
    (100000000.0, 1610612736.0, 0.8)
    """
    given = {"--size": size, "--memory": memory, "--bits": bits, "--speed": speed}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise ConfigError(
            f"a search makes one quantity small (given {' and '.join(named) or 'none'}): --size 100MB, "
            "--memory 1GB, --bits 5 or --speed 1.5. The others can be `budgets:` of the config."
        )
    if size is not None:
        return Budget(quantity="size_bytes", at_most=_bytes("--size", size), because=BECAUSE)
    if memory is not None:
        at_most = _bytes("--memory", memory)
        return Budget(quantity="least_memory_bytes", at_most=at_most, context=CONTEXT, because=BECAUSE)
    value = bits if speed is None else speed
    if value is None or not value > 0:
        raise ConfigError(f"{named[0]} {value}: above 0.")
    if speed is not None:
        return Budget(quantity="decode_latency_ratio", at_most=1 / value, because=BECAUSE)
    return Budget(quantity="bits_per_weight", at_most=value, because=BECAUSE)


def _bytes(flag: str, said: str) -> float:
    found = _BYTES.fullmatch(said.strip())
    if found is None or not float(found[1]) > 0:
        raise ConfigError(f"{flag} {said}: a number of bytes with its unit, as 100MB, 0.5GB or 96MiB.")
    unit = (1024 if found[3] else 1000) ** _POWERS[found[2].lower()]
    return float(found[1]) * float(unit)

"""Where each level stands: its size and speed beside the worst that it lost."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records import AuditLog, Decision, Level, NotMeasured, Speed
from reports import reading
from reports.pareto import Point
from reports.worst import Worst, worst


@dataclass(frozen=True)
class Standing:
    """A level with all that places it."""

    name: str
    decision: Decision
    size_bytes: int | NotMeasured
    times_smaller: float | NotMeasured
    bits: float | NotMeasured
    decode: Speed | NotMeasured
    worst: Worst | NotMeasured

    @property
    def passes(self) -> bool:
        """Whether it may ship."""
        return self.decision == "pass"

    @property
    def point(self) -> Point | None:
        """Bytes and loss, where both are fully known; only such levels are ranked."""
        if isinstance(self.size_bytes, NotMeasured) or isinstance(self.worst, NotMeasured):
            return None
        return None if self.worst.left_out else (self.size_bytes, self.worst.in_margins)

    @property
    def point_in_time(self) -> Point | None:
        """Bytes, loss and decode time, where all three are known."""
        if self.point is None or isinstance(self.decode, NotMeasured):
            return None
        return (*self.point, self.decode.latency_ratio)

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of the interval of its loss, in margins."""
        found = self.worst if isinstance(self.worst, NotMeasured) else self.worst.held.ends_in_margins
        return None if isinstance(found, NotMeasured) else found


def standings(log: AuditLog) -> list[Standing]:
    """Of the levels that somebody could ship, mildest first."""
    return [_standing(log, level) for level in reading.products(log)]


def _standing(log: AuditLog, level: Level) -> Standing:
    variant, original = reading.variant_of(log, level), reading.original(log)
    unmade = NotMeasured("it was not made: the audit stopped before it")
    size = unmade if variant is None else variant.size_bytes
    whole = NotMeasured("the log holds no original") if original is None else original.size_bytes
    ran = next((one.decode for one in log.efficiency if one.variant == level.name), None)
    return Standing(
        name=level.name,
        decision=reading.decision_on(log, level),
        size_bytes=size,
        times_smaller=_times(whole, size),
        bits=unmade if variant is None else variant.bits_per_weight,
        decode=NotMeasured("speed was not measured") if ran is None else ran,
        worst=worst(log, level),
    )


def _times(whole: int | NotMeasured, size: int | NotMeasured) -> float | NotMeasured:
    """How often a level's bytes go into the original's."""
    if isinstance(size, NotMeasured):
        return size
    if isinstance(whole, NotMeasured):
        return whole
    return whole / size if size else NotMeasured("its files hold no byte")

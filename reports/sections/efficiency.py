"""What each artefact costs to run: load time, memory, speed and energy beside the original's."""

from __future__ import annotations

from markupsafe import Markup

from audit.records import AuditLog, Efficiency, Energy, NotMeasured, Speed
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import mebibytes, seconds

TITLE = "What it costs to run"


def section(log: AuditLog) -> Section:
    """The measured costs, and why the others have none; empty where nobody asked for them."""
    if not log.config.measures_efficiency and not log.efficiency:
        return Section("efficiency", TITLE, Markup(""))
    html = draw(
        "efficiency.html.j2",
        running=_running(log),
        simulated=[one for one in log.efficiency if _is_simulated(one)],
        conditions=next((one.conditions for one in log.efficiency), None),
    )
    return Section("efficiency", TITLE, html)


def _running(log: AuditLog) -> Table | None:
    """What each artefact takes to run; none where that was not measured of any."""
    measured = [one for one in log.efficiency if not _is_simulated(one)]
    if not measured:
        return None
    columns = (
        Column("Level"),
        Column("Load", numeric=True),
        Column("Peak memory", numeric=True),
        Column("Of it without a model", numeric=True),
        Column("Prefill", numeric=True),
        Column("Prefill time, original = 1", numeric=True),
        Column("Decode", numeric=True),
        Column("Decode time, original = 1", numeric=True),
        Column("Energy", numeric=True),
        Column("Energy, original = 1", numeric=True),
    )
    return Table(
        "Load time, memory, speed and energy, measured", columns, [_running_row(one) for one in measured]
    )


def _running_row(one: Efficiency) -> list[Cell]:
    return [
        one.variant,
        seconds(one.load_seconds),
        _memory(one.peak_memory_bytes),
        _memory(one.runtime_bytes),
        *_speed(one.prefill),
        *_speed(one.decode),
        *_energy(one.energy),
    ]


def _memory(value: int | NotMeasured) -> Cell:
    return value if isinstance(value, NotMeasured) else mebibytes(value)


def _speed(speed: Speed | NotMeasured) -> tuple[Cell, Cell]:
    """Tokens a second beside the original's, and the ratio of the times with its interval."""
    if isinstance(speed, NotMeasured):
        return speed, speed
    pace = f"{speed.tokens_per_second:,.1f} tokens/s (original {speed.original_tokens_per_second:,.1f})"
    ratio = f"{speed.latency_ratio:.3f} ({speed.interval.lower:.3f} to {speed.interval.upper:.3f})"
    return pace, ratio


def _energy(energy: Energy | NotMeasured) -> tuple[Cell, Cell]:
    """Joules a token beside the original's, and the ratio with its interval."""
    if isinstance(energy, NotMeasured):
        return energy, energy
    own, original = energy.joules_per_token, energy.original_joules_per_token
    ratio = f"{energy.ratio:.3f} ({energy.interval.lower:.3f} to {energy.interval.upper:.3f})"
    return f"{own:.3g} J/token (original {original:.3g}); {energy.source}", ratio


def _is_simulated(one: Efficiency) -> bool:
    """Whether nothing was measured, for one reason."""
    return isinstance(one.prefill, NotMeasured) and one.prefill == one.load_seconds == one.peak_memory_bytes

"""What was audited: each artefact, by its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TypeVar

from markupsafe import Markup

from audit.records import AuditLog, NotMeasured, Variant
from reports import card, reading, training
from reports.marks import aside
from reports.proof import claims, contradictions, proof
from reports.section import Section
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import compact, mebibytes, rate, seconds, short, visible

_Number = TypeVar("_Number", int, float, str)
_OF_TEXT = ("calibration", "samples", "sequence_length", "seed")
"""Options that say what a method looked at."""


def section(log: AuditLog) -> Section:
    """The artefacts, as their files say."""
    original, lessons = reading.original(log), training.lessons(log)
    html = draw(
        "compressed.html.j2",
        log=log,
        stored_as=original.stored_as if original else "",
        sizes=_sizes(log),
        making=_making(log),
        lessons=lessons,
        proof=proof(log),
        claims=claims(log),
        recoveries=card.table(log),
        contradictions=[sentence for one in log.variants for sentence in contradictions(one)],
        device=log.config.device_profile,
    )
    return Section("compressed", "What was audited", html, plots=bool(lessons))


def _sizes(log: AuditLog) -> Table:
    """Bytes, bits and zeros of each artefact."""
    columns = (
        Column("Level"),
        Column("Stored as", wide=True),
        Column("Bytes", numeric=True),
        Column("Of the original", numeric=True),
        Column("Bits per weight, whole file", numeric=True),
        Column("Compressed weights", numeric=True),
        Column("Other weights", numeric=True),
        Column("Zeros in linear layers", numeric=True),
    )
    return Table("Size on disk, measured", columns, [_size_row(log, variant) for variant in log.variants])


def _size_row(log: AuditLog, variant: Variant) -> list[Cell]:
    size = variant.size_bytes
    return [
        _label(variant),
        variant.stored_as,
        _shown(size, lambda value: f"{value:,}" + aside(mebibytes(value))),
        _ratio(log, variant),
        _shown(variant.bits_per_weight, lambda value: f"{value:.2f}"),
        _packed(variant),
        _rest(variant),
        _shown(variant.sparsity, rate),
    ]


def _packed(variant: Variant) -> Cell:
    """The compressed weights: how many, at how many bits, in how many bytes."""
    number, bits = variant.compressed_parameters, variant.compressed_bits_per_weight
    if isinstance(number, NotMeasured):
        return number
    return bits if isinstance(bits, NotMeasured) else _stored(number, bits * number)


def _rest(variant: Variant) -> Cell:
    """The same of all other weights, whose bits are those that the compressed ones leave of the whole."""
    whole, bits = variant.parameters, variant.bits_per_weight
    number, packed = variant.compressed_parameters, variant.compressed_bits_per_weight
    if isinstance(number, NotMeasured):
        return number
    if isinstance(whole, NotMeasured):
        return whole
    if isinstance(bits, NotMeasured):
        return bits
    if number and isinstance(packed, NotMeasured):
        return packed
    taken = 0.0 if isinstance(packed, NotMeasured) else packed * number
    return _stored(whole - number, bits * whole - taken)


def _stored(number: int, bits: float) -> Cell:
    if number <= 0:
        return "none"
    return f"{compact(number)} at {bits / number:.2f} bits" + aside(mebibytes(round(bits / 8)))


def _shown(value: _Number | NotMeasured, words: Callable[[_Number], str]) -> Cell:
    return value if isinstance(value, NotMeasured) else words(value)


def _ratio(log: AuditLog, variant: Variant) -> Cell:
    """Size as a share of the original's."""
    original = reading.original(log)
    if original is None:
        return NotMeasured("the log holds no original to compare with")
    if isinstance(variant.size_bytes, NotMeasured):
        return variant.size_bytes
    if isinstance(original.size_bytes, NotMeasured):
        return original.size_bytes
    share = variant.size_bytes / original.size_bytes
    return f"{rate(share, 1)} ({1 / share:.2f}× smaller)" if share < 1 else rate(share, 1)


def _making(log: AuditLog) -> Table:
    """How each artefact was made, checked and computed with."""
    columns = (
        Column("Level"),
        Column("Method", wide=True),
        Column("Evaluated as", wide=True),
        Column("Reload error", numeric=True),
        Column("Made by", wide=True),
        Column("Time to make", numeric=True),
        Column("Digest (sha256)"),
    )
    return Table("How each was made and checked", columns, [_making_row(variant) for variant in log.variants])


def _making_row(variant: Variant) -> list[Cell]:
    return [
        _label(variant),
        method(variant),
        variant.evaluated_as,
        _shown(variant.reload_error, lambda error: f"{error:g}"),
        variant.made_by,
        seconds(variant.seconds),
        _shown(variant.digest, digest),
    ]


def _label(variant: Variant) -> str:
    if variant.level is not None and variant.level.is_control:
        return f"{variant.name} (copy of the original)"
    return variant.name


def method(variant: Variant) -> str:
    """The method with its options, in a fixed order, and what it looked at."""
    level, text = variant.level, variant.calibration
    if level is None:
        return "none: what everything is compared with"
    own = {
        name: PurePath(str(value)).name if name == "student" else value  # a path of the user's
        for name, value in sorted(level.options.items())
        if text is None or name not in _OF_TEXT
    }
    if level.endpoint is not None:
        return f"none: served as {visible(level.endpoint.model)} at {visible(level.endpoint.url)}"
    if level.artefact is not None:
        return f"none: taken as it came, from {visible(level.artefact.name)}"
    options = ", ".join(f"{name} {value}" for name, value in own.items())
    said = f"{level.method} ({options})" if options else level.method
    if variant.removed_layers:
        said += f", layers {', '.join(map(str, variant.removed_layers))} removed (from 0)"
    if text is not None:
        said += (
            f", over {text.samples} × {text.sequence_length} tokens of {visible(text.source)}, drawn with "
            f"seed {text.seed} (sha256 {short(text.sha256)})"
        )
    return said + (f", of {level.after}" if level.after else "")


def digest(full: str) -> Markup:
    """A digest in short, that opens to its full length."""
    return Markup(
        '<details class="digest"><summary title="{full}"><code>{short}…</code></summary>'
        "<code>{full}</code></details>"
    ).format(full=visible(full), short=visible(short(full)))

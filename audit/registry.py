"""Entry points to parts: compressors, suites, perturbations, statistics, report formats, frameworks.

They are loaded on first use.

The built-in parts register the way a third party's do, in `pyproject.toml`.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from pydantic import ValidationError

from audit.asking import Perturbation
from audit.changes import Diff
from audit.errors import ConfigError
from audit.making import Made, Making
from audit.records import AuditLog, Level, Record, Suite

if TYPE_CHECKING:
    import pandas as pd


class Compressor(Protocol):
    """A module (or object) of the group `audit.compressors`."""

    TITLE: str
    """One line for `shrinkproof list levels`."""
    LIBRARY: str
    """Distribution that does the work, for the log."""
    PRESETS: Mapping[str, Mapping[str, bool | int | float | str]]
    """Short level names and the options that they stand for."""
    Options: type[Record]
    """The method's settings; unknown ones are refused."""

    @staticmethod
    def compress(making: Making[Any]) -> Made:
        """Compress `making.model` in place and save the checkpoint to `making.out`."""
        ...


class ReportFormat(Protocol):
    """A module (or object) of the group `audit.report_formats`."""

    FILE: str
    """Name of the file in the run folder: `report.html`."""

    @staticmethod
    def render(log: AuditLog) -> bytes:
        """The file's bytes, from the log alone: the same log gives the same."""
        ...


class DiffFormat(Protocol):
    """A module (or object) of the group `audit.diff_formats`, named as its files end."""

    @staticmethod
    def render(diff: Diff) -> bytes:
        """The file's bytes."""
        ...


CorpusStatistic = Callable[["pd.DataFrame"], float]
"""Rows with the columns of `Sample` to the one number that they have together; an `OfSums` is resampled
faster. ValueError, or NaN, where rows have none."""
Suites = tuple[Suite, ...]
Reading = Callable[[Any], "float | tuple[float, float] | None"]
"""Whatever a task's `process_results` gives of an item, to its number: see `Metric.reading`."""


def compressor(name: str) -> Compressor:
    """The compressor of that name."""
    return cast("Compressor", _load("audit.compressors", "compressor", name))


def suite(name: str) -> Suite:
    """The suite of that name."""
    return cast("Suite", _load("audit.suites", "suite", name))


def profile(name: str) -> Suites:
    """Of a suite of ours, written `accuracy:standard`, the suites of official tasks that it stands for."""
    family, _, size = name.partition(":")
    suites = cast("Mapping[str, Suites]", _load("audit.profiles", "suite with profiles", family))
    if size not in suites:
        raise ConfigError(unknown(f"profile of suite '{family}'", size, suites))
    return suites[size]


def reading(name: str) -> Reading:
    """The function of that name that reads what lm-eval keeps of an item."""
    return cast("Reading", _load("audit.readings", "reading", name))


def reading_source(name: str) -> str:
    """The source of the module that the reading of that name is in: with another, numbers may be others."""
    reading(name)
    return inspect.getsource(sys.modules[_points("audit.readings")[name].module])


def perturbation(name: str) -> Perturbation:
    """The perturbation of that name."""
    return cast("Perturbation", _load("audit.perturbations", "perturbation", name))


def perturbations() -> dict[str, str]:
    """The perturbations, each with what it does: the first line of its docstring."""
    found = {name: inspect.getdoc(perturbation(name)) or "" for name in names("audit.perturbations")}
    return {name: told.partition("\n")[0] for name, told in found.items()}


def report_format(name: str) -> ReportFormat:
    """The renderer of that name."""
    return cast("ReportFormat", _load("audit.report_formats", "report format", name))


def diff_format(name: str) -> DiffFormat:
    """The renderer of diffs into files of that ending."""
    return cast("DiffFormat", _load("audit.diff_formats", "format of a diff", name))


def framework_folder(name: str) -> Path:
    """The folder of YAML files of clauses that a package brings along by that name."""
    return cast("Path", _load("audit.frameworks", "folder of frameworks", name))


def corpus_statistic(name: str) -> CorpusStatistic:
    """The statistic of a whole set of that name."""
    return cast("CorpusStatistic", _load("audit.corpus_statistics", "corpus statistic", name))


def names(group: str) -> tuple[str, ...]:
    """The names registered in an entry-point group, sorted."""
    return tuple(sorted(_points(group)))


def presets() -> dict[str, Level]:
    """Short level names of all compressors, with what they stand for."""
    return {
        short: Level(name=short, method=method, options=dict(options))
        for method in names("audit.compressors")
        for short, options in compressor(method).PRESETS.items()
    }


def files(method: str) -> frozenset[str]:
    """Options of a compressor that name a file or folder."""
    fields = compressor(method).Options.model_fields.items()
    return frozenset(key for key, field in fields if Path in (field.annotation, *get_args(field.annotation)))


def check_options(level: Level) -> Record:
    """The level's options, validated by its method.

    Raises ConfigError naming the option, the value and what the method takes, or the library that is missing.
    """
    method = compressor(level.method)
    options = method.Options
    try:
        version(method.LIBRARY)
    except PackageNotFoundError:
        raise ConfigError(
            f"level '{level.name}' is made by {method.LIBRARY}, which is not installed: "
            f"pip install 'shrinkproof[{method.LIBRARY}]'."
        ) from None
    try:
        return options.model_validate(level.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        takes = ", ".join(options.model_fields) or "nothing"
        raise ConfigError(
            f"level '{level.name}': option {where or level.options}: {first['msg']} "
            f"(given {level.options}). Method '{level.method}' takes: {takes}."
        ) from None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nobody registered.

    >>> unknown("compressor", "gptk", ["gptq", "rtn"])
    "No compressor named 'gptk'. Did you mean 'gptq'? Known: gptq, rtn."
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"No {kind} named '{name}'.{hint} Known: {', '.join(known)}."


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _load(group: str, kind: str, name: str) -> object:
    points = _points(group)
    if name not in points:
        raise ConfigError(unknown(kind, name, points))
    return points[name].load()

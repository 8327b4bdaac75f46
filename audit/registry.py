"""Entry points to parts: compressors, suites, perturbations, statistics, executors, formats, frameworks.

They are loaded on first use.

The built-in parts register the way a third party's do, in `pyproject.toml`.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from pydantic import ValidationError

from audit.asking import Perturbation
from audit.changes import Diff
from audit.errors import ConfigError
from audit.making import Made, Making
from audit.progress import Progress
from audit.records import AuditConfig, AuditLog, ExecutorRef, Level, Record, Suite
from audit.results import CatalogueRow

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


class Executor(Protocol):
    """A module (or object) of the group `audit.executors`."""

    LIBRARY: str
    """Distribution that spreads the work, for the log; empty where none does."""
    Options: type[Record]
    """Its settings; unknown ones are refused."""

    @staticmethod
    def crew(config: AuditConfig, options: Any, progress: Progress) -> AbstractContextManager[Any]:
        """An `audit.cells.Crew`, let go of when the block ends."""
        ...


class ReportFormat(Protocol):
    """A module (or object) of the group `audit.report_formats`."""

    FILE: str
    """Name of the file in the run folder: `report.html`."""

    @staticmethod
    def render(log: AuditLog) -> bytes:
        """The file's bytes, from the log alone: the same log gives the same, unless `REPEATABLE` is False."""
        ...


class DiffFormat(Protocol):
    """A module (or object) of the group `audit.diff_formats`, named as its files end."""

    @staticmethod
    def render(diff: Diff) -> bytes:
        """The file's bytes."""
        ...


class HistoryFormat(Protocol):
    """A module (or object) of the group `audit.history_formats`, named as its files end."""

    @staticmethod
    def render(rows: Sequence[CatalogueRow]) -> bytes:
        """The file's bytes; the rows come in the order of model and time."""
        ...


ReportSection = Callable[[AuditLog], object]
"""The log to a `reports.section.Section`: a part of the page. The page checks what it gets."""
CorpusStatistic = Callable[["pd.DataFrame"], float]
"""Rows with the columns of `Sample` to the one number that they have together; an `OfSums` is resampled
faster. ValueError, or NaN, where rows have none."""
Suites = tuple[Suite, ...]
Reading = Callable[[Any], "float | tuple[float, float] | None"]
"""Whatever a task's `process_results` gives of an item, to its number: see `Metric.reading`."""


def compressor(name: str) -> Compressor:
    """The compressor of that name."""
    return cast("Compressor", _load("audit.compressors", "compressor", name))


def executor(name: str) -> Executor:
    """The executor of that name."""
    return cast("Executor", _load("audit.executors", "executor", name))


def executor_version(chosen: ExecutorRef) -> str:
    """The executor's name, with the version of its library where that is installed."""
    with contextlib.suppress(PackageNotFoundError, ConfigError):
        if library := executor(chosen.name).LIBRARY:
            return f"{chosen.name} {version(library)}"
    return chosen.name


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


def report_section(name: str) -> ReportSection:
    """The function of that name that draws a section of the HTML report."""
    return cast("ReportSection", _load("audit.report_sections", "report section", name))


def diff_format(name: str) -> DiffFormat:
    """The renderer of diffs into files of that ending."""
    return cast("DiffFormat", _load("audit.diff_formats", "format of a diff", name))


def history_format(name: str) -> HistoryFormat:
    """The renderer of many audits into files of that ending."""
    return cast("HistoryFormat", _load("audit.history_formats", "format of a history", name))


def framework_folder(name: str) -> Path:
    """The folder of YAML files of clauses that a package brings along by that name."""
    return cast("Path", _load("audit.frameworks", "folder of frameworks", name))


def corpus_statistic(name: str) -> CorpusStatistic:
    """The statistic of a whole set of that name."""
    return cast("CorpusStatistic", _load("audit.corpus_statistics", "corpus statistic", name))


def names(group: str) -> tuple[str, ...]:
    """The names registered in an entry-point group, sorted."""
    return tuple(sorted(_points(group)))


def packages(group: str, name: str) -> str:
    """The package that registers a name, with its version; all of them, where several claim it."""
    return ", ".join(sorted(_package(point) for point in entry_points(group=group, name=name)))


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
    whose = f"level '{level.name}'"
    _check_installed(whose, f"is made by {method.LIBRARY}", method.LIBRARY)
    return _options(whose, f"Method '{level.method}'", method.Options, level.options)


def check_executor(name: str, options: Mapping[str, Any]) -> Record:
    """An executor's options, validated by itself; raises ConfigError as `check_options`."""
    found, whose = executor(name), f"executor '{name}'"
    if found.LIBRARY:
        _check_installed(whose, f"needs {found.LIBRARY}", found.LIBRARY)
    return _options(whose, "It", found.Options, options)


def _check_installed(whose: str, needs: str, library: str) -> None:
    try:
        version(library)
    except PackageNotFoundError:
        raise ConfigError(
            f"{whose} {needs}, which is not installed: pip install 'shrinkproof[{library}]'."
        ) from None


def _options(whose: str, takes: str, options: type[Record], given: Mapping[str, Any]) -> Record:
    try:
        return options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        known = ", ".join(options.model_fields) or "nothing"
        raise ConfigError(
            f"{whose}: option {where or given}: {first['msg']} (given {given}). {takes} takes: {known}."
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


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _load(group: str, kind: str, name: str) -> object:
    found = tuple(entry_points(group=group, name=name)) if isinstance(name, str) else ()
    if not found:
        raise ConfigError(unknown(kind, str(name), _points(group)))
    if len(found) > 1:
        raise ConfigError(
            f"Several packages register a {kind} named '{name}': {packages(group, name)}. "
            "Uninstall all but one."
        )
    return found[0].load()

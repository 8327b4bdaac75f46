"""`suites:` of a config: a name, lm-eval tasks, or a file of somebody's own questions → Suite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError

from audit import own_items, registry
from audit.errors import ConfigError
from audit.pinning import file_digest, found_file
from audit.ready import checked, mapping
from audit.records import Metric, Record, Suite, Task

SUITE_FILE = "suite.yaml"
"""In the folder of a suite that somebody wrote: the keys of `SuiteEntry`."""
_NAME = re.compile(r"[\w.-]+")


class SuiteEntry(Record):
    """A suite of the user's own: lm-eval tasks, or a file of questions, under a name."""

    name: str
    tasks: tuple[str | Task, ...] = ()
    items: str | None = None
    """File with the columns question, choices, answer, and group or not, relative to the config file."""
    title: str = ""
    metric: str = "acc"
    """lm-eval's key of a per-item metric."""
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus"] = "binary"
    """What the metric's values are: see `Metric`."""
    statistic: str | None = None
    """Of kind `corpus`: which, see `Metric`."""
    two_sided: bool = False
    range: tuple[float, float] | None = None
    """Of kind `score`: see `Metric`."""
    higher_is_better: bool | None = None
    """None: unless it is a perplexity, or a corpus statistic that says otherwise."""
    group_by: str | None = None
    pair_by: str | None = None
    """Column whose equal values tie wordings of one question: they count once, right when all of them are."""
    knowledge: bool = False
    """Whether its questions ask for facts, so that the report lists what was forgotten."""
    cluster_by: str | None = None
    include_path: str | None = None
    """Folder with lm-eval YAML, relative to the config file."""


def suite_of(entry: str | SuiteEntry, home: Path, data_dir: str | None) -> Suite:
    """The suite of ours of that name, that of a folder, or of the user's own entry.

    Raises ConfigError naming what the entry lacks, or the line of a question that is none.
    """
    data = home / data_dir if data_dir else None
    if data is not None and not data.is_dir():
        raise ConfigError(f"data_dir {data_dir}: there is no folder {data}.")
    if isinstance(entry, str):
        places = [one for one in (home / entry, Path(entry)) if (one / SUITE_FILE).is_file()]
        if not places:
            return registry.suite(entry)
        home, where = places[0], str(places[0] / SUITE_FILE)
        text = (home / SUITE_FILE).read_text(encoding="utf-8")
        entry = checked(SuiteEntry, mapping(text, where, "suite", SuiteEntry.model_fields), where)
    if bool(entry.tasks) is (entry.items is not None):
        raise ConfigError(f"suite '{entry.name}': give `tasks` or `items`, and not both.")
    if entry.knowledge and entry.kind != "binary":
        raise ConfigError(
            f"suite '{entry.name}': a fact is known or not; `knowledge` takes a metric of kind `binary`."
        )
    if entry.pair_by and entry.items is not None:
        raise ConfigError(f"suite '{entry.name}': `pair_by` names a column of `tasks`; `items` have none.")
    items, grouped = _items(entry.items, home) if entry.items else ({}, False)
    named = entry.tasks or (entry.name,)
    tasks = tuple(Task(name=task) if isinstance(task, str) else task for task in named)
    include = home / entry.include_path if entry.include_path else None
    if include is not None and not include.is_dir():
        raise ConfigError(f"include_path {entry.include_path}: there is no folder {include}.")
    return Suite(
        name=entry.name,
        title=entry.title or entry.name,
        question=f"Does the model still do as well on {', '.join(task.name for task in tasks)}?",
        tasks=tasks,
        **items,
        metrics=(_metric(entry),),
        group_by=entry.group_by or ("group" if grouped else None),
        pair_by=entry.pair_by,
        knowledge=entry.knowledge,
        cluster_by=entry.cluster_by,
        include_path=str(include.resolve()) if include else None,
        data_dir=str(data.resolve()) if data else None,
    )


def _items(name: str, home: Path) -> tuple[dict[str, str], bool]:
    """The file of a suite's own questions as fields of `Suite`, and whether they have groups."""
    path = found_file(name, home, "items")
    grouped = own_items.read(path)[0].group is not None
    return {"items": str(path.resolve()), "items_sha256": file_digest(path, "items")}, grouped


def write_suite(name: str, items: Path, folder: Path) -> tuple[Path, int]:
    """Make the folder of a suite of these questions; the folder, and how many there are.

    Raises ConfigError naming the line of a question that is none, or a folder that is there already.
    """
    if not _NAME.fullmatch(name) or name in registry.names("audit.suites"):
        raise ConfigError(
            f"suite name {name!r}: use letters, digits, '.', '-' and '_', and no suite's name of ours."
        )
    found = own_items.read(items)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"{folder} can't be made: {error.strerror}. Name another one by --out.") from None
    rows = [item.model_dump_json(exclude_none=True) for item in found]
    (folder / "items.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / SUITE_FILE).write_text(yaml.safe_dump({"name": name, "items": "items.jsonl"}), encoding="utf-8")
    return folder, len(found)


def _metric(entry: SuiteEntry) -> Metric:
    higher = _default_direction(entry) if entry.higher_is_better is None else entry.higher_is_better
    name = entry.statistic or entry.metric
    counted = "questions answered right in every wording" if entry.pair_by else "items answered right"
    units = {
        "binary": f"share of {counted}", "score": f"mean {name}", "perplexity": "perplexity",
    }  # fmt: skip
    try:
        return Metric(
            name=name, harness_metric=entry.metric, kind=entry.kind, higher_is_better=higher,
            statistic=entry.statistic, two_sided=entry.two_sided, range=entry.range,
            per="pair" if entry.pair_by else "item",
            unit=units.get(entry.kind, name), source="lm-evaluation-harness",
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError(f"suite '{entry.name}': {error.errors()[0]['msg']}.") from None


def _default_direction(entry: SuiteEntry) -> bool:
    """Whether higher is better, where the user does not say; raises ConfigError where nobody does."""
    if entry.statistic is None:
        return entry.kind != "perplexity"
    known = getattr(registry.corpus_statistic(entry.statistic), "higher_is_better", None)
    if known is None:
        raise ConfigError(
            f"suite '{entry.name}': say by `higher_is_better:` which way '{entry.statistic}' is better."
        )
    return bool(known)

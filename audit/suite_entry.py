"""`suites:` of a config → Suites: a name, a profile of it, lm-eval tasks, or somebody's own questions."""

from __future__ import annotations

import contextlib
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError

from audit import own_items, registry
from audit.errors import ConfigError
from audit.local_data import local_tasks, own_tasks
from audit.pinning import file_digest, found_file
from audit.ready import checked, mapping, own
from audit.records import Metric, Suite, Task, Written

SUITE_FILE = "suite.yaml"
"""In the folder of a suite that somebody wrote: the keys of `SuiteEntry`."""
SEVERITIES = (1, 2, 3)
"""How strongly a perturbation disturbs an item."""
ROBUST_ACCURACY = Metric(
    name="robust accuracy",
    per="pair",
    unit="share of questions answered right both clean and perturbed",
    source="Worst case over the two forms, after Ribeiro et al. 2020 (CheckList), arXiv:2005.04118",
)
"""Of items that are asked clean and perturbed."""
OF_PERTURBED = (
    "Seeded changes, no adversary who searches for the worst one; English asides, instructions and cues. "
    "Items that a perturbation leaves as they are, are left out. A question that was answered wrongly "
    "already when clean counts as wrong: read the drop, not the level."
)
"""What such suites can't show."""
_NAME = re.compile(r"[\w.-]+")


class SuiteEntry(Written):
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
    chat: bool = False
    system_prompt: str | None = None
    """Of a chat: see `Suite`."""
    include_path: str | None = None
    """Folder with lm-eval YAML, relative to the config file."""
    perturb: str | tuple[str, ...] = ()
    """Of multiple-choice tasks: ask each item clean and, once for each of these, perturbed."""
    severity: int = 1
    """How strongly: 1, 2 or 3."""


def suites_of(
    entry: str | SuiteEntry, home: Path, data_dir: str | None, profile: str | None
) -> tuple[Suite, ...]:
    """What an entry stands for: the suite of ours of that name, a profile's, a folder's, or the user's own.

    `profile` is that of the suites of ours that are named without one. Raises ConfigError naming what the
    entry lacks, or the line of a question that is none.
    """
    data = home / data_dir if data_dir else None
    if data is not None and not _is_folder(data):
        raise ConfigError(f"data_dir {data_dir}: there is no folder {data}.")
    if isinstance(entry, str):
        places: list[Path] = []
        with contextlib.suppress(OSError):  # no path is so long
            places = [one for one in (home / entry, Path(entry)) if (one / SUITE_FILE).is_file()]
        if places:
            return (_of_folder(places[0], data),)
        if profile is not None and entry in registry.names("audit.profiles"):
            entry = f"{entry}:{profile}"
        return _of_profile(entry, data) if ":" in entry else (registry.suite(entry),)
    return (_of_entry(entry, home, data),)


def _of_profile(name: str, data: Path | None) -> tuple[Suite, ...]:
    """The suites of a profile, of those tasks that have data, on the hub or in the folder."""
    family, suites = name.partition(":")[0], registry.profile(name)
    suites = tuple(suite.model_copy(update={"family": family}) for suite in suites)
    kept: list[Suite] = []
    absent: list[str] = []
    lacking: list[str] = []
    for suite in suites:
        here = _with_data(suite, data)
        tasks = tuple(task for task in suite.tasks if task.name in here)
        absent += [task.name for task in suite.tasks if task not in tasks]
        missing = _missing(suite) if tasks else None
        if missing:
            lacking.append(missing)
        elif tasks:
            place = str(data.resolve()) if data else None
            kept.append(suite.model_copy(update={"tasks": tasks, "data_dir": place}))
    if not kept:
        where = f"{data} has" if data else "without `data_dir` there is"
        said = f"{where} no data for {', '.join(absent)}." if absent else "nothing of it can be measured."
        raise ConfigError(" ".join([f"suite '{name}': {said}", *lacking]))
    gaps = {"absent": tuple(absent), "lacking": tuple(lacking)}
    return (kept[0].model_copy(update=gaps), *kept[1:])


def _missing(suite: Suite) -> str | None:
    """That what the suite needs is not installed, and the way out; None: it is, or it needs nothing."""
    for one in suite.needs:
        with contextlib.suppress(PackageNotFoundError):
            if version(one.distribution) == one.version or one.version is None:
                continue
        named = one.distribution if one.version is None else f"{one.distribution} {one.version}"
        return (
            f"{suite.title} is not measured: it needs {named}, which is not installed: "
            f"pip install 'shrinkproof[{one.extra}]'."
        )
    return None


def _with_data(suite: Suite, data: Path | None) -> set[str]:
    """The tasks whose data lie in the folder; without one, those whose data the hub has."""
    include = Path(suite.include_path) if suite.include_path else None
    if data is None:
        nowhere_else = {task for task, entry in own_tasks(include).items() if "hub" not in entry}
        return {task.name for task in suite.tasks} - nowhere_else
    return set(local_tasks(data, include))


def _of_folder(folder: Path, data: Path | None) -> Suite:
    where = str(folder / SUITE_FILE)
    text = own("suite", folder / SUITE_FILE)
    entry = checked(SuiteEntry, mapping(text, where, "suite", SuiteEntry.model_fields), where)
    if entry.include_path is not None:
        raise ConfigError(
            f"{where}: `include_path` names a folder of lm-eval YAML, which is code. Write this suite into "
            "your config, if you trust that folder: a suite's own folder brings questions alone."
        )
    return _of_entry(entry, folder, data, of_folder=True)


def _of_entry(entry: SuiteEntry, home: Path, data: Path | None, *, of_folder: bool = False) -> Suite:
    """`of_folder`: it was found in its own folder, which may be a stranger's."""
    if bool(entry.tasks) is (entry.items is not None):
        raise ConfigError(f"suite '{entry.name}': give `tasks` or `items`, and not both.")
    if entry.system_prompt is not None and not entry.chat:
        raise ConfigError(f"suite '{entry.name}': a system prompt is for a chat. Add `chat: true`.")
    perturb = _perturbations(entry)
    if entry.knowledge and entry.kind != "binary":
        raise ConfigError(
            f"suite '{entry.name}': a fact is known or not; `knowledge` takes a metric of kind `binary`."
        )
    if entry.pair_by and entry.items is not None:
        raise ConfigError(f"suite '{entry.name}': `pair_by` names a column of `tasks`; `items` have none.")
    items, grouped = _items(entry.items, home, of_folder) if entry.items else ({}, False)
    named = entry.tasks or (entry.name,)
    tasks = tuple(Task(name=task) if isinstance(task, str) else task for task in named)
    include = home / entry.include_path if entry.include_path else None
    if include is not None and not _is_folder(include):
        raise ConfigError(f"include_path {entry.include_path}: there is no folder {include}.")
    as_asked = Suite(
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
        chat=entry.chat,
        system_prompt=entry.system_prompt,
        include_path=str(include.resolve()) if include else None,
        data_dir=str(data.resolve()) if data else None,
    )
    return _twice(as_asked, entry, perturb) if perturb else as_asked


def _is_folder(path: Path) -> bool:
    """A path may be longer than any can be."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _perturbations(entry: SuiteEntry) -> tuple[str, ...]:
    """The names in `perturb:`, each known; raises ConfigError where they can't be had of this entry."""
    named = (entry.perturb,) if isinstance(entry.perturb, str) else tuple(dict.fromkeys(entry.perturb))
    for name in named:
        registry.perturbation(name)
    if not named and "severity" in entry.model_fields_set:
        raise ConfigError(f"suite '{entry.name}': `severity` is that of `perturb`: name what to perturb by.")
    if entry.severity not in SEVERITIES:
        raise ConfigError(f"suite '{entry.name}': severity {entry.severity}: it is 1, 2 or 3.")
    if named and entry.pair_by:
        raise ConfigError(f"suite '{entry.name}': `perturb` makes pairs of its own; leave `pair_by` out.")
    if named and entry.kind != "binary":
        raise ConfigError(
            f"suite '{entry.name}': `perturb` counts what is right both clean and perturbed: its metric "
            f"is of kind `binary`, not `{entry.kind}`."
        )
    return named


def _twice(suite: Suite, entry: SuiteEntry, perturb: tuple[str, ...]) -> Suite:
    """The suite with each item asked clean and perturbed, and counted once.

    An item that meets several perturbations is in several pairs, which hang together by its clean form.
    """
    asked = ", ".join(task.name for task in suite.tasks)
    better = suite.metrics[0].higher_is_better
    metric = ROBUST_ACCURACY.model_copy(update={"harness_metric": entry.metric, "higher_is_better": better})
    return suite.model_copy(
        update={
            "question": f"Are the answers to {asked} still right both as asked and perturbed?",
            "metrics": (metric,), "group_by": entry.group_by or "perturbation", "pair_by": "pair",
            "cluster_by": suite.cluster_by or ("pair" if len(perturb) > 1 else None),
            "perturb": perturb, "severity": entry.severity, "limits": OF_PERTURBED,
        }
    )  # fmt: skip


def _items(name: str, home: Path, of_folder: bool) -> tuple[dict[str, str], bool]:
    """The file of a suite's own questions as fields of `Suite`, and whether they have groups."""
    path = _inside(name, home) if of_folder else found_file(name, home, "items")
    grouped = own_items.read(path)[0].group is not None
    return {"items": str(path.resolve()), "items_sha256": file_digest(path, "items")}, grouped


def _inside(name: str, folder: Path) -> Path:
    """The file of that name in a suite's own folder, wherever links lead; raises ConfigError."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # too long, a NUL, links in a ring
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    raise ConfigError(
        f"{folder / SUITE_FILE}: `items: {name}` is no ordinary file of that folder. Copy it there, or write "
        "this suite into your config, if you trust it: a suite's own folder brings its questions along."
    )


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

"""lm-eval's tasks, loaded once and identified by what they ask, not by their name."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import itertools
import json
import math
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import registry
from audit.errors import EvaluationError, first_line
from audit.harness.chat import ChatTemplate
from audit.harness.revisions import commit_read, pinned
from audit.harness.written_tasks import files_of, items_folder, tasks_folder
from audit.records import HELD_OUT, AuditConfig, Suite


@dataclass(frozen=True)
class LoadedTask:
    """A task ready to be scored."""

    suite: Suite
    name: str
    """Of the task as it is asked here: with the perturbation, where there is one."""
    of: str
    """lm-eval's."""
    task: Any
    """lm_eval.api.task.Task"""
    version: str
    num_fewshot: int
    n_items: int
    n_left_out: int
    """Items that its perturbation can't change, of those met; 0 where nothing is perturbed."""
    digest: str
    """sha256 over the task's config and its documents, up to the limit."""
    parts: tuple[tuple[int, ...], ...]
    """Documents between two looks at the data: a seeded shuffle, items of one pair together."""
    held: tuple[int, ...] = ()
    """Documents of the same shuffle that are held out."""
    data: Mapping[str, str] = field(default_factory=dict)
    """What it reads, as `Cell.data` says."""
    _requests: list[Any] = field(default_factory=list)

    @property
    def generates(self) -> bool:
        """Whether the model writes its answers, so that none is scored."""
        return bool(self.task.OUTPUT_TYPE == "generate_until")

    def documents(self, part: int) -> tuple[int, ...]:
        """Indices of the documents of one part, from 1, or of those held out."""
        return self.held if part == HELD_OUT else self.parts[part - 1]

    def build(self, limit: int | None, template: ChatTemplate | None = None) -> None:
        """Build the requests once: drawn again, shots would differ from one variant to the next.

        `template` writes those of a suite that is a chat, and is not looked at otherwise.
        """
        if not self._requests:
            chat: dict[str, Any] = {}
            if self.suite.chat:
                assert template is not None, "a chat is written by a template"
                chat = {
                    "apply_chat_template": True, "fewshot_as_multiturn": True,
                    "chat_template": template.write, "system_instruction": self.suite.system_prompt,
                }  # fmt: skip
            self.task.build_all_requests(limit=limit, rank=0, world_size=1, **chat)
            self._requests.extend(self.task.instances)
            self.task.build_all_requests = lambda **_: None

    def open(self, part: int) -> list[Any]:
        """Make lm-eval see the documents of one part and their requests, unanswered."""
        documents = sorted(self.documents(part))
        wanted, of_task = set(documents), self.task.eval_docs
        self.task._instances = [request for request in self._requests if request.doc_id in wanted]
        for request in self.task.instances:
            request.resps, request.filtered_resps = [], {}
        self.task.doc_iterator = lambda **_: ((index, of_task[index]) for index in documents)
        return list(self.task.instances)


def prompts(loaded: LoadedTask, limit: int | None, tokenizer: Any) -> list[str]:
    """The first request of each document that is not held out, with the answer that it asks about."""
    loaded.build(limit, ChatTemplate(tokenizer))
    of_documents = {
        request.doc_id: "".join(part for part in request.args if isinstance(part, str))
        for part in range(1, len(loaded.parts) + 1)
        for request in reversed(loaded.open(part))
    }
    return list(of_documents.values())


@dataclass(frozen=True)
class _Dealing:
    """How the documents of a task are dealt."""

    seed: int
    looks: int
    holdout: float


def load_tasks(
    suite: Suite, *, limit: int | None, seed: int, looks: int = 1, holdout: float = 0
) -> tuple[LoadedTask, ...]:
    """The tasks of a suite, groups and tags opened, their documents dealt to `looks` parts.

    The share `holdout` of a task's documents is in none of them.

    Raises EvaluationError naming the task when lm-eval does not know it or can't load its data.
    """
    wanted = {task.name: task.num_fewshot for task in suite.tasks}
    loaded = []
    for name, num_fewshot in wanted.items():
        for leaf, task in _load(suite, name).items():
            _prepare(task, num_fewshot, seed)
            forms = _perturbed(suite, leaf, task, limit, seed) if suite.perturb else {leaf: task}
            for form, one in forms.items():
                loaded.append(_identify(suite, (leaf, form), one, limit, _Dealing(seed, looks, holdout)))
    return tuple(loaded)


def tasks_of(config: AuditConfig) -> list[LoadedTask]:
    """All tasks of an audit, in the order of its suites; raises as `load_tasks`.

    EvaluationError also for a data set under `revisions` that none of them reads.
    """
    tasks = [
        task
        for suite in config.suites
        for task in load_tasks(
            suite, limit=config.limit, seed=config.seed, looks=config.looks, holdout=config.holdout
        )
    ]
    pins = {name for suite in config.suites for name in suite.revisions}
    if unread := pins - {str(task.task.DATASET_PATH) for task in tasks}:
        raise EvaluationError(f"revisions: no task here reads {', '.join(sorted(unread))} from a hub.")
    return tasks


def _load(suite: Suite, name: str) -> dict[str, Any]:
    manager = _manager(suite, name)
    try:
        with pinned(suite.revisions):
            tasks: dict[str, Any] = manager.load([name])["tasks"]
    except Exception as error:  # lm-eval and datasets raise whatever they meet
        reason = first_line(error)
        raise EvaluationError(
            f"task '{name}' of suite '{suite.name}' can't be loaded: {reason} "
            "Its data set may need a network, or local files by `data_dir`."
        ) from error
    return tasks


def _manager(suite: Suite, name: str) -> Any:
    """A TaskManager that knows `name`; lm-eval's own thousands of tasks are indexed only when needed."""
    from lm_eval.tasks import TaskManager

    if suite.include_path is not None and not Path(suite.include_path).is_dir():
        raise EvaluationError(f"there is no folder {suite.include_path} with the task '{name}'.")
    folders = [suite.include_path] if suite.include_path else []
    if suite.items is not None:
        folders.append(str(items_folder(suite)))
    if suite.data_dir is not None or suite.include_path is not None:
        folders.append(str(tasks_folder(suite)))
    if folders:
        manager = TaskManager(include_path=folders, include_defaults=False)
        if name in manager.all_tasks:
            return manager
    manager = TaskManager(include_path=folders or None)
    if name not in manager.all_tasks:
        raise EvaluationError(registry.unknown("task", name, _near(name, manager.all_tasks)))
    return manager


def _near(name: str, known: list[str]) -> list[str]:
    """lm-eval knows thousands of tasks: show those that look like the one asked for."""
    import difflib

    return difflib.get_close_matches(name, known, n=8, cutoff=0.4) or known[:8]


def _prepare(task: Any, num_fewshot: int | None, seed: int) -> None:
    # As lm_eval.simple_evaluate does before it calls evaluate
    if num_fewshot is not None:
        task.set_config(key="num_fewshot", value=num_fewshot)
    elif task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=seed)
    # Samples are what counts here; a total of lm-eval's may be a regression that few items don't allow
    task.aggregation = lambda: defaultdict(lambda: _no_total)


def _no_total(_items: object) -> None:
    """In the place of a task's own aggregation."""


def _perturbed(suite: Suite, name: str, task: Any, limit: int | None, seed: int) -> dict[str, Any]:
    """The task with its items clean and perturbed, once for each of the suite's perturbations."""
    from audit.harness.perturbed import Disturbance, perturbed

    return {
        f"{name}:{one}": perturbed(task, Disturbance(one, suite.severity, seed), limit)
        for one in suite.perturb
    }


def _identify(
    suite: Suite, names: tuple[str, str], task: Any, limit: int | None, dealing: _Dealing
) -> LoadedTask:
    of, name = names
    documents = _whole_pairs(list(task.eval_docs), suite.pair_by, limit)
    if not documents:
        raise EvaluationError(f"task '{name}' of suite '{suite.name}' has no items. Check its data file.")
    config = task.dump_config()
    data = {"items": suite.items_sha256} if suite.items_sha256 else files_of(config)
    units = _shuffled(documents, suite.pair_by, dealing.seed)
    if dealing.holdout:
        units = _copies_together(units, [_asked(task, document) for document in documents])
    parts, held = _dealt(units, dealing.looks, dealing.holdout)
    content = json.dumps(
        [_settings(config, data), documents], sort_keys=True, default=_by_source, ensure_ascii=False
    )
    return LoadedTask(
        suite=suite,
        name=name,
        of=of,
        task=task,
        version=str(task.VERSION),
        num_fewshot=int(task.get_config("num_fewshot")),
        n_items=len(documents),
        n_left_out=getattr(task, "n_left_out", 0),
        digest=hashlib.sha256(content.encode()).hexdigest(),
        data=data or commit_read(task, suite.revisions),
        parts=parts,
        held=held,
    )


def _settings(config: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """A task's config with what its files hold in the place of where they lie."""
    metadata = {key: one for key, one in (config.get("metadata") or {}).items() if key != "config_source"}
    told = {**config, "metadata": metadata}
    if data:
        told["dataset_kwargs"] = {**config["dataset_kwargs"], "data_files": data}
    return told


def _by_source(value: object) -> str:
    """What JSON has no place for, without its address in memory: that is another in each process."""
    if inspect.isfunction(value):
        with contextlib.suppress(
            OSError
        ):  # of the whole file: what it calls and the words it looks for count
            return inspect.getsource(inspect.getmodule(value) or value)
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _whole_pairs(
    documents: Sequence[dict[str, Any]], pair_by: str | None, limit: int | None
) -> list[dict[str, Any]]:
    """The first documents, `limit` of them at most, without the last pair if the limit cuts it."""
    kept = list(documents[:limit])
    if pair_by is None or not kept:
        return kept
    last = kept[-1].get(pair_by)
    if last is None or all(document.get(pair_by) != last for document in documents[len(kept) :]):
        return kept
    return [document for document in kept if document.get(pair_by) != last] or kept


def _shuffled(
    documents: Sequence[Mapping[str, Any]], pair_by: str | None, seed: int
) -> list[tuple[int, ...]]:
    """Indices of the documents in a seeded order, those of a pair together.

    Shuffled, since tasks are often sorted by subject and an early look would see the first ones alone.
    """
    units: dict[str | int, list[int]] = {}
    for index, document in enumerate(documents):
        twins = document.get(pair_by) if pair_by else None
        units.setdefault(index if twins is None else str(twins), []).append(index)
    shuffled = [tuple(unit) for unit in units.values()]
    random.Random(seed).shuffle(shuffled)
    return shuffled


def _asked(task: Any, document: Mapping[str, Any]) -> str:
    """What an item asks, whatever number it has."""
    choices = task.doc_to_choice(document) if task.OUTPUT_TYPE == "multiple_choice" else None
    return repr((task.doc_to_text(document), choices, task.doc_to_target(document)))


def _copies_together(units: Sequence[tuple[int, ...]], asked: Sequence[str]) -> list[tuple[int, ...]]:
    """The units, those that ask the same in one: what was chosen by is not fresh because it stands twice."""
    merged: dict[int, tuple[int, ...]] = {}
    place: dict[str, int] = {}
    for number, unit in enumerate(units):
        texts = {asked[index] for index in unit}
        first, *others = sorted({place[text] for text in texts if text in place} or {number})
        joined = itertools.chain.from_iterable([*(merged.pop(one) for one in others), unit])
        merged[first] = (*merged.get(first, ()), *joined)
        place.update({asked[index]: first for index in merged[first]})
    return list(merged.values())


def _dealt(
    units: Sequence[tuple[int, ...]], looks: int, holdout: float = 0
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """The units in parts of even size, fewer where there are few, and those held out; never all of them."""
    n_asked = len(units) - min(math.ceil(len(units) * holdout), len(units) - 1)
    n_parts = min(looks, n_asked)
    edges = [round(n_asked * k / n_parts) for k in range(n_parts + 1)]
    *parts, held = (
        tuple(itertools.chain.from_iterable(units[start:stop]))
        for start, stop in itertools.pairwise([*edges, len(units)])
    )
    return tuple(parts), held

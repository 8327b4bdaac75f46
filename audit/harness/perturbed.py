"""Any multiple-choice task of lm-eval with each item asked twice: as it is, and perturbed.

The clean twin is asked exactly as the task asks it. Both twins of a pair see the same shots.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from lm_eval.api.task import ConfigurableTask

from audit import registry
from audit.asking import Asked
from audit.errors import EvaluationError


@dataclass(frozen=True)
class Disturbance:
    """What is done to each item."""

    name: str
    """In the entry-point group `audit.perturbations`."""
    severity: int
    """1 to 3."""
    seed: int
    """The audit's."""


class Twin(dict[str, Any]):
    """A document that is asked twice: the item's columns, and `perturbation`, `severity`, `form`, `pair` and
    `asked`, which win over columns of the same name."""

    def __init__(self, item: Mapping[str, Any], asked: Asked, recorded: Mapping[str, Any]) -> None:
        super().__init__({**item, **recorded, "asked": asdict(asked)})
        self.item = item
        """The document as the task has it: what its templates and functions are given."""
        self.asked = asked


def perturbed(task: Any, disturbance: Disturbance, limit: int | None) -> Any:
    """The task with each item twice, clean and disturbed, side by side; at most `limit` documents count.

    Items that the perturbation leaves as they are, such as a question without any word to mistype, are left
    out and counted (`n_left_out`). The draws depend on the seed, the perturbation and the item, not on its
    place or the severity. Raises EvaluationError for a task that offers no choices, or of which no item can
    be perturbed so.
    """
    name = task.config.task
    if not isinstance(task, ConfigurableTask) or task.OUTPUT_TYPE != "multiple_choice":
        raise EvaluationError(
            f"task '{name}' offers no choices: only multiple-choice tasks can be perturbed. "
            "Leave out `perturb`."
        )
    twin_task = copy.copy(task)
    twin_task.__class__ = type("Perturbed", (_Twins, type(task)), {})
    twin_task._config = copy.copy(task.config)
    if hasattr(task, "sampler"):
        twin_task.sampler = _SharedShots(task.sampler)
    twin_task.set_fewshot_seed(seed=disturbance.seed)
    twin_task._twins, twin_task.n_left_out = [], 0
    for pair in _pairs(task, disturbance):
        if limit is not None and len(twin_task._twins) >= limit:
            break
        twin_task._twins.extend(pair or ())
        twin_task.n_left_out += pair is None
    if not twin_task._twins:
        raise EvaluationError(
            f"task '{name}' has no item that '{disturbance.name}' can change: it may list no options, or "
            f"have fewer than two shots. Leave '{disturbance.name}' out of `perturb`."
        )
    return twin_task


def _pairs(task: Any, disturbance: Disturbance) -> Iterator[tuple[Twin, Twin] | None]:
    """The twins of each item, None of one that can't be disturbed."""
    perturb = registry.perturbation(disturbance.name)
    seen: Counter[str] = Counter()
    for item in task.eval_docs:
        told = json.dumps(item, sort_keys=True, default=str, ensure_ascii=False)
        clean = asked_of(task, item)
        changed = perturb(clean, draws(disturbance, told), disturbance.severity)
        if changed == clean:
            yield None
            continue
        _check(task, clean, changed)
        pair = hashlib.sha256(told.encode()).hexdigest()[:16]
        seen[pair] += 1
        recorded = {
            "perturbation": disturbance.name,
            "severity": disturbance.severity,
            "pair": pair if seen[pair] == 1 else f"{pair} ({seen[pair]})",
        }
        yield (
            Twin(item, clean, {**recorded, "form": "clean"}),
            Twin(item, changed, {**recorded, "form": "disturbed"}),
        )


def draws(disturbance: Disturbance, item: str) -> Random:
    """The draws for one item, whatever the severity."""
    return Random(f"{disturbance.seed}|{disturbance.name}|{item}")


def asked_of(task: Any, item: Mapping[str, Any]) -> Asked:
    """How the task asks an item.

    Where the contexts are the choices, as in WinoGrande, the prompt is what they all begin with, up to a
    space, and the choices are how they go on.
    """
    prompt, choices = task.doc_to_text(item), [str(choice) for choice in task.doc_to_choice(item)]
    right = task.doc_to_target(item)
    if task.multiple_input:
        prompt, right = _common(choices), prompt
        choices = [choice[len(prompt) :] for choice in choices]
    return Asked(
        prompt=prompt,
        choices=tuple(choices),
        right=_indices(right, choices),
        description=task.resolve_field(item, task.config.description) or "",
        shots=tuple(range(task.config.num_fewshot or 0)),
    )


def _common(contexts: Sequence[str]) -> str:
    """What all contexts begin with, whole words only."""
    words = (context.split(" ")[:-1] for context in contexts)
    same = itertools.takewhile(lambda places: len(set(places)) == 1, zip(*words, strict=False))
    return "".join(f"{places[0]} " for places in same)


def _indices(right: Any, choices: Sequence[str]) -> tuple[int, ...]:
    """Places of the right answers, given as a place, as an answer, or as a list of places."""
    given = right if isinstance(right, list) else [right]
    places = [choices.index(one) if one in choices else one for one in given]
    return tuple(place for place in places if isinstance(place, int) and 0 <= place < len(choices))


def _check(task: Any, clean: Asked, changed: Asked) -> None:
    """A function that judges answers by the item's own columns knows nothing of another order."""
    same = (changed.choices, changed.right) == (clean.choices, clean.right)
    if callable(task.config.process_results) and not same:
        raise EvaluationError(
            f"task '{task.config.task}' judges answers by a function of its own, which can't be told that "
            "the options changed. Leave option_order and option_labels out of `perturb`."
        )


class _Twins(ConfigurableTask):  # type: ignore[misc]  # lm_eval ships no types
    """What a task does otherwise with a `Twin`; its shots are none."""

    _twins: list[Twin]
    n_left_out: int

    @property
    def eval_docs(self) -> list[Twin]:
        return self._twins

    def fewshot_context(self, doc: Twin, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(self, "sampler", None), _SharedShots):
            self.sampler.turn_to(doc)
        return super().fewshot_context(doc, *args, **kwargs)

    def doc_to_text(self, doc: Any, *args: Any) -> Any:
        if isinstance(doc, Twin) and not self.multiple_input:
            return doc.asked.prompt
        return super().doc_to_text(_item(doc), *args)

    def doc_to_choice(self, doc: Any, *args: Any) -> Any:
        if not isinstance(doc, Twin):
            return super().doc_to_choice(doc, *args)
        start = doc.asked.prompt if self.multiple_input else ""
        return [start + choice for choice in doc.asked.choices]

    def doc_to_target(self, doc: Any, *args: Any) -> Any:
        target = super().doc_to_target(_item(doc), *args)
        if not isinstance(doc, Twin) or self.multiple_input:
            return target
        if isinstance(target, list):
            return list(doc.asked.right)
        if not doc.asked.right:
            return target
        place = doc.asked.right[0]
        return doc.asked.choices[place] if isinstance(target, str) else place

    def doc_to_prefix(self, doc: Any) -> Any:
        return super().doc_to_prefix(_item(doc))

    def process_results(self, doc: Any, results: Any) -> Any:
        own = callable(self.config.process_results)
        return super().process_results(_item(doc) if own else doc, results)

    @staticmethod
    def resolve_field(doc: Any, field: str | None = None) -> Any:
        # Of a document that is asked, as opposed to a shot, lm-eval resolves the description alone
        return doc.asked.description if isinstance(doc, Twin) else ConfigurableTask.resolve_field(doc, field)


def _item(doc: Any) -> Any:
    return doc.item if isinstance(doc, Twin) else doc


class _SharedShots:
    """lm-eval's sampler, asked once for a pair, as it would be for the item alone."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = copy.copy(sampler)
        self._twin: Twin | None = None
        self._drawn: tuple[str, list[Any]] = ("", [])

    def set_rnd(self, seed: int | None) -> _SharedShots:
        """Begin the draws again."""
        self._sampler.set_rnd(seed)
        return self

    def turn_to(self, twin: Twin) -> None:
        """The next sample is for this document."""
        self._twin = twin

    def sample(self, n: int, eval_doc: Any = None, **others: Any) -> list[Any]:
        """The pair's shots in the order that this twin asks for."""
        assert self._twin is not None, "fewshot_context turns to the document first"
        if self._drawn[0] != self._twin["pair"]:
            shots = self._sampler.sample(n, eval_doc=_item(eval_doc), **others)
            self._drawn = self._twin["pair"], list(shots)
        return [self._drawn[1][k] for k in self._twin.asked.shots]

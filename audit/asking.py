"""One multiple-choice item as a model is asked it, and what a perturbation may change of that.

A perturbation keeps the right answer right by construction: one on the text can't touch the options, one on
the options moves the right one along.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from audit.errors import EvaluationError


@dataclass(frozen=True)
class Asked:
    """What determines an item's requests."""

    prompt: str
    """The question, with its options where the task lists them, without the shots."""
    choices: tuple[str, ...]
    """The answers that are scored after the prompt."""
    right: tuple[int, ...]
    """Indices of the right ones; none where the item says none of them."""
    description: str = ""
    """What stands ahead of the shots."""
    shots: tuple[int, ...] = ()
    """The order of the shots, 0 for the one that the task would show first."""


Perturbation = Callable[[Asked, Random, int], Asked]
"""An item, draws, a severity of 1 to 3 → the item asked otherwise, with the same right answer; the same item
where nothing can change. Registered in the entry-point group `audit.perturbations`."""


@dataclass(frozen=True)
class Option:
    """A line of the prompt that shows an answer: `A. Venus`."""

    before: str
    label: str
    between: str
    text: str
    after: str = ""

    @property
    def line(self) -> str:
        """As it stands in the prompt."""
        return "".join((self.before, self.label, self.between, self.text, self.after))


@dataclass(frozen=True)
class Listing:
    """The options that a prompt shows, one a line."""

    above: str
    options: tuple[Option, ...]
    below: str
    lettered: bool
    """Whether the labels are what is scored, as in MMLU; else the texts are."""

    @property
    def prompt(self) -> str:
        """The whole prompt."""
        return self.above + "\n".join(option.line for option in self.options) + self.below


_OPTION = re.compile(r"(\s*\(?)(\w{1,2})([.):]\)?\s+)(\S.*?)(\s*)")
_LABELS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "123456789")


def listing(asked: Asked) -> Listing | None:
    """The options as the prompt lists them, one a line with a label each; None: it shows them otherwise, or
    not at all.

    >>> listing(Asked("Which?\\nA. one\\nB. two\\nAnswer:", ("A", "B"), (1,))).options[1].text
    'two'
    """
    labels = [bare(choice) for choice in asked.choices]
    lettered = any(labels == list(known[: len(labels)]) for known in _LABELS)
    lines = asked.prompt.split("\n")
    for start in reversed(range(len(lines) - len(labels) + 1)):
        found = [_OPTION.fullmatch(line) for line in lines[start : start + len(labels)]]
        options = [Option(*match.groups()) for match in found if match]
        if len(options) == len(labels) and _are(options, asked.choices, labels if lettered else None):
            above = "".join(line + "\n" for line in lines[:start])
            below = "".join("\n" + line for line in lines[start + len(labels) :])
            return Listing(above, tuple(options), below, lettered)
    return None


def bare(choice: str) -> str:
    """A label without what it is written with: `A` of ` (A)`."""
    return choice.strip().strip("().:")


def _are(options: Sequence[Option], choices: Sequence[str], labels: list[str] | None) -> bool:
    """Whether these lines are the answers."""
    if labels is not None:
        return [option.label for option in options] == labels
    return sorted(option.text for option in options) == sorted(choice.strip() for choice in choices)


def on_text(change: Callable[[str, Random, int], str]) -> Perturbation:
    """The perturbation that changes the text of the question alone.

    The function sees one character of a private plane of Unicode for each stretch that must stay: the lines
    of the options, whatever reads like an answer, cues such as `Question:` and `Answer:` that begin a line, a
    last line that ends with a colon, and white space at the end. Raises EvaluationError where it drops or
    moves one.
    """

    @functools.wraps(change)
    def perturb(asked: Asked, rng: Random, severity: int) -> Asked:
        spans = list(_merged(sorted(_kept(asked))))
        masks = [chr(_FIRST_MASK + k) for k in range(len(spans))]
        text, end = "", 0
        for mask, (start, stop) in zip(masks, spans, strict=True):
            text, end = text + asked.prompt[end:start] + mask, stop
        changed = change(text + asked.prompt[end:], rng, severity)
        if [character for character in changed if ord(character) >= _FIRST_MASK] != masks:
            name = getattr(change, "__name__", change)
            raise EvaluationError(f"perturbation '{name}' changed what must stay of {asked.prompt!r:.200}.")
        for mask, (start, stop) in zip(masks, spans, strict=True):
            changed = changed.replace(mask, asked.prompt[start:stop])
        return replace(asked, prompt=changed)

    return perturb


_FIRST_MASK = 0xF0000
_CUE = re.compile(r"^[A-Z]\w*(?: \w+)?:(?=\s|$)|(?<=\n)[^\n]*:\s*\Z|\s+\Z", re.MULTILINE)


def _kept(asked: Asked) -> Iterator[tuple[int, int]]:
    """Where the prompt must stay as it is."""
    shown = listing(asked)
    if shown is not None:
        yield len(shown.above), len(asked.prompt) - len(shown.below)
    same_case = shown is not None and shown.lettered  # or each article would count as the option A
    for choice in {choice.strip() for choice in asked.choices} - {""}:
        told = rf"(?<!\w){re.escape(choice)}(?!\w)"
        for match in re.finditer(told, asked.prompt, 0 if same_case else re.IGNORECASE):
            yield match.span()
    for match in _CUE.finditer(asked.prompt):
        yield match.span()


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted stretches without overlaps."""
    start, stop = None, 0
    for first, end in spans:
        if start is not None and first > stop:
            yield start, stop
            start = None
        start, stop = (first, end) if start is None else (start, max(stop, end))
    if start is not None:
        yield start, stop

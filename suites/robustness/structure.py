"""Changes to how an item is asked rather than to its text: its options, its instruction, its shots.

Sources: option order and labels, Zheng et al. 2024, “Large Language Models Are Not Robust Multiple Choice
Selectors”, arXiv:2309.03882; paraphrased instructions, Nalbandyan et al. 2025 (SCORE), arXiv:2503.00137; the
order of the shots, Lu et al. 2022, “Fantastically Ordered Prompts and Where to Find Them”, arXiv:2104.08786.
They average over many forms of each item; here an item meets one form, drawn by its seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from audit.asking import Asked, Listing, bare, listing

MOVED = {1: 2, 2: 3}
"""How many options or shots stand elsewhere at a severity; all of them at 3."""
CUES = {"Question:": ("Problem:", "Query:"), "Answer:": ("Reply:", "The answer is:")}
"""Words that begin a line, and what stands there instead."""
DESCRIPTION = re.compile(r"The following are multiple choice questions \(with answers\)( about [^.\n]+)?\.")
"""The wording of MMLU, which many tasks have taken over."""
REWORDED = (
    "Below are questions{about}, each with several options and its answer.",
    "Here is a set of questions{about}. Each one has options, and one of them is right.",
)
INSTRUCTIONS = ("Give the right answer.", "Answer what is asked.", "Find the answer that is right.")
"""Of a task that has none of its own, or one that can't be reworded here."""
LONGER = (
    "Read everything carefully, think about what is asked, and then decide for one answer.",
    "Take your time with each question before you settle for the one answer that fits best.",
)
LABELS = {
    "A": ("abcdefghij", "123456789"),
    "a": ("ABCDEFGHIJ", "123456789"),
    "1": ("ABCDEFGHIJ", "abcdefghij"),
}
"""By the first label of a task, what its options are called instead at severities 1 and 2."""
UNUSUAL = "KMPQRVWXYZ"
"""Letters that options are called by at severity 3."""


def option_order(asked: Asked, rng: random.Random, severity: int) -> Asked:
    """Two, three or all options stand in another place, the right one always among them."""
    shown = listing(asked)
    if shown is None:
        return asked
    said = {asked.choices[one].strip() for one in asked.right}
    places = [k for k, option in enumerate(shown.options) if option.text in said]
    order = _order(len(shown.options), asked.right if shown.lettered else places, rng, severity)
    options = tuple(
        replace(option, text=shown.options[source].text, after=shown.options[source].after)
        for option, source in zip(shown.options, order, strict=True)
    )
    right = tuple(order.index(one) for one in asked.right) if shown.lettered else asked.right
    return replace(asked, prompt=replace(shown, options=options).prompt, right=right)


def option_labels(asked: Asked, rng: random.Random, severity: int) -> Asked:
    """The options are called a, b, c or 1, 2, 3 or by unusual letters instead of A, B, C."""
    shown = listing(asked)
    if shown is None or shown.options[0].label not in LABELS:
        return asked
    unusual = "".join(rng.sample(UNUSUAL, len(UNUSUAL)))
    texts = {option.text for option in shown.options}  # a label that reads like an answer would mislead
    known = (*LABELS[shown.options[0].label], unusual)[severity - 1]
    labels = unusual if texts & {*known} else known
    if len(labels) < len(shown.options) or texts & {*labels}:
        return asked
    old = [option.label for option in shown.options]
    options = tuple(replace(one, label=label) for one, label in zip(shown.options, labels, strict=False))
    renamed = replace(
        shown, options=options, above=_told(shown.above, old, labels), below=_told(shown.below, old, labels)
    )
    return replace(
        asked, prompt=renamed.prompt, choices=_choices(asked, shown, labels),
        description=_told(asked.description, old, labels),
    )  # fmt: skip


def instruction(asked: Asked, rng: random.Random, severity: int) -> Asked:
    """Cues such as `Answer:` are reworded; from 2 on the instruction too, and at 3 it is longer."""
    reworded, short, longer = (rng.choice(one) for one in (REWORDED, INSTRUCTIONS, LONGER))
    prompt = asked.prompt
    for cue, others in CUES.items():
        prompt = re.sub(rf"(?m)^{cue}(?=\s|$)", rng.choice(others), prompt)
    description = asked.description
    if severity > 1 or prompt == asked.prompt:
        description, found = DESCRIPTION.subn(lambda m: reworded.format(about=m[1] or ""), description)
        description = description if found else f"{short}\n\n{description}"
    if severity > 2:
        description = f"{longer}\n{description}"
    return replace(asked, prompt=prompt, description=description)


def few_shot_order(asked: Asked, rng: random.Random, severity: int) -> Asked:
    """Two, three or all shots stand in another place."""
    order = _order(len(asked.shots), (), rng, severity)
    return replace(asked, shots=tuple(asked.shots[source] for source in order))


def _order(many: int, always: Sequence[int], rng: random.Random, severity: int) -> list[int]:
    """For each place, whose content comes there: a cycle of two, three or all, `always` among them."""
    others = [place for place in range(many) if place not in always]
    rng.shuffle(others)
    moving = [*always, *others][: max(MOVED.get(severity, many), len(always) + 1)]
    order = list(range(many))
    for k, place in enumerate(moving):
        order[place] = moving[k - 1]
    return order


def _choices(asked: Asked, shown: Listing, labels: str) -> tuple[str, ...]:
    """What is scored: the new labels, written as the old ones were; or the texts, as they were."""
    if not shown.lettered:
        return asked.choices
    return tuple(
        choice.replace(bare(choice), label) for choice, label in zip(asked.choices, labels, strict=False)
    )


def _told(text: str, old: Sequence[str], new: str) -> str:
    """The text with the new labels where it enumerates the old ones: `A, B, C or D`."""
    between = r"(\W+(?:(?:and|or)\W+)?)"
    enumerated = re.compile(r"(?<!\w)" + between.join(map(re.escape, old)) + r"(?!\w)")

    def renamed(match: re.Match[str]) -> str:
        gaps = [*match.groups(), ""]
        return "".join(label + gap for label, gap in zip(new, gaps, strict=False))

    return enumerated.sub(renamed, text)

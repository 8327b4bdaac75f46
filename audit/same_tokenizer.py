"""Whether a candidate reads text as its original does: another tokenizer or template looks like damage."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from audit import weights
from audit.errors import ModelError
from audit.loading import load_tokenizer

PROBES = (
    "The quick brown fox jumps over the lazy dog.",
    "  two  spaces,\ttabs\nand\n\nlines ",
    "12345 + 0.678 = 1e9; don't",
    "Grüße, 東京, здравствуйте, مرحبا, नमस्ते, 🙂",
    "def f(x):\n    return x**2  # code",
    "<|im_start|>user\n<s>[INST] hello</s><|endoftext|>",
)
"""Where tokenizers of one family differ: blanks, digits, scripts, code, special tokens."""


def check_tokenizer(candidate: Path, original: Path, whose: str) -> None:
    """Raises ModelError with the difference where the two don't agree.

    A candidate without one is served by the original's.
    """
    if not _has_tokenizer(candidate):
        return
    mine, theirs = load_tokenizer(candidate), load_tokenizer(original)
    differs = _vocabulary(mine.get_vocab(), theirs.get_vocab())
    for text in PROBES:
        one, other = mine(text).input_ids, theirs(text).input_ids
        if not differs and one != other:
            differs = f"{text!r} becomes the tokens {one}, and {other} with the original's"
    for name in ("bos_token", "eos_token"):
        one, other = getattr(mine, name), getattr(theirs, name)
        if not differs and one != other:
            differs = f"its {name} is {one!r}, and {other!r} in the original's"
    if differs:
        raise ModelError(
            f"{whose} has another tokenizer than the original: {differs}. What it answers would be compared "
            "with answers to other tokens. Take the candidate that was made from this original."
        )
    one, other = mine.chat_template, theirs.chat_template
    if one is not None and one != other:
        raise ModelError(
            f"{whose} has another chat template than the original:\n{_lines(other, one)}\n"
            "Take the original's, or the candidate that was made from this original."
        )


def _has_tokenizer(candidate: Path) -> bool:
    if candidate.suffix == ".gguf":
        return True
    candidate = weights.beside(candidate) if candidate.is_file() else candidate
    return any((candidate / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))


def _vocabulary(mine: dict[str, int], theirs: dict[str, int]) -> str:
    """The first difference, and how many there are."""
    differ = sorted(
        (token for token in {*mine, *theirs} if mine.get(token) != theirs.get(token)),
        key=lambda token: (theirs.get(token, mine.get(token)), token),
    )
    if not differ:
        return ""
    first = differ[0]
    places = [f"is number {ids[first]}" if first in ids else "is missing" for ids in (mine, theirs)]
    return (
        f"{len(differ):,} tokens differ in their numbers, the first {json.dumps(first)}: it {places[0]}, and "
        f"{places[1]} in the original's"
    )


def _lines(theirs: object, mine: object) -> str:
    """The lines that differ, as `diff` shows them."""
    before, after = str(theirs or "").splitlines(), str(mine or "").splitlines()
    return "\n".join(
        difflib.unified_diff(before, after, "the original's", "the candidate's", lineterm="", n=0)
    )

"""What HFLM understands by a generation request, for a scorer that generates otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.models.utils_hf import stop_sequences_criteria

from audit.harness.generation import Prompt

_UNDERSTOOD = {"until", "max_gen_toks", "do_sample", "temperature"}
"""After `normalize_gen_kwargs`, which knows further names of the second."""


@dataclass(frozen=True)
class Completion:
    """A greedy request."""

    prompt: Prompt
    until: list[str]


def completion(
    lm: HFLM,
    encode: Callable[[str, int], list[int]],
    context: str,
    gen_kwargs: Mapping[str, Any],
    longest: int | None,
) -> Completion | None:
    """The request as HFLM reads it at batch size 1; None if it is not greedy, or an error that HFLM explains.

    `encode` makes tokens of the context, cut to leave room for so many; `longest` bounds both together.
    """
    kwargs = normalize_gen_kwargs(gen_kwargs, lm.max_gen_toks)
    most = kwargs["max_gen_toks"]
    greedy = kwargs["do_sample"] is False and kwargs.get("temperature", 0.0) == 0.0
    if set(kwargs) - _UNDERSTOOD or not greedy or not 0 < most < lm.max_length:
        return None
    tokens = encode(context, most)
    if not tokens or (longest is not None and len(tokens) + most > longest):
        return None
    until = handle_stop_sequences(
        kwargs["until"], eos=lm.tok_decode(lm.eot_token_id, skip_special_tokens=False)
    )
    return Completion(Prompt(tokens, most, _Ended(lm, until)), until)


class _Ended:
    """Whether the last token ends the text, or a stop string stands at its end, as HFLM looks for it."""

    def __init__(self, lm: HFLM, until: list[str]) -> None:
        eos = lm.model.generation_config.eos_token_id
        self._eos = set(eos if isinstance(eos, list) else [eos])
        self._criteria = stop_sequences_criteria(lm.tokenizer, until, 0, 1)

    def __call__(self, tokens: list[int]) -> bool:
        return tokens[-1] in self._eos or bool(self._criteria(torch.tensor([tokens]), None))


def text(lm: HFLM, tokens: list[int], until: list[str]) -> str:
    """The answer to a request, as HFLM makes it of the new tokens."""
    thought_end = lm.think_end_token
    if isinstance(thought_end, int):
        if thought_end in tokens:
            tokens = tokens[len(tokens) - tokens[::-1].index(thought_end) :]
        said = lm.tok_decode(tokens).lstrip()
    else:
        said = lm.tok_decode(tokens)
    answer: str = postprocess_generated_text(
        said, until, None if isinstance(thought_end, int) else thought_end
    )
    return answer

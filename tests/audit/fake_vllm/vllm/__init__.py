"""What an audit and lm-eval's class use of vLLM, on transformers: each prompt alone, in one plain forward.

As vLLM it takes no argument that it does not know, holds the memory of one model until it is shut down, asks
for the number of stdout's file, wants room for a token after each prompt, and shows of a prompt's tokens the
log-probability of each beside the likeliest one's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, TypedDict

import torch

from audit.loading import load_model, load_tokenizer

KNOWN = {
    "model", "tokenizer", "tokenizer_mode", "tokenizer_revision", "revision", "trust_remote_code", "dtype",
    "tensor_parallel_size", "max_model_len", "max_num_seqs", "quantization", "seed", "enable_lora",
    "max_lora_rank", "gpu_memory_utilization", "enforce_eager", "enable_prefix_caching",
}  # fmt: skip


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int = 16
    stop: Sequence[str] = ()
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True


@dataclass
class Logprob:
    logprob: float
    rank: int


class LLM:
    made: ClassVar[list[dict[str, Any]]] = []
    """What each was started with."""
    running = 0

    def __init__(self, **asked: Any) -> None:
        if unknown := asked.keys() - KNOWN:
            raise TypeError(f"EngineArgs got unexpected arguments {sorted(unknown)}")
        sys.stdout.fileno()
        if LLM.running:
            raise ValueError("Free memory on device is less than desired GPU memory utilization")
        folder = Path(asked["model"])
        quantised = json.loads((folder / "config.json").read_text()).get("quantization_config", {})
        if quantised.get("quant_method") == "unheard-of":
            raise ValueError("Unknown quantization method: unheard-of.")
        LLM.made.append(asked)
        LLM.running += 1
        self._model = load_model(folder, dtype=asked["dtype"], only_counted=True)
        self._tokenizer = load_tokenizer(Path(asked["tokenizer"]))
        self._most = asked["max_model_len"] or self._model.config.max_position_embeddings
        self.llm_engine = SimpleNamespace(
            model_config=SimpleNamespace(
                max_model_len=self._most, dtype=self._model.dtype, quantization=quantised.get("quant_method")
            ),
            engine_core=SimpleNamespace(shutdown=self._shut_down),
        )

    def _shut_down(self) -> None:
        LLM.running -= 1
        del self._model

    def generate(
        self, prompts: list[TokensPrompt], sampling_params: list[SamplingParams], **_: Any
    ) -> list[SimpleNamespace]:
        asked = zip(prompts, sampling_params, strict=True)
        return [self._one(prompt["prompt_token_ids"], params) for prompt, params in asked]

    def _one(self, ids: list[int], params: SamplingParams) -> SimpleNamespace:
        if len(ids) + 1 > self._most:
            raise ValueError(f"The prompt of {len(ids)} tokens is longer than the maximum model length.")
        shown = None if params.prompt_logprobs is None else self._shown(ids)
        text = self._written(ids, params) if params.detokenize else ""
        return SimpleNamespace(prompt_logprobs=shown, outputs=[SimpleNamespace(text=text)])

    def _shown(self, ids: list[int]) -> list[dict[int, Logprob] | None]:
        logprobs = self._logits(ids).log_softmax(-1)
        found: list[dict[int, Logprob] | None] = [None]
        for row, token in zip(logprobs, ids[1:], strict=False):
            best = int(row.argmax())
            rank = int((row > row[token]).sum()) + 1
            found.append({token: Logprob(float(row[token]), rank), best: Logprob(float(row[best]), 1)})
        return found

    def _written(self, ids: list[int], params: SamplingParams) -> str:
        assert params.temperature == 0, "greedy is all that is known here"
        new: list[int] = []
        text = ""
        while len(new) < params.max_tokens:
            token = int(self._logits([*ids, *new])[-1].argmax())
            if token == self._tokenizer.eos_token_id:
                break
            new.append(token)
            text = self._tokenizer.decode(new, skip_special_tokens=params.skip_special_tokens)
            if ends := [text.index(stop) for stop in params.stop if stop in text]:
                return text[: min(ends)]
        return text

    def _logits(self, ids: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = self._model(torch.tensor([ids])).logits[0].float()
        return logits

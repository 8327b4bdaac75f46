"""vLLM in this process, asked by lm-eval's own class: the kernels that a deployed model is served by."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.models.vllm_causallms import VLLM

from audit.engine import named
from audit.errors import ModelError, first_line
from audit.harness import trie
from audit.harness.measures import Measured
from audit.harness.recorder import Counter
from audit.records import AuditConfig, Engine, ModelRef

AT_ONCE = 1024
"""Requests handed over at a time: more than it computes at once, few enough to tell how far it is."""
OWN_TOKENS = 2
"""Fewer than a model takes may be scored of a request: one is vLLM's own, and one has to come before."""


class ByVllm(VLLM):  # type: ignore[misc]  # lm-eval ships no types
    """Config and tokenizer are the original's, so that every variant reads the same token ids."""

    measured: Measured | None = None
    """Nothing: vLLM shows the probabilities of a prompt's own tokens."""
    fallback = generation_fallback = fitting = None

    def fewer_rows(self) -> bool:
        """vLLM keeps to the memory that it was given."""
        return False

    def __init__(
        self,
        folder: Path,
        config: AuditConfig,
        engine: Engine,
        *,
        dtype: str,
        rows: int | None,
        trusted: bool,
    ) -> None:
        """Start vLLM on the checkpoint; `rows`: sequences at once, None: its choice."""
        given = {
            "max_model_len": engine.max_model_len, "max_num_seqs": rows,
            "gpu_memory_utilization": engine.gpu_memory_utilization,
        }  # fmt: skip
        super().__init__(
            pretrained=config.model.path, tokenizer=config.model.path, model=str(folder.resolve()),
            dtype=dtype, seed=config.seed, batch_size=AT_ONCE, trust_remote_code=trusted,
            tensor_parallel_size=engine.tensor_parallel, enforce_eager=engine.enforce_eager,
            # Releases were seen to give stale log-probabilities of prompts that begin alike (vLLM's #42019)
            enable_prefix_caching=False,
            **{name: value for name, value in given.items() if value is not None},
        )  # fmt: skip

    @property
    def told(self) -> str:
        """What computes the answers, as vLLM itself says."""
        from vllm.platforms import current_platform

        of_model = self.model.llm_engine.model_config
        dtype = str(of_model.dtype).removeprefix("torch.")
        spread = f" over {self.tensor_parallel_size} GPUs" if self.tensor_parallel_size > 1 else ""
        return (
            f"vLLM {version('vllm')} in {dtype} on {current_platform.device_type}{spread}, quantisation "
            f"{of_model.quantization or 'none'}, asked by lm-eval {version('lm-eval')}"
        )

    def release(self) -> None:
        """Stop vLLM, so that the next model finds its memory free."""
        self.model.llm_engine.engine_core.shutdown()
        del self.model
        gc.collect()

    def listen(self, original: Measured | None, advance: Callable[[float], None]) -> None:
        """Begin a task; `advance` is told of the tokens of scored answers."""
        self._advance = advance

    def cost(self, requests: Sequence[Any]) -> int:
        """Tokens of the prompts, each whole, and the most that may be generated."""
        texts = ["".join(one for one in request.args if isinstance(one, str)) for request in requests]
        new = [self._most(one.args[1]) for one in requests if one.request_type == "generate_until"]
        return sum(map(len, self.tok_encode(texts))) + sum(new)

    def cut(self, requests: Sequence[Any]) -> list[int]:
        """Those that are longer than the model takes, new tokens included, and lose their beginning."""
        of_one = [one for one in enumerate(requests) if one[1].request_type != "loglikelihood_rolling"]
        texts = ["".join(part for part in one.args if isinstance(part, str)) for _, one in of_one]
        new = [self._most(one.args[1]) if one.request_type == "generate_until" else 0 for _, one in of_one]
        sizes = map(len, self.tok_encode(texts)) if texts else ()
        return [
            index
            for (index, _), size, most in zip(of_one, sizes, new, strict=True)
            if size + most > self.max_length
        ]

    def generate_until(self, requests: Any, disable_tqdm: bool = True) -> list[str]:
        """As VLLM, without a progress bar of its own.

        Raises ValueError where the new tokens would leave no room for a prompt, of which VLLM asks any part.
        """
        for index, request in enumerate(requests):
            if (most := self._most(request.args[1])) >= self.max_length:
                raise ValueError(
                    f"request {index} may generate {most} tokens; the model takes {self.max_length} with the "
                    "prompt."
                )
        found: list[str] = super().generate_until(requests, disable_tqdm=disable_tqdm)
        return found

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        """As VLLM, which makes 0 of an empty answer and cuts one that is too long: both are refused.

        Raises ValueError for those.
        """
        for index, (_, context, answer) in enumerate(requests):
            trie.check((context, answer), index, self.max_length - OWN_TOKENS)
        tokens = sum(len(context) + len(answer) for _, context, answer in requests)
        hook = self.cache_hook
        self.set_cache_hook(Counter(self._advance, tokens / max(1, len(requests))))
        try:
            found: list[tuple[float, bool]] = super()._loglikelihood_tokens(requests, disable_tqdm=True)
        finally:
            self.set_cache_hook(hook)
        return found

    @staticmethod
    def modify_gen_kwargs(
        gen_kwargs: dict[str, Any], eos: Any = None, default_max_gen_toks: int = 256
    ) -> tuple[dict[str, Any], list[str], int]:
        """As VLLM, which would draw where a task says nothing of drawing: HFLM is greedy there."""
        greedy = normalize_gen_kwargs(gen_kwargs)["do_sample"] is False
        known, until, most = VLLM.modify_gen_kwargs(gen_kwargs, eos, default_max_gen_toks)
        return ({"temperature": 0.0} if greedy else {}) | known, until, most

    def _most(self, gen_kwargs: dict[str, Any]) -> int:
        settings = normalize_gen_kwargs(gen_kwargs, default_max_gen_toks=self.max_gen_toks)
        return int(settings.get("max_gen_toks", self.max_gen_toks))


def start(
    folder: Path,
    config: AuditConfig,
    engine: Engine,
    *,
    device: str,
    dtype: str,
    shrink: int,
    source: ModelRef,
) -> ByVllm:
    """vLLM on a checkpoint, computing at most so many times fewer sequences at once as `shrink` says.

    Raises ModelError where it would compute elsewhere than the config says, or can't be started.
    """
    from vllm.platforms import current_platform

    if device != current_platform.device_type:
        raise ModelError(
            f"{named(engine)} computes on {current_platform.device_type} here, and the config says {device}. "
            f"Say `device: {current_platform.device_type}`; CUDA_VISIBLE_DEVICES says which GPUs it may see."
        )
    _empty_cache(device)
    rows = engine.max_num_seqs if shrink == 1 else -(-(engine.max_num_seqs or config.batch_size) // shrink)
    # Its flag holds for the tokenizer, which is the original's, and for the model: nobody's code by another's
    trusted = source.trust_remote_code and config.model.trust_remote_code
    try:
        return ByVllm(folder, config, engine, dtype=dtype, rows=rows, trusted=trusted)
    except Exception as error:  # vLLM raises whatever its parts do
        why = first_line(error)
        raise ModelError(
            f"{named(engine)} does not start with {folder}: {why} `vllm serve {folder}` shows its own log. "
            "Give it other options under `engine:`, leave this model out, or leave `engine` out."
        ) from error


def _empty_cache(device: str) -> None:
    """Give back what torch keeps of models that were counted: vLLM counts what is free."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()

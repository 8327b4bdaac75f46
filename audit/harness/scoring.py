"""Score one task with one model through lm-eval."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit.errors import EvaluationError
from audit.harness.samples import to_samples
from audit.harness.tasks import LoadedTask
from audit.loading import load_model, load_tokenizer
from audit.records import AuditConfig, Sample, Variant


def load_scorer(variant: Variant, config: AuditConfig, device: str) -> Any:
    """lm-eval's LM over the variant's checkpoint; the tokenizer is the original's."""
    from lm_eval.models.huggingface import HFLM

    class QuietHFLM(HFLM):  # type: ignore[misc]  # lm_eval ships no types
        """HFLM without its own progress bars: ours counts over the whole audit."""

        def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> Any:
            return super().loglikelihood(requests, disable_tqdm=disable_tqdm)

        def generate_until(self, requests: Any, disable_tqdm: bool = True) -> Any:
            return super().generate_until(requests, disable_tqdm=disable_tqdm)

    trust = config.model.trust_remote_code
    model = load_model(
        Path(variant.path), dtype=config.dtype, device=device, trust_remote_code=trust,
        allow_pickle=config.model.allow_pickle,
    )  # fmt: skip
    tokenizer = load_tokenizer(Path(config.model.path), trust_remote_code=trust)
    return QuietHFLM(pretrained=model, tokenizer=tokenizer, batch_size=config.batch_size)


def score(
    scorer: Any, loaded: LoadedTask, config: AuditConfig, advance: Callable[[float], None]
) -> tuple[Sample, ...]:
    """The task's samples, in document order; `advance` is told of each share of an item that is done.

    Raises EvaluationError when lm-eval fails, ModelError when a log-likelihood is no number.
    """
    from lm_eval.evaluator import evaluate

    _seed(config.seed)
    scorer.set_cache_hook(_Counter(advance))
    try:
        results = evaluate(
            lm=scorer,
            task_dict={"tasks": {loaded.name: loaded.task}, "groups": {}, "group_map": {}},
            limit=config.limit,
            bootstrap_iters=0,
            log_samples=True,
        )
    except Exception as error:  # a task's own code may raise anything
        raise EvaluationError(
            f"task '{loaded.name}' of suite '{loaded.suite.name}' failed: {type(error).__name__}: {error}"
        ) from error
    return to_samples(results["samples"][loaded.name], loaded)


class _Counter:
    """lm-eval's hook for response caches, told of each answered request as it is answered."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._advance = advance

    def add_partial(self, kind: str, request: Any, response: Any) -> None:
        """One more request is answered."""
        self._advance(1)


def _seed(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # lm-eval's tasks draw from the global state
    torch.manual_seed(seed)

"""Score tasks through lm-eval: one scorer for all variants, one plan for all of a task's runs."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audit.errors import EvaluationError, ShrinkproofError
from audit.harness.chat import ChatTemplate
from audit.harness.samples import check_distinct, to_samples
from audit.harness.tasks import LoadedTask
from audit.harness.trie import UnaskableError
from audit.loading import load_model, load_tokenizer, resolve_dtype
from audit.memory import enough_for, ran_out, short
from audit.records import AuditConfig, Endpoint, Engine, ModelRef, Sample

if TYPE_CHECKING:
    from audit.harness.by_vllm import ByVllm
    from audit.harness.measures import Measured
    from audit.harness.recorder import Recorder
    from audit.harness.served import Served


CONTROL_SHRINK = 2
"""Packs, rows and threads of a control are so many times fewer."""


@dataclass(frozen=True)
class Scored:
    """One task on one variant."""

    samples: tuple[Sample, ...]
    """In document order."""
    measured: Measured | None
    """What the scored positions showed; None where nothing was scored as a trie."""
    scorer: str
    """What computed it, and why if it is not ours."""
    requests: NDArray[np.int64]
    """[requests, 2] document and choice of each request of `measured`."""
    chat_template: str | None
    """What wrote its prompts as a chat; None: they were no chat."""
    n_cut: int
    """Items that were longer than the model takes."""
    pack_tokens: int | None = None
    """Of one forward, where memory did not suffice for as many as were meant."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was measured, each request with its document; empty where nothing was."""
        if self.measured is None:
            return {}
        doc_id, choice = self.requests.T.copy()
        return {**self.measured.to_arrays(), "request.doc_id": doc_id, "request.choice": choice}


class Scorer:
    """A model in memory, and the plans of the tasks, which outlive it."""

    def __init__(self, config: AuditConfig, device: str) -> None:
        self._config, self._device = config, device
        import torch

        self._threads = torch.get_num_threads()
        self._lm: Recorder | None = None
        self._engine: ByVllm | None = None
        self._served: tuple[Endpoint, Served] | None = None
        self._loaded: tuple[Path, bool, str | None] | None = None

    @functools.cached_property
    def _template(self) -> ChatTemplate:
        """The original's, with its tokenizer, for every variant; read when something is left to score."""
        model = self._config.model
        return ChatTemplate(load_tokenizer(Path(model.path), trust_remote_code=model.trust_remote_code))

    def load(
        self, folder: Path, *, control: bool = False, dtype: str | None = None, source: ModelRef | None = None
    ) -> None:
        """Bring a model into memory, in place of the last one.

        A control is computed otherwise: it has to show what the order of the arithmetic alone changes.
        `dtype` overrides the config's; what is trusted of `source` holds (None: of the original).
        """
        source = source or self._config.model
        self._served = None
        wanted = folder, control, dtype
        if self._loaded == wanted:
            return
        self.release()
        if self._config.engine is not None:
            with enough_for(f"loading {folder}"):
                self._start(self._config.engine, folder, control, dtype, source)
            self._loaded = wanted
            return
        with enough_for(f"loading {folder}"):
            model = load_model(
                folder, dtype=dtype or self._config.dtype, device=self._device,
                trust_remote_code=source.trust_remote_code, allow_pickle=source.allow_pickle,
                device_map=self._config.device_map,
            )  # fmt: skip
        self._loaded = wanted
        if self._lm is None:
            self._lm = self._recorder(model)
        self._arrange(model, CONTROL_SHRINK if control else 1)

    def release(self) -> None:
        """Let go of the model in memory; what was planned stays."""
        self._loaded = None
        if self._lm is not None:
            self._lm.release()
        if self._engine is not None:
            self._engine.release()
            self._engine = None

    def _start(
        self, engine: Engine, folder: Path, control: bool, dtype: str | None, source: ModelRef
    ) -> None:
        from audit.harness.by_vllm import start

        self._engine = start(
            folder, self._config, engine, device=self._device, source=source,
            dtype=resolve_dtype(dtype or self._config.dtype, self._device),
            shrink=CONTROL_SHRINK if control else 1,
        )  # fmt: skip

    def call(self, endpoint: Endpoint, probed: tuple[float, ...]) -> None:
        """Ask a model that is served elsewhere, until the next one is loaded.

        `probed`: what it said of the probes when it was first asked.
        """
        from audit.harness.served import Served

        if self._served is None or self._served[0] != endpoint:
            self._served = endpoint, Served(endpoint, self._config, probed)

    def _arrange(self, model: Any, shrink: int) -> None:
        import torch

        lm = self._lm
        assert lm is not None, "it is made with the first model"
        lm.swap(model, shrink)
        lm.rows = lm.batch_size_per_gpu = -(-self._config.batch_size // shrink)
        torch.set_num_threads(-(-self._threads // shrink))

    def plan(self, loaded: LoadedTask, part: int) -> int:
        """Build the task's requests, once for all variants; returns how many tokens a part of it computes.

        Raises EvaluationError for an item of which no number could be had.
        """
        loaded.build(self._config.limit, self._template)
        requests = loaded.open(part)
        try:
            return self._ready().cost(requests)
        except UnaskableError as error:
            asked = requests[error.request]
            raise EvaluationError(
                f"item {asked.doc_id} of task '{loaded.name}' of suite '{loaded.suite.name}' can't be asked: "
                f"it {error.reason} (it is …{asked.args[0][-40:]!r}{_answer(asked)}). Mend the item, or "
                "leave it out."
            ) from None

    def score(
        self, loaded: LoadedTask, part: int, original: Measured | None, advance: Callable[[float], None]
    ) -> Scored:
        """A planned part of the task on the loaded variant; `advance` is told of tokens as they are done.

        Raises OutOfMemoryError where memory does not suffice, however little is computed at once,
        EvaluationError when lm-eval or a metric fails, ModelError when what the model computes is no
        number, or the same for all.
        """
        lm = self._ready()
        lm.listen(original, advance)
        results, requests = self._evaluated(lm, loaded, part)
        if self._served is not None:
            self._served[1].check_same()
        samples = to_samples(results["samples"][loaded.name], loaded)
        check_distinct(samples, loaded.name)
        # lm-eval asks each request as often as the task repeats it
        asked = np.array(
            [(request.doc_id, request.idx) for request in requests for _ in range(request.repeats or 1)]
        )
        template = self._template.told if loaded.suite.chat else None
        n_cut = len({requests[index].doc_id for index in lm.cut(requests)})
        return Scored(samples, lm.measured, self._name(loaded), asked, template, n_cut, lm.fitting)

    def _evaluated(self, lm: Any, loaded: LoadedTask, part: int) -> tuple[Any, list[Any]]:
        """lm-eval's results, and the requests that they answer."""
        from lm_eval.evaluator import evaluate

        what = f"task '{loaded.name}' of suite '{loaded.suite.name}'"
        while True:
            requests = loaded.open(part)
            _seed(self._config.seed)
            try:
                found = evaluate(
                    lm=lm,
                    task_dict={"tasks": {loaded.name: loaded.task}, "groups": {}, "group_map": {}},
                    bootstrap_iters=0,
                    log_samples=True,
                )
            except Exception as error:  # a task's own code may raise anything
                if isinstance(error, ShrinkproofError):
                    raise
                if not ran_out(error):
                    told = f"{type(error).__name__}: {error}"
                    raise EvaluationError(f"{what} failed: {told}") from error
                if not lm.fewer_rows():
                    raise short(f"{what}, in the smallest pack", error) from error
            else:
                return found, requests

    def _name(self, loaded: LoadedTask) -> str:
        """What answered, for the log."""
        if self._served is not None:
            return f"lm-eval {version('lm-eval')} local-completions at {self._served[0].url}"
        if self._engine is not None:
            return self._engine.told
        lm = self._ready()
        return scorer_name(lm.fallback or (lm.generation_fallback if loaded.generates else None))

    def _ready(self) -> Recorder | Served | ByVllm:
        if self._served is not None:
            return self._served[1]
        if self._engine is not None:
            return self._engine
        if self._lm is None:
            raise RuntimeError("load a model first")
        return self._lm

    def _recorder(self, model: Any) -> Recorder:
        """lm-eval's LM over the model; the tokenizer is the original's for every variant."""
        from audit.harness.recorder import Recorder

        return Recorder(
            pretrained=model, tokenizer=self._template.tokenizer, batch_size=self._config.batch_size,
            pack_tokens=self._config.pack_tokens,
        )  # fmt: skip


def scorer_name(fallback: str | None = None) -> str:
    """The scorer and its version, for the log and for a cell's key."""
    if fallback:
        return f"lm-eval {version('lm-eval')} HFLM: {fallback}"
    return f"shared-prefix {version('shrinkproof')}, lm-eval {version('lm-eval')}"


def source_digest() -> str:
    """sha256 over this package's sources: a version number does not change with every change of a scorer."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _answer(request: Any) -> str:
    """What the model is to find more or less likely, where there is such."""
    return f" and {request.args[1][:40]!r}" if request.request_type == "loglikelihood" else ""


def _seed(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed)  # lm-eval's tasks draw from the global state
    torch.manual_seed(seed)

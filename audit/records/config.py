"""What to audit, and how."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from audit.errors import StoreError
from audit.records.base import Count, Record, Share, Written, canonical
from audit.records.frameworks import Framework
from audit.records.models import Level, ModelRef
from audit.records.promises import MEASURED_QUANTITIES, Budget, DeviceProfile, Rule
from audit.records.suites import Suite


class SearchPlan(Record):
    """What a search is to make small, what it may choose from, and how much it may spend."""

    goal: Budget
    """Its quantity is made as small as the rules allow; a level within it that passes them reaches it."""
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    """Quantisers and methods that cut; a level is one of them, or one of the latter and then a quantiser."""
    bits: Annotated[tuple[int, ...], Field(min_length=1)] = (2, 3, 4, 5, 6, 8)
    """Widths of a quantised weight."""
    group_sizes: Annotated[tuple[int, ...], Field(min_length=1)] = (32, 64, 128, 0)
    """Weights of a row that share a scale; 0: the whole row."""
    symmetric: Annotated[tuple[bool, ...], Field(min_length=1)] = (True, False)
    """Without a zero point, or with one."""
    raised: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.0, 0.1, 0.25, 0.5)
    """Shares of the weights, those that the divergence hangs on most, that get more bits than the others."""
    raised_by: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 4)
    """How many more, up to 8 in all."""
    shares: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.05, 0.1, 0.2)
    """Of channels, heads or layers, those that a method that cuts takes away."""
    trials: Annotated[int, Field(ge=1)] = 40
    """Levels that are proposed and held against the original on text."""
    audits: Annotated[int, Field(ge=1)] = 8
    """Levels that are audited, at most."""
    winners: Annotated[int, Field(ge=1)] = 2
    """Levels that are tried on the items held out, at most: they share the error of each rule."""
    tokens: Annotated[int, Field(ge=64)] = 2048
    """Of text, that each proposed level is held against the original on."""
    calibration: str | None = None
    """File of that text, which methods that look at text are given as well; None: prompts of the suites, of
    items that are not held out."""
    calibration_sha256: str | None = None


class DeviceMap(Written):
    """A model spread by accelerate over the GPUs and, what they can't hold, over main memory and disk."""

    policy: Literal["auto", "balanced", "balanced_low_0", "sequential"] = "auto"
    """As `device_map` of transformers."""
    max_memory: dict[Annotated[str, BeforeValidator(str)], str] = {}
    """What a GPU, by its number, or `cpu` may hold: `70GiB`. Of others, what is free there."""


class Engine(Written):
    """vLLM, which answers for the original and every variant in the place of the scorer of ours."""

    name: Literal["vllm"] = "vllm"
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    """GPUs that each model is spread over."""
    max_model_len: Annotated[int, Field(ge=8)] | None = None
    """Tokens of a prompt with its answer, at most; None: as many as each model's config says."""
    max_num_seqs: Annotated[int, Field(ge=1)] | None = None
    """Sequences computed at once; None: vLLM's choice."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of each GPU's memory that vLLM takes; None: vLLM's choice. No part of the config's identity."""
    enforce_eager: bool = False
    """Whether it does without CUDA graphs and compilation."""

    @property
    def settings(self) -> dict[str, bool | int | None]:
        """What may change a number by more than the order of arithmetic within one batch."""
        return self.model_dump(include={"tensor_parallel", "max_model_len", "enforce_eager"})


class ExecutorRef(Record):
    """Who scores the cells: another one gives the same log."""

    name: str = "local"
    """Of the entry-point group `audit.executors`."""
    options: dict[str, bool | int | float | str] = {}
    """The executor's own."""


class AuditConfig(Record):
    """What to audit and what counts as good enough: fixed and hashed before the run."""

    model: ModelRef
    levels: tuple[Level, ...]
    """Mildest first: levels are claimed in this order and the claims stop at the first non-pass."""
    suites: tuple[Suite, ...]
    rules: tuple[Rule, ...]
    """Default: one per suite, as the policy says."""
    budgets: tuple[Budget, ...] = ()
    """The policy's, the config's own, and those of the device profile."""
    device_profile: DeviceProfile | None = None
    """What the levels are meant for; None: no device was named."""
    efficiency: bool = False
    """Whether to measure memory and speed though no budget is about them."""
    policy: str = "standard"
    """Name of the policy that gave what the config's own rules leave open."""
    looks: Annotated[int, Field(ge=1, le=100)] = 4
    """How often the data are looked at, each time with as many more items; rules that are decided stop.
    1: all items are scored."""
    limit: Count | None = None
    """Items per task; None: all."""
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of each task's items that is kept aside, to confirm on them the best variant alone."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1234
    """Of all draws; lm-eval's own default for few-shot examples, so that the same shots are drawn."""
    batch_size: Count = 16
    """Rows generated at once, and rows of lm-eval's own scorer where ours can't be used."""
    pack_tokens: Count | None = None
    """Tokens of one forward when answers are scored; None: picked by device and free memory."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU, else float32."""
    device: str = "auto"
    """`auto`: a CUDA device if there is one, else the CPU."""
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    """CPU threads of torch; None: torch's own choice."""
    device_map: DeviceMap | None = None
    """None: a model is on one device. No part of the config's identity."""
    executor: ExecutorRef = ExecutorRef()
    """No part of the config's identity."""
    engine: Engine | None = None
    """What answers for all variants; None: the scorer of ours."""
    frameworks: tuple[Framework, ...] = ()
    """Those of the user's own, shown after ours. No part of the config's identity."""
    search: SearchPlan | None = None
    """Set where a search makes the levels: they are an outcome then, and no part of the config's identity."""
    out: str = "shrinkproof-run"
    """Run folder; no part of the config's identity."""
    cache: str | None = None
    """Where the original's results wait for its next audit; None: `shrinkproof` in the user's cache folder.
    No part of the config's identity."""
    baseline: str | None = None
    """Run folder of an earlier audit, from which artefacts and answers are taken that are provably the same.
    No part of the config's identity."""
    history: str | None = None
    """Folder of past audits, of which those of the same model go into the log, to show a trend. No part of
    the config's identity."""

    @property
    def links(self) -> dict[str, str]:
        """Of each level that goes on from another, in a chain, the name of that one."""
        return {level.name: level.after for level in self.levels if level.after is not None}

    @property
    def may_exceed_a_gpu(self) -> bool:
        """Whether a model may be larger than one GPU, so that it is counted in main memory."""
        return self.device_map is not None or (self.engine is not None and self.engine.tensor_parallel > 1)

    @property
    def measures_efficiency(self) -> bool:
        """Whether memory and speed are asked for, by the config or by a budget."""
        return self.efficiency or any(one.quantity in MEASURED_QUANTITIES for one in self.budgets)

    def check_names(self, named: Iterable[str] = ()) -> None:
        """Raises StoreError where a rule, or what is `named` beside, is about a suite that is not there.

        A config that was loaded is sound; one that was read may have been edited.
        """
        known = {suite.name for suite in self.suites}
        for name in (*(rule.suite for rule in self.rules), *named):
            if name not in known:
                raise StoreError(
                    f"its config has no suite {name!r:.80}, and it is about that. Was it edited?"
                )
        if bare := [suite.name for suite in self.suites if not suite.metrics]:
            raise StoreError(f"its suite {bare[0]!r:.80} has no metric. Was it edited?")

    @property
    def policy_sha256(self) -> str:
        """Over all that decides what counts as good enough: rules, budgets, device, looks and seed."""
        device = () if self.device_profile is None else (self.device_profile,)
        promises = [one.model_dump(mode="json") for one in (*self.rules, *self.budgets, *device)]
        return sha256(canonical([promises, self.looks, self.seed])).hexdigest()

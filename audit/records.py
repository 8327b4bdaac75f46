"""The nouns of an audit: frozen, strict, and JSON all the way down.

A number that could not be had is `NotMeasured(reason)`, never 0, NaN or None.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
"""A proportion, 0 to 1."""

Difference = Annotated[float, Field(ge=-1, le=1)]
"""A difference of two proportions, before − after: positive is a loss."""

Decision = Literal["pass", "fail", "inconclusive"]


def spelled(text: str) -> str:
    """The text with each lone surrogate, half of a character, written out as `\\ud800`: no file holds one.

    >>> print(spelled("half of \\ud83d"))
    half of \\ud83d
    """
    return text.encode("utf-8", "backslashreplace").decode()


Text = Annotated[str, AfterValidator(spelled)]
"""What a model or somebody's data may have written."""


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785); lone surrogates, which it refuses, are spelled out."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        return rfc8785.dumps(_spelled_in(value))


def _spelled_in(value: Any) -> Any:
    if isinstance(value, str):
        return spelled(value)
    if isinstance(value, dict):
        return {_spelled_in(key): _spelled_in(one) for key, one in value.items()}
    return [_spelled_in(one) for one in value] if isinstance(value, list | tuple) else value


class Record(BaseModel):
    """Base of all nouns: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NotMeasured(Record):
    """A number that could not be had, and why."""

    reason: str

    def __init__(self, reason: str | None = None, **others: object) -> None:
        # Reading a log tries this on the JSON of an Interval too: that must fail validation, not the call.
        super().__init__(**{"reason": reason, **others})

    def __str__(self) -> str:
        return f"not measured: {self.reason}"


class ModelRef(Record):
    """The original, pinned: after this no code takes a model string."""

    name: str
    """What the user wrote: a folder, or `org/name@revision`."""
    path: str
    """Folder with the files."""
    revision: str | None = None
    """Commit on the hub, 40 hex digits; None for a folder, which its digest pins."""
    files: dict[str, str] = {}
    """The sha256 of each weight file, by its name."""
    digest: str
    """sha256 over the lines "name NUL sha256 LF" of those: renaming the folder changes nothing."""
    note: str = ""
    """What a reader must know about this original, in one or two sentences."""
    allow_pickle: bool = False
    """Whether weights in pickle files were accepted."""
    trust_remote_code: bool = False
    """Whether code shipped with the model was run."""


class Endpoint(Record):
    """A model behind an OpenAI-compatible server that returns the log-probabilities of a prompt."""

    url: str
    """Of its completions: `http://localhost:8000/v1/completions`."""
    model: str
    """Its name there."""


class Claim(Record):
    """What somebody says of an artefact: its maker, its name, the config."""

    quantity: Literal["bits", "sparsity", "2:4", "size"]
    """`bits`: of a compressed weight; `sparsity`: share of zeros in the linear layers; `2:4`: share of the
    groups of four successive weights of a row that hold two zeros or more; `size`: bytes of the files."""
    value: float
    source: str
    """Who says so: `its name`, `config.json`."""


class CheckedClaim(Claim):
    """The claim beside what the files hold."""

    found: float
    holds: bool


class RecoveryClaim(Record):
    """What somebody says is left of the original's score: after / before on a suite, or on one task of it."""

    suite: str
    task: str | None = None
    """None: the whole suite."""
    metric: str
    at_least: Annotated[float, Field(gt=0)]
    """0.99: 99 % of the original's score."""
    source: str
    """Who says so: the card."""


class CheckedRecovery(RecoveryClaim):
    """The claim beside what was measured. The intervals of one card's claims hold together (Bonferroni)."""

    variant: str
    n_pairs: int
    before: float | NotMeasured
    after: float | NotMeasured
    ratio: float | NotMeasured
    """after / before."""
    interval: Interval | NotMeasured
    """Of the ratio: with the error of a whole card's bounds on either side at most 5 %."""
    outcome: Literal["held up", "refuted", "undecided"]
    """`refuted`: all of the interval lies below the claim; `held up`: none of it does; else these items, or
    what could not be measured, leave it open."""


class Derivation(Record):
    """Whether the weights are nearly those of the original: Pearson's correlation, matrix by matrix."""

    median: float
    least: float
    least_in: str
    """Name of the matrix with the least."""
    matrices: int
    """Matrices of the same shape in both, which were correlated."""
    derived: bool
    """Whether the median is above what unrelated weights show."""


class Level(Record):
    """One way to compress, a method and its options; or somebody's artefact."""

    name: str
    """Short and unique in the audit: `int4`, `magnitude-50`."""
    method: str
    """Name of the compressor that makes it."""
    options: dict[str, bool | int | float | str] = {}
    """The method's own settings, validated by the method."""
    files: dict[str, str] = {}
    """Of each option that names a file, the file's sha256: what it holds counts, not where it lies."""
    after: str | None = None
    """Name of the level that it is made from, in a chain; None: the original."""
    through: tuple[Level, ...] = ()
    """Links that a search makes on the way to it, one from the other, and does not measure."""
    searched: bool = False
    """Whether a search proposed it: a claim of its own, to be confirmed on items held out."""
    artefact: ModelRef | None = None
    """Somebody's compressed model, taken as it came (a candidate); None: it is made here."""
    endpoint: Endpoint | None = None
    """Somebody's compressed model that is served elsewhere."""
    claims: tuple[Claim, ...] = ()
    """What is said of it, to be checked in its files."""
    recoveries: tuple[RecoveryClaim, ...] = ()
    """What its maker's card says of its scores, to be checked by measuring them."""

    @property
    def is_candidate(self) -> bool:
        """Somebody's model, taken or asked as it is."""
        return (self.artefact or self.endpoint) is not None

    @property
    def is_control(self) -> bool:
        """The original saved, loaded and measured again, an unchanged copy: it must pass if the
        measurement repeats, and is no product."""
        return self.method == "copy"

    @property
    def computed_in(self) -> str | None:
        """The precision of a control that is computed in another one; None: in the audit's."""
        return str(self.options["dtype"]) if self.is_control and self.options.get("dtype") else None


class Calibration(Record):
    """The text that a method looked at."""

    source: str
    """The file's name."""
    sha256: str
    """Over the token ids that were drawn, as little-endian int64."""
    samples: int
    sequence_length: int
    """Tokens of each."""
    seed: int


class LossPoint(Record):
    """A stretch of steps of a training: the means of its steps' losses, nats a position."""

    step: Annotated[int, Field(ge=1)]
    """The last one, from 1."""
    divergence: float
    """T² · KL(teacher ‖ student) at temperature T."""
    cross_entropy: float
    """Of the text."""


class Training(Record):
    """How a student was trained to answer as its teacher does."""

    layers: tuple[int, ...]
    """Those of the teacher that it started as, from 0; none: it started from random weights."""
    teacher_layers: int
    """How many its teacher has."""
    steps: int
    """Of the optimiser."""
    batch_size: int
    """Stretches of text a step."""
    tokens: int
    """Looked at in all, a repeated one each time."""
    learning_rate: float
    """At its highest."""
    temperature: float
    """T, which both models' logits were divided by."""
    mix: Share
    """Weight of the text's cross-entropy in the loss; T² · KL(teacher ‖ student) had the rest."""
    curve: Annotated[tuple[LossPoint, ...], Field(min_length=1)]
    """The losses over the steps, each before the step changed the weights."""


class CacheShape(Record):
    """What the keys and values of a context take in memory, as the model's config tells it."""

    full_layers: Annotated[int, Field(ge=0)]
    """Layers that keep every token."""
    windowed_layers: Annotated[int, Field(ge=0)] = 0
    """Layers that keep the last tokens only."""
    window: Annotated[int, Field(ge=1)] | None = None
    """How many those keep."""
    values_per_token: Annotated[int, Field(ge=1)]
    """Numbers that a layer keeps of a token: keys and values of all its heads."""

    def bytes_at(self, context: int) -> int:
        """Bytes after `context` tokens of one sequence, two a number (16 bit).

        >>> CacheShape(full_layers=30, values_per_token=384).bytes_at(4096)
        94371840
        """
        windowed = min(context, self.window or context)
        return 2 * self.values_per_token * (self.full_layers * context + self.windowed_layers * windowed)


class Variant(Record):
    """One artefact on disk. The original is a Variant too (`level` is None)."""

    name: str
    """The level's name, or `original`."""
    level: Level | None
    path: str
    """Empty where no file was seen, behind an endpoint."""
    files: dict[str, str] = {}
    """The sha256 of each weight file, by its name: what a signature is about. Empty where none was seen."""
    digest: str | NotMeasured
    """sha256 over those, as in `ModelRef`."""
    companions_sha256: str = ""
    """Over the names and sha256 of the files beside the weights: settings, tokenizer, chat template. Empty of
    what was not made here."""
    parent: str | NotMeasured | None
    """Digest of the model it was made from, or is said to have been; None for the original."""
    size_bytes: int | NotMeasured
    """Bytes of the weight files on disk."""
    parameters: int | NotMeasured
    """Number of weights of the model, whatever they are stored in."""
    bits_per_weight: float | NotMeasured
    """Bits of all stored tensors, scales and indices included, over `parameters`."""
    compressed_parameters: int | NotMeasured
    """Number of weights that are packed, or, where none is, whose stored tensors differ from the original's
    (embeddings are usually left out)."""
    compressed_bits_per_weight: float | NotMeasured
    """Bits stored for those weights alone, scales included, over their number."""
    sparsity: Share | NotMeasured
    """Share of exact zeros among the weights of the linear layers, as loaded."""
    stored_as: str
    """How the file holds the weights, read from the file: `int4, groups of 64, packed in int32`."""
    format: str | NotMeasured = NotMeasured("the format was not read")
    """What a runtime must be able to read, told by the file: `safetensors` of plain weights, `gguf`, `onnx`,
    `pickle`, or the config's `quant_method`: `compressed-tensors`, `gptq`, `awq`, `bitsandbytes`."""
    kept: tuple[str, ...] | NotMeasured = NotMeasured("the tensors were not told apart")
    """Weight matrices in full precision beside packed ones, or untouched where nothing is packed; `*` stands
    for the number of a layer."""
    tied: bool | NotMeasured = NotMeasured("the config was not read")
    """Whether the output head is the embeddings' own tensor."""
    two_of_four: Share | NotMeasured = NotMeasured("the groups of four were not counted")
    """Share of the groups of four successive weights of a row, in the linear layers as loaded, that hold two
    zeros or more: 1 is the 2:4 pattern."""
    claims: tuple[CheckedClaim, ...] = ()
    derivation: Derivation | NotMeasured = NotMeasured("it was made here, from the original")
    calibration: Calibration | None = None
    """None: the method looked at no text."""
    training: Training | None = None
    """None: nothing was trained."""
    removed_layers: tuple[int, ...] = ()
    """Whole layers of its parent that went, counted from 0."""
    kv_cache: CacheShape | NotMeasured = NotMeasured("the config was not read")
    evaluated_as: str
    """What was computed with: `dequantised to float32`. A simulated level has no speed of its own."""
    made_by: str
    """Library and version."""
    reload_error: float | NotMeasured
    """Largest difference of the logits before saving and after loading again."""
    seconds: float | NotMeasured
    """Wall-clock time to make it, that of killed starts included where it went on from them."""

    @property
    def is_candidate(self) -> bool:
        """Whether it is somebody's model, taken or asked as it is."""
        return self.level is not None and self.level.is_candidate

    @property
    def false_claims(self) -> tuple[CheckedClaim, ...]:
        """What is said of it and does not hold."""
        return tuple(claim for claim in self.claims if not claim.holds)

    @property
    def is_control(self) -> bool:
        """Whether it is the original measured again."""
        return self.level is not None and self.level.is_control


class Metric(Record):
    """What is counted per item."""

    name: str
    """The name in tables: `accuracy`, `pair accuracy`."""
    harness_metric: str = "acc"
    """The key of lm-eval's per-sample result."""
    reading: str | None = None
    """Of `audit.readings`: the function that makes a number, or two of a ratio, of what lm-eval keeps of an
    item, or None of an item that is not of this metric; none: it is a number as it is."""
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus"] = "binary"
    """`binary`: right or wrong, flips are counted; `score`: any number per item, differences are averaged;
    `perplexity`: a log-likelihood per document over its words, bytes or tokens; `ratio`: two numbers per
    item, the sum of the first over the sum of the second, as bias scores are; `corpus`: a number that only
    a whole set of items has."""
    statistic: str | None = None
    """Of a corpus metric: the function of all rows that gives it, from `audit.corpus_statistics`."""
    two_sided: bool = False
    """Whether a change either way is damage, as of a signed bias score: the drop has to be shown to lie
    within the margin on both sides."""
    range: tuple[float, float] | None = None
    """Smallest and largest value that an item of a score can have; None: no limit is known."""
    per: Literal["item", "pair"] = "item"
    """`pair`: items that share a pair count once, right only when all of them are right."""
    unit: str = "share of items answered right"
    higher_is_better: bool = True
    source: str
    """Paper or definition."""

    @property
    def largest_drop(self) -> float | None:
        """The most that one item can lose; None: there is no limit, or items have no drop of their own."""
        return None if self.range is None else self.range[1] - self.range[0]

    @model_validator(mode="after")
    def _settings_fit_the_kind(self) -> Self:
        if (self.kind == "corpus") != (self.statistic is not None):
            raise ValueError("`statistic` names the function of a metric of kind `corpus`, and of no other")
        if self.range is not None and (self.kind != "score" or not self.range[0] < self.range[1]):
            raise ValueError("`range` is the smallest and the largest value of an item of kind `score`")
        if self.per == "pair" and self.kind in ("ratio", "corpus"):
            raise ValueError(f"a metric of kind `{self.kind}` counts items, not pairs of them")
        return self


class Task(Record):
    """One lm-eval task of a suite."""

    name: str
    """The task's name in lm-eval."""
    num_fewshot: int | None = None
    """None: what the task's own YAML says."""


class Needed(Record):
    """A library without which a suite can't be measured."""

    distribution: str
    version: str | None = None
    """The only one that will do, since its errors are known; None: any."""
    extra: str
    """Of shrinkproof: what installs it."""


class Suite(Record):
    """What is measured, under one name."""

    name: str
    family: str | None = None
    """The suite of ours whose profile it is a part of; a policy's terms for that one are its own."""
    title: str
    question: str
    """What this suite asks, in one sentence for the report."""
    tasks: tuple[Task, ...]
    metrics: tuple[Metric, ...]
    """The first is the one that rules judge when they name none."""
    group_by: str | None = None
    """Column of the task's documents to drill down by, or `task`."""
    pair_by: str | None = None
    """Column of the task's documents that ties counterfactual or perturbed twins, or wordings of a fact."""
    cluster_by: str | None = None
    """Column of the task's documents whose equal values make items dependent (template, passage, subject),
    columns with + between them, or `task`; None: items are taken as independent."""
    include_path: str | None = None
    """Folder with lm-eval YAML to add to lm-eval's own."""
    data_dir: str | None = None
    """Folder with local copies of tasks' data: see `audit.local_data`."""
    revisions: dict[str, str] = {}
    """Commits of data sets on a hub, by their names; of others the newest are read, or what lies here."""
    absent: tuple[str, ...] = ()
    """Tasks of its profile, or of the profile's other suites, that have no data in that folder: not asked."""
    needs: tuple[Needed, ...] = ()
    """Libraries that its tasks can't do without, such as what judges their answers."""
    lacking: tuple[str, ...] = ()
    """Of the suites of its profile that need what is not installed, that and the way out: not measured."""
    items: str | None = None
    """File with somebody's own questions, which are the one task; None: the tasks are lm-eval's."""
    items_sha256: str | None = None
    """Of that file."""
    chat: bool = False
    """Whether it is asked as a chat, by the model's own template; shots are turns of it then."""
    system_prompt: str | None = None
    """What the chat begins with; None: what the template says."""
    perturb: tuple[str, ...] = ()
    """Perturbations that each item of the tasks meets, one at a time, beside its clean form."""
    severity: Annotated[int, Field(ge=1, le=3)] = 1
    """How strongly."""
    needs_competence: bool = False
    """Read only above the accuracy floor: a broken model looks unbiased and harmless."""
    knowledge: bool = False
    """Its questions ask for facts: what the original knew is followed fact by fact. A fact is an item, or all
    the items that share a pair: its wordings."""
    limits: str = ""
    """What this suite can't show, for the report."""


DIVERGENCE = "kl"
"""Name of the metric that every scored suite has: the mean KL(original ‖ variant) per position, nats."""


class Rule(Record):
    """A promise fixed before the run: the drop stays below the margin."""

    suite: str
    metric: str | None = None
    """None: the suite's first metric; `kl`: the divergence from the original."""
    margin: Annotated[float, Field(gt=0)] = 0.03
    """Non-inferiority margin M in the metric's unit: of a share, .03 is three points; of a perplexity,
    .03 is three per cent more; of `kl`, nats a position."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """One-sided error of a false pass."""
    ceiling: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Most of a variant's own bad outcomes (harms, errors), whatever the original's share: the one-sided
    Clopper-Pearson upper bound has to lie below it."""
    min_pairs: Annotated[int, Field(ge=1)] = 1
    """Fewer pairs are inconclusive, however good they look."""
    cluster: str | None = None
    """Overrides the suite's `cluster_by`."""
    blocks: bool = True
    """Whether a level without a pass here may not ship; False: reported, and no more."""
    because: str = "the default margin: nobody justified it for this use"
    """Why this margin, in words: regulators ask."""


Quantity = Literal[
    "size_bytes", "bits_per_weight", "least_memory_bytes", "peak_memory_bytes", "prefill_latency_ratio",
    "decode_latency_ratio", "format",
]  # fmt: skip
"""What a budget can limit. Read from the file: `size_bytes`, `bits_per_weight`, `format`. Counted and not
measured: `least_memory_bytes`, the stored weights and the keys and values of a context in 16 bit, without
activations, without the runtime, and as if the runtime kept the weights as they are stored. Measured:
`peak_memory_bytes`, and the latencies, the variant's time over the original's."""

MEASURED_QUANTITIES = ("peak_memory_bytes", "prefill_latency_ratio", "decode_latency_ratio")
"""Those that take running the model for them."""


class Budget(Record):
    """A promise about an artefact itself: no more than so much of something, or one of these formats."""

    quantity: Quantity
    at_most: Annotated[float, Field(gt=0)] | None = None
    """Bytes, bits or a ratio; None: of a format, which has no size."""
    one_of: tuple[str, ...] = ()
    """Formats that the runtime takes."""
    context: Annotated[int, Field(ge=1)] | None = None
    """Tokens of one sequence whose keys and values `least_memory_bytes` counts."""
    blocks: bool = True
    because: str = "nobody justified this budget"
    """Why this much, in words."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = "one_of" if self.quantity == "format" else "at_most"
        given = [name for name in ("at_most", "one_of") if getattr(self, name) not in (None, ())]
        if given != [wanted]:
            raise ValueError(f"a budget on {self.quantity} takes {wanted}, and nothing else in its place")
        if (self.context is not None) != (self.quantity == "least_memory_bytes"):
            raise ValueError("least_memory_bytes takes context, in tokens, and no other quantity does")
        return self


class DeviceProfile(Record):
    """A device that an artefact is meant for: what it must fit in, and what the runtime there can read."""

    title: str
    ram_bytes: Annotated[int, Field(ge=1)]
    """What the model may take of the memory."""
    storage_bytes: Annotated[int, Field(ge=1)]
    """What the artefact may take on disk."""
    context: Annotated[int, Field(ge=1)]
    """Tokens of the one sequence that has to fit."""
    formats: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names as in `Variant.format`."""
    because: str
    """Whose device is meant, and that these are assumptions."""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What every artefact has to keep on this device."""
        reason = self._reason
        return (
            Budget(quantity="size_bytes", at_most=self.storage_bytes, because=reason),
            Budget(
                quantity="least_memory_bytes", at_most=self.ram_bytes, context=self.context, because=reason
            ),
            Budget(quantity="format", one_of=self.formats, because=reason),
        )

    @property
    def peak(self) -> Budget:
        """What it has to keep as well where its memory was measured."""
        return Budget(quantity="peak_memory_bytes", at_most=self.ram_bytes, because=self._reason)

    @property
    def _reason(self) -> str:
        return f"an assumption of the device profile: {self.title}"


class Sample(Record):
    """One item's outcome under one metric: one row of a parquet table."""

    task: str
    doc_id: int
    doc_hash: str
    prompt_hash: str
    target_hash: str
    group: Text | None
    pair: Text | None
    cluster: Text | None = None
    """Items with the same are not independent."""
    metric: str
    """lm-eval's name of the metric."""
    outcome: float
    weight: float = 1.0
    """What the outcome is a sum over: the words, bytes or tokens of a perplexity's document, the denominator
    of a ratio. 0 where an item adds nothing, or has no number of its own, as under BLEU."""
    question: Text
    """What the model was shown; the last part of it where shots precede."""
    choices: tuple[Text, ...]
    """The answers on offer; empty for free generation."""
    target: Text
    answer: Text
    """What the model chose or wrote."""
    scores: tuple[float, ...]
    """Log-likelihood of each choice; empty for free generation."""


HELD_OUT = 0
"""Part of a task that nobody chooses by: asked of the chosen variant at the end."""


class Divergence(Record):
    """How far a variant's next-token distributions are from the original's, right answer or wrong.

    A position is a distinct prefix after which a token of an answer was scored.
    """

    n_positions: int
    kl: float
    """Mean KL(original ‖ variant), nats a position; unbiased, so near 0 it may be slightly negative."""
    kl_error: float
    """Standard error of the mean that comes from drawing the tail of the vocabulary instead of summing it."""
    kl_lower: float
    """What the mean is at least, whatever the tail holds."""
    kl_p95: float
    """95 % of the positions of a task diverge less; of the task where that is most."""
    same_top: Share
    """Share of positions whose likeliest token is the original's."""
    estimate: Estimate | NotMeasured
    """The mean KL with its sampling error, by documents: what a rule about it rests on."""


class Cell(Record):
    """One task scored on one variant: the unit of resuming."""

    task: str
    key: str
    """sha256 of all that determines the outcome."""
    path: str
    """Parquet file, relative to the run folder."""
    sha256: str
    """Of the parquet file."""
    measured_path: str = ""
    """Safetensors file of what the scored positions showed; empty where none was scored."""
    measured_sha256: str = ""
    n_items: int
    part: int = 1
    """Which of the task's parts, from 1: a look at the data comes after each. 0: the items held out."""
    n_left_out: int = 0
    """Of the items met, those that the task's perturbation can't change: not asked, in no part."""
    task_version: str
    num_fewshot: int
    data: dict[str, str] = {}
    """What the task read: sha256 of local files by the names of their splits, or the commit of a hub's data
    set by its name."""
    chat_template: str | None = None
    """sha256 of the template that its prompts were written by, or that the model has none; None: no chat."""
    scorer: str
    """What computed the answers; if it is not the shared-prefix scorer, why not."""
    divergence: Divergence | NotMeasured
    """From the original, over the task's scored positions."""
    tokens: int | NotMeasured = NotMeasured("the log was written before they were counted")
    """Computed to score it, each distinct prefix once; of generated answers the most that there could be."""
    seconds: float
    started: str
    """UTC, ISO 8601."""

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of each of its files, by the path in the run folder."""
        measured = {self.measured_path: self.measured_sha256} if self.measured_path else {}
        return {self.path: self.sha256} | measured


class Run(Record):
    """One suite on one variant."""

    variant: str
    suite: str
    cells: tuple[Cell, ...]


class Interval(Record):
    """A two-sided interval; each end is a one-sided bound of half the error."""

    lower: float
    upper: float
    confidence: Share
    """Two-sided: .90 holds two one-sided 95 % bounds."""
    method: str


class Estimate(Record):
    """A drop whose sampling error was estimated, where counting flips does not do (clusters, scores)."""

    value: float
    """The drop: positive is a loss. In the metric's unit; of a perplexity, ln(after / before)."""
    standard_error: Annotated[float, Field(ge=0)]
    """0 only where nothing differs, or every cluster differs alike."""
    degrees_of_freedom: Annotated[float, Field(gt=0)]
    """Of the t distribution that value / standard error is referred to."""
    n_clusters: int | None = None
    """Groups of items that are not independent of each other; None: each item by itself."""
    design_effect: float | NotMeasured = NotMeasured("items are independent")
    """Variance with the clusters over variance without (Kish 1965)."""
    skewness: float = 0.0
    """Of the drop itself, not of an item's: above 0 where a few clusters lose much."""
    largest: Annotated[float, Field(gt=0)] | None = None
    """The most that an item can lose or gain; None: no limit is known."""
    method: str


class Flips(Record):
    """Answers that changed between right and wrong (Dutta et al. 2024)."""

    lost: int
    """Right before, wrong after."""
    gained: int
    """Wrong before, right after."""
    rate: Share
    """(lost + gained) / n_pairs."""


class Look(Record):
    """What was known when the data were looked at."""

    n_pairs: int
    lost: int | NotMeasured
    gained: int | NotMeasured
    """Flips, where outcomes are right or wrong."""
    bad_after: int | NotMeasured
    """The variant's wrong or harmful outcomes, for a ceiling."""
    estimate: Estimate | NotMeasured
    """Where flips alone don't decide."""


class Change(Record):
    """One item whose outcome flipped, for the drill-down."""

    task: str
    group: str | None
    question: str
    target: str
    before: str
    """The original's answer."""
    after: str
    """The variant's answer."""
    before_scores: tuple[float, ...]
    after_scores: tuple[float, ...]
    """Log-likelihood of each choice."""
    choices: tuple[str, ...]
    kind: Literal["lost", "gained"]


class Comparison(Record):
    """One metric of one variant against the original, paired per item."""

    variant: str
    suite: str
    metric: str
    group: str | None
    """None: the whole suite, which rules judge. Else one group, exploratory."""
    n_pairs: int
    n_unpaired_before: int
    """Items of the original without a partner."""
    n_unpaired_after: int
    """Items of the variant without a partner."""
    before: float | NotMeasured
    after: float | NotMeasured
    """In the metric's unit."""
    difference: float | NotMeasured
    """The drop, positive is a loss: before − after of what is better higher; of a perplexity,
    ln(after / before)."""
    estimate: Estimate | NotMeasured = NotMeasured("flips are counted")
    """What the bounds rest on where flips don't do: clusters, scores, perplexities."""
    interval: Interval | NotMeasured
    """The one that decides: of flips Tango's score interval, exact below 500 pairs; of an estimate, t. Those
    of the groups of one suite and variant, over all its metrics, hold together (Bonferroni)."""
    tango: Interval | NotMeasured
    """Tango's score interval at the same confidence."""
    p_value: Share | NotMeasured
    """Exact McNemar, two-sided: were as many lost as gained?"""
    p_adjusted: Share | NotMeasured
    """Over the groups of one suite and variant (Benjamini-Hochberg, exploratory)."""
    flips: Flips | NotMeasured
    chance: Share | NotMeasured
    """Expected rate of guessing on the same items."""
    before_lower: Share | NotMeasured
    """One-sided 95 % Clopper-Pearson lower bound of `before`: is the original above chance?"""
    after_lower: Share | NotMeasured
    """The same of `after`: is the variant above chance, so that bias and safety can be read?"""
    method: str
    sensitivity: tuple[Interval, ...] = ()
    """The drop's interval by other methods, at the same confidence: do they tell the same?"""
    n_planned: int | None = None
    """Pairs that there would be with all items."""
    looks: tuple[Look, ...] = ()
    """In order, the last of them at `n_pairs`; of a whole suite that could be measured."""
    divergence: Divergence | NotMeasured = NotMeasured("read over whole suites only")
    """From the original, over the suite's scored positions: moves before answers flip."""
    changed: tuple[Change, ...] = ()
    """Items that flipped, lost ones first; bounded, the rest lies in the parquet files."""
    n_changed: int = 0
    """How many flipped in all."""


class Duel(Comparison):
    """One candidate against another: `before` is that of `against`, a difference above 0 a loss against it.

    p is adjusted over all pairs of a suite's metric (Holm), and their intervals hold together (Bonferroni).
    """

    against: str
    """Name of the other candidate."""


class Omnibus(Record):
    """One test of all candidates at once: is any of them different from the others?"""

    statistic: float
    degrees_of_freedom: int
    """Of the statistic; of an F, of its numerator."""
    denominator: int | None = None
    """Of an F, its denominator's degrees of freedom; None: it is a chi-square."""
    p_value: Share
    method: str


class ContestedItem(Record):
    """One item that some candidates get right and others wrong. Entries stand in the order of candidates."""

    task: str
    group: str | None
    question: str
    target: str
    original: str
    """The original's answer."""
    original_right: bool
    answers: tuple[str, ...]
    right: tuple[bool, ...]


class Contest(Record):
    """All candidates on the items of one suite that each of them was asked, under one metric."""

    suite: str
    metric: str
    candidates: tuple[str, ...]
    n_items: int
    """That all of them answered; items, or pairs of them, as the metric counts."""
    omnibus: Omnibus | NotMeasured
    p_value: Share | NotMeasured
    """Of the omnibus test."""
    p_adjusted: Share | NotMeasured
    """Over all suites and metrics (Holm)."""
    n_contested: int | NotMeasured
    """Items that some get right and others wrong."""
    contested: tuple[ContestedItem, ...] = ()
    """Those first that tell most pairs of candidates apart, each pattern of right and wrong in turn; bounded,
    the rest lies in the parquet files."""


class ForgettingRate(Record):
    """Of facts that the original knew, how many a variant no longer knows."""

    by: Literal["all", "group", "task"]
    name: str
    """Of the group or task."""
    n_known: int
    n_forgotten: int
    rate: Share | NotMeasured
    """n_forgotten / n_known. Never below 0, since only what was known is looked at: read it beside the
    control's, where chance alone is at work."""
    interval: Interval | NotMeasured
    """95 %, Clopper-Pearson; it takes the facts as independent."""
    p_value: Share | NotMeasured
    """Fisher's exact, one-sided: is more forgotten here than of all the other known facts?"""
    p_adjusted: Share | NotMeasured
    """Over the groups and tasks of one suite and variant (Benjamini-Hochberg, exploratory)."""

    @property
    def retention(self) -> float | NotMeasured:
        """1 − rate: the share of what was known that is still known."""
        return self.rate if isinstance(self.rate, NotMeasured) else 1.0 - self.rate


class HeadAgainstTail(Record):
    """Are facts about rarely mentioned subjects forgotten more often than those about well known ones?"""

    difference: Difference
    """Forgetting rate of the tail − that of the head: positive where rare facts go first."""
    interval: Interval
    """95 %, Newcombe's for independent proportions."""
    p_value: Share
    """Fisher's exact, two-sided."""
    p_adjusted: Share
    """Holm's, over all levels and suites of the audit; of a control, which claims nothing, not adjusted."""


class LinkLoss(Record):
    """Of the facts that a chain has forgotten at its end, how many one of its links lost first."""

    link: str
    n_forgotten: int


class LostFact(Record):
    """One fact that was known and is forgotten."""

    task: str
    group: str | None
    question: str
    """In the first wording that the variant gets wrong."""
    target: str
    after: str
    """What the variant says to that."""
    wordings: int
    wordings_lost: int
    """Of them, those that the variant gets wrong."""
    lead_before: float
    """How far the right choice lay ahead of the likeliest wrong one, nats; the least over the wordings."""
    lead_after: float
    """The variant's; below 0 where a wrong choice leads."""
    lost_at: str | NotMeasured | None = None
    """In a chain, the first link at which it was no longer right; None: no chain."""


class Forgotten(Record):
    """What a variant has forgotten of what the original knew.

    Known: right in every wording, and in each of them the right choice is `margin` times as likely as any
    wrong one. Forgotten: known, and no longer right in every wording; no margin is asked of the variant.
    """

    margin: float
    n_wordings: int
    """Most wordings of a fact."""
    n_facts: int
    """Asked of both."""
    n_right: int
    """Of them, those that the original had right in every wording, with the margin or without."""
    n_learned: int
    """Not right in every wording before, and right in every one after: what chance moves the other way."""
    whole: ForgettingRate
    parts: tuple[ForgettingRate, ...]
    """Groups, then tasks."""
    tail: HeadAgainstTail | NotMeasured
    links: tuple[LinkLoss, ...] = ()
    """Of a link of a chain: it and those before it, in order. Facts of which it can't be said are missing."""
    lost: tuple[LostFact, ...]
    """Those first that were known most firmly; bounded, the rest lies in the parquet files."""


class Forgetting(Record):
    """One variant in one suite that asks for facts."""

    variant: str
    suite: str
    found: Forgotten | NotMeasured


class Verdict(Record):
    """One rule on one variant."""

    variant: str
    rule: Rule
    metric: str
    decision: Decision
    because: str
    """One sentence that a reader can check against the comparison."""
    withheld: Literal["order", "noise", "integrity", "tasks"] | None = None
    """Why what the numbers say by themselves is not claimed. `order`: levels are claimed mildest first, and
    a milder one did not pass; `noise`: the control shows that the measurement does not repeat;
    `integrity`: the artefact is not what it is said to be; `tasks`: the two sides were not asked the same."""
    p_value: Share | NotMeasured
    """Of H0: drop ≥ margin, one-sided."""
    p_worse: Share | NotMeasured = NotMeasured("no drop was tested")
    """Of H0: drop ≤ 0, one-sided, over all the looks up to the one that decided (Liu & Anderson 2008, with
    Pocock's spending): is the variant detectably worse?"""
    p_worse_adjusted: Share | NotMeasured = NotMeasured("no drop was tested")
    """Holm's, over all levels and rules of the audit: what a claim of damage rests on."""
    n_to_decide: int | NotMeasured
    """Items that would give 80 % power at zero drop and the flips seen."""
    bounds: Interval | NotMeasured = NotMeasured("the log was written before they were kept")
    """Of the drop, at the look that decided and with the error that it may spend: the upper one against the
    margin is the verdict. Its confidence is that of both together."""


class Confirmation(Record):
    """The best variant on items that nobody chose it by.

    The best of many is partly the luckiest of many, so its own numbers flatter it (the winner's curse).
    """

    variant: str
    chosen: str
    """How, in a phrase."""
    runs: tuple[Run, ...]
    """Of the original and of it, on the items held out."""
    comparisons: tuple[Comparison, ...]
    """Of those alone."""
    verdicts: tuple[Verdict, ...]
    """Of every rule, on those alone."""
    shared_by: Annotated[int, Field(ge=1)] = 1
    """Variants that may be tried on these items, one after another: each gets that part of a rule's error
    (Bonferroni)."""

    def rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Those of the config, each with the error that one variant may spend."""
        return tuple(rule.model_copy(update={"alpha": rule.alpha / self.shared_by}) for rule in rules)


class BudgetVerdict(Record):
    """One budget on one variant."""

    variant: str
    budget: Budget
    value: float | str | NotMeasured
    """What the artefact has of it: a number, or its format; of a latency, the unfavourable end of the
    interval of the ratio."""
    decision: Decision
    because: str


class Conditions(Record):
    """Under which speed and memory were measured."""

    device: str
    """`cpu`, or the name of the GPU."""
    processor: str
    threads: int
    """CPU threads of torch."""
    dtype: str
    batch: int
    """Sequences at once."""
    prompt_tokens: int
    """Of each sequence, computed in one forward: the prefill."""
    decode_tokens: int
    """After them, one forward each."""
    rounds: int
    """Interleaved with the original, after one that does not count."""


class Speed(Record):
    """One phase's speed beside the original's, both models in memory and measured in turn."""

    tokens_per_second: float
    """Median over the rounds."""
    original_tokens_per_second: float
    """The original's, in the same rounds."""
    latency_ratio: float
    """The variant's time over the original's: median over the rounds. Above 1 is slower."""
    interval: Interval
    """Of that median."""


class Energy(Record):
    """What a pass of prompt and decoding took beside the original's, by the hardware's own counter."""

    joules_per_token: float
    """Of a token computed or decoded: median over the rounds."""
    original_joules_per_token: float
    """The original's, in the same rounds."""
    ratio: float
    """The variant's energy over the original's: median over the rounds. Above 1 is more."""
    interval: Interval
    """Of that median."""
    source: str
    """What was counted."""


class Efficiency(Record):
    """What a variant costs to run. What is computed otherwise than it is stored has no speed of its own."""

    variant: str
    digest: str | NotMeasured
    """The variant's: what was measured."""
    conditions: Conditions
    load_seconds: float | NotMeasured
    """From the folder to a model that computes, in a fresh process; the system may have its files cached."""
    peak_memory_bytes: int | NotMeasured
    """Most that this process held while it loaded the model, computed a prompt and decoded: on a CPU all that
    was resident, with the libraries and with mapped files; on a GPU what was allocated there."""
    runtime_bytes: int | NotMeasured
    """Of those, what it held before the model was loaded."""
    prefill: Speed | NotMeasured
    decode: Speed | NotMeasured
    energy: Energy | NotMeasured = NotMeasured("no counter of energy was asked for")


class Provenance(Record):
    """Where and with what this was computed."""

    shrinkproof_version: str
    command: str
    """What runs it again."""
    python: str
    platform: str
    processor: str
    device: str
    threads: int
    executor: str = "local"
    """Who scored the cells, with the version of the library that spread them."""
    packages: dict[str, str]
    """Distribution name to version."""
    git_commit: str | NotMeasured
    """Of the folder that the audit was started in."""
    git_changed: bool | NotMeasured = NotMeasured("nobody looked")
    """Whether tracked files there were not as in that commit."""
    config_sha256: str
    """Of the canonical JSON of the config."""
    started: str
    finished: str
    """UTC, ISO 8601."""


EvidenceKey = Literal[
    "policy", "verdicts", "rationale", "accuracy", "bias", "robustness", "safety", "forgetting", "groups",
    "intervals", "power", "error-rates", "repeatability", "second-opinion", "samples", "digests", "change",
    "settings", "provenance", "limits", "efficiency", "impact-ratio",
]  # fmt: skip
"""What an audit can hold toward a clause; `reports.evidence` looks for each in a log."""

LegalStatus = Literal["in_force", "future", "superseded", "draft"]


class Clause(Record):
    """One duty of a framework, and what an audit can give toward it."""

    id: str
    """As the field cites it: `Art. 15(1)`."""
    title: str
    asks: str
    """In our own words."""
    url: str | None = None
    """Where it stands; None: see the framework's."""
    version: str | None = None
    as_of: date | None = None
    status: LegalStatus | None = None
    """Those three: None as the framework's."""
    applies_from: date | None = None
    read: Literal["text", "secondary", "memory"]
    """How its content was checked."""
    evidenced_by: Annotated[tuple[EvidenceKey, ...], Field(min_length=1)]
    missing: Annotated[tuple[str, ...], Field(min_length=1)]
    """What no report of this kind gives toward it."""
    must_not_claim: str


class Framework(Record):
    """A law, a standard, or a company's own policy, as clauses: one YAML file."""

    id: Annotated[str, Field(pattern=r"[a-z0-9-]+")]
    title: str
    version: str
    """Of the text."""
    url: str
    as_of: date
    """The day up to which the sources that were read about it tell."""
    status: LegalStatus
    voluntary: bool = False
    note: str = ""
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1)]


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


class DeviceMap(Record):
    """A model spread by accelerate over the GPUs and, what they can't hold, over main memory and disk."""

    policy: Literal["auto", "balanced", "balanced_low_0", "sequential"] = "auto"
    """As `device_map` of transformers."""
    max_memory: dict[Annotated[str, BeforeValidator(str)], str] = {}
    """What a GPU, by its number, or `cpu` may hold: `70GiB`. Of others, what is free there."""


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
    looks: Annotated[int, Field(ge=1)] = 4
    """How often the data are looked at, each time with as many more items; rules that are decided stop.
    1: all items are scored."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Items per task; None: all."""
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0
    """Share of each task's items that is kept aside, to confirm on them the best variant alone."""
    seed: int = 1234
    """Of all draws; lm-eval's own default for few-shot examples, so that the same shots are drawn."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Rows generated at once, and rows of lm-eval's own scorer where ours can't be used."""
    pack_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of one forward when answers are scored; None: picked by device and free memory."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU, else float32."""
    device: str = "auto"
    """`auto`: a CUDA device if there is one, else the CPU."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of torch; None: torch's own choice."""
    device_map: DeviceMap | None = None
    """None: a model is on one device. No part of the config's identity."""
    executor: ExecutorRef = ExecutorRef()
    """No part of the config's identity."""
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
    def measures_efficiency(self) -> bool:
        """Whether memory and speed are asked for, by the config or by a budget."""
        return self.efficiency or any(one.quantity in MEASURED_QUANTITIES for one in self.budgets)

    @property
    def policy_sha256(self) -> str:
        """Over all that decides what counts as good enough: rules, budgets, device, looks and seed."""
        device = () if self.device_profile is None else (self.device_profile,)
        promises = [one.model_dump(mode="json") for one in (*self.rules, *self.budgets, *device)]
        return sha256(rfc8785.dumps([promises, self.looks, self.seed])).hexdigest()


class PlannedRule(Record):
    """What one rule could show of one level."""

    rule: Rule
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"]
    """Of the metric: how margins and drops are counted."""
    n_available: int
    """Pairs that the items make."""
    flips: Share | NotMeasured
    """Expected share of answers that change either way."""
    flips_from: str
    """Where the flips, or how much scores vary, are known from."""
    design_effect: float
    """How many times more pairs it takes because of clusters."""
    n_for_80: int | NotMeasured
    n_for_90: int | NotMeasured
    """Pairs that pass a level without a drop with this power, in per cent."""
    power: Share | NotMeasured
    """Chance that a level without a drop passes, with all pairs."""
    smallest_margin: float | NotMeasured
    """On the scale of the drop: what could be promised with these pairs, at 80 % power and no drop."""
    detectable_drop: float | NotMeasured
    """The smallest drop that is told from 0 with 80 % power."""
    expected_pairs: int | NotMeasured
    """Asked on average of a level without a drop, given the looks."""
    hopeless: bool
    """Not even a level that changes no answer would pass."""


class Cost(Record):
    """What an audit takes, with all items and with those that early stopping is expected to leave."""

    tokens: int
    expected_tokens: int
    tokens_per_second: float
    """Of a trial on the original, on this machine."""
    minutes: float
    expected_minutes: float
    """Of scoring; compressing comes on top."""
    disk_bytes: int
    """At most, of the checkpoints: each as large as the original."""


class Plan(Record):
    """What can be known before an audit runs."""

    rules: tuple[PlannedRule, ...]
    held_out: tuple[PlannedRule, ...]
    """The same rules on the items held out, which the chosen variant is asked in the end; empty without."""
    cost: Cost


class Spent(Record):
    """What something took."""

    tokens: int = 0
    """That a model computed."""
    seconds: float = 0.0
    """Of a clock on the wall, that of killed starts included where their results were kept."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(tokens=self.tokens + other.tokens, seconds=self.seconds + other.seconds)


class Trial(Record):
    """A level that a search proposed."""

    number: Annotated[int, Field(ge=1)]
    """In the order of proposals."""
    level: Level
    quantity: float | NotMeasured
    """Of the goal: counted on the model in memory, and in the files of a level that was audited."""
    divergence: float | NotMeasured
    """The proxy: mean KL(original ‖ level) of the next token, nats, over the search's text."""
    proxy: Spent
    decision: Decision | NotMeasured
    """Over all rules and budgets but the goal, on the items that choose; or why it was not audited."""
    audit: Spent = Spent()
    held_out: Decision | NotMeasured = NotMeasured("it was not tried on the items held out")
    """Over the rules, on those items."""

    @property
    def name(self) -> str:
        """The level's."""
        return self.level.name


class Sensitivity(Record):
    """How much the divergence hangs on one part of the model."""

    modules: str
    """Pattern of their names."""
    weights: int
    divergence: float
    """Mean KL(original ‖ model with these alone rounded), nats a token."""


class Search(Record):
    """How the level was found that is as small as the rules allow."""

    text: str
    """What the proxy looked at."""
    n_tokens: int
    sampler: str
    """What proposed the levels, with its version."""
    n_combinations: int
    """That the plan allows."""
    trials: tuple[Trial, ...]
    sensitivities: tuple[Sensitivity, ...] = ()
    """Those first that hang on most for their weights; empty where none was asked for."""
    preparation: Spent
    """The original's part of the proxy, and the sensitivities."""
    original: Spent
    """The original's answers to the items that choose."""
    held_out: Spent
    """Everything on the items held out."""
    unlucky: tuple[Confirmation, ...] = ()
    """Levels that were tried on the items held out before the one of the log's confirmation: none passed."""
    winner: str | None
    """The smallest level within the goal that passes on both."""
    beyond: str | None
    """Without a winner, the smallest that passes on the items that choose, though it is beyond the goal."""
    decision: Decision
    """Pass with a winner; fail where everything that was audited within the goal fails."""
    because: str

    @property
    def spent(self) -> Spent:
        """All of it."""
        of_trials = sum((one.proxy + one.audit for one in self.trials), Spent())
        return of_trials + self.preparation + self.original + self.held_out


class Registration(Record):
    """What was fixed before the first item was scored."""

    policy_sha256: str
    """Over the rules, budgets, looks and seed."""
    items_sha256: str
    """Over the documents of all tasks, in the order in which they are scored."""
    at: str
    """UTC, ISO 8601."""


class PastResult(Record):
    """One rule on one level, in an audit of the past."""

    level: str
    artefact: str
    """Digest of its weights; empty of what was not seen."""
    size_bytes: int | NotMeasured
    suite: str
    metric: str
    kind: Literal["binary", "score", "perplexity", "ratio", "corpus", "kl"]
    margin: float
    n_pairs: int
    drop: float | NotMeasured
    interval: Interval | NotMeasured
    """Of the drop, in that audit by itself."""
    decision: Decision
    asked_sha256: str
    """Over what its suite asked and counted: drops under the same one are about the same items."""


class PastAudit(Record):
    """What an audit of the past found, without its drill-down."""

    model: str
    """The original's name, as it was written."""
    release: str
    """The original's commit, or the digest of its weights where it has none."""
    model_digest: str
    finished: str
    """UTC, ISO 8601."""
    decision: Decision
    policy_sha256: str
    shrinkproof_version: str
    log_sha256: str
    results: tuple[PastResult, ...]


class History(Record):
    """The audits of the same model that lay in a folder when this one began, the latest ones."""

    folder: str
    n_found: int
    """Of this model, in the folder."""
    audits: tuple[PastAudit, ...]
    """In the order of time."""
    n_skipped: int
    skipped: tuple[str, ...]
    """Logs that could not be read, with why; the first of them."""


class EarlierRun(Record):
    """A run that something was taken from, which was computed there."""

    config_sha256: str
    log_sha256: str
    """Of its `audit.json`; empty of what lay in the cache, where answers are put before there is a log."""
    policy_sha256: str
    """Of the rules as registered there before anything was scored; empty where none were."""
    finished: str
    """UTC, ISO 8601; of what lay in the cache, when that run began to score."""
    processor: str
    torch: str
    """Version."""


class Taken(Record):
    """What of one variant was not computed in this run: taken by digest from an earlier one."""

    variant: str
    artefact: bool
    """Whether the compressed model itself was taken."""
    cells: tuple[str, ...]
    """Keys of the cells that were."""
    run: EarlierRun | None
    """None: whose it was is not known."""


class AuditLog(Record):
    """All that one audit found; the only thing that a report is made from."""

    schema_version: Literal[1] = 1
    status: Literal["finished", "stopped"]
    """`stopped`: an error or a signal ended it early; what was finished is here."""
    error: str | None = None
    config: AuditConfig
    provenance: Provenance
    registered: Registration | NotMeasured = NotMeasured("it stopped before its tasks were loaded")
    variants: tuple[Variant, ...] = ()
    runs: tuple[Run, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    links: tuple[Comparison, ...] = ()
    """Each link of a chain against the link before it: what that one step cost."""
    duels: tuple[Duel, ...] = ()
    """Candidates against each other; empty with fewer than two."""
    contests: tuple[Contest, ...] = ()
    """All candidates at once, per suite and metric; empty with fewer than two."""
    recoveries: tuple[CheckedRecovery, ...] = ()
    """What makers' cards say is left of the original's scores, and is."""
    forgetting: tuple[Forgetting, ...] = ()
    """Per suite that asks for facts and variant; empty without such a suite."""
    verdicts: tuple[Verdict, ...] = ()
    efficiency: tuple[Efficiency, ...] = ()
    """One per variant; empty where it was not asked for."""
    budgets: tuple[BudgetVerdict, ...] = ()
    confirmation: Confirmation | NotMeasured = NotMeasured("no items were held out")
    search: Search | None = None
    """How the levels were found; None: they were given."""
    taken: tuple[Taken, ...] = ()
    """By variant and earlier run; what is not named was computed in this one."""
    history: History | None = None
    """None: the config names no folder of past audits."""

    def to_json(self) -> bytes:
        """Canonical JSON (RFC 8785) of what was set: of a log that was read, the bytes of its file, though
        records have gained fields since."""
        return canonical(self.model_dump(mode="json", exclude_unset=True))

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """Those that were judged, and those on items held out."""
        found = [*self.search.unlucky] if self.search else []
        found += [self.confirmation] if isinstance(self.confirmation, Confirmation) else []
        runs = list(self.runs)
        for run in (run for one in found for run in one.runs):
            runs += [run] if run not in runs else []  # the original's are the same in each
        return tuple(runs)

    @property
    def decision(self) -> Decision:
        """One word for the audit: fails if a rule fails, passes only if every rule passes.

        Where items were held out, the best variant has to pass on those as well. Of a search it is about the
        level that was found.
        """
        if self.config.search is not None and (self.search is None or self.search.winner is None):
            return "inconclusive" if self.search is None else self.search.decision
        about = {self.search.winner} if self.search else {one.name for one in self.config.levels}
        noise = {level.name for level in self.config.levels if level.computed_in}
        decisions = {
            verdict.decision
            for verdict in self.verdicts
            if verdict.rule.blocks and verdict.variant in about - noise
        }
        decisions |= {
            verdict.decision for verdict in self.budgets if verdict.budget.blocks and verdict.variant in about
        }
        if isinstance(self.confirmation, Confirmation):
            decisions |= {one.decision for one in self.confirmation.verdicts if one.rule.blocks}
        elif self.config.holdout:
            decisions.add("inconclusive")
        if "fail" in decisions:
            return "fail"
        if self.status == "finished" and decisions == {"pass"}:
            return "pass"
        return "inconclusive"

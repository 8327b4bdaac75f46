"""Models: the original, the ways to compress it, what is said of an artefact, and what came out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audit.records.base import Inside, NotMeasured, Record, Share, Written


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


class Claim(Written):
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

    name: Inside
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

    name: Inside
    """The level's name, or `original`."""
    level: Level | None
    path: str
    """Empty where no file was seen, behind an endpoint."""
    files: dict[Inside, str] = {}
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
    probed: tuple[float, ...] = ()
    """Of a model that is served elsewhere, what it said of the probes when it was first asked, nats."""
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

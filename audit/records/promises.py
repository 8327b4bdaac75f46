"""What was promised before the run: rules about answers, budgets about artefacts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from audit.records.base import Count, Written


class Rule(Written):
    """A promise fixed before the run: the drop stays below the margin."""

    suite: str
    metric: str | None = None
    """None: the suite's first metric; `kl`: the divergence from the original."""
    margin: Annotated[float, Field(ge=1e-9)] = 0.03
    """Non-inferiority margin M in the metric's unit: of a share, .03 is three points; of a perplexity,
    .03 is three per cent more; of `kl`, nats a position."""
    alpha: Annotated[float, Field(ge=1e-5, lt=0.5)] = 0.05
    """One-sided error of a false pass. Near 1e-6, which is in every exact p-value, nothing could pass."""
    ceiling: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Most of a variant's own bad outcomes (harms, errors), whatever the original's share: the one-sided
    Clopper-Pearson upper bound has to lie below it."""
    min_pairs: Count = 1
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


class Budget(Written):
    """A promise about an artefact itself: no more than so much of something, or one of these formats."""

    quantity: Quantity
    at_most: Annotated[float, Field(gt=0)] | None = None
    """Bytes, bits or a ratio; None: of a format, which has no size."""
    one_of: tuple[str, ...] = ()
    """Formats that the runtime takes."""
    context: Count | None = None
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


class DeviceProfile(Written):
    """A device that an artefact is meant for: what it must fit in, and what the runtime there can read."""

    title: str
    ram_bytes: Annotated[int, Field(ge=1, le=2**53 - 1)]
    """What the model may take of the memory."""
    storage_bytes: Annotated[int, Field(ge=1, le=2**53 - 1)]
    """What the artefact may take on disk."""
    context: Count
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

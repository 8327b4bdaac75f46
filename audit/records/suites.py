"""What is measured."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from audit.records.base import Record, Written


class Metric(Written):
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


class Task(Written):
    """One lm-eval task of a suite."""

    name: str
    """The task's name in lm-eval."""
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    """None: what the task's own YAML says."""


class Needed(Written):
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

"""What a vendor's card says of a compressed model, as a small YAML file: claims to be checked.

`source:` where it says so; `bits:`, `sparsity:`, `pattern: "2:4"` and `size: 95MB`, which the files have to
show; and `recovered:`, a list of `{suite: accuracy, at_least: 0.99}` or `{task: arc_easy, metric: acc,
at_least: 0.99}`, which the measured answers have to show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from audit import registry
from audit.errors import ConfigError
from audit.records import Claim, RecoveryClaim, Suite, Written
from audit.yaml_lines import KeyPath, explain, place, read_yaml

_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(\w+)")
_MOST = 1.5
"""Of the original's score: a larger number is one in per cent."""


class Said(NamedTuple):
    """What a card says."""

    claims: tuple[Claim, ...]
    recoveries: tuple[RecoveryClaim, ...]


NO_CARD = Said((), ())


def in_bytes(size: str) -> float:
    """A size with its unit, decimal or binary. ValueError for what is none.

    >>> in_bytes("95MB"), in_bytes("1.5 GiB")
    (95000000.0, 1610612736.0)
    """
    found = _SIZE.fullmatch(size.strip())
    unit = _UNITS.get(found[2]) if found else None
    if found is None or unit is None:
        raise ValueError(f"write a number and its unit, one of {', '.join(_UNITS)}, as in 95MB")
    return float(found[1]) * unit


def _share(value: float) -> float:
    if value > _MOST:
        raise ValueError("a share of the original's score, so 99 % is 0.99")
    return value


class Recovered(Written):
    """One line of `recovered:`."""

    suite: str | None = None
    task: str | None = None
    metric: str | None = None
    """None: the suite's first."""
    at_least: Annotated[float, Field(gt=0), AfterValidator(_share)]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.suite is None) == (self.task is None):
            raise ValueError("name a suite or a task, one of them")
        return self


class Card(Written):
    """The keys of the YAML file."""

    source: str = ""
    """Where it stands; empty: the file's name."""
    bits: Annotated[float, Field(gt=0)] | None = None
    """Of a compressed weight's code; `claims.SPREAD` more hold."""
    sparsity: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of zeros in the linear layers."""
    pattern: Literal["2:4"] | None = None
    size: str | None = None
    """Of the weight files."""
    recovered: tuple[Recovered, ...] = ()

    @model_validator(mode="after")
    def _size_is_one(self) -> Self:
        if self.size is not None:
            in_bytes(self.size)
        return self


def load_card(path: Path, suites: Sequence[Suite]) -> Said:
    """The claims of a card about an artefact that is audited on `suites`.

    Raises ConfigError naming the line, the value and the way out.
    """
    data, lines = read_yaml(path, "card", "`bits:` and `recovered:`")
    try:
        card = Card.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, lines, str(path), _keys_beside)) from None
    source = card.source or path.name
    stated = {
        "bits": card.bits,
        "sparsity": card.sparsity,
        "2:4": card.pattern and 1,
        "size": card.size and in_bytes(card.size),
    }
    claims = [
        Claim.model_validate({"quantity": quantity, "value": value, "source": source})
        for quantity, value in stated.items()
        if value is not None
    ]
    recoveries = []
    for number, one in enumerate(card.recovered):
        try:
            recoveries.append(_about(one, suites, source))
        except ConfigError as error:
            at = place(lines, ("recovered", number), str(path))
            raise ConfigError(f"{at}: recovered: {error}") from None
    return Said(tuple(claims), tuple(recoveries))


def _keys_beside(path: KeyPath) -> Sequence[str]:
    return list((Recovered if len(path) > 1 else Card).model_fields)


def _about(one: Recovered, suites: Sequence[Suite], source: str) -> RecoveryClaim:
    """The claim with the suite and the metric that it is about; a task in several suites is the first's."""
    of_task = [suite for suite in suites if one.task in {task.name for task in suite.tasks}]
    named = [suite for suite in suites if suite.name == one.suite] if one.task is None else of_task
    if not named:
        kind, name = ("task", one.task) if one.suite is None else ("suite", one.suite)
        tasks = [task.name for suite in suites for task in suite.tasks]
        known = [suite.name for suite in suites] if kind == "suite" else tasks
        unknown = registry.unknown(kind, name or "", known)
        raise ConfigError(f"{unknown} Add it to the config's suites, or leave the claim out.")
    metrics = {metric.name: suite for suite in reversed(named) for metric in suite.metrics}
    metric = one.metric or named[0].metrics[0].name
    if metric not in metrics:
        raise ConfigError(registry.unknown("metric", metric, list(metrics)))
    return RecoveryClaim(
        suite=metrics[metric].name, task=one.task, metric=metric, at_least=one.at_least, source=source
    )

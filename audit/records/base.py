"""What all records share: they are frozen, strict, and JSON all the way down.

A number that could not be had is `NotMeasured(reason)`, never 0, NaN or None.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from audit.errors import StoreError

Share = Annotated[float, Field(ge=0, le=1)]
"""A proportion, 0 to 1."""


Count = Annotated[int, Field(ge=1, le=10**9)]
"""Of what somebody asks for."""


Difference = Annotated[float, Field(ge=-1, le=1)]
"""A difference of two proportions, before − after: positive is a loss."""


Decision = Literal["pass", "fail", "inconclusive"]


def together(decisions: Iterable[Decision], *, whole: bool = True) -> Decision:
    """One word for several: fail as soon as one fails, pass where there are some, all pass and none is
    missing (`whole`).

    >>> together(["pass", "fail"]), together(["pass"], whole=False), together([]), together(["pass"])
    ('fail', 'inconclusive', 'inconclusive', 'pass')
    """
    found = set(decisions)
    if "fail" in found:
        return "fail"
    return "pass" if whole and found == {"pass"} else "inconclusive"


def spelled(text: str) -> str:
    """The text with each lone surrogate, half of a character, written out as `\\ud800`: no file holds one.

    >>> print(spelled("half of \\ud83d"))
    half of \\ud83d
    """
    return text.encode("utf-8", "backslashreplace").decode()


Text = Annotated[str, AfterValidator(spelled)]
"""What a model or somebody's data may have written."""


def _inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts or "\0" in path:
        raise ValueError("a path that leads out of its folder")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
"""What becomes part of a path: a log may come from anybody, and leads nowhere but into its own run folder."""


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785); lone surrogates, which it refuses, are spelled out.

    Raises StoreError for an integer that it has no form for.
    """
    try:
        try:
            return rfc8785.dumps(value)
        except rfc8785.CanonicalizationError:
            return rfc8785.dumps(_spelled_in(value))
    except rfc8785.IntegerDomainError as error:
        raise StoreError(f"{error.args[0]!s:.80}. Write a number of 15 digits at most.") from None


def _spelled_in(value: Any) -> Any:
    if isinstance(value, str):
        return spelled(value)
    if isinstance(value, dict):
        return {_spelled_in(key): _spelled_in(one) for key, one in value.items()}
    return [_spelled_in(one) for one in value] if isinstance(value, list | tuple) else value


class Record(BaseModel):
    """Base of all nouns: immutable, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Written(Record):
    """Base of what people write: yes and no are no numbers, though pydantic reads them as 1 and 0."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        given = value if isinstance(value, list | tuple) else [value]
        field = cls.model_fields[str(info.field_name)]
        if any(isinstance(one, bool) for one in given) and not _takes_bool(field.annotation):
            raise PydanticCustomError("bool_is_no_number", "yes and no are no numbers")
        return value


def _takes_bool(annotation: Any) -> bool:
    """Whether yes and no are among the values of this type, or of what it holds."""
    return annotation in (bool, Any, object) or any(map(_takes_bool, get_args(annotation)))


class NotMeasured(Record):
    """A number that could not be had, and why."""

    reason: str

    def __init__(self, reason: str | None = None, **others: object) -> None:
        # Reading a log tries this on the JSON of an Interval too: that must fail validation, not the call.
        super().__init__(**{"reason": reason, **others})

    def __str__(self) -> str:
        return f"not measured: {self.reason}"

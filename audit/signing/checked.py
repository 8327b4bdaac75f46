"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Finding = Literal["holds", "lies", "not checked"]


@dataclass(frozen=True)
class Checked:
    """One file, signature or number, and whether it is what was signed."""

    what: str
    finding: Finding
    because: str = ""

"""What a long run says while it runs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what goes on; the terminal, a notebook or nobody listens."""

    def stage(self, what: str) -> None:
        """A new step began."""

    def plan(self, items: float) -> None:
        """So many items will be scored in all."""

    def advance(self, items: float) -> None:
        """So many more items are done."""


class Silent:
    """Nobody listens."""

    def stage(self, what: str) -> None:
        """Ignore."""

    def plan(self, items: float) -> None:
        """Ignore."""

    def advance(self, items: float) -> None:
        """Ignore."""

"""What a long run says while it runs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what goes on; the terminal, a notebook or nobody listens."""

    def stage(self, what: str) -> None:
        """A new step began."""

    def plan(self, tokens: float) -> None:
        """A count begins anew: so many tokens will be computed in all. 0: nothing more is counted."""

    def advance(self, tokens: float) -> None:
        """So many more tokens are done."""

    def reach(self, tokens: float) -> None:
        """So many tokens are done in all, or need not be."""


class Silent:
    """Nobody listens."""

    def stage(self, what: str) -> None:
        """Ignore."""

    def plan(self, tokens: float) -> None:
        """Ignore."""

    def advance(self, tokens: float) -> None:
        """Ignore."""

    def reach(self, tokens: float) -> None:
        """Ignore."""

"""How a request to a chat model is written: by the template that comes with it, or plainly without one."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import EvaluationError
from audit.memory import GIB, at_most

Message = dict[str, str]
"""`role` and `content`."""
SECONDS = 10.0
"""That a template may take for one prompt."""
MOST = 10_000_000
"""Characters of a prompt."""
MEMORY = GIB
"""Bytes that a template may take for one prompt."""
PLAIN = "none of its own: User: … Assistant: …"


@dataclass(frozen=True)
class ChatTemplate:
    """The original's template; every variant reads the same prompts."""

    tokenizer: Any
    """transformers' tokenizer."""

    @property
    def told(self) -> str:
        """sha256 of the template, for the log; or that there is none."""
        template = self.tokenizer.chat_template
        return PLAIN if not template else hashlib.sha256(str(template).encode()).hexdigest()

    def write(self, history: Sequence[Message], add_generation_prompt: bool = True) -> str:
        """The messages as one prompt; without a generation prompt, the last message is gone on with."""
        if not self.tokenizer.chat_template:
            lines = [
                message["content"] if message["role"] == "system"
                else f"{message['role'].capitalize()}: {message['content']}"
                for message in history
            ]  # fmt: skip
            return "\n".join([*lines, "Assistant:"] if add_generation_prompt else lines)
        try:
            with at_most(MEMORY), _within(SECONDS):
                prompt: str = self.tokenizer.apply_chat_template(
                    list(history), tokenize=False, add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )  # fmt: skip
        except MemoryError:
            raise EvaluationError(
                f"the original's chat template takes more than {MEMORY / GIB:g} GiB for one prompt. "
                "Mend it, or audit suites that are no chats."
            ) from None
        except Exception as error:  # a template may do anything that its sandbox does not forbid
            raise EvaluationError(
                f"the original's chat template can't write a prompt: {type(error).__name__}: {error}. "
                "Mend it, or audit suites that are no chats."
            ) from error
        if len(prompt) > MOST:
            raise EvaluationError(
                f"the original's chat template writes {len(prompt):,} characters; {MOST:,} are read."
            )
        return prompt


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer; only in a main thread, where signals arrive.

    The sandbox bounds one loop and not loops in loops. An alarm that runs already, such as that of a test, is
    set again for what is left of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"it takes more than {seconds:g} seconds")

    before, began = signal.signal(signal.SIGALRM, stop), time.monotonic()
    # Again and again, since jinja passes over the first error where it computes what is constant
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-6))

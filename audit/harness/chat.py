"""How a request to a chat model is written: by the template that comes with it, or plainly without one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, str]
"""`role` and `content`."""
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
        prompt: str = self.tokenizer.apply_chat_template(
            list(history), tokenize=False, add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )  # fmt: skip
        return prompt

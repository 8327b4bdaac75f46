"""The template that vLLM would write chats by; prompts come written."""

from typing import Any


def resolve_chat_template(tokenizer: Any, **_: Any) -> Any:
    return tokenizer.chat_template

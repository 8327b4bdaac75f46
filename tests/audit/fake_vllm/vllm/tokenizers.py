"""vLLM's tokenizers are transformers'."""

from typing import Any

from transformers import AutoTokenizer


def get_tokenizer(name: str, *, tokenizer_mode: str, trust_remote_code: bool, revision: Any) -> Any:
    return AutoTokenizer.from_pretrained(name)

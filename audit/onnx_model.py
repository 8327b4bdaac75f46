"""An ONNX file as a causal language model: computed by onnxruntime, asked as any other model is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor
from transformers import AutoConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from audit.bounded import json_of, read_bytes
from audit.errors import ModelError, first_line

_NUMPY = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

_SHAPE = ("hidden_size", "num_attention_heads", "num_hidden_layers", "num_key_value_heads")


class OnnxModel(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]  # transformers' own
    """Logits of whole sequences. Nothing is kept from one call to the next, so that writing is slow."""

    config_class = PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, config: PretrainedConfig, session: ort.InferenceSession) -> None:
        super().__init__(config)
        self._session = session
        self._wanted = {one.name: one for one in session.get_inputs()}
        self.place = torch.nn.Parameter(torch.zeros(0), requires_grad=False)  # which device answers come to

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> CausalLMOutput:
        """Logits, [batch, position, vocabulary]; 0 where the mask is."""
        if attention_mask is None or bool(attention_mask.all()):
            found = self._computed(input_ids)
        else:  # each row without its padding: exporters' attention takes padding on one side alone
            found = torch.zeros(*input_ids.shape, self.config.vocab_size)
            for row, (ids, mask) in enumerate(zip(input_ids, attention_mask.bool(), strict=True)):
                found[row, mask.cpu()] = self._computed(ids[mask][None])[0]
        return CausalLMOutput(logits=found.to(input_ids.device))

    def _computed(self, ids: Tensor) -> Tensor:
        rows, length = ids.shape
        known = {
            "input_ids": ids.cpu().numpy(),
            "attention_mask": np.ones((rows, length), np.int64),
            "position_ids": np.arange(length)[None].repeat(rows, 0),
        }
        given = {
            name: known[name] if name in known else np.zeros(self._no_past(rows, one.shape), _NUMPY[one.type])
            for name, one in self._wanted.items()
        }
        (logits,) = self._session.run(["logits"], given)
        return torch.from_numpy(logits).float()

    def _no_past(self, rows: int, shape: list[int | str]) -> tuple[int, ...]:
        """Shape of the keys or values of no token at all, [rows, heads, 0, width]."""
        _, heads, _, width = shape
        config: Any = self.config
        return (
            rows,
            heads if isinstance(heads, int) else config.num_key_value_heads,
            0,
            width if isinstance(width, int) else config.head_dim,
        )

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """All that was written so far."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def get_input_embeddings(self) -> Any:
        """None that torch could see."""
        return None

    def get_output_embeddings(self) -> Any:
        """None that torch could see."""
        return None


def load(file: Path, threads: int) -> OnnxModel:
    """The model in an ONNX file, on the CPU. Raises ModelError where it can't be, or is no decoder."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which have no common class but this
        raise ModelError(f"{file} can't be loaded by onnxruntime: {str(error).splitlines()[0]}") from error
    _check_decoder(file, session)
    model = OnnxModel(_config(file), session)
    model.eval()  # type: ignore[no-untyped-call]
    return model


def _check_decoder(file: Path, session: ort.InferenceSession) -> None:
    inputs = {one.name: one for one in session.get_inputs()}
    outputs = [one.name for one in session.get_outputs()]
    strange = [
        name
        for name, one in inputs.items()
        if name not in ("input_ids", "attention_mask", "position_ids")
        and not (name.startswith("past_key_values.") and one.type in _NUMPY)
    ]
    if "input_ids" not in inputs or "logits" not in outputs or strange:
        raise ModelError(
            f"{file} is no decoder as exporters write them: inputs {', '.join(strange or inputs)}, outputs "
            f"{', '.join(outputs[:3])}. Export it for text generation, from input_ids and past_key_values to "
            "logits."
        )


def _config(file: Path) -> PretrainedConfig:
    """What the folder says of the model: transformers' config, or that of onnxruntime's generator."""
    for folder in (file.parent, file.parent.parent):
        if (folder / "config.json").is_file():
            return _read(folder / "config.json", _of_transformers)
        if (folder / "genai_config.json").is_file():
            return _read(folder / "genai_config.json", _of_generator)
    raise ModelError(f"{file} has neither config.json nor genai_config.json beside it. Copy one there.")


def _read(file: Path, how: Callable[[Path], PretrainedConfig]) -> PretrainedConfig:
    try:
        return how(file)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = first_line(error)
        raise ModelError(f"{file} can't be read: {reason} Copy it again.") from None


def _of_transformers(file: Path) -> PretrainedConfig:
    found: PretrainedConfig = AutoConfig.from_pretrained(
        file.parent, local_files_only=True, trust_remote_code=False
    )
    return found


def _of_generator(file: Path) -> PretrainedConfig:
    said = json_of(read_bytes(file))["model"]
    decoder = said["decoder"]
    plain: Any = PretrainedConfig  # which takes whatever a model has, and does not say so
    built: PretrainedConfig = plain(
        vocab_size=said["vocab_size"], max_position_embeddings=said["context_length"],
        eos_token_id=said.get("eos_token_id"), pad_token_id=said.get("pad_token_id"),
        head_dim=decoder["head_size"], **{name: decoder[name] for name in _SHAPE},
    )  # fmt: skip
    return built

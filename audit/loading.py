"""A checkpoint folder to a model in memory, checked: nothing half-loaded gets through."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import activations, devices, foreign, mixed_widths
from audit.engine import named
from audit.errors import ModelError, first_line
from audit.making import Made, Making, Rehearsed
from audit.records import DeviceMap, Engine
from audit.weights import beside, is_pickle, quantization_of, settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Linear
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_model(
    folder: Path, *, dtype: str = "auto", device: str = "cpu", trust_remote_code: bool = False,
    allow_pickle: bool = False, device_map: DeviceMap | None = None, only_counted: bool = False,
) -> PreTrainedModel:  # fmt: skip
    """The causal language model in `folder`, ready to compute in `dtype` (`stored`: as its files hold it).

    Packed checkpoints are dequantised, in the dtype that they are stored in whatever `dtype` is: the values
    are those that the packed kernels use, the speed is not. Where a runtime would round activations, they are
    rounded (see `audit.activations`). A GGUF file is a folder by itself here. With a `device_map` the model
    is spread over all devices of the kind of `device`. Where it is `only_counted`, and something else answers
    for it, it does not matter what a runtime would round.
    """
    model = _loaded(
        folder, dtype=dtype, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
        device_map=device_map, only_counted=only_counted,
    )  # fmt: skip
    if only_counted:
        return model
    activations.round_inputs(activations.rounded_layers(model, quantization_of(folder)))
    return model


def _loaded(
    folder: Path, *, dtype: str, device: str = "cpu", trust_remote_code: bool = False,
    allow_pickle: bool = False, device_map: DeviceMap | None = None, only_counted: bool = False,
) -> PreTrainedModel:  # fmt: skip
    """The model, its weights dequantised; activations are not rounded."""
    import torch
    from transformers import AutoModelForCausalLM

    wanted = None if dtype == "stored" else getattr(torch, resolve_dtype(dtype, device))
    check_loadable(folder, only_counted=only_counted)
    method, dequantised = quantised_by(folder), _dequantised(folder)
    if method == "onnx":
        from audit import onnx_model

        graph: PreTrainedModel = onnx_model.load(folder, torch.get_num_threads())
        graph.to(device)  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
        return graph
    stored = _named_dtype(folder)
    spread = devices.while_loading(device_map, device) if device_map and method is None else {}
    try:
        loaded: Any
        if method in ("gptq", "awq"):
            loaded = _rebuilt(folder, foreign.dequantised, trust_remote_code)
        elif mixed_widths.is_mixed(quantization_of(folder)):
            loaded = _rebuilt(folder, mixed_widths.dequantised, trust_remote_code)
        else:
            loaded = AutoModelForCausalLM.from_pretrained(
                folder.parent if method == "gguf" else folder,
                trust_remote_code=trust_remote_code,
                use_safetensors=None if allow_pickle and is_pickle(folder) else True,
                local_files_only=True,
                output_loading_info=True,
                **({"dtype": "auto" if wanted is None or dequantised else wanted} | dequantised | spread),
            )
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # over a stranger's files its readers raise whatever they met
        raise ModelError(f"{folder} can't be loaded: {first_line(error)}") from error
    model: PreTrainedModel
    model, report = loaded
    _check_complete(folder, report)
    if method == "compressed-tensors":
        _make_ordinary(model)
    if method == "bitsandbytes" and quantization_of(folder).get("load_in_4bit"):
        model = model.dequantize()  # type: ignore[no-untyped-call]
    if dequantised.get("dtype") is torch.float32 and stored is not None:
        model.config.dtype = stored
    if method == "torchao":
        _make_plain(model)
    if wanted is not None and (dequantised or method in ("gptq", "awq", "torchao")):
        for weights in model.parameters():  # and not the buffers: rotary frequencies stay as they are
            if weights.is_floating_point():
                weights.data = weights.data.to(wanted)
    if spread:
        devices.remove_with(model, spread["offload_folder"])
    elif device_map:
        devices.spread(model, device_map, device)
    else:
        model.to(device)  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    model.eval()  # type: ignore[no-untyped-call]
    return model


def load_to_compress(folder: Path, **options: Any) -> PreTrainedModel:
    """The model in float32, whatever it is stored in: `save` puts it back.

    Methods would round twice otherwise: a weight over its scale, in bfloat16, puts one code of int8 in ten
    off by one. Activations are not rounded: what is made of the weights says nothing of them any more.
    """
    model = _in_float32(folder, **options)
    for weights in model.parameters():  # integers times their scale may lie between what `save` can store
        weights.data = weights.data.to(stored_dtype(model)).float()
    return model


def load_as_saved(folder: Path, **options: Any) -> PreTrainedModel:
    """What was just saved, in float32, its activations rounded where it says so."""
    model = _in_float32(folder, **options)
    activations.round_inputs(activations.rounded_layers(model, quantization_of(folder)))
    return model


def _in_float32(folder: Path, **options: Any) -> PreTrainedModel:
    model = _loaded(folder, dtype="stored", **options)
    for module in model.modules():
        # Some versions of transformers leave scales and shapes behind, which would be saved with the weights
        for name in [*module._parameters, *module._buffers]:
            if name.startswith("weight_"):
                delattr(module, name)
    model.float()  # type: ignore[no-untyped-call]
    return model


def stored_dtype(model: PreTrainedModel) -> torch.dtype:
    """What the files hold of a model that was loaded to be compressed; of one without files its own."""
    dtype: torch.dtype = model.config.dtype or model.dtype  # type: ignore[assignment]  # a string before it was loaded
    return dtype


def save(model: PreTrainedModel, folder: Path) -> None:
    """Save a model that was loaded to be compressed, in the dtype that its files were in."""
    model.to(stored_dtype(model))  # type: ignore[arg-type]  # transformers' decorator hides torch's overloads
    model.save_pretrained(folder)


def saved(making: Making[Any]) -> Made:
    """Save the model as it is now, as a plain checkpoint."""
    logits_before = before_saving(making)
    save(making.model, making.out)
    return Made(logits_before)


def before_saving(making: Making[Any], packed: Mapping[str, int] | None = None) -> Tensor:
    """The logits on the witness, when all is done but saving; a rehearsal ends here.

    `packed`: as `Rehearsed` says.
    """
    if making.rehearsal:
        raise Rehearsed(packed or {})
    return logits(making.model, making.witness)


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`."""
    from transformers import AutoTokenizer

    inside = {"gguf_file": folder.name} if folder.suffix == ".gguf" else {}
    if folder.suffix == ".onnx":
        folder = beside(folder)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder.parent if inside else folder, trust_remote_code=trust_remote_code, local_files_only=True,
            **inside,
        )  # fmt: skip
    except BaseException as error:  # over a stranger's files its readers raise whatever they met
        # A panic of tokenizers' own Rust is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{folder} has no loadable tokenizer: {first_line(error)}") from error
    return tokenizer


def linear_layers(model: PreTrainedModel) -> Iterator[tuple[str, Linear]]:
    """The linear layers by their names, the output head left out (it is often tied to the embeddings)."""
    import torch

    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            yield name, module


def logits(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits of a forward pass, float32 on the CPU, [batch, position, vocabulary]."""
    import torch

    with torch.inference_mode():
        result: Tensor = model(ids.to(devices.input_device(model))).logits.float().cpu()
    return result


@contextlib.contextmanager
def cpu_threads(threads: int | None) -> Iterator[int]:
    """torch's CPU threads while the block runs (None: as they are); how many there are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def resolve_device(device: str) -> str:
    """`auto` to a CUDA device if there is one, else the CPU."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_dtype(dtype: str, device: str) -> str:
    """`auto` to bfloat16 on a GPU, which computes in it several times faster, else float32."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.startswith("cuda") else "float32"


NEEDED = {
    "compressed-tensors": "compressed-tensors", "gptq": None, "awq": None, "gguf": "gguf",
    "bitsandbytes": "bitsandbytes", "torchao": "torchao", "onnx": "onnxruntime",
}  # fmt: skip
"""The library that reads a checkpoint quantised by each method; None: ours."""


def check_loadable(folder: Path, *, only_counted: bool = False) -> None:
    """Raises ModelError, with the way out, for a format that can't be evaluated here.

    `only_counted`: as of `load_model`.
    """
    method = quantised_by(folder)
    if folder.is_dir() and (kernel := _foreign_kernel(settings(folder))):
        raise ModelError(
            f"{folder}: its config.json wants the attention {kernel!r}, a program from the hub, which is "
            "not run here. Take that key out: what is computed stays the same."
        )
    if method not in NEEDED and method is not None:
        known = ", ".join(sorted(NEEDED))
        raise ModelError(
            f"{folder} is quantised by '{method}', which can't be evaluated here; {known} can. Serve it "
            "where it runs and name its endpoint, or ask its maker for one of these."
        )
    if not only_counted and (rounds := activations.not_simulated(quantization_of(folder))):
        raise ModelError(
            f"{folder} has a runtime round what is not rounded here ({rounds}), so its quality can't be "
            "measured. int8 activations, symmetric, with a scale for each token as it comes, can."
        )
    if (
        method == "torchao"
        and not only_counted
        and "Activation" in json.dumps(quantization_of(folder).get("quant_type"))
    ):
        raise ModelError(
            f"{folder}: torchao rounds its activations as it runs, which is not done here: the numbers would "
            "be another model's. Serve it where it runs and name its endpoint."
        )
    library = NEEDED.get(method or "")
    if library and importlib.util.find_spec(library.replace("-", "_")) is None:
        raise ModelError(
            f"{folder} is quantised by {method}; the library that reads it is missing: pip install "
            f"'shrinkproof[{library}]'."
        )


def _foreign_kernel(said: Mapping[str, Any]) -> str:
    """The repository of compiled code that a config, or one in it, names as its attention; empty: none."""
    left = [said]
    while left:
        for key, value in left.pop().items():
            if key.endswith("attn_implementation") and "/" in str(value):
                return str(value)
            if isinstance(value, dict):
                left.append(value)
    return ""


def quantised_by(folder: Path) -> str | None:
    """The method that a checkpoint's weights were packed by, as its config names it; None: they are plain."""
    if folder.is_file():
        return folder.suffix.removeprefix(".")
    method = quantization_of(folder).get("quant_method")
    return None if method is None else str(method)


def evaluated_as(folder: Path, dtype: str, engine: Engine | None = None) -> str:
    """What `load_model` computes with where it is asked for `dtype`, in words; or the engine in its place."""
    if engine is not None:
        return f"{named(engine)} in {dtype}"
    method, quantization = quantised_by(folder), quantization_of(folder)
    if method is None:
        return dtype
    if method == "onnx":
        return f"onnxruntime {version('onnxruntime')}'s own kernels, on the CPU"
    if quantization.get("load_in_8bit"):
        return f"{method}'s own kernels, the rest in {dtype}"
    rounded = ", int8 activations simulated" if activations.are_rounded(quantization) else ""
    return f"dequantised to {dtype}{rounded}"


def _dequantised(folder: Path) -> dict[str, Any]:
    """What makes transformers dequantise a packed checkpoint as it loads it."""
    import torch

    method = quantised_by(folder)
    if method == "compressed-tensors":
        from transformers import CompressedTensorsConfig

        how: dict[str, Any] = {"quantization_config": CompressedTensorsConfig(dequantize=True)}
        # Where activations are integers too, products are summed exactly: no weight is rounded to 16 bits
        return how | ({"dtype": torch.float32} if activations.are_rounded(quantization_of(folder)) else {})
    if method == "bitsandbytes" and quantization_of(folder).get("load_in_4bit"):
        return {"device_map": {"": "cpu"}}
    if method == "gguf":
        from transformers import GgufConfig

        return {
            "gguf_file": folder.name, "quantization_config": GgufConfig(dequantize=True),
            "dtype": torch.float32,
        }  # fmt: skip
    return {}


def _make_ordinary(model: PreTrainedModel) -> None:
    """Undo what compressed-tensors leaves behind when it has dequantised.

    Its cache of weights, which stay on the CPU whatever `to` says and forget what is written into them; and,
    in some versions, layers that round activations, and not as runtimes do.
    """
    from compressed_tensors.offload import remove_dispatch

    remove_dispatch(model)
    for module in model.modules():
        for name in ("quantization_scheme", "quantization_status"):
            if hasattr(module, name):
                delattr(module, name)


def _named_dtype(folder: Path) -> torch.dtype | None:
    """What the config says that the files hold; None where it does not say."""
    import torch

    if folder.suffix == ".gguf":
        return None
    config = settings(folder)
    name = config.get("dtype") or config.get("torch_dtype")
    found = None if name is None else getattr(torch, str(name), name)
    if found is None or isinstance(found, torch.dtype):
        return found
    raise ModelError(f"{folder / 'config.json'} names the dtype {name!r}, which torch lacks. Correct it.")


def _make_plain(model: PreTrainedModel) -> None:
    """Put plain tensors in the place of torchao's, which few operations know."""
    import torch

    for module in model.modules():
        for name, weights in list(module._parameters.items()):
            if weights is not None and type(weights.data) is not torch.Tensor:
                plain = weights.data.dequantize()
                module._parameters[name] = torch.nn.Parameter(plain, requires_grad=False)


def _rebuilt(
    folder: Path, dequantised: Callable[[Path, Mapping[str, Any]], dict[str, Tensor]], trust_remote_code: bool
) -> tuple[PreTrainedModel, dict[str, list[str]]]:
    """A model of packed weights that we dequantise, and what its checkpoint lacks or has too much."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config: Any = AutoConfig.from_pretrained(
        folder, trust_remote_code=trust_remote_code, local_files_only=True
    )
    tensors = dequantised(folder, quantization_of(folder))
    del config.quantization_config
    build: Any = AutoModelForCausalLM.from_config
    model = build(config, dtype=config.dtype, trust_remote_code=trust_remote_code)
    report = model.load_state_dict(tensors, strict=False)
    there = {model.get_parameter(name).data_ptr() for name in tensors if name not in report.unexpected_keys}
    missing = [
        name
        for name in report.missing_keys
        if model.get_parameter(name).data_ptr() not in there  # tied
    ]
    return model, {"missing_keys": missing, "unexpected_keys": report.unexpected_keys}


def _check_complete(folder: Path, report: dict[str, Any]) -> None:
    """Refuse a checkpoint whose tensors don't match its config: transformers would fill in noise."""
    for key, what in (
        ("missing_keys", "lacks the tensor"),
        ("mismatched_keys", "has the wrong shape for"),
        ("unexpected_keys", "holds a tensor that its config has no place for:"),
    ):
        names = sorted(entry if isinstance(entry, str) else entry[0] for entry in report.get(key, ()))
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(
                f"{folder} {what} {names[0]}{more}: the weights don't match config.json. "
                "Take both from the same checkpoint."
            )

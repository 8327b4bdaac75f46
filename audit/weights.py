"""What a checkpoint folder holds, read from its files and not from its name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from audit import gguf_header, onnx_graph
from audit.bounded import json_of, read_bytes
from audit.errors import ModelError
from audit.layouts import check_quantization, named_bits, quantised
from audit.records import Claim, NotMeasured
from audit.stored_tensors import StoredTensor, stored_tensors

_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Torch's names."""
_LAYER = re.compile(r"\.\d+\.")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


class Contents(NamedTuple):
    """Counted over the tensors of a checkpoint; the fields are those of a `Variant` of the same names."""

    size_bytes: int
    parameters: int
    bits_per_weight: float
    compressed_parameters: int | NotMeasured
    """Weights that are packed; where none is, those whose stored tensors differ from the original's."""
    compressed_bits_per_weight: float | NotMeasured
    """Bits of those tensors alone, scales included, over their weights."""
    nominal_bits: float
    """The same without what stands beside the codes: what names and cards call a format by."""
    stored_as: str
    format: str
    """Of the files, as a runtime names it."""
    kept: tuple[str, ...] | NotMeasured

    def fields(self) -> dict[str, Any]:
        """Those of a `Variant`."""
        return {name: value for name, value in self._asdict().items() if name != "nominal_bits"}


def any_layer(name: str) -> str:
    """A tensor's name without the number of its layer.

    >>> any_layer("model.layers.3.mlp.up_proj.weight")
    'model.layers.*.mlp.up_proj.weight'
    """
    return _LAYER.sub(".*.", name)


def companions(folder: Path) -> list[Path]:
    """The files beside the weights that settings, tokenizer and chat template are read from, sorted."""
    if folder.is_file():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix in {".json", ".jinja", ".txt", ".model"}
        and not path.name.endswith(".index.json")
        and path.name not in ("variant.json", "earlier.json")
    )


def companions_digest(folder: Path) -> str:
    """sha256 over the names and sha256 of the companions."""
    named = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in companions(folder)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def weight_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """The weight files of a model folder, sorted; refuses pickles unless they are allowed.

    A GGUF or ONNX file is a model by itself; the latter's tensors may lie in files beside it.
    """
    if folder.suffix == ".gguf":
        gguf_header.check(folder)
        return [folder]
    if folder.suffix == ".onnx":
        return [folder, *onnx_graph.data_files(folder)]
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder: it has no config.json. Name a folder that has one.")
    _check_undiverted(folder)
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} holds an adapter_config.json: it would be loaded as an adapter of a model that lies "
            "elsewhere. Merge it into its model and save the whole, or take that file away."
        )
    safe = sorted(folder.glob("*.safetensors"))
    if safe:
        _check_index(folder / "model.safetensors.index.json", safe)
        return safe
    pickles = sorted(path for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles and allow_pickle:
        _check_index(folder / "pytorch_model.bin.index.json", pickles)
        return pickles
    if pickles:
        raise ModelError(
            f"{folder} has its weights only in pickle files ({pickles[0].name}), which can run code when "
            "loaded. Convert them to safetensors, or accept the risk with --allow-pickle."
        )
    if graphs := sorted(folder.rglob("*.onnx")):
        raise ModelError(f"{folder} has its weights in ONNX files. Name the one that is meant: {graphs[0]}.")
    raise ModelError(f"{folder} has no weights: no *.safetensors file beside config.json. Copy them there.")


def _check_undiverted(folder: Path) -> None:
    """What is loaded has to be what is counted, read and hashed: settings could name other files."""
    config, tokenizer = folder / "config.json", folder / "tokenizer_config.json"
    said = settings(folder)
    for key in ("transformers_weights", "configuration_files"):
        if said.get(key):
            raise ModelError(
                f"{config} names other files under `{key}`, which would be loaded in the place of those that "
                "are counted. Take that key out, and give the files their usual names."
            )
    for key, value in (_object(tokenizer) if tokenizer.is_file() else {}).items():
        named = value if isinstance(value, list) else [value]
        # Where nothing lies, as on another machine than its maker's, nothing is read
        away = (name for name in named if isinstance(name, str) and _leads_out(folder, name))
        if key.endswith(("_file", "_files")) and (name := next(away, None)):
            raise ModelError(
                f"{tokenizer} names {name!r} under `{key}`, a file of another folder. Take that key out."
            )


def _leads_out(folder: Path, name: str) -> bool:
    """Whether a name leads to something outside of a folder. Links count as where they lie."""
    named = Path(os.path.normpath(folder / name))
    return not named.is_relative_to(os.path.normpath(folder)) and os.path.lexists(named)


def _check_index(index: Path, files: list[Path]) -> None:
    """What is loaded has to be what is counted and hashed: an index could name files of another folder."""
    if not index.is_file():
        return
    named = _object(index).get("weight_map")
    if not isinstance(named, dict):
        raise ModelError(f"{index} names no files under `weight_map`. Copy it again.")
    strange = sorted({str(name) for name in named.values()} - {path.name for path in files})
    if strange:
        raise ModelError(
            f"{index} has tensors in {strange[0]!r}, which is no weight file of this folder. Copy it "
            "there, or take the checkpoint whole from where it came."
        )


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder."""
    try:
        found = json_of(read_bytes(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error}. Copy it again.") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no JSON object. Copy it again.")
    return found


def beside(file: Path) -> Path:
    """The folder of a model's one file, or that above it, where the tokenizer lies; else its own folder."""
    folders = (file.parent, file.parent.parent)
    return next((one for one in folders if (one / "tokenizer.json").is_file()), file.parent)


def digests(files: list[Path]) -> dict[str, str]:
    """The sha256 of each file, by its name."""
    found = {}
    for path in files:
        with path.open("rb") as stream:
            found[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def digest(files: Mapping[str, str]) -> str:
    """sha256 over the files' names and their sha256: renaming the folder changes nothing."""
    return hashlib.sha256("".join(f"{name}\0{sha}\n" for name, sha in files.items()).encode()).hexdigest()


def contents(folder: Path, original: Path | None = None) -> Contents:
    """Count bytes, parameters and bits over the safetensors files of a checkpoint folder.

    `original` is the folder that it was made from (None: it is the original): what is stored otherwise
    than there is what was compressed.
    """
    if folder.suffix == ".gguf":
        return gguf_contents(folder)
    if folder.suffix == ".onnx":
        return onnx_contents(folder)
    stored = tensors(folder)
    packed = list(quantised(stored, named_bits(quantization_of(folder))))
    parts = {name for one in packed for name in one.parts}
    plain = {name: tensor for name, tensor in stored.items() if name not in parts}
    packed_weights = sum(one.size for one in packed)
    parameters = packed_weights + sum(tensor.size for tensor in plain.values())
    if not parameters:
        raise ModelError(f"{folder} holds no weights: its files have no tensors. Copy them again.")
    bits_per_weight = sum(tensor.bits for tensor in stored.values()) / parameters
    changed = _changed(plain, original)
    touched: int | NotMeasured
    if packed:
        touched, bits_touched = packed_weights, sum(stored[name].bits for name in parts)
    elif changed is None:
        touched, bits_touched = NotMeasured(unseen(original)), 0
    else:
        touched, bits_touched = sum(one.size for one in changed), sum(one.bits for one in changed)
    of_touched = _ratio(bits_touched, touched)
    nominal = bits_per_weight if isinstance(of_touched, NotMeasured) else of_touched
    if packed:
        nominal = sum(stored[one.codes].bits for one in packed) / packed_weights
    return Contents(
        size_bytes=sum(path.stat().st_size for path in weight_files(folder)),
        parameters=parameters,
        bits_per_weight=bits_per_weight,
        compressed_parameters=touched,
        compressed_bits_per_weight=of_touched,
        nominal_bits=nominal,
        stored_as=_stored_as(folder, sorted({tensor.dtype for tensor in plain.values()})),
        format=_format(folder),
        kept=_kept(plain, changed, whole=not packed),
    )


def _kept(
    plain: dict[str, StoredTensor], changed: list[StoredTensor] | None, *, whole: bool
) -> tuple[str, ...]:
    """The matrices in full precision; where nothing is packed, those that are the original's."""
    other = {tensor.name for tensor in changed or ()} if whole else set()
    matrices = [name for name, tensor in plain.items() if len(tensor.shape) > 1 and name not in other]
    return tuple(sorted({any_layer(name) for name in matrices}))


def tensors(folder: Path) -> dict[str, StoredTensor]:
    """What the safetensors files of a checkpoint folder hold, by name."""
    return {tensor.name: tensor for path in weight_files(folder) for tensor in stored_tensors(path)}


def _changed(plain: dict[str, StoredTensor], original: Path | None) -> list[StoredTensor] | None:
    """The plain tensors that the original does not hold byte for byte; None if that can't be seen."""
    if original is None:
        return []
    if unseen(original):
        return None
    theirs = tensors(original)
    return [tensor for name, tensor in plain.items() if name not in theirs or not tensor.equals(theirs[name])]


def _ratio(bits: int, weights: int | NotMeasured) -> float | NotMeasured:
    if isinstance(weights, NotMeasured):
        return weights
    return bits / weights if weights else NotMeasured("nothing was compressed")


def pickled_contents(folder: Path, parameters: int) -> Contents:
    """The same for weights in pickle files, whose tensors only loading can count."""
    size_bytes = sum(path.stat().st_size for path in weight_files(folder, allow_pickle=True))
    return Contents(
        size_bytes=size_bytes,
        parameters=parameters,
        bits_per_weight=8 * size_bytes / parameters,
        compressed_parameters=0,
        compressed_bits_per_weight=NotMeasured("nothing was compressed"),
        nominal_bits=8 * size_bytes / parameters,
        stored_as="pickle, dense",
        format="pickle",
        kept=NotMeasured("it lies in pickle files"),
    )


def gguf_contents(file: Path) -> Contents:
    """The same for a GGUF file: what is stored in blocks counts as compressed."""
    from gguf import GGMLQuantizationType, GGUFReader

    try:
        tensors = GGUFReader(file).tensors
    except (ValueError, OSError, LookupError, OverflowError, TypeError) as error:
        raise ModelError(f"{file} is no whole GGUF file ({error}). Copy it again.") from None
    if not tensors:
        raise ModelError(f"{file} holds no weights. Name the file of the whole model.")
    floats = {GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16}
    blocks = [tensor for tensor in tensors if tensor.tensor_type not in floats]
    count = {
        kind: sum(one.tensor_type == kind for one in tensors) for kind in {t.tensor_type for t in tensors}
    }
    parameters = sum(int(tensor.n_elements) for tensor in tensors)
    touched = sum(int(tensor.n_elements) for tensor in blocks)
    bits_per_weight = 8 * sum(int(tensor.n_bytes) for tensor in tensors) / parameters
    of_blocks = _ratio(8 * sum(int(tensor.n_bytes) for tensor in blocks), touched)
    # A file named Q4_1 has its embeddings and its head wider: the name is that of what lies between
    between = [one for one in blocks if not one.name.startswith(("token_embd", "output."))] or blocks
    of_these = _ratio(
        8 * sum(int(tensor.n_bytes) for tensor in between), sum(int(tensor.n_elements) for tensor in between)
    )
    kept = {any_layer(one.name) for one in tensors if one.tensor_type in floats and len(one.shape) > 1}
    return Contents(
        size_bytes=file.stat().st_size,
        parameters=parameters,
        bits_per_weight=bits_per_weight,
        compressed_parameters=touched,
        compressed_bits_per_weight=of_blocks,
        nominal_bits=bits_per_weight if isinstance(of_these, NotMeasured) else of_these,
        stored_as="GGUF: " + ", ".join(f"{count[kind]} tensors {kind.name}" for kind in sorted(count)),
        format="gguf",
        kept=tuple(sorted(kept)),
    )


def onnx_contents(file: Path) -> Contents:
    """The same for an ONNX file: what its operators unpack counts as compressed."""
    graph = onnx_graph.read(file)
    parts, touched = graph.parts, sum(one.weights for one in graph.packed)
    parameters = touched + sum(one.size for one in graph.plain)
    if not parameters:
        raise ModelError(f"{file} holds no weights. Name the file of the whole model.")
    bits_per_weight = sum(one.bits for one in graph.tensors) / parameters
    by_operator = Counter(one.operator for one in graph.packed)
    packed = ", ".join(f"{count} matrices {operator}" for operator, count in sorted(by_operator.items()))
    rest = ", ".join(graph.dtypes)
    return Contents(
        size_bytes=sum(path.stat().st_size for path in weight_files(file)),
        parameters=parameters,
        bits_per_weight=bits_per_weight,
        compressed_parameters=touched,
        compressed_bits_per_weight=_ratio(
            sum(one.bits for one in graph.tensors if one.name in parts), touched
        ),
        nominal_bits=sum(one.codes.bits for one in graph.packed) / touched if touched else bits_per_weight,
        stored_as=f"ONNX: {packed}; the rest {rest}" if packed else f"ONNX: {rest}, dense",
        format="onnx",
        kept=tuple(sorted({any_layer(one.name) for one in graph.plain if len(one.shape) > 1})),
    )


def float_dtypes(folder: Path) -> frozenset[str]:
    """In what the floating-point tensors of a checkpoint folder are stored, by torch's names."""
    dtypes = {tensor.dtype for tensor in tensors(folder).values()}
    return frozenset(_FLOATS.get(dtype, dtype.lower()) for dtype in dtypes if dtype.startswith(("F", "BF")))


def is_pickle(folder: Path) -> bool:
    """Whether the folder's weights lie in pickle files only."""
    return folder.is_dir() and not any(folder.glob("*.safetensors"))


def unseen(original: Path | None) -> str:
    """Why the tensors of an original can't be held against others one by one; empty where they can."""
    if original is not None and original.suffix == ".gguf":
        return "the original is a GGUF file"
    return "the original lies in pickle files" if original is not None and is_pickle(original) else ""


def _stored_as(folder: Path, plain: list[str]) -> str:
    dense = ", ".join(_FLOATS.get(dtype, dtype.lower()) for dtype in plain)
    quantization = quantization_of(folder)
    if not quantization:
        return f"{dense}, dense"
    groups = [one for one in (quantization.get("config_groups") or {}).values() if one.get("weights")]
    if not groups:
        bits, method = named_bits(quantization), quantization.get("quant_method") or "unknown quantisation"
        spread = f", groups of {quantization['group_size']}" if quantization.get("group_size") else ""
        if quantization.get("load_in_4bit"):
            twice = ", scales quantised too" if quantization.get("bnb_4bit_use_double_quant") else ""
            return f"{method}, {quantization.get('bnb_4bit_quant_type', 'fp4')}{twice}; the rest {dense}"
        return f"{method}{f', {bits} bits' if bits else ''}{spread}; the rest {dense}"
    weights = groups[0]["weights"]
    spread = f"groups of {weights['group_size']}" if weights.get("group_size") else "one scale per channel"
    symmetry = "symmetric" if weights.get("symmetric") else "asymmetric"
    inputs = groups[0].get("input_activations")
    rounded = f", activations in {inputs.get('num_bits', 'unnamed')} bits" if inputs else ""
    widths = sorted({group["weights"].get("num_bits") or 0 for group in groups})
    integers = ", ".join(f"int{bits}" if bits else "an unnamed width" for bits in widths)
    return (
        f"{integers}, {symmetry}, {spread}{rounded}, {quantization.get('format') or 'an unnamed format'} "
        f"({quantization.get('quant_method') or 'unknown quantisation'}); embeddings and norms {dense}"
    )


def said_of(folder: Path) -> list[Claim]:
    """What the artefact's own config says of it."""
    quantization = quantization_of(folder)
    bits, sparsity = named_bits(quantization), quantization.get("sparsity_config") or {}
    source = "config.json"
    found = [] if bits is None else [Claim(quantity="bits", value=bits, source=source)]
    if sparsity.get("sparsity_structure") == "2:4":
        found.append(Claim(quantity="2:4", value=1, source=source))
    return found


def _format(folder: Path) -> str:
    """What a runtime has to know beyond safetensors: the method that the weights were packed by."""
    quantization = quantization_of(folder)
    if not quantization:
        return "safetensors"
    return str(quantization.get("quant_method") or "safetensors, quantised by an unnamed method")


def quantization_of(folder: Path) -> dict[str, Any]:
    """How the config says that the weights were quantised; empty where they were not."""
    if folder.is_file():
        return {}
    found = settings(folder).get("quantization_config") or {}
    if not isinstance(found, dict):
        raise ModelError(f"{folder / 'config.json'}: `quantization_config` is no object. Copy it again.")
    try:
        check_quantization(found)
    except ValueError as error:
        raise ModelError(f"{folder / 'config.json'}: quantization_config.{error}. Copy it again.") from None
    return found


def settings(folder: Path) -> dict[str, Any]:
    """What the config.json of a model folder says. Raises ModelError where it can't be read."""
    return _object(folder / "config.json")

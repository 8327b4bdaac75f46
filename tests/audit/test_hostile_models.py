"""Models of strangers: none of their code runs unasked, and no header is believed."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from audit import gguf_header, load_config, make_variants, onnx_graph, run_audit, weights
from audit.errors import ModelError
from audit.loading import load_model, load_tokenizer
from audit.onnx_model import load as load_onnx
from audit.stored_tensors import stored_tensors


class Payload:
    """What a pickle does when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def with_pickle(model: Path, trace: Path) -> Path:
    """The model with its weights in a pickle that leaves a trace."""
    (model / "model.safetensors").unlink()
    torch.save({"model.embed_tokens.weight": Payload(trace)}, model / "pytorch_model.bin")
    with (model / "pytorch_model.bin").open("rb") as stream:
        torch.load(stream, weights_only=False)
    assert trace.exists(), "a pickle that is loaded leaves its trace"
    trace.unlink()
    return model


CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
Path({trace!r}).touch()
class Theirs(LlamaConfig):
    model_type = "theirs"
class Model(LlamaForCausalLM):
    config_class = Theirs
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


def with_code(model: Path, trace: Path) -> Path:
    """The model with code that leaves a trace when transformers imports it."""
    (model / "theirs.py").write_text(CODE.format(trace=str(trace)))
    config = json.loads((model / "config.json").read_text())
    maps = {"AutoConfig": "theirs.Theirs", "AutoModelForCausalLM": "theirs.Model"}
    (model / "config.json").write_text(json.dumps(config | {"model_type": "theirs", "auto_map": maps}))
    return model


@pytest.fixture(autouse=True)
def _modules_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers copies a model's code before it imports it."""
    import transformers.dynamic_module_utils as theirs

    monkeypatch.setattr(theirs, "HF_MODULES_CACHE", str(tmp_path / "modules"))


def test_a_pickle_is_refused_and_run_by_nobody(broken_copy: Path, tmp_path: Path) -> None:
    model = with_pickle(broken_copy, tmp_path / "trace")
    with pytest.raises(ModelError, match="pickle files"):
        load_config({"model": str(model)})
    assert not (tmp_path / "trace").exists()


def test_a_pickle_that_was_allowed_holds_tensors_or_nothing(broken_copy: Path, tmp_path: Path) -> None:
    model = with_pickle(broken_copy, tmp_path / "trace")
    with pytest.raises((ModelError, pickle.UnpicklingError), match=r"(?i)weights"):
        load_model(model, allow_pickle=True)
    assert not (tmp_path / "trace").exists()


def test_a_models_code_runs_when_it_is_trusted_and_else_never(broken_copy: Path, tmp_path: Path) -> None:
    model = with_code(broken_copy, tmp_path / "trace")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_model(model)
    assert not (tmp_path / "trace").exists()
    load_model(model, trust_remote_code=True)
    assert (tmp_path / "trace").exists()


def test_a_tokenizers_code_does_not_run(broken_copy: Path, tmp_path: Path) -> None:
    model = with_code(broken_copy, tmp_path / "trace")
    said = json.loads((model / "tokenizer_config.json").read_text())
    said["auto_map"] = {"AutoTokenizer": [None, "theirs.Tokenizer"]}
    said["tokenizer_class"] = "Tokenizer"
    (model / "tokenizer_config.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match="no loadable tokenizer"):
        load_tokenizer(model)
    assert not (tmp_path / "trace").exists()


def test_that_the_original_is_trusted_trusts_no_candidate(
    tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    theirs = with_code(broken_copy, tmp_path / "trace")
    asked = {
        "model": {"name": str(tiny), "trust_remote_code": True}, "candidates": [{"model": str(theirs)}],
        "suites": ["accuracy"], "limit": 4, "efficiency": True, "out": str(tmp_path / "run"),
    }  # fmt: skip
    with pytest.raises(ModelError):
        run_audit(load_config(asked))
    assert not (tmp_path / "trace").exists()


def test_speed_is_measured_with_the_trust_of_the_model_that_is_measured(tiny: Path, tmp_path: Path) -> None:
    from audit.efficiency import _trust

    asked = load_config(
        {
            "model": {"name": str(tiny), "trust_remote_code": True, "allow_pickle": True},
            "levels": ["int8"], "candidates": [{"model": str(tiny), "name": "theirs"}],
            "out": str(tmp_path / "run"),
        }
    )  # fmt: skip
    original, int8, theirs = make_variants(asked)
    both = {"trust_remote_code": True, "allow_pickle": True}
    assert [_trust(asked, one) for one in (original, int8)] == [both, both]
    assert not any(_trust(asked, theirs).values())


def test_the_config_beside_an_onnx_file_runs_no_code(
    broken_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import onnx_model

    with_code(broken_copy, tmp_path / "trace")
    (broken_copy / "model.onnx").touch()
    monkeypatch.setattr("builtins.input", lambda _: "y")  # transformers would ask whoever sits there
    with pytest.raises(ModelError, match="can't be read"):
        onnx_model._config(broken_copy / "model.onnx")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "named",
    [
        {"attn_implementation": "them/kernel"},
        {"_attn_implementation": "them/kernel"},
        {"text_config": {"attn_implementation": "them/kernel"}},
    ],
)
def test_a_kernel_of_the_hub_is_not_run(broken_copy: Path, named: dict[str, Any]) -> None:
    config = json.loads((broken_copy / "config.json").read_text())
    (broken_copy / "config.json").write_text(json.dumps(config | named))
    with pytest.raises(ModelError, match="'them/kernel', a program from the hub"):
        load_model(broken_copy)


@pytest.mark.parametrize("named", ["../other/model.safetensors", "/etc/passwd", "gone.safetensors"])
def test_an_index_names_files_of_its_own_folder(broken_copy: Path, named: str) -> None:
    index = {"weight_map": {"model.norm.weight": named, "lm_head.weight": "model.safetensors"}}
    (broken_copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="no weight file of this folder"):
        load_config({"model": str(broken_copy)})


@pytest.mark.parametrize(
    "named",
    [
        {"transformers_weights": "sub/real.safetensors"},
        {"transformers_weights": "x.safetensors.index.json"},
        {"transformers_weights": "adapter_model.bin"},
        {"configuration_files": ["config.4.0.0.json"]},
    ],
)
def test_a_config_puts_no_other_files_in_the_place_of_those_that_are_hashed(
    broken_copy: Path, named: dict[str, Any]
) -> None:
    config = json.loads((broken_copy / "config.json").read_text())
    (broken_copy / "config.json").write_text(json.dumps(config | named))
    with pytest.raises(ModelError, match=f"names other files under `{next(iter(named))}`"):
        load_config({"model": str(broken_copy)})


@pytest.mark.parametrize(
    ("named", "refused"),
    [
        ({"tokenizer_file": "../other/tokenizer.json"}, True),
        ({"fast_tokenizer_files": ["tokenizer.json", "../other/tokenizer.4.0.0.json"]}, True),
        ({"tokenizer_file": "tokenizer.json"}, False),
        ({"special_tokens_map_file": "/home/their/maker/special_tokens_map.json"}, False),
        ({"vocab_file": None}, False),
    ],
)
def test_a_tokenizer_is_read_from_its_own_folder(
    broken_copy: Path, named: dict[str, Any], refused: bool
) -> None:
    other = broken_copy.with_name("other")
    other.mkdir()
    for name in ("tokenizer.json", "tokenizer.4.0.0.json"):
        shutil.copy(broken_copy / "tokenizer.json", other / name)
    said = json.loads((broken_copy / "tokenizer_config.json").read_text())
    (broken_copy / "tokenizer_config.json").write_text(json.dumps(said | named))
    if refused:
        with pytest.raises(ModelError, match=f"under `{next(iter(named))}`, a file of another folder"):
            load_config({"model": str(broken_copy)})
    else:
        load_config({"model": str(broken_copy)})


def test_pickles_that_were_allowed_are_not_loaded_beside_safetensors_that_were_counted(
    broken_copy: Path,
) -> None:
    (broken_copy / "model.safetensors").rename(broken_copy / "decoy.safetensors")
    torch.save({}, broken_copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_model(broken_copy, allow_pickle=True)


@pytest.mark.parametrize("dtype", ["save", "no_such", "nn"])
def test_a_dtype_that_is_none_is_named(broken_copy: Path, dtype: str) -> None:
    config = json.loads((broken_copy / "config.json").read_text())
    (broken_copy / "config.json").write_text(json.dumps(config | {"dtype": dtype}))
    with pytest.raises(ModelError, match=f"names the dtype '{dtype}'"):
        load_model(broken_copy)


def test_an_adapter_does_not_put_another_model_in_the_place_of_the_one_that_is_hashed(
    broken_copy: Path,
) -> None:
    (broken_copy / "adapter_config.json").write_text('{"base_model_name_or_path": "them/other"}')
    with pytest.raises(ModelError, match="an adapter of a model that lies elsewhere"):
        load_config({"model": str(broken_copy)})


WHOLE = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"a": WHOLE | {"shape": [1 << 40, 1 << 40]}}, "don't fit"),
        ({"a": WHOLE | {"shape": [2, 3]}}, "don't fit"),
        ({"a": WHOLE | {"shape": [-2, -2]}}, "no number"),
        ({"a": WHOLE | {"shape": [2.0, 2]}}, "no number"),
        ({"a": WHOLE | {"data_offsets": [32, 16]}}, "don't fit"),
        ({"a": WHOLE | {"data_offsets": [-8, 8]}}, "no number"),
        ({"a": WHOLE | {"data_offsets": [0, 1 << 60]}}, "ends past the file"),
        ({"a": WHOLE, "b": WHOLE | {"data_offsets": [8, 24]}}, "a and b overlap"),
        ({"a": WHOLE | {"dtype": "F31"}}, "unknown dtype"),
        ({"a": []}, "unreadable safetensors header"),
        ([], "unreadable safetensors header"),
    ],
)
def test_a_header_that_lies_is_refused(header: Any, said: str, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(64))
    with pytest.raises(ModelError, match=said):
        list(stored_tensors(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("length", [0, 65, 1 << 40, (1 << 64) - 1])
def test_a_header_that_is_longer_than_its_file_is_refused(length: int, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{}" + bytes(54))
    with pytest.raises(ModelError, match="header is cut"):
        list(stored_tensors(tmp_path / "model.safetensors"))


def test_a_checkpoint_without_a_weight_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": np.zeros((0,), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="holds no weights"):
        weights.contents(tmp_path)


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def gguf(values: bytes = b"", n_values: int = 0, tensors: bytes = b"", n_tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_values) + values + tensors


def array(kind: int, count: int) -> bytes:
    return string(b"a") + struct.pack("<IIQ", 9, kind, count)


MANY = 1 << 60


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gguf(array(0, MANY), 1), "ends past the file"),
        (gguf(array(8, MANY), 1), "buffer"),
        (gguf(string(b"a") + struct.pack("<IIQ", 9, 9, 1) + 9 * struct.pack("<IQ", 9, 1), 1), "too deep"),
        (gguf(string(b"a") + struct.pack("<I", 77), 1), "unknown type 77"),
        (gguf(struct.pack("<Q", MANY), 1), "ends past the file"),
        (gguf(n_values=MANY), "buffer"),
        (gguf(n_tensors=MANY), "buffer"),
        (gguf(tensors=string(b"t") + struct.pack("<I", MANY & 0xFFFFFFF | 64), n_tensors=1), "dimensions"),
        (
            gguf(tensors=string(b"t") + struct.pack("<IQQIQ", 2, 1 << 32, 1 << 32, 0, 0), n_tensors=1),
            "ends past the file",
        ),
        (
            gguf(tensors=string(b"t") + struct.pack("<IQIQ", 1, 4, 0, MANY), n_tensors=1),
            "ends past the file",
        ),
        (b"GGUF", "buffer"),
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(64), "does not begin with GGUF"),
    ],
)
def test_a_gguf_header_that_lies_is_refused_before_its_reader_believes_it(
    data: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(ModelError, match=said):
        weights.weight_files(tmp_path / "model.gguf")


def test_a_gguf_file_that_says_the_truth_passes(tmp_path: Path) -> None:
    gguf_of = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    writer = gguf_of.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_array("numbers", [1, 2, 3])
    writer.add_array("words", ["a", "b"])
    writer.add_bool("yes", True)
    writer.add_tensor("t", np.zeros((2, 32), np.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        step()
    writer.close()
    gguf_header.check(tmp_path / "model.gguf")


def test_tensors_of_an_onnx_file_lie_beside_it(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnxruntime is not installed")
    outside = tmp_path / "outside"
    outside.write_bytes(np.zeros(4, np.float32).tobytes())
    (tmp_path / "model").mkdir()
    held = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
    held.external_data.add(key="location", value="../outside")
    made = onnx.helper.make_tensor_value_info("logits", 1, [4])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["w"], ["logits"])], "g", [], [made], initializer=[held]
    )
    file = tmp_path / "model" / "model.onnx"
    file.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match=r"tensor w in \.\./outside"):
        weights.contents(file)
    with pytest.raises(ModelError, match="can't be loaded by onnxruntime"):
        load_onnx(file, 1)


def in_a_branch(onnx: Any, held: Any) -> Any:
    inner = onnx.helper.make_graph([], "then", [], [], initializer=[held])
    return onnx.helper.make_node("If", ["c"], ["logits"], then_branch=inner, else_branch=inner)


def in_a_loop_of_a_branch(onnx: Any, held: Any) -> Any:
    inner = onnx.helper.make_graph([in_a_branch(onnx, held)], "body", [], [])
    return onnx.helper.make_node("Loop", ["", "c"], ["logits"], body=inner)


def in_a_constant(onnx: Any, held: Any) -> Any:
    return onnx.helper.make_node("Constant", [], ["logits"], value=held)


def in_a_list(onnx: Any, held: Any) -> Any:
    return onnx.helper.make_node("Theirs", [], ["logits"], values=[held])


def in_a_sparse_one(onnx: Any, held: Any) -> Any:
    sparse = onnx.SparseTensorProto(values=held, dims=[4])
    return onnx.helper.make_node("Constant", [], ["logits"], sparse_value=sparse)


@pytest.mark.parametrize("place", ["other.bin", "../x", "model.onnx.data"])
@pytest.mark.parametrize(
    "node", [in_a_branch, in_a_loop_of_a_branch, in_a_constant, in_a_list, in_a_sparse_one]
)
def test_a_tensor_inside_of_an_operator_lies_beside_its_file_too(
    node: Any, place: str, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnxruntime is not installed")
    (tmp_path / "model").mkdir()
    for name in ("other.bin", "../x", "model.onnx.data"):
        (tmp_path / "model" / name).write_bytes(bytes(16))
    held = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
    held.external_data.add(key="location", value="model.onnx.data")
    held.external_data.add(key="location", value=place)
    graph = onnx.helper.make_graph([node(onnx, held)], "g", [], [])
    file = tmp_path / "model" / "model.onnx"
    file.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    if place == "model.onnx.data":
        onnx_graph.read(file)
        return
    with pytest.raises(ModelError, match=f"tensor w in {place}: that is not beside it"):
        onnx_graph.read(file)


def test_branches_too_deep_in_each_other_are_an_error_of_ours(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnxruntime is not installed")

    def holding(number: int, data: bytes) -> bytes:
        """A field of protobuf that holds another message."""
        size, length = len(data), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    data = b""
    for _ in range(5000):  # a graph of a node of an attribute of a graph
        data = holding(1, holding(5, holding(6, data)))
    (tmp_path / "model.onnx").write_bytes(holding(7, data))
    assert onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number == 7
    with pytest.raises(ModelError, match="no whole ONNX file"):
        onnx_graph.read(tmp_path / "model.onnx")

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from audit import weights
from audit.errors import ModelError
from audit.records import NotMeasured


def folder(path: Path, tensors: dict[str, np.ndarray], config: dict[str, object] | None = None) -> Path:
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config or {}))
    save_file(tensors, path / "model.safetensors")
    return path


def packed(path: Path) -> Path:
    """64 × 32 weights in 4 bits with a float32 scale a row, and 10 plain float32 weights."""
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"linear": {"weights": {"num_bits": 4, "symmetric": True, "group_size": None}}},
    }
    return folder(
        path,
        {
            "a.weight_packed": np.zeros((64, 4), np.int32),
            "a.weight_scale": np.zeros((64, 1), np.float32),
            "a.weight_shape": np.array([64, 32], np.int64),
            "b.weight": np.zeros(10, np.float32),
        },
        {"quantization_config": quantization},
    )


def test_plain_tensors_count_at_their_own_width(tmp_path: Path) -> None:
    counted = weights.contents(
        folder(tmp_path / "m", {"w": np.zeros((4, 5), np.float32), "v": np.zeros(20, np.float16)})
    )
    assert counted.parameters == 40
    assert counted.bits_per_weight == (20 * 32 + 20 * 16) / 40
    assert counted.compressed_parameters == 0
    assert isinstance(counted.compressed_bits_per_weight, NotMeasured)


def test_what_differs_from_the_original_is_what_was_compressed(tmp_path: Path) -> None:
    original = folder(tmp_path / "o", {"w": np.ones((4, 5), np.float32), "v": np.zeros(20, np.float32)})
    pruned = folder(tmp_path / "p", {"w": np.eye(4, 5, dtype=np.float32), "v": np.zeros(20, np.float32)})
    counted = weights.contents(pruned, original)
    assert counted.compressed_parameters == 20
    assert counted.compressed_bits_per_weight == 32


def test_a_copy_of_the_original_compressed_nothing(tmp_path: Path) -> None:
    original = folder(tmp_path / "o", {"w": np.ones((4, 5), np.float32)})
    assert weights.contents(folder(tmp_path / "c", {"w": np.ones((4, 5), np.float32)}), original)[3] == 0


def test_packed_tensors_count_their_logical_weights_and_all_their_bits(tmp_path: Path) -> None:
    counted = weights.contents(packed(tmp_path / "m"))
    packed_bits = 64 * 4 * 32 + 64 * 32 + 2 * 64
    assert counted.parameters == 64 * 32 + 10
    assert counted.compressed_parameters == 64 * 32
    assert counted.compressed_bits_per_weight == packed_bits / (64 * 32)
    assert counted.nominal_bits == 4
    assert counted.bits_per_weight == (packed_bits + 320) / (64 * 32 + 10)


def test_what_the_file_holds_is_said_in_words(tmp_path: Path) -> None:
    counted = weights.contents(packed(tmp_path / "m"))
    assert counted.stored_as.startswith("int4, symmetric, one scale per channel, pack-quantized")


@pytest.mark.parametrize(
    ("quantization", "said"),
    [
        (
            {
                "quant_method": "bitsandbytes",
                "load_in_4bit": True,
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": True,
            },
            "bitsandbytes, nf4, scales quantised too; the rest float32",
        ),
        (
            {"quant_method": "gptq", "bits": 3, "group_size": 128},
            "gptq, 3 bits, groups of 128; the rest float32",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "int-quantized",
                "config_groups": {
                    "a": {"weights": {"num_bits": 8, "symmetric": True}, "input_activations": {"num_bits": 8}}
                },
            },
            "int8, symmetric, one scale per channel, activations in 8 bits, int-quantized "
            "(compressed-tensors); embeddings and norms float32",
        ),
    ],
)
def test_every_method_is_said_in_its_own_words(
    quantization: dict[str, object], said: str, tmp_path: Path
) -> None:
    tensors = {"w": np.zeros(8, np.float32)}
    path = folder(tmp_path / "m", tensors, {"quantization_config": quantization})
    assert weights.contents(path).stored_as == said


def test_a_file_that_stores_floats_is_not_called_four_bit_by_its_name(tmp_path: Path) -> None:
    counted = weights.contents(folder(tmp_path / "model-int4", {"w": np.zeros(8, np.float32)}))
    assert counted.stored_as == "float32, dense"
    assert counted.bits_per_weight == 32


def test_the_format_is_read_from_the_file(tmp_path: Path) -> None:
    plain = folder(tmp_path / "model-gptq", {"w": np.zeros(8, np.float32)})
    gptq = folder(
        tmp_path / "m", {"w": np.zeros(8, np.float32)}, {"quantization_config": {"quant_method": "gptq"}}
    )
    nameless = folder(tmp_path / "n", {"w": np.zeros(8, np.float32)}, {"quantization_config": {"bits": 4}})
    formats = [weights.contents(path).format for path in (plain, gptq, packed(tmp_path / "p"), nameless)]
    assert formats[:3] == ["safetensors", "gptq", "compressed-tensors"]
    assert formats[3] != "safetensors"
    assert weights.pickled_contents(pickled(tmp_path / "q"), 8).format == "pickle"


def pickled(path: Path) -> Path:
    """A folder with a pickle file, which nobody opens."""
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "pytorch_model.bin").write_bytes(b"x")
    return path


def test_only_floating_point_tensors_tell_the_precision(tmp_path: Path) -> None:
    tensors = {
        "w": np.zeros(4, np.float32), "v": np.zeros(4, np.float16), "i": np.zeros(4, np.int32),
        "b": np.zeros(4, np.bool_),
    }  # fmt: skip
    assert weights.float_dtypes(folder(tmp_path / "m", tensors)) == {"float32", "float16"}


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"w": np.zeros(4, np.float32)})
    two = folder(tmp_path / "two", {"w": np.zeros(4, np.float32)})
    other = folder(tmp_path / "other", {"w": np.ones(4, np.float32)})
    digests = [weights.digest(weights.digests(weights.weight_files(path))) for path in (one, two, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        weights.weight_files(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 20, -8])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = folder(tmp_path / "m", {"w": np.zeros(400, np.float32)})
    file = path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match="Copy it again"):
        weights.contents(path)


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"w": 1}', b'{"w": {"dtype": "F32"}}', b"\xff\xfe"])
def test_a_garbled_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = folder(tmp_path / "m", {"w": np.zeros(4, np.float32)})
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        weights.contents(path)


def test_a_gguf_file_counts_its_blocks(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    values = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("blk.0.ffn_up.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("token_embd.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert not weights.is_pickle(tmp_path / "m.gguf")
    counted = weights.contents(tmp_path / "m.gguf")
    assert counted.parameters == 2 * 64 * 32
    assert counted.compressed_parameters == 64 * 32
    assert counted.compressed_bits_per_weight == 8 + 16 / 32  # a float16 scale for each block of 32
    assert (counted.format, counted.kept) == ("gguf", ("token_embd.weight",))
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "m.gguf").read_bytes()[:40])
    with pytest.raises(ModelError, match="no whole GGUF file"):
        weights.contents(tmp_path / "cut.gguf")

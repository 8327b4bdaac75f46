"""llama.cpp's k-quants, as published models mostly are: every width is read, and as its blocks say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.claims import checked, in_name
from audit.derivation import derivation
from audit.loading import load_model
from audit.records import NotMeasured
from audit.weights import contents

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")

WIDTH, VOCABULARY = 256, 32  # a k-quant's block is 256 weights of a row
BITS = {
    "Q2_K": 84, "Q3_K": 110, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210,
    "IQ4_XS": 136, "IQ2_XXS": 66, "IQ3_S": 110,
}  # fmt: skip
"""Bytes of a block of 256, as llama.cpp's ggml-common.h has them."""
HALVES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where in a block the float16 scales lie; of the others at its beginning."""


def write(file: Path, kind: str, wide_vocabulary: int = 0) -> np.ndarray[Any, Any]:
    """A llama of one layer whose matrices are random blocks; the blocks of `up_proj`, [rows, bytes].

    Its embeddings and its head are in full, or of so many rows in Q8_0.
    """
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(wide_vocabulary or VOCABULARY)
    for name in ("token_embd", "output"):
        if wide_vocabulary:
            whole = np.zeros((wide_vocabulary, WIDTH // 32 * 34), np.uint8)
            writer.add_tensor(f"{name}.weight", whole, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", rng.normal(size=(VOCABULARY, WIDTH)).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        blocks = rng.integers(0, 256, (WIDTH, BITS[kind]), dtype=np.uint8)
        for at in HALVES.get(kind, (0,)):  # no NaN, nothing huge
            blocks[:, at : at + 2] = rng.uniform(0.001, 0.01, (WIDTH, 1)).astype(np.float16).view(np.uint8)
        writer.add_tensor(f"blk.0.{name}.weight", blocks, raw_dtype=gguf.GGMLQuantizationType[kind])
        if name == "ffn_up":
            up = blocks
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return up


@pytest.mark.parametrize("kind", BITS)
def test_every_width_is_counted_and_loaded(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", kind)
    counted = contents(tmp_path / "m.gguf")
    assert counted.compressed_bits_per_weight == 8 * BITS[kind] / 256
    assert counted.compressed_parameters == 7 * WIDTH * WIDTH
    up: Any = load_model(tmp_path / "m.gguf", dtype="float32").model.layers[0].mlp.up_proj.weight
    assert up.shape == (WIDTH, WIDTH)
    assert up.isfinite().all()
    assert up.std() > 0


def test_a_file_is_called_by_its_layers_and_not_by_wider_embeddings(tmp_path: Path) -> None:
    write(tmp_path / "m-Q4_K_M.gguf", "Q4_K", wide_vocabulary=4096)
    counted = contents(tmp_path / "m-Q4_K_M.gguf")
    assert counted.compressed_bits_per_weight > 7
    assert counted.nominal_bits == 8 * BITS["Q4_K"] / 256
    (claim,) = checked(in_name("m-Q4_K_M"), counted.nominal_bits, 0.0, 0.0, 0)
    assert claim.holds


def q4_k(block: np.ndarray[Any, Any]) -> list[float]:
    """block_q4_K: two float16, eight scales and minima of six bits, codes of four bits."""
    d, least = (float(one) for one in block[:4].view(np.float16))
    packed, codes = block[4:16].astype(int), block[16:]
    values: list[float] = []
    for part in range(8):
        if part < 4:
            scale, minimum = packed[part] & 63, packed[part + 4] & 63
        else:
            scale = packed[part + 4] & 15 | packed[part - 4] >> 6 << 4
            minimum = packed[part + 4] >> 4 | packed[part] >> 6 << 4
        of_pair = codes[part // 2 * 32 : part // 2 * 32 + 32]
        values += [
            d * scale * int(code) - least * minimum for code in (of_pair >> 4 if part % 2 else of_pair & 15)
        ]
    return values


def q6_k(block: np.ndarray[Any, Any]) -> list[float]:
    """block_q6_K: low four bits, high two bits, sixteen scales of eight bits, one float16."""
    low, high = block[:128].astype(int), block[128:192].astype(int)
    scales, d = block[192:208].view(np.int8).astype(int), float(block[208:].view(np.float16)[0])
    values = []
    for place in range(256):
        half, quarter, at = place // 128, place % 128 // 32, place % 32
        four = low[64 * half + 32 * (quarter % 2) + at] >> 4 * (quarter // 2) & 15
        two = high[32 * half + at] >> 2 * quarter & 3
        values.append(d * scales[8 * half + 2 * quarter + at // 16] * ((four | two << 4) - 32))
    return values


@pytest.mark.parametrize(("kind", "unpack"), [("Q4_K", q4_k), ("Q6_K", q6_k)])
def test_weights_are_what_the_blocks_say(kind: str, unpack: Any, tmp_path: Path) -> None:
    blocks = write(tmp_path / "m.gguf", kind)
    up: Any = load_model(tmp_path / "m.gguf", dtype="float32").model.layers[0].mlp.up_proj.weight
    expected = np.array([unpack(block) for block in blocks])
    np.testing.assert_allclose(up.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_tensors_of_a_gguf_original_are_held_against_nothing(tiny: Path, tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", "Q4_K")
    reason = NotMeasured("the original is a GGUF file")
    assert contents(tiny, tmp_path / "m.gguf").compressed_parameters == reason
    assert derivation(load_model(tiny), tmp_path / "m.gguf") == reason

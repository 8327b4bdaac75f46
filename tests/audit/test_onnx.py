"""An ONNX file as a candidate: counted in its graph, computed by onnxruntime, asked as any other model is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from audit import load_config, make_variants, run_audit
from audit.derivation import derivation_of_graph
from audit.errors import ModelError
from audit.loading import load_model, logits
from audit.records import Derivation, NotMeasured, Variant
from audit.weights import contents, weight_files

VOCABULARY, WIDTH, BLOCK = 3000, 64, 32


@pytest.fixture(scope="module")
def codes() -> Any:
    """Four-bit codes of the output head, [VOCABULARY, WIDTH], and a scale for each block of a row."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.01, 0.1, (VOCABULARY, WIDTH // BLOCK)).astype(np.float32)
    return rng.integers(0, 16, (VOCABULARY, WIDTH), dtype=np.uint8), scales


@pytest.fixture(scope="module")
def embeddings() -> Any:
    return np.random.default_rng(1).normal(size=(VOCABULARY, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tiny: Path, tmp_path_factory: pytest.TempPathFactory, codes: Any, embeddings: Any) -> Path:
    """Embeddings, their sums so far, a head of four bits, a decoder's inputs; the data beside it."""
    folder = tmp_path_factory.mktemp("onnx")
    shutil.copy(tiny / "config.json", folder)
    nodes = [
        helper.make_node("Gather", ["embeddings", "input_ids"], ["tokens"]),
        helper.make_node("CumSum", ["tokens", "over"], ["states"]),  # what came before counts
        four_bits("scores"),
        helper.make_node("ReduceSum", ["past_key_values.0.key"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["scores", "nothing"], ["logits"]),
    ]  # fmt: skip
    write(nodes, folder / "model.onnx", {"embeddings": embeddings, "over": np.array(1), **packed(*codes)})
    return folder / "model.onnx"


def packed(values: Any, scales: Any) -> dict[str, Any]:
    """What MatMulNBits takes: two codes a byte, the first one low."""
    codes = (values[:, 0::2] | values[:, 1::2] << 4).reshape(VOCABULARY, WIDTH // BLOCK, BLOCK // 2)
    return {"head_q4": codes, "head_scales": scales}


def four_bits(output: str) -> Any:
    return helper.make_node(
        "MatMulNBits", ["states", "head_q4", "head_scales"], [output], domain="com.microsoft",
        K=WIDTH, N=VOCABULARY, bits=4, block_size=BLOCK,
    )  # fmt: skip


def write(nodes: list[Any], file: Path, held: dict[str, Any], **outputs: Any) -> None:
    tokens = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, tokens),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "all"]),
            helper.make_tensor_value_info(
                "past_key_values.0.key", TensorProto.FLOAT, ["batch", "heads", "past", "width"]
            ),
        ],
        [
            helper.make_tensor_value_info(
                outputs.get("name", "logits"), TensorProto.FLOAT, [*tokens, VOCABULARY]
            )
        ],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save(model, str(file), save_as_external_data=True, location=f"{file.name}.data", size_threshold=0)


def test_four_bits_are_counted_in_the_graph(file: Path) -> None:
    found = contents(file)
    head = VOCABULARY * WIDTH
    assert [path.name for path in weight_files(file)] == ["model.onnx", "model.onnx.data"]
    assert (found.parameters, found.compressed_parameters) == (2 * head, head)
    assert found.nominal_bits == 4
    assert found.compressed_bits_per_weight == 4 + 32 / BLOCK
    assert found.bits_per_weight == pytest.approx((32 + 4 + 32 / BLOCK) / 2, rel=1e-3)  # and a constant
    assert found.kept == ("embeddings",)
    assert found.stored_as == "ONNX: 1 matrices MatMulNBits; the rest float32"


def test_it_computes_what_its_codes_mean(file: Path, codes: Any, embeddings: Any) -> None:
    values, scales = codes
    head = (values.astype(np.float32) - 8) * scales.repeat(BLOCK, axis=1)  # 8 is ONNX's zero point of 4 bits
    ids = torch.tensor([[5, 7, 2999], [1, 2, 3]])
    expected = embeddings[ids.numpy()].cumsum(1) @ head.T
    np.testing.assert_allclose(logits(load_model(file), ids).numpy(), expected, rtol=1e-4, atol=1e-3)


def test_padding_on_either_side_changes_nothing(file: Path) -> None:
    model = load_model(file)
    row = torch.tensor([[5, 7, 9]])
    alone = logits(model, row)[0]
    for ids, mask in (([[0, 5, 7, 9]], [[0, 1, 1, 1]]), ([[5, 7, 9, 0]], [[1, 1, 1, 0]])):
        padded = torch.tensor(mask)
        found = model(input_ids=torch.tensor(ids), attention_mask=padded).logits
        torch.testing.assert_close(found[padded.bool()], alone)


def test_it_writes_what_its_logits_say(file: Path) -> None:
    model: Any = load_model(file)
    ids = torch.tensor([[5, 7]])
    written = model.generate(
        input_ids=ids, max_new_tokens=3, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    for _ in range(3):
        ids = torch.cat([ids, logits(model, ids)[:, -1:].argmax(-1)], dim=1)
    assert written.tolist() == ids.tolist()


def taken(original: Path, candidate: dict[str, Any], out: Path) -> Variant:
    config = load_config({"model": str(original), "levels": [], "candidates": [candidate], "out": str(out)})
    return make_variants(config)[-1]


def test_it_is_audited_as_any_candidate(tiny: Path, file: Path, tmp_path: Path) -> None:
    config = {
        "model": str(tiny), "levels": [], "candidates": [{"model": str(file), "name": "graph-int4"}],
        "suites": ["accuracy"], "limit": 5, "looks": 1, "out": str(tmp_path / "run"), "efficiency": True,
    }  # fmt: skip
    log = run_audit(load_config(config))
    graph, took = log.variants[1], log.efficiency[1]
    assert "onnxruntime" in graph.evaluated_as
    assert [(claim.value, claim.found, claim.holds) for claim in graph.claims] == [(4, 4, True)]
    for unseen in (graph.sparsity, graph.two_of_four, graph.tied, took.prefill):
        assert isinstance(unseen, NotMeasured)
    assert isinstance(graph.derivation, Derivation)
    assert not graph.derivation.derived  # its codes are random
    (cell, *_) = next(run for run in log.runs if run.variant == "graph-int4").cells
    assert "HFLM" in cell.scorer
    assert {one.n_pairs for one in log.comparisons if one.group is None} == {20}


@pytest.mark.parametrize("bits", [4, 32])
def test_a_graph_of_the_originals_weights_is_told_from_another(
    tiny: Path, tmp_path: Path, embeddings: Any, bits: int
) -> None:
    originals = load_file(tiny / "model.safetensors")["model.embed_tokens.weight"]
    for matrix, derived in ((originals, True), (embeddings, False)):
        if bits == 4:
            blocks = matrix.reshape(VOCABULARY, -1, BLOCK)
            scales = np.abs(blocks).max(-1) / 7
            codes = (np.round(blocks / scales[..., None]) + 8).astype(np.uint8).reshape(VOCABULARY, WIDTH)
            head, product = packed(codes, scales), four_bits("logits")
        else:
            head, product = (
                {"head": matrix.T.copy()},
                helper.make_node("MatMul", ["states", "head"], ["logits"]),
            )
        nodes = [helper.make_node("Gather", ["embeddings", "input_ids"], ["states"]), product]
        write(nodes, tmp_path / "model.onnx", {"embeddings": embeddings, **head})
        found = derivation_of_graph(tmp_path / "model.onnx", tiny)
        assert isinstance(found, Derivation)
        assert (found.matrices, found.derived) == (1, derived)
        assert (found.least > 0.99) is derived


def test_floats_under_the_name_of_four_bits_are_found_out(
    tiny: Path, tmp_path: Path, embeddings: Any
) -> None:
    shutil.copy(tiny / "config.json", tmp_path)
    nodes = [
        helper.make_node("Gather", ["embeddings", "input_ids"], ["states"]),
        helper.make_node("MatMul", ["states", "head"], ["logits"]),
    ]
    write(nodes, tmp_path / "model-int4.onnx", {"embeddings": embeddings, "head": embeddings.T.copy()})
    found = taken(tiny, {"model": str(tmp_path / "model-int4.onnx"), "name": "graph"}, tmp_path / "run")
    (claim,) = found.false_claims
    assert (claim.value, claim.found) == (4, 32)


def test_what_is_no_decoder_or_not_whole_is_named(
    tiny: Path, tmp_path: Path, file: Path, embeddings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny / "config.json", tmp_path)
    encoder = tmp_path / "encoder.onnx"
    nodes = [helper.make_node("Gather", ["embeddings", "input_ids"], ["states"])]
    write(nodes, encoder, {"embeddings": embeddings}, name="states")
    with pytest.raises(ModelError, match=r"encoder.onnx is no decoder .* outputs states"):
        load_model(encoder)
    (tmp_path / "encoder.onnx.data").rename(tmp_path / "elsewhere")
    with pytest.raises(
        ModelError, match=r"has its tensor embeddings in encoder.onnx.data: that is not beside"
    ):
        contents(encoder)
    (tmp_path / "cut.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"cut.onnx is no whole ONNX file"):
        contents(tmp_path / "cut.onnx")
    with pytest.raises(ModelError, match=r"in ONNX files. Name the one that is meant: .*cut.onnx"):
        weight_files(tmp_path)
    with pytest.raises(ModelError, match="Name it under `candidates:`"):
        load_config({"model": str(file)})
    monkeypatch.setattr("audit.loading.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'shrinkproof\[onnxruntime\]'"):
        taken(tiny, {"model": str(file), "name": "graph"}, tmp_path / "run")

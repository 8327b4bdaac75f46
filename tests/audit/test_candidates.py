"""Somebody's compressed model: read from its files, held against the original, and what is said of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import packed_by_hand
import pytest
import torch
from by_hand import comparison, suite, variant
from safetensors.torch import load_file, save_file

from audit import AuditLog, load_config, make_variants, run_audit
from audit.errors import ConfigError, ModelError
from audit.judge import judge
from audit.loading import load_model
from audit.records import Derivation, Level, ModelRef, NotMeasured, Rule, Variant


def change(model: Path, names: str, how: object) -> None:
    """Replace the tensors whose names end so."""
    tensors = load_file(model / "model.safetensors")
    changed = {name: how(tensor) if name.endswith(names) else tensor for name, tensor in tensors.items()}  # type: ignore[operator]
    save_file(changed, model / "model.safetensors", metadata={"format": "pt"})


def declare(model: Path, **quantization: object) -> None:
    config = json.loads((model / "config.json").read_text())
    config["quantization_config"] = quantization
    (model / "config.json").write_text(json.dumps(config))


def taken(original: Path, candidate: object, out: Path) -> Variant:
    """The Variant that becomes of a candidate."""
    config = load_config({"model": str(original), "candidates": [candidate], "out": str(out)})
    return make_variants(config)[-1]


@pytest.fixture(scope="module")
def log(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Our own int8, and the same file as a candidate; GPTQ and AWQ packed by hand."""
    home = tmp_path_factory.mktemp("candidates")
    levels = {"model": str(tiny), "levels": ["int8"], "out": str(home / "made")}
    (_, int8) = make_variants(load_config(levels))
    for method in ("gptq", "awq"):
        packed_by_hand.write(tiny, home / f"tiny-{method}-4bit", method)
    config = {
        "model": str(tiny), "levels": ["control", "int8"],
        "candidates": [
            {"model": int8.path, "name": "theirs"}, str(home / "tiny-gptq-4bit"), str(home / "tiny-awq-4bit"),
        ],
        "suites": ["accuracy"], "limit": 40, "sequential": False, "out": str(home / "run"),
    }  # fmt: skip
    return run_audit(load_config(config))


def test_every_pair_of_candidates_is_held_against_each_other(log: AuditLog) -> None:
    pairs = [("theirs", "tiny-gptq-4bit"), ("theirs", "tiny-awq-4bit"), ("tiny-gptq-4bit", "tiny-awq-4bit")]
    assert [(one.against, one.variant) for one in log.duels] == pairs
    assert {one.n_pairs for one in log.duels} == {log.comparisons[0].n_pairs}


def found(log: AuditLog, name: str) -> Variant:
    return next(one for one in log.variants if one.name == name)


# As they came


def test_a_candidate_measures_as_the_level_that_it_is(log: AuditLog) -> None:
    whole = {one.variant: one for one in log.comparisons if one.group is None}
    assert whole["theirs"].model_copy(update={"variant": "int8"}) == whole["int8"]
    mine, theirs = found(log, "int8"), found(log, "theirs")
    assert theirs.digest == mine.digest
    assert theirs.parent == log.variants[0].digest
    assert theirs.compressed_bits_per_weight == mine.compressed_bits_per_weight
    assert theirs.evaluated_as == mine.evaluated_as == "dequantised to float32"


def test_a_candidate_stays_where_it_is(log: AuditLog) -> None:
    theirs = found(log, "theirs")
    assert theirs.level is not None
    assert theirs.level.artefact is not None
    assert theirs.path == theirs.level.artefact.path


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_packed_codes_stand_for_the_weights_that_their_tools_meant(
    method: str, tiny: Path, tmp_path: Path
) -> None:
    meant = packed_by_hand.write(tiny, tmp_path / "model", method)
    loaded = load_model(tmp_path / "model", dtype="float32")
    for name, weight in meant.items():
        assert torch.equal(loaded.get_parameter(name), weight.float()), name


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_packed_bits_are_counted_with_their_scales_and_zeros(log: AuditLog, method: str) -> None:
    one = found(log, f"tiny-{method}-4bit")
    # 4 bits, and for each group of 32 a scale of 16 and a zero of 4; GPTQ keeps the group of every input too
    assert isinstance(one.compressed_bits_per_weight, float)
    index = one.compressed_bits_per_weight - (4 + 20 / 32)
    assert 0.2 < index < 0.6 if method == "gptq" else index == pytest.approx(0)
    assert one.parameters == log.variants[0].parameters
    assert one.format == method
    assert one.kept == ("model.embed_tokens.weight",)
    assert one.tied is True
    assert [claim.holds for claim in one.claims] == [True, True]


def test_a_compressed_model_is_known_as_the_originals(log: AuditLog) -> None:
    for name in ("theirs", "tiny-gptq-4bit", "tiny-awq-4bit"):
        relation = found(log, name).derivation
        assert isinstance(relation, Derivation)
        assert relation.derived
        assert relation.least > 0.98
    assert isinstance(found(log, "int8").derivation, NotMeasured)


# What is said of them


def test_floats_under_the_name_of_four_bits_are_found_out(tiny: Path, tmp_path: Path) -> None:
    load_model(tiny, dtype="float16").save_pretrained(tmp_path / "model-int4")
    one = taken(tiny, str(tmp_path / "model-int4"), tmp_path / "run")
    (claim,) = one.false_claims
    assert (claim.quantity, claim.value, claim.source) == ("bits", 4, "its name")
    assert claim.found == pytest.approx(16, abs=0.01)
    honest = {"model": str(tmp_path / "model-int4"), "claims": {"bits": 16}}
    assert taken(tiny, honest, tmp_path / "other").false_claims == ()


def test_a_broken_pattern_of_two_in_four_is_found_out(tiny: Path, broken_copy: Path, tmp_path: Path) -> None:
    def prune(weight: torch.Tensor) -> torch.Tensor:
        fours = weight.reshape(-1, 4)
        return fours.scatter(1, fours.abs().topk(2, largest=False).indices, 0.0).reshape(weight.shape)

    said = {"model": str(broken_copy), "claims": {"pattern": "2:4", "sparsity": 0.5}}
    change(broken_copy, "_proj.weight", prune)
    assert taken(tiny, said, tmp_path / "whole").false_claims == ()

    def refill(weight: torch.Tensor) -> torch.Tensor:
        weight = weight.clone()
        weight[0, :4] = 1.0
        return weight

    change(broken_copy, "layers.0.mlp.up_proj.weight", refill)
    (claim,) = taken(tiny, said, tmp_path / "broken").false_claims
    assert claim.quantity == "2:4"
    assert 0.999 < claim.found < 1


def test_the_config_of_an_artefact_is_held_to_its_word(tiny: Path, broken_copy: Path) -> None:
    declare(
        broken_copy, quant_method="compressed-tensors", format="dense",
        sparsity_config={"format": "dense", "sparsity_structure": "2:4"},
    )  # fmt: skip
    config = load_config({"model": str(tiny), "candidates": [str(broken_copy)]})
    assert [(one.quantity, one.source) for one in config.levels[-1].claims] == [("2:4", "config.json")]


def test_an_unrelated_model_is_found_out(tiny: Path, broken_copy: Path, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    change(broken_copy, "weight", lambda one: torch.randn(one.shape, generator=rng) * 0.05)
    relation = taken(tiny, str(broken_copy), tmp_path / "run").derivation
    assert isinstance(relation, Derivation)
    assert not relation.derived
    assert abs(relation.median) < 0.05


def test_a_model_without_some_layers_is_still_derived(tiny: Path, tmp_path: Path) -> None:
    model = load_model(tiny, dtype="float32")
    del model.model.layers[0]  # type: ignore[union-attr, operator]
    model.config.num_hidden_layers = 2
    model.save_pretrained(tmp_path / "model")
    relation = taken(tiny, str(tmp_path / "model"), tmp_path / "run").derivation
    assert isinstance(relation, Derivation)
    assert relation.least == pytest.approx(1)


# What stops before work begins


@pytest.mark.parametrize(
    ("file", "keys", "value", "said"),
    [
        (
            "tokenizer.json",
            ("pre_tokenizer", "add_prefix_space"),
            True,
            "jumps over the lazy dog.' becomes the",
        ),
        (
            "tokenizer_config.json",
            ("eos_token",),
            "!",
            "its eos_token is '!', and '<|end|>' in the original's",
        ),
    ],
)
def test_a_tokenizer_of_the_same_vocabulary_that_reads_otherwise_stops_the_audit(
    tiny: Path, broken_copy: Path, tmp_path: Path, file: str, keys: tuple[str, ...], value: object, said: str
) -> None:
    settings = json.loads((broken_copy / file).read_text())
    inner = settings
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    (broken_copy / file).write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=re.escape(said)):
        taken(tiny, {"model": str(broken_copy), "name": "vendor"}, tmp_path / "run")


def test_another_tokenizer_stops_the_audit_and_shows_the_difference(
    tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    tokenizer = json.loads((broken_copy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    one, other = list(vocabulary)[400:402]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    (broken_copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="another tokenizer than the original: 2 tokens differ"):
        taken(tiny, {"model": str(broken_copy), "name": "vendor"}, tmp_path / "run")


def test_another_chat_template_stops_the_audit_and_shows_the_line(
    tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    original = tmp_path / "original"
    shutil.copytree(tiny, original)
    (original / "chat_template.jinja").write_text("{{ messages }}\nA\n")
    (broken_copy / "chat_template.jinja").write_text("{{ messages }}\nB\n")
    with pytest.raises(ModelError, match=r"(?s)another chat template.*-A\n\+B"):
        taken(original, str(broken_copy), tmp_path / "run")


def test_a_format_that_cannot_run_here_is_named_before_anything_is_made(
    tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    declare(broken_copy, quant_method="vptq", bits=2)
    with pytest.raises(ModelError, match="quantised by 'vptq', which can't be evaluated here"):
        taken(tiny, str(broken_copy), tmp_path / "run")
    assert not list((tmp_path / "run" / "variants").glob("*"))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "AWQ's layout 'gemv'"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "GPTQ's layout 'marlin'"),
    ],
)
def test_an_unknown_layout_is_named(
    declared: dict[str, object], said: str, tiny: Path, broken_copy: Path, tmp_path: Path
) -> None:
    declare(broken_copy, **declared)
    with pytest.raises(ModelError, match=said):
        taken(tiny, str(broken_copy), tmp_path / "run")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "x", "endpoint": "localhost:8000"}, "is no URL"),
        ({"model": "nowhere/at-all-here:x.gguf@main"}, "no org/name of a hub"),
        ({"model": "nowhere"}, "no org/name of a hub"),
    ],
)
def test_what_is_no_candidate_is_refused(tiny: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises((ConfigError, ModelError), match=said):
        load_config({"model": str(tiny), "candidates": [given]})


def test_a_candidate_needs_a_name_of_its_own(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="used twice"):
        load_config({"model": str(tiny), "candidates": [str(tiny), str(tiny)]})
    with pytest.raises(ConfigError, match="Did you mean 'claims'"):
        load_config({"model": str(tiny), "candidates": [{"model": str(tiny), "claim": {}}]})


# What is decided of them


def candidate(name: str, **fields: object) -> Variant:
    artefact = ModelRef(name=name, path="", digest="")
    level = Level(name=name, method="candidate", artefact=artefact)
    return variant(name).model_copy(update={"level": level, **fields})


def test_each_candidate_is_a_claim_of_its_own() -> None:
    variants = [candidate("bad"), candidate("good")]
    comparisons = [
        comparison(150, 9, 620).model_copy(update={"variant": "bad"}),
        comparison(12, 9, 620).model_copy(update={"variant": "good"}),
    ]
    verdicts = judge(comparisons, [Rule(suite="accuracy")], variants, [suite("accuracy")])
    assert [verdict.decision for verdict in verdicts] == ["fail", "pass"]


def test_nothing_is_claimed_of_what_is_not_what_it_is_said_to_be() -> None:
    strange = Derivation(median=0.01, least=0, least_in="w", matrices=9, derived=False)
    one = comparison(12, 9, 620).model_copy(update={"variant": "vendor"})
    (verdict,) = judge(
        [one], [Rule(suite="accuracy")], [candidate("vendor", derivation=strange)], [suite("accuracy")]
    )
    assert (verdict.decision, verdict.withheld) == ("inconclusive", "integrity")
    assert "its weights are not those of the original" in verdict.because

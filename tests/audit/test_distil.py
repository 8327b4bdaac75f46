"""A student learns from its teacher, on the same way wherever it was stopped, and is refused in words."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.special import log_softmax, rel_entr, softmax

from audit import load_config, make_variants
from audit.calibration import draw
from audit.compressors import distil, students, training
from audit.console import TerminalProgress
from audit.errors import CompressionError, ConfigError, ShrinkproofError
from audit.loading import load_model, load_to_compress, load_tokenizer, logits
from audit.making import Made, Making
from audit.progress import Silent
from audit.records import AuditConfig, Variant
from audit.weights import digest, digests, float_dtypes, weight_files

WORDS = (
    "the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "to", "old", "house", "where", "lives",
)  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred documents, a blank line between them."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(" ".join(rng.choice(WORDS, 40)) for _ in range(400)))
    return path


class Told(Silent):
    """Progress that remembers what it was told, and may be stopped after some tokens."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.stages: list[str] = []
        self.plans: list[float] = []
        self.done = 0.0
        self.patience = patience

    def stage(self, what: str) -> None:
        self.stages.append(what)

    def plan(self, tokens: float) -> None:
        self.plans.append(tokens)

    def reach(self, tokens: float) -> None:
        self.done = tokens

    def advance(self, tokens: float) -> None:
        self.done += tokens
        if self.done > self.patience:
            raise KeyboardInterrupt

    @property
    def went_on(self) -> bool:
        return any("going on" in stage for stage in self.stages)


def options(text: Path, **changes: Any) -> distil.Options:
    """Twelve steps over 32 stretches of 24 tokens."""
    given = {
        "calibration": text, "samples": 32, "sequence_length": 24, "layers": 2, "steps": 12, "batch_size": 8,
        "learning_rate": 2e-3,
    }  # fmt: skip
    return distil.Options.model_validate({**given, **changes})


def making(tiny: Path, folder: Path, chosen: distil.Options, told: Told | None = None) -> Making[Any]:
    """`folder` is what outlives a stop; each call saves to a folder of its own in it."""
    scratch, out = folder / "scratch", folder / f"out-{len(list(folder.glob('out-*')))}"
    scratch.mkdir(exist_ok=True)
    out.mkdir()
    ids = draw(chosen, load_tokenizer(tiny))
    witness = torch.arange(8).unsqueeze(0)
    return Making(load_to_compress(tiny), chosen, out, witness, ids, scratch, told or Told())


def made(tiny: Path, folder: Path, chosen: distil.Options, told: Told | None = None) -> tuple[Made, str]:
    """What was made, and the digest of its weights."""
    level = making(tiny, folder, chosen, told)
    found = distil.compress(level)
    return found, digest(digests(weight_files(level.out)))


# What is learnt


def test_the_divergence_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(0, 3, (2, 5, 40))
    wanted = 4.0 * rel_entr(softmax(teacher / 2, axis=1), softmax(student / 2, axis=1)).sum(1).mean()
    found = training.divergence(torch.from_numpy(teacher), torch.from_numpy(student), 2.0)
    assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_the_gradient_is_hintons() -> None:
    """T² · (1 / T)(q − p): Hinton et al. 2015, equation 2, with the factor of section 2."""
    rng = np.random.default_rng(2)
    teacher, student = rng.normal(0, 3, (2, 1, 40))
    ours = torch.from_numpy(student).requires_grad_()
    training.divergence(torch.from_numpy(teacher), ours, 3.0).backward()  # type: ignore[no-untyped-call]
    assert ours.grad is not None
    wanted = 3.0 * (softmax(student / 3, axis=1) - softmax(teacher / 3, axis=1))
    np.testing.assert_allclose(ours.grad.numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_a_step_loses_what_its_parts_say(tiny: Path, text: Path, tmp_path: Path) -> None:
    told = Told()
    chosen = options(text, steps=1, batch_size=32, temperature=3.0, mix=0.25)
    level = making(tiny, tmp_path, chosen, told)
    assert level.text is not None
    ids = torch.from_numpy(level.text)
    student, _ = students.of_layers(level.model, 2)
    theirs, ours = (logits(one, ids).numpy()[:, :-1].astype(np.float64) for one in (level.model, student))
    kl = 9 * rel_entr(softmax(theirs / 3, axis=-1), softmax(ours / 3, axis=-1)).sum(-1).mean()
    nll = -np.take_along_axis(log_softmax(ours, axis=-1), level.text[:, 1:, None], axis=-1).mean()
    found = distil.compress(level).training
    assert found is not None
    (point,) = found.curve
    assert (point.divergence, point.cross_entropy) == (pytest.approx(kl, 1e-4), pytest.approx(nll, 1e-4))
    assert told.stages == [f"distilling: step 1 of 1, loss {0.75 * kl + 0.25 * nll:.3f}"]


def test_the_student_comes_nearer_to_its_teacher_on_text_that_it_did_not_see(
    tiny: Path, text: Path, tmp_path: Path
) -> None:
    level = making(tiny, tmp_path, options(text, steps=60, mix=0.0))
    ids = torch.from_numpy(draw(options(text, seed=9), load_tokenizer(tiny)))
    untrained, _ = students.of_layers(level.model, 2)
    found = distil.compress(level).training
    teacher, before, after = (
        log_softmax(logits(one, ids).numpy(), axis=-1)
        for one in (level.model, untrained, load_model(level.out))
    )
    kl_before, kl_after = ((np.exp(teacher) * (teacher - one)).sum(-1).mean() for one in (before, after))
    assert kl_after < 0.5 * kl_before
    assert (after.argmax(-1) == teacher.argmax(-1)).mean() > (before.argmax(-1) == teacher.argmax(-1)).mean()
    assert found is not None
    assert found.curve[-1].divergence < 0.5 * found.curve[0].divergence


def test_the_mix_is_the_say_of_the_text(tiny: Path, text: Path, tmp_path: Path) -> None:
    losses = []
    for mix in (0.0, 0.5, 1.0):
        found, _ = made(tiny, tmp_path, options(text, steps=40, mix=mix))
        assert found.training is not None
        losses.append(found.training.curve[-1])
    divergences, entropies = zip(*((one.divergence, one.cross_entropy) for one in losses), strict=True)
    assert divergences[0] < divergences[1] < divergences[2]
    assert entropies[0] > entropies[1] > entropies[2]


def test_every_stretch_is_looked_at_once_before_any_a_second_time() -> None:
    seen = [row for step in range(9) for row in training.rows(step, 4, 12, seed=5)]
    epochs = [seen[start : start + 12] for start in (0, 12, 24)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert training.rows(0, 30, 12, seed=5) == seen[:30]
    assert training.rows(0, 4, 12, seed=6) != seen[:4]


def test_an_epoch_is_as_many_steps_as_look_at_all_of_the_text(text: Path) -> None:
    assert options(text, steps=None, epochs=3, samples=20, batch_size=8).all_steps == 8  # 60 / 8 = 7.5


# The student


@pytest.mark.parametrize("family", ["Llama", "GPT2", "GPTNeoX", "Qwen3", "Gemma3Text", "SmolLM3"])
def test_a_layer_that_was_not_taken_might_as_well_add_nothing(family: str) -> None:
    """The teacher with the weights of those layers at 0: the residual stream passes by them."""
    import transformers

    shape = {
        "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 48, "head_dim": 16, "sliding_window": 4,
        "bos_token_id": 0, "eos_token_id": [0, 1, 2, 3], "pad_token_id": 0,
    }  # fmt: skip
    if family == "Gemma3Text":
        shape["layer_types"] = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
    if family == "GPT2":
        shape |= {"n_layer": 4, "n_embd": 32, "n_head": 2}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**shape)
    teacher = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for weights in teacher.parameters():  # biases and norms too
            weights.add_(0.3 * torch.randn_like(weights))
    student, kept = students.of_layers(teacher, 3)
    assert kept == (0, 2, 3)
    hollow = copy.deepcopy(teacher)
    with torch.no_grad():
        for name, weights in hollow.named_parameters():
            if any(f".{stack}.1." in name for stack in ("layers", "h")):
                weights.zero_()
    ids = torch.arange(48).reshape(2, 24)
    assert not torch.allclose(logits(teacher, ids), logits(hollow, ids), atol=1e-2)
    torch.testing.assert_close(logits(student, ids), logits(hollow, ids), rtol=1e-4, atol=1e-4)


def test_all_layers_are_the_teacher(tiny: Path) -> None:
    teacher = load_to_compress(tiny)
    student, _ = students.of_layers(teacher, 3)
    ids = torch.arange(64).reshape(2, 32)
    assert torch.equal(logits(student, ids), logits(teacher, ids))


def test_taking_layers_leaves_the_teacher_as_it_was(tiny: Path, text: Path, tmp_path: Path) -> None:
    level = making(tiny, tmp_path, options(text, steps=2))
    before = {name: weights.clone() for name, weights in level.model.state_dict().items()}
    distil.compress(level)
    after = level.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert level.model.config.num_hidden_layers == 3


@pytest.fixture
def small(tiny: Path, tmp_path: Path) -> Path:
    """A folder with the config of a narrower student."""
    config = json.loads((tiny / "config.json").read_text())
    folder = tmp_path / "small"
    folder.mkdir()
    config |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps({**config, "head_dim": 16}))
    return folder


def test_a_student_of_ones_own_starts_from_its_seed(tiny: Path, small: Path) -> None:
    teacher = load_to_compress(tiny)
    first, again, file, other = (
        students.of_config(teacher, path, seed).state_dict()["model.layers.0.mlp.up_proj.weight"]
        for path, seed in ((small, 3), (small, 3), (small / "config.json", 3), (small, 4))
    )
    assert first.shape == (64, 32)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.equal(first, file)
    assert not torch.equal(first, other)


def test_fresh_weights_leave_the_random_numbers_of_others_alone(tiny: Path, small: Path) -> None:
    teacher = load_to_compress(tiny)
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    students.of_config(teacher, small, 3)
    students.of_layers(teacher, 2)
    assert torch.equal(torch.rand(3), wanted)


def test_a_student_of_ones_own_learns(tiny: Path, text: Path, small: Path, tmp_path: Path) -> None:
    chosen = options(text, layers=None, student=small, steps=40)
    found, _ = made(tiny, tmp_path, chosen)
    assert found.training is not None
    assert found.training.layers == ()
    assert found.training.curve[-1].divergence < 0.8 * found.training.curve[0].divergence


def test_another_vocabulary_is_refused(tiny: Path, text: Path, small: Path, tmp_path: Path) -> None:
    file = small / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "vocab_size": 77}))
    chosen = options(text, layers=None, student=small)
    wanted = load_to_compress(tiny).config.vocab_size
    with pytest.raises(ConfigError, match=rf"has a vocabulary of 77.*Set vocab_size to {wanted}"):
        distil.compress(making(tiny, tmp_path, chosen))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no file"), ("{", "describes no"), ('{"model_type": "x"}', "describes no")],
)
def test_what_is_no_config_is_refused(
    tiny: Path, text: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        distil.compress(making(tiny, tmp_path, options(text, layers=None, student=path)))


def test_more_layers_than_there_are_are_refused(tiny: Path, text: Path, tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match=r"is to have 4, and its teacher has 3\. Ask for 3 or fewer"):
        distil.compress(making(tiny, tmp_path, options(text, layers=4)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give `layers` or `student`"),
        ({"layers": 2, "student": "small"}, "give `layers` or `student`"),
        ({"layers": 2, "steps": 3, "epochs": 1}, "give `steps` or `epochs`"),
        ({"layers": 2, "mix": 1.5}, "option mix"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_made(
    tiny: Path, text: Path, given: dict[str, Any], said: str
) -> None:
    levels = [{"method": "distil", "calibration": str(text), **given}]
    with pytest.raises(ConfigError, match=said):
        load_config({"model": str(tiny), "levels": levels})


def test_a_training_that_comes_apart_says_where(tiny: Path, text: Path, tmp_path: Path) -> None:
    chosen = options(text, learning_rate=1e30, checkpoint_seconds=0)
    with pytest.raises(
        CompressionError, match=r"the loss is \S+ at step \d+ of 12, with learning_rate 1e\+30"
    ):
        distil.compress(making(tiny, tmp_path, chosen))


# Stopped, and going on


def test_stopped_in_the_middle_it_ends_with_the_same_weights(tiny: Path, text: Path, tmp_path: Path) -> None:
    chosen = options(text, checkpoint_seconds=0)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole, wanted = made(tiny, tmp_path / "whole", chosen)
    tokens = 8 * 24
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path / "stopped", chosen, Told(patience=7.5 * tokens))
    told = Told()
    found, weights = made(tiny, tmp_path / "stopped", chosen, told)
    assert told.stages[0] == "distilling: going on after step 7 of 12"
    assert told.done == 12 * tokens
    assert weights == wanted
    assert found.training == whole.training
    assert (whole.seconds_before, found.seconds_before > 0) == (0.0, True)


def test_another_set_up_starts_anew(tiny: Path, text: Path, small: Path, tmp_path: Path) -> None:
    kept = options(text, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, kept, Told(patience=7.5 * 8 * 24))
    checkpoint = (tmp_path / "scratch" / "training.safetensors").read_bytes()
    for changes in (
        {"learning_rate": 1e-3}, {"temperature": 1.0}, {"seed": 1}, {"steps": 13}, {"mix": 0.2},
        {"layers": 1}, {"layers": None, "student": small},
    ):  # fmt: skip
        (tmp_path / "scratch" / "training.safetensors").write_bytes(checkpoint)
        told = Told(patience=0)
        with pytest.raises(KeyboardInterrupt):
            made(tiny, tmp_path, options(text, **changes), told)
        assert not told.went_on, changes


def test_the_checkpoint_of_another_teacher_starts_anew(tiny: Path, text: Path, tmp_path: Path) -> None:
    chosen = options(text, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, chosen, Told(patience=7.5 * 8 * 24))
    told = Told(patience=0)
    level = making(tiny, tmp_path, chosen, told)
    with torch.no_grad():
        level.model.get_submodule("model.layers.1.mlp.up_proj").get_parameter("weight")[0, 0] += 1e-3
    with pytest.raises(KeyboardInterrupt):  # of a layer that the student doesn't take
        distil.compress(level)
    assert not told.went_on


@pytest.mark.parametrize("left", [0.0, 0.3, 0.999])
def test_a_checkpoint_that_is_cut_short_is_not_used(
    tiny: Path, text: Path, tmp_path: Path, left: float
) -> None:
    chosen = options(text, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, chosen, Told(patience=7.5 * 8 * 24))
    file = tmp_path / "scratch" / "training.safetensors"
    file.write_bytes(file.read_bytes()[: int(left * file.stat().st_size)])
    told = Told(patience=0)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, chosen, told)
    assert not told.went_on


def test_stopped_while_it_writes_a_checkpoint_it_goes_on_from_the_one_before(
    tiny: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = options(text, checkpoint_seconds=0)
    real, written = Path.replace, []

    def stopped(self: Path, target: Path) -> Path:
        written.append(self)
        if len(written) == 4:
            self.write_bytes(self.read_bytes()[:-100])
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, chosen)
    monkeypatch.setattr(Path, "replace", real)
    assert written[0].parent == tmp_path / "scratch"
    told = Told(patience=0)
    with pytest.raises(KeyboardInterrupt):
        made(tiny, tmp_path, chosen, told)
    assert told.stages[0] == "distilling: going on after step 3 of 12"


# The whole way


def config(tiny: Path, text: Path, out: Path, **changes: Any) -> dict[str, Any]:
    student = {
        "method": "distil", "name": "student", "calibration": str(text), "samples": 64, "sequence_length": 24,
        "layers": 2, "steps": 80, "batch_size": 8, "checkpoint_seconds": 0, **changes,
    }  # fmt: skip
    return {"model": str(tiny), "levels": [student], "suites": ["accuracy"], "limit": 4, "out": str(out)}


def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tiny: Path, text: Path, tmp_path: Path) -> None:
    whole = make_variants(load_config(config(tiny, text, tmp_path / "whole")))[1]
    file = tmp_path / "audit.json"
    file.write_text(json.dumps(config(tiny, text, tmp_path / "run")))
    program = [sys.executable, "-c", "from audit.cli import main; main()", "compress", str(file)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "run" / "scratch" / "student" / "training.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not (tmp_path / "run" / "variants" / "student").exists()
    told = Told()
    killed = make_variants(load_config(file), progress=told)[1]
    assert told.went_on
    assert killed.digest == whole.digest
    assert killed.training == whole.training
    assert not checkpoint.parent.exists()


@pytest.fixture(scope="module")
def variants(tiny: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Variant, ...]:
    """Of an original in bfloat16: a student, the student in int8, and a student of an int8."""
    folder = tmp_path_factory.mktemp("whole")
    load_model(tiny, dtype="bfloat16").save_pretrained(folder / "model")
    load_tokenizer(tiny).save_pretrained(folder / "model")
    given = config(folder / "model", text, folder / "run", steps=4)
    student = {key: value for key, value in given["levels"][0].items() if key != "name"}
    levels = [
        given["levels"][0],
        [{**student, "name": "first"}, "int8"],
        ["int8", {**student, "name": "last"}],
    ]
    return make_variants(load_config({**given, "levels": levels}))


def test_a_student_is_a_plain_checkpoint_stored_as_the_original(variants: tuple[Variant, ...]) -> None:
    original, student, *_ = variants
    folder = Path(student.path)
    assert float_dtypes(folder) == float_dtypes(Path(original.path)) == frozenset(["bfloat16"])
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 2
    assert (student.stored_as, student.format) == ("bfloat16, dense", "safetensors")
    assert student.parameters < original.parameters
    assert student.reload_error == 0.0
    assert (
        load_tokenizer(folder)("the cat").input_ids
        == load_tokenizer(Path(original.path))("the cat").input_ids
    )


def test_the_log_says_how_it_was_trained(variants: tuple[Variant, ...]) -> None:
    original, student, *_ = variants
    assert original.training is None
    found = student.training
    assert found is not None
    assert (found.layers, found.teacher_layers, found.steps, found.tokens) == ((0, 2), 3, 4, 4 * 8 * 24)
    assert [point.step for point in found.curve] == [1, 2, 3, 4]
    assert student.calibration is not None
    assert student.calibration.source == "text.txt"
    assert Variant.model_validate_json(student.model_dump_json()) == student


def test_a_student_is_a_link_of_a_chain_like_any_other(variants: tuple[Variant, ...]) -> None:
    made_of = {one.name: one for one in variants}
    assert made_of["first+int8"].parent == made_of["first"].digest
    assert made_of["int8+last"].parent == made_of["int8"].digest
    assert "quantization_config" not in json.loads(
        (Path(made_of["int8+last"].path) / "config.json").read_text()
    )
    assert made_of["int8+last"].stored_as == "bfloat16, dense"
    assert {one.reload_error for one in variants} == {0.0}


def test_a_students_config_lies_beside_the_config_file(
    tiny: Path, text: Path, small: Path, tmp_path: Path
) -> None:
    given = config(tiny, text, tmp_path / "run", layers=None, student="small")
    level = {key: value for key, value in given["levels"][0].items() if key not in ("layers", "name")}
    file = tmp_path / "audit.json"
    file.write_text(json.dumps({**given, "levels": [level]}))
    loaded: AuditConfig = load_config(file)
    assert loaded.levels[0].options["student"] == str(tmp_path / "small")
    assert "small" not in loaded.levels[0].name


# Progress


def test_the_tokens_of_a_training_are_counted(tiny: Path, text: Path, tmp_path: Path) -> None:
    told = Told()
    made(tiny, tmp_path, options(text), told)
    assert told.plans == [12 * 8 * 24, 0]
    assert told.done == 12 * 8 * 24


def test_a_second_count_starts_from_nothing() -> None:
    console = Console(width=100, force_terminal=False, record=True, quiet=False)
    with TerminalProgress(console) as bar:
        bar.plan(200)
        bar.advance(150)
        bar.stage("first")
        bar.plan(0)
        bar.stage("between")
        bar.plan(100)
        bar.advance(25)
        bar.stage("second")
    lines = console.export_text().strip().splitlines()  # some versions of rich end with an empty line
    assert lines == ["first (75% of the tokens done)", "between", "second (25% of the tokens done)"]


def test_the_disk_being_full_is_an_error_of_ours(
    tiny: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(ShrinkproofError, match="the disk is full"):
        make_variants(load_config(config(tiny, text, tmp_path / "run")))

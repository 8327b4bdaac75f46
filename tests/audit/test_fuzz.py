"""Bad input, a few hundred of what `nox -s fuzz` tries by the million."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from audit import registry
from audit.errors import ConfigError
from fixtures.fuzz import engine
from fixtures.fuzz.engine import Finding, Target, seeded, tried
from fixtures.fuzz.mutate import mutated
from fixtures.fuzz.targets import MENDED, TARGETS, target_of

SLOW = ("evidence", "records", "lm-eval-samples", "lm-eval-results", "log", "tokenizer")
"""Of which few are tried here."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No input leads to anything of who runs this, nor onto a network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(registry, "entry_points", registry.entry_points)  # readers cache it
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path / "scratch")


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    was = signal.signal(signal.SIGPROF, engine.too_long)
    yield
    signal.signal(signal.SIGPROF, was)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_bad_input_is_refused_in_plain_words_or_accepted(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    read = target.reader(tmp_path / "scratch")
    outcomes = [tried(read, data) for data in seeded(target, 1, 15 if name in SLOW else 100)]
    assert [one for one in outcomes if isinstance(one, Finding)] == []
    assert "accepted" in outcomes
    assert name == "lm-eval-results" or "refused" in outcomes  # that file is taken or left


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", sorted(MENDED.iterdir()), ids=lambda file: file.name)
def test_what_once_broke_it_breaks_it_no_more(file: Path, tmp_path: Path) -> None:
    read = TARGETS[target_of(file)].reader(tmp_path / "scratch")
    assert not isinstance(tried(read, file.read_bytes()), Finding)


def refusing(_data: bytes) -> None:
    raise ConfigError("no")


def wordless(_data: bytes) -> None:
    raise ConfigError


def crashing(_data: bytes) -> None:
    json.loads("{")


class Panic(BaseException):
    """As libraries of other languages raise them."""


def panicking(_data: bytes) -> None:
    raise Panic


def hanging(_data: bytes) -> None:
    while True:
        pass


def hungry(_data: bytes) -> None:
    bytearray(64 << 20)


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda _data: None, "accepted"),
        (refusing, "refused"),
        (wordless, "an error without a word"),
        (crashing, "JSONDecodeError"),
        (panicking, "Panic"),
        (hanging, "TooLong"),
        (hungry, "memory"),
    ],
)
def test_what_is_neither_is_found(
    read: Callable[[bytes], None], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.1)
    monkeypatch.setattr(engine, "peak_memory", iter((0, 2 << 30) if read is hungry else (0, 0)).__next__)
    found = tried(read, b"x")
    assert (found.kind if isinstance(found, Finding) else found).startswith(outcome)


def test_a_seed_says_which_inputs() -> None:
    target = TARGETS["items-jsonl"]
    first = list(seeded(target, 3, 40))
    assert first == list(seeded(target, 3, 40))
    assert first != list(seeded(target, 4, 40))
    assert first[0] in target.seeds()


@pytest.mark.parametrize("form", ["json", "lines", "yaml", "bytes"])
def test_inputs_are_many_and_near_what_they_were_made_from(form: str) -> None:
    seed, rng = b'{"a": [1, 2.5, "x"], "b": {"c": null}}', Random(0)
    found = {mutated(seed, rng, form, [seed]) for _ in range(300)}
    assert len(found) > 150
    assert sum(b'"a"' in one for one in found) > 30


def test_a_process_that_dies_leaves_its_input_behind(tmp_path: Path) -> None:
    target = Target("none", "bytes", lambda: [b"sound"], lambda _home: refusing, 1)
    engine.Fuzzer("none", target, tmp_path).one(b"the last one")
    assert engine.last_input(tmp_path) == b"the last one"


def test_of_each_kind_of_finding_one_input_is_kept(tmp_path: Path) -> None:
    target = Target("none", "bytes", lambda: [b"sound"], lambda _home: crashing, 1)
    fuzzer = engine.Fuzzer("none", target, tmp_path)
    for data in (b"one", b"two"):
        fuzzer.one(data)
    fuzzer.write()
    kept = [path for path in tmp_path.glob("none-*") if not path.suffix]
    assert [path.read_bytes() for path in kept] == [b"one"]
    assert json.loads((tmp_path / engine.COUNTS).read_text())["counts"] == {"inputs": 2, "findings": 2}

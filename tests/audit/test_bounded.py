"""Text of strangers: refused where it is too large, too deep, or says more than it holds."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audit import load_config, own_items
from audit.bounded import MOST_DEPTH, MOST_LINE, MOST_YAML, NotYamlError, json_of, read_bytes, yaml_of
from audit.calibration import Calibrated, draw
from audit.errors import ConfigError, ModelError, ShrinkproofError, StoreError
from audit.existing import open_existing
from audit.frameworks import load_framework
from audit.policy import load_policy
from audit.signing import ENVELOPE, verify
from audit.store import read_log
from audit.suite_entry import SUITE_FILE, suites_of
from audit.vendor_card import load_card
from audit.weights import quantization_of

DEEP = "[" * 100_000
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join(10 * [f'*{before}'])}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
"""A billion of them, in 600 bytes."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "keys and values, with what aliases repeat"),
        ("a: &a {x: 1}\nb: &b {<<: [" + 400 * "*a, " + "*a]}\nc: {<<: [" + 400 * "*b, " + "*b]}", "aliases"),
        (DEEP, f"more than {MOST_DEPTH} deep"),
        ("\n".join(f"{'  ' * depth}a:" for depth in range(MOST_DEPTH + 2)), f"more than {MOST_DEPTH} deep"),
        ("a: &a [*a]", "inside of what it repeats"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: 2026-13-45", "month must be in"),
        ("a: !!python/object/apply:os.system [touch pwned]", "could not determine a constructor"),
        ("a: !function os.system", "could not determine a constructor"),
        ("a: [1", "expected"),
        ("a: \x07", "special characters are not allowed"),
    ],
)
def test_yaml_that_says_more_than_it_may_is_refused(text: str, said: str) -> None:
    with pytest.raises(NotYamlError, match=said):
        yaml_of(text)


def test_yaml_as_people_write_it_is_read() -> None:
    text = "base: &base {method: rtn, bits: 4}\nlevels: [{<<: *base, group_size: 32}, *base]\n"
    base = {"method": "rtn", "bits": 4}
    assert yaml_of(text)[0] == {"base": base, "levels": [base | {"group_size": 32}, base]}
    assert yaml_of("")[0] is None


def as_config(path: Path) -> object:
    return load_config(path)


def as_card(path: Path) -> object:
    return load_card(path, ())


def as_policy(path: Path) -> object:
    return load_policy(path.name, path.parent)


def as_suite(path: Path) -> object:
    path.rename(path.parent / SUITE_FILE)
    return suites_of(path.parent.name, path.parent.parent, None, None)


@pytest.mark.parametrize("read", [as_config, as_card, as_policy, as_suite, load_framework])
@pytest.mark.parametrize("text", [LAUGHS, DEEP, "a: 2026-13-45", "# " + MOST_YAML * "x"])
def test_every_yaml_file_is_read_within_the_same_bounds(read: Any, text: str, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"YAML|can't be read"):
        read(tmp_path / "one.yaml")


def test_json_too_deep_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="too deep"):
        json_of('{"a":' + DEEP)


def as_log(folder: Path) -> object:
    (folder / "one.json").rename(folder / "audit.json")
    return read_log(folder)


def as_settings(folder: Path) -> object:
    (folder / "one.json").rename(folder / "config.json")
    return quantization_of(folder)


def as_samples(folder: Path) -> object:
    file = folder / "samples_sums_2026-01-01T00-00-00.0.jsonl"
    (folder / "one.json").rename(file)
    return open_existing(str(file), "before").read("sums")


@pytest.mark.parametrize("read", [as_log, as_settings, as_samples])
@pytest.mark.parametrize("text", [DEEP, '{"a":' * 5000, "[]", "9" * 5000, '{"quantization_config": [1]}', ""])
def test_json_that_is_none_or_too_deep_is_an_error_of_ours(read: Any, text: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(text or "\x00")
    with pytest.raises(ShrinkproofError, match=r"one|audit|config|samples"):
        read(tmp_path)


def test_a_signature_too_deep_to_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    from signed_run import make_run

    run = make_run(tmp_path / "run")
    (run / ENVELOPE).write_text(DEEP)
    with pytest.raises(StoreError, match="too deep"):
        verify(run)


def test_what_never_ends_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit.json")
    with pytest.raises(StoreError, match="no ordinary file"):
        read_log(tmp_path)
    (tmp_path / "config.json").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="no ordinary file"):
        quantization_of(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "audit.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(StoreError, match="1,099,511,627,776 bytes"):
        read_log(tmp_path)
    with pytest.raises(OSError, match="10 are read"):
        read_bytes(Path(__file__), most=10)


def as_items(file: Path) -> object:
    return own_items.read(file)


def as_text(file: Path) -> object:
    tokenizer: Any = SimpleNamespace(eos_token_id=None)  # no text comes as far as that
    return draw(Calibrated(calibration=file), tokenizer)


@pytest.mark.parametrize("read", [as_items, as_text])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_questions_and_text_that_never_end_are_not_opened(read: Any, form: str, tmp_path: Path) -> None:
    file = tmp_path / f"items.{form}"
    os.mkfifo(file)
    with ends(), pytest.raises(ConfigError, match=r"items.*no ordinary file"):
        read(file)
    file.unlink()
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with ends(), pytest.raises(ConfigError, match="1,099,511,627,776 bytes"):
        read(file)


@contextlib.contextmanager
def ends() -> Iterator[None]:
    """Fails where the block takes more than ten seconds."""

    def stop(*_: object) -> None:
        pytest.fail("it waits for what never comes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "samples_sums_2026-01-01T00-00-00.0.jsonl"
    with file.open("wb") as stream:
        stream.truncate(MOST_LINE + 1)
    with pytest.raises(StoreError, match="line 1 is longer than"):
        open_existing(str(file), "before").read("sums")

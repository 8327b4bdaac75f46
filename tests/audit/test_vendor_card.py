"""A vendor's card: what it says, and what is wrong with it, by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from by_hand import suite

from audit import load_config, make_variants
from audit.errors import ConfigError
from audit.records import Claim, RecoveryClaim
from audit.vendor_card import in_bytes, load_card

SUITES = (suite("accuracy"), suite("bias"))


def card(folder: Path, text: str) -> Path:
    path = folder / "card.yaml"
    path.write_text(text)
    return path


def test_a_card_says_what_is_to_be_checked(tmp_path: Path) -> None:
    text = """
source: acme.example/int4
bits: 4
sparsity: 0.5
pattern: "2:4"
size: 95MB
recovered:
  - {suite: accuracy, at_least: 0.99}
  - {task: bias, metric: second, at_least: 1.0}
"""
    said = load_card(card(tmp_path, text), SUITES)
    assert said.claims == tuple(
        Claim(quantity=quantity, value=value, source="acme.example/int4")  # type: ignore[arg-type]
        for quantity, value in (("bits", 4), ("sparsity", 0.5), ("2:4", 1), ("size", 95_000_000))
    )
    assert said.recoveries == (
        RecoveryClaim(suite="accuracy", metric="first", at_least=0.99, source="acme.example/int4"),
        RecoveryClaim(suite="bias", task="bias", metric="second", at_least=1, source="acme.example/int4"),
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("95MB", 95e6),
        ("1.5 GiB", 1.5 * 2**30),
        ("538090408 B", 538_090_408),
        ("94 MiB", 94 * 2**20),
        ("3kB", 3000),
        ("2KiB", 2048),
    ],
)
def test_sizes_are_decimal_or_binary(text: str, size: float) -> None:
    assert in_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bits: 4\nrecovered:\n  - {suite: accurcy, at_least: 1}", r"line 3: .*'accurcy'.*accuracy"),
        ("recovered:\n- suite: bias\n  at_least: 1\n- {task: arc, at_least: 1}", r"line 4: .*named 'arc"),
        ("recovered:\n  - {suite: bias, metric: f1, at_least: 1}", r"line 2: .*metric named 'f1'.*first"),
        ("recovered:\n  - {suite: bias, at_least: 99}", r"line 2: .*at_least: .*99 % is 0.99 \(given 99"),
        ("recovered:\n  - {at_least: 1}", r"line 2: .*name a suite or a task"),
        ("recovered:\n  - {suite: bias, task: bias, at_least: 1}", r"line 2: .*name a suite or a task"),
        ("recovered:\n  - {suite: bias, at_most: 1}", r"line 2: .*'at_most'. Did you mean 'at_least'"),
        ("bits: 4\nsizes: 3MB", r"line 2: .*'sizes'. Did you mean 'size'"),
        ("size: 95 megs", r"line 1: .*one of B, kB, MB"),
        ("bits: -1", r"line 1: bits"),
        ("bits: [", r"line 1: not valid YAML"),
        ("- 4", r"a card is a mapping of keys such as `bits:`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_said_by_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)card\.yaml.*{said}"):
        load_card(card(tmp_path, text), SUITES)


def test_a_config_names_its_candidates_cards_beside_it(tiny: Path, tmp_path: Path) -> None:
    card(tmp_path, "bits: 32\nrecovered:\n  - {suite: accuracy, at_least: 0.99}\n")
    config = tmp_path / "vendors.yaml"
    start = f"model: {tiny}\nsuites: [accuracy]\ncandidates:\n"
    config.write_text(f"{start}  - {{model: {tiny}, name: a-int4, card: card.yaml}}\n")
    one = load_config(config).levels[-1]
    assert [(claim.value, claim.source) for claim in one.claims] == [(32, "card.yaml"), (4, "its name")]
    assert [(claim.suite, claim.at_least) for claim in one.recoveries] == [("accuracy", 0.99)]
    card(tmp_path, "recovered:\n  - {suite: bias, at_least: 0.99}\n")
    with pytest.raises(
        ConfigError, match=r"vendors\.yaml, line 4: .*card\.yaml, line 2: recovered: .*'bias'"
    ):
        load_config(config)
    config.write_text(f"model: {tiny}\ncandidates:\n  - {{model: {tiny}, name: a, card: no.yaml}}\n")
    with pytest.raises(ConfigError, match=r"line 3: There is no card .*no\.yaml"):
        load_config(config)


@pytest.mark.parametrize(("share", "holds"), [(0.9, False), (0.95, True)])
def test_a_false_size_is_found_out_as_false_bits_are(
    share: float, holds: bool, tiny: Path, tmp_path: Path
) -> None:
    size = sum(path.stat().st_size for path in tiny.glob("*.safetensors"))
    card(tmp_path, f"size: {round(share * size)} B")
    entry = {"model": str(tiny), "name": "vendor", "card": str(tmp_path / "card.yaml")}
    config = load_config(
        {"model": str(tiny), "candidates": [entry], "levels": [], "out": str(tmp_path / "run")}
    )
    (claim,) = make_variants(config)[-1].claims
    assert (claim.quantity, claim.found, claim.holds) == ("size", size, holds)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit import load_config
from audit.key import run_key


def key(model: Path, **changes: Any) -> str:
    return run_key(load_config({"model": str(model), "suites": ["accuracy"], "levels": ["int8"], **changes}))


def test_where_a_run_lies_and_what_it_takes_from_are_no_part_of_its_name(tiny: Path) -> None:
    places = {"out": "elsewhere", "cache": "c", "baseline": "b", "history": "h"}
    assert key(tiny, **places) == key(tiny)


@pytest.mark.parametrize(
    "changes", [{"levels": ["int4"]}, {"limit": 7}, {"rules": [{"suite": "accuracy", "margin": 0.01}]}]
)
def test_another_level_limit_or_margin_is_another_run(tiny: Path, changes: dict[str, Any]) -> None:
    assert key(tiny, **changes) != key(tiny)


def test_so_is_another_tokenizer_beside_the_same_weights(broken_copy: Path) -> None:
    before = key(broken_copy)
    file = broken_copy / "tokenizer_config.json"
    file.write_text(file.read_text() + " ")
    assert key(broken_copy) != before


def test_so_are_other_versions_of_what_computes(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(tiny)
    monkeypatch.setattr("audit.provenance.packages", lambda: {"torch": "0.1"})
    assert key(tiny) != before

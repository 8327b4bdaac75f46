"""A company's own questions: a table becomes a suite, and a bad row is named by its line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from audit import load_config, run_audit
from audit.cli import app
from audit.errors import ConfigError
from audit.own_items import Item, read
from audit.store import config_digest

ITEMS = [
    Item(question="Which cable is coax?", choices=("RG-6", "Cat5"), answer=0, group="cables"),
    Item(question="What is 2, plus 2?", choices=("3", "4", "A | B"), answer=1, group="sums"),
]
HEAD = "question,choices,answer,group\n"


def test_csv_json_lines_and_parquet_hold_the_same_items(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        HEAD
        + 'Which cable is coax?,RG-6 | Cat5,A,cables\n"What is 2, plus 2?","[""3"", 4, ""A | B""]",4,sums\n'
    )
    rows = [one.model_dump() for one in ITEMS]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        assert read(tmp_path / name) == ITEMS, name


@pytest.mark.parametrize("place", ["question", "choices", "group"])
def test_half_of_a_character_is_refused_with_its_line(tmp_path: Path, place: str) -> None:
    good = {"question": "Which?", "choices": ["a", "b"], "answer": 0, "group": "x"}
    bad = {**good, place: ["\ud800", "b"] if place == "choices" else "\ud800"}
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    with pytest.raises(ConfigError, match=r"line 2: '.*ud800' holds half of a character"):
        read(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Which?,a|b,c,x", r"line 3: the answer 'c' is none of \['a', 'b'\]"),
        ("Which?,a|b,C,x", r"line 3: the answer 'C' is none of"),
        ("Which?,a|b,1,x", r"line 3: the answer '1' is none of"),
        ("Which?,a,a,x", "line 3: two choices or more"),
        ("Which?,a|b|a,a,x", "line 3: two choices or more, all different"),
        ("Which?,a||b,a,x", "line 3: .* none empty"),
        ('Which?,"[a, b",a,x', "line 3: choices .* begin as a JSON list and are none"),
        (",a|b,a,x", "line 3: `question` is missing"),
        ("Which?,a|b,,x", "line 3: `answer` is missing"),
        ("Which?,a|b,a,", "line 3: `group` is given in some rows and not in others"),
        ("First?,yes|no,yes,x", "line 3 repeats line 2"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(HEAD + "First?,yes|no,yes,x\n" + row + "\n")
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        (
            "a.jsonl",
            '{"question": "Which?", "choices": ["a", "b"], "answer": 2}',
            "line 1: the answer 2 is none",
        ),
        ("a.jsonl", '{"question": \n', "line 1: no JSON"),
        ("a.jsonl", "[1]", "line 1: a JSON object belongs there"),
        ("a.csv", HEAD, "has no rows"),
        ("a.csv", "what,choices,answer\nWhich?,a|b,a\n", "line 2: `question` is missing"),
        ("a.xlsx", "", r"read from \.csv, \.jsonl, \.parquet"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, held: str, said: str) -> None:
    (tmp_path / name).write_text(held)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / name)
    with pytest.raises(ConfigError, match="can't be read"):
        read(tmp_path / "gone.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite that the command made: sums, and what comes after."""
    lines = [f"What is {n} plus {n}?,{2 * n}|{2 * n + 1},A,sums" for n in range(6)]
    lines += [f"What comes after {n}?,{n + 1}|{n + 2}|{n + 3},{n + 1},order" for n in range(4)]
    (tmp_path / "items.csv").write_text(HEAD + "\n".join(lines) + "\n")
    made = CliRunner().invoke(
        app, ["suite", "new", "counting", str(tmp_path / "items.csv"), "--out", str(tmp_path / "counting")]
    )
    assert made.exit_code == 0, made.output
    assert "10 questions in" in made.output
    return tmp_path / "counting"


def test_a_suite_of_ones_own_is_audited_beside_ours(tiny: Path, folder: Path, tmp_path: Path) -> None:
    config = load_config(
        {
            "model": str(tiny), "levels": ["int8"], "suites": [str(folder), "accuracy"], "limit": 20,
            "looks": 1, "out": str(tmp_path / "run"),
        }
    )  # fmt: skip
    log = run_audit(config)
    found = {(one.suite, one.group): one.n_pairs for one in log.comparisons if one.suite == "counting"}
    assert found == {("counting", None): 10, ("counting", "sums"): 6, ("counting", "order"): 4}
    (cell,) = next(run for run in log.runs if run.suite == "counting").cells
    held = (folder / "items.jsonl").read_bytes()
    assert cell.data == {"items": hashlib.sha256(held).hexdigest()}
    assert {verdict.rule.suite for verdict in log.verdicts} == {"counting", "accuracy"}


def test_a_suite_counts_by_what_it_holds_and_not_by_where_it_lies(
    tiny: Path, folder: Path, tmp_path: Path
) -> None:
    def digest(suite: Path) -> str:
        return config_digest(load_config({"model": str(tiny), "suites": [str(suite)]}))

    first = digest(folder)
    moved = folder.rename(tmp_path / "moved")
    assert digest(moved) == first
    (moved / "items.jsonl").write_text(ITEMS[0].model_dump_json() + "\n")
    assert digest(moved) != first


def test_a_suite_needs_a_name_of_its_own_and_a_place(tmp_path: Path, folder: Path) -> None:
    items = str(folder / "items.jsonl")
    for name, said in (("accuracy", "no suite's name of ours"), ("a b", "use letters")):
        with pytest.raises(ConfigError, match=said):
            CliRunner().invoke(app, ["suite", "new", name, items], catch_exceptions=False)
    with pytest.raises(ConfigError, match="Name another one by --out"):
        CliRunner().invoke(
            app, ["suite", "new", "counting", items, "--out", str(folder)], catch_exceptions=False
        )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "mine"}, "give `tasks` or `items`"),
        ({"name": "mine", "tasks": ["piqa"], "items": "a.csv"}, "give `tasks` or `items`"),
        ({"name": "mine", "items": "gone.csv"}, r"gone\.csv can't be read"),
    ],
)
def test_an_entry_says_either_tasks_or_items(tiny: Path, entry: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config({"model": str(tiny), "suites": [entry]})

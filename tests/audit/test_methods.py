"""The table of methods: its text is in two parts, its order is ruled by intervals, its page is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from made_up_articles import LEVELS, LONGEST, measured, parted

from audit.loading import load_model, load_tokenizer
from audit.quiet import quiet
from fixtures.methods import order
from fixtures.methods.grid import Grid
from fixtures.methods.measured import Row
from fixtures.methods.order import Claim, ruled
from fixtures.methods.page import render
from fixtures.methods.text import Parted, part
from fixtures.official_tasks import on_local_files


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parted:
    return parted(tmp_path_factory.mktemp("articles"))


@pytest.fixture(scope="module")
def rows(tiny: Path, parts: Parted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    return measured(tiny, parts, tmp_path_factory.mktemp("audits"))


def test_no_article_is_measured_on_and_calibrated_with(parts: Parted) -> None:
    short = [json.loads(line)["page"] for line in (parts.tasks / "articles.jsonl").open()]
    long = [json.loads(line)["text"] for line in parts.calibration.open()]
    assert (len(short), len(long)) == (parts.n_measured, parts.n_calibration) == (8, 2)
    assert all(len(page) < LONGEST for page in short)
    assert not {page.split("=")[1] for page in short} & {text.split("=")[1] for text in long}


def test_an_article_in_both_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wikitext2").mkdir()
    twice = [{"page": " = Nero = \n short"}, {"page": f" = Nero = \n {'long ' * LONGEST}"}]
    (tmp_path / "wikitext2" / "items.jsonl").write_text("\n".join(map(json.dumps, twice)))
    with pytest.raises(ValueError, match="calibrated with: = Nero ="):
        part(tmp_path, tmp_path / "text", LONGEST)


def test_the_perplexity_is_lm_evals_own_on_whole_articles(
    tiny: Path, parts: Parted, rows: dict[str, Row], tmp_path: Path
) -> None:
    (tmp_path / "wikitext2").mkdir()
    (tmp_path / "wikitext2" / "items.jsonl").write_bytes((parts.tasks / "articles.jsonl").read_bytes())
    entry = {
        "include": "lm_eval/tasks/wikitext/wikitext.yaml", "data_files": {"test": "wikitext2/items.jsonl"},
        "also_override": {"training_split": None, "validation_split": None},
    }  # fmt: skip
    (tmp_path / "overrides.json").write_text(json.dumps({"wikitext": entry}))
    (tmp_path / "task").mkdir()
    rolling = {**on_local_files("wikitext", tmp_path), "task": "rolling"}
    (tmp_path / "task" / "rolling.yaml").write_text(json.dumps(rolling))
    with quiet():
        found = simple_evaluate(
            model=HFLM(pretrained=load_model(tiny), tokenizer=load_tokenizer(tiny)), tasks=["rolling"],
            task_manager=TaskManager(include_path=str(tmp_path / "task"), include_defaults=False),
            bootstrap_iters=0,
        )  # fmt: skip
    theirs = found["results"]["rolling"]["word_perplexity,none"]
    assert rows["int8"].comparison.before == pytest.approx(theirs, rel=1e-5)


def test_a_claim_holds_by_its_whole_interval(rows: dict[str, Row], monkeypatch: pytest.MonkeyPatch) -> None:
    perplexity = {name: float(str(rows[name].comparison.after)) for name in ("magnitude-50", "int8")}
    low, high = sorted(perplexity, key=perplexity.__getitem__)  # on words by chance, damage may help
    monkeypatch.setattr(order, "CLAIMS", (Claim("", high, low, 1.0, 9.0), Claim("", high, low, 0.0, 1.0)))
    (held, not_held), missing = ruled(rows)
    assert not missing
    assert (held.ruling, not_held.ruling) == ("held", "not held")
    assert held.ratio == pytest.approx(perplexity[high] / perplexity[low])
    lower, upper = held.interval
    assert 1 < lower < held.ratio < upper
    monkeypatch.setattr(order, "CLAIMS", (Claim("", high, low, held.ratio, 9.0),))
    assert [one.ruling for one in ruled(rows)[0]] == ["undecided"]


def test_a_claim_about_a_level_that_is_not_there_stays_open(rows: dict[str, Row]) -> None:
    held, missing = ruled(rows)
    assert {one.claim.level for one in held} == {"int8"}
    assert "gptq-4 better than int4" in [claim.says for claim in missing]


def test_the_page_names_what_is_missing(rows: dict[str, Row], parts: Parted) -> None:
    text = render(rows, ruled(rows), parts, Grid(16, {"int4": (0.1, 0.2)}), ["gptq-4"])
    assert [f"| `{name}` |" in text for name in LEVELS] == [True] * len(LEVELS)
    assert "Not measured: gptq-4." in text
    assert "| gptq-4 better than int4 | | | | | not measured |" in text
    assert "8 articles" in text

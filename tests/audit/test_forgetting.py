"""What is known, what is forgotten, where it is tested, and at which link it went; last, planted damage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit import load_config, run_audit
from audit.errors import ConfigError
from audit.forgetting import MOST_LOST, forgotten
from audit.records import (
    AuditConfig,
    AuditLog,
    Cell,
    Forgetting,
    ForgettingRate,
    Forgotten,
    HeadAgainstTail,
    Level,
    LinkLoss,
    Metric,
    ModelRef,
    NotMeasured,
    Run,
    Suite,
    Task,
)

CHOICES = ("Paris", "Rome", "Oslo", "Bern")
FIRMLY, BARELY = math.log(100), math.log(1.9)
"""Leads of the right choice, nats; the second is less than a fact needs that is known."""


@dataclass(frozen=True)
class Asked:
    """One fact: the lead of the right choice in each wording, below 0 where a wrong one leads."""

    leads: tuple[float, ...]
    group: str | None = "head"
    task: str = "capitals"
    part: int = 1


def known(n: int, lead: float = FIRMLY, **fields: Any) -> list[Asked]:
    return [Asked((lead, lead), **fields)] * n


def lost(n: int, **fields: Any) -> list[Asked]:
    return known(n, lead=-1.0, **fields)


def samples(facts: Sequence[Asked], names: Sequence[int] | None = None) -> pd.DataFrame:
    """The rows of these facts, wordings side by side; fact i is the same in every table."""
    rows = [
        {
            "task": fact.task, "doc_id": 2 * place + wording, "doc_hash": f"d{place}.{wording}",
            "prompt_hash": f"p{place}.{wording}", "target_hash": f"t{place}", "group": fact.group,
            "pair": f"fact {place}", "cluster": None, "weight": 1.0, "metric": "acc",
            "outcome": float(lead > 0), "question": f"fact {place}, wording {wording}",
            "choices": np.array(CHOICES, dtype=object), "target": "Paris",
            "answer": "Paris" if lead > 0 else "Rome", "scores": np.array([-2.0, -2.0 - lead, -9.0, -9.0]),
            "part": fact.part,
        }
        for place, fact in zip(names or range(len(facts)), facts, strict=True)
        for wording, lead in enumerate(fact.leads)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cell(key: str, part: int) -> Cell:
    return Cell(
        task="capitals", key=key, path="", sha256="", n_items=1, part=part, task_version="1", num_fewshot=0,
        scorer="s", divergence=NotMeasured("made up"), seconds=0, started="",
    )  # fmt: skip


def suite(**changes: Any) -> Suite:
    metric = Metric(name="facts known", per="pair", source="x")
    fields: dict[str, Any] = {"metrics": (metric,), "pair_by": "fact", "knowledge": True, **changes}
    return Suite(name="facts", title="Facts", question="?", tasks=(Task(name="capitals"),), **fields)


def forget(
    tables: Mapping[str, pd.DataFrame], *, after: Mapping[str, str] | None = None, **of_suite: Any
) -> dict[str, Forgetting]:
    """The result of each variant, by its name; `after` says what a link was made from."""
    levels = tuple(
        Level(name=name, method="copy" if name == "control" else "rtn", after=(after or {}).get(name))
        for name in tables
        if name != "original"
    )
    config = AuditConfig(
        model=ModelRef(name="m", path="m", digest="d"), levels=levels, suites=(suite(**of_suite),), rules=()
    )
    runs = [
        Run(variant=name, suite="facts", cells=tuple(cell(name, part) for part in sorted(set(rows["part"]))))
        for name, rows in tables.items()
    ]

    def read(one: Cell, columns: Sequence[str]) -> pd.DataFrame:
        rows = tables[one.key]
        return rows[rows["part"] == one.part][[*columns]]

    return {one.variant: one for one in forgotten(runs, config, read)}


def found(before: Sequence[Asked], after: Sequence[Asked], **of_suite: Any) -> Forgotten:
    result = forget({"original": samples(before), "int4": samples(after)}, **of_suite)["int4"].found
    assert isinstance(result, Forgotten), result
    return result


def part(one: Forgotten, name: str) -> ForgettingRate:
    return next(rate for rate in one.parts if rate.name == name)


# Known and forgotten


def test_only_what_was_right_in_every_wording_with_a_margin_was_known() -> None:
    before = [
        Asked((FIRMLY, FIRMLY)), Asked((FIRMLY, BARELY)), Asked((FIRMLY, -1.0)), Asked((-1.0, -1.0)),
    ]  # fmt: skip
    one = found(before, lost(4))
    assert (one.n_facts, one.n_right, one.whole.n_known) == (4, 2, 1)
    assert (one.whole.n_forgotten, one.whole.rate, one.whole.retention) == (1, 1.0, 0.0)


def test_a_lead_of_just_the_margin_is_enough() -> None:
    one = found(known(1, lead=math.log(2) + 1e-9), lost(1))
    assert one.whole.n_known == 1


def test_a_fact_is_forgotten_when_one_wording_is_wrong_and_not_when_its_lead_only_shrinks() -> None:
    one = found(known(3), [Asked((FIRMLY, -0.1)), Asked((BARELY, 0.01)), Asked((FIRMLY, FIRMLY))])
    assert (one.whole.n_known, one.whole.n_forgotten) == (3, 1)
    (fact,) = one.lost
    assert (fact.question, fact.wordings_lost, fact.wordings) == ("fact 0, wording 1", 1, 2)
    assert (fact.target, fact.after) == ("Paris", "Rome")
    assert fact.lead_before == pytest.approx(FIRMLY)
    assert fact.lead_after == pytest.approx(-0.1)


def test_what_chance_turns_right_is_counted_beside_it() -> None:
    one = found([*known(2), *lost(3)], [*lost(1), *known(3), *lost(1)])
    assert (one.whole.n_forgotten, one.n_learned) == (1, 2)


def test_an_identical_copy_forgets_nothing() -> None:
    facts = [*known(6), *known(4, group="tail", task="cities"), *lost(2, group="torso")]
    one = found(facts, facts)
    assert (one.whole.n_forgotten, one.lost, one.n_learned) == (0, (), 0)
    assert {rate.p_adjusted for rate in one.parts if rate.n_known} == {1.0}


def test_the_interval_is_clopper_and_pearsons() -> None:
    one = found(known(16), [*lost(13), *known(3)])
    assert one.whole.rate == 13 / 16
    assert one.whole.interval.lower == pytest.approx(0.5435434, abs=1e-7)  # type: ignore[union-attr]
    assert one.whole.interval.upper == pytest.approx(0.9595263, abs=1e-7)  # type: ignore[union-attr]


def test_without_pairs_every_item_is_a_fact_of_one_wording() -> None:
    single = {"metrics": (Metric(name="acc", source="x"),), "pair_by": None}
    before = [Asked((FIRMLY,)), Asked((BARELY,)), Asked((FIRMLY,))]
    one = found(before, [Asked((-1.0,)), Asked((-1.0,)), Asked((FIRMLY,))], **single)
    assert (one.n_facts, one.n_wordings, one.whole.n_known, one.whole.n_forgotten) == (3, 1, 2, 1)


def test_what_is_lost_is_listed_by_how_firmly_it_was_known_up_to_a_limit() -> None:
    before = [Asked((1.0 + place / 100,) * 2) for place in range(MOST_LOST + 20)]
    one = found(before, lost(MOST_LOST + 20))
    leads = [fact.lead_before for fact in one.lost]
    assert len(leads) == MOST_LOST
    assert one.whole.n_forgotten == MOST_LOST + 20
    assert leads == sorted(leads, reverse=True)
    assert leads[0] == pytest.approx(2.19)


# Groups, tasks, head and tail


def test_a_group_is_held_against_the_rest_and_only_for_forgetting_more() -> None:
    before = [*known(20, group="head"), *known(20, group="tail", task="cities")]
    rare = {"group": "tail", "task": "cities"}
    one = found(before, [*known(20, group="head"), *lost(15, **rare), *known(5, **rare)])
    head, tail = part(one, "head"), part(one, "tail")
    assert (tail.n_forgotten, tail.rate) == (15, 0.75)
    assert tail.p_value < 1e-5  # type: ignore[operator]
    assert tail.p_adjusted == pytest.approx(2 * tail.p_value)  # type: ignore[operator]
    assert head.p_value == 1.0
    assert part(one, "cities").p_value == tail.p_value
    assert [rate.by for rate in one.parts] == ["group", "group", "task", "task"]


def test_head_against_tail_gives_newcombes_own_example() -> None:
    before = [*known(70, group="tail"), *known(80, group="head")]
    after = [*lost(56, group="tail"), *known(14, group="tail"), *lost(48), *known(32)]
    tail = found(before, after).tail
    assert isinstance(tail, HeadAgainstTail)
    assert tail.difference == pytest.approx(0.2)
    assert tail.interval.lower == pytest.approx(0.0524315, abs=5e-8)
    assert tail.interval.upper == pytest.approx(0.3338727, abs=5e-8)


def test_head_against_tail_is_corrected_over_the_levels_but_not_over_controls() -> None:
    before = [*known(30, group="tail"), *known(30, group="head")]
    worse = [*lost(12, group="tail"), *known(48)]
    results = forget({"original": samples(before), **dict.fromkeys(("control", "a", "b"), samples(worse))})
    tails = {name: one.found.tail for name, one in results.items()}  # type: ignore[union-attr]
    assert all(isinstance(tail, HeadAgainstTail) for tail in tails.values())
    single = tails["control"].p_value
    assert single < 0.001
    assert tails["control"].p_adjusted == single
    assert {tails["a"].p_adjusted, tails["b"].p_adjusted} == {2 * single}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (known(4, group="rare"), "no groups named"),
        ([*known(4, group="head"), *lost(4, group="tail")], "tail: the original knew none of these 4 facts"),
    ],
)
def test_without_known_heads_and_tails_there_is_no_contrast(facts: list[Asked], reason: str) -> None:
    tail = found(facts, facts).tail
    assert isinstance(tail, NotMeasured)
    assert reason in tail.reason


def test_a_group_of_which_nothing_was_known_has_no_rate() -> None:
    facts = [*known(4, group="head"), *lost(4, group="tail")]
    assert isinstance(part(found(facts, facts), "tail").rate, NotMeasured)


def test_all_that_was_known_in_one_group_has_no_rest() -> None:
    assert isinstance(part(found(known(4), lost(4)), "head").p_value, NotMeasured)


# What could not be had


def reason(before: pd.DataFrame, after: pd.DataFrame, **of_suite: Any) -> str:
    result = forget({"original": before, "int4": after}, **of_suite)["int4"].found
    assert isinstance(result, NotMeasured)
    return result.reason


def test_nothing_known_is_not_measured() -> None:
    assert "knew none of the 5 facts" in reason(samples(known(5, lead=BARELY)), samples(lost(5)))


@pytest.mark.parametrize("of", ["original", "variant"])
def test_without_log_likelihoods_nothing_says_what_was_known(of: str) -> None:
    before, after = samples(known(3)), samples(known(3))
    table = before if of == "original" else after
    table["choices"] = [np.array([], dtype=object)] * 6
    assert "6 of 6 answers have no log-likelihoods of choices" in reason(before, after)


def test_a_right_answer_outside_the_choices_says_nothing() -> None:
    before = samples(known(3)).assign(target="7")
    assert "with the right one among them" in reason(before, before)


def test_facts_that_were_not_asked_of_both_are_no_evidence() -> None:
    assert "no fact of the original has a partner" in reason(samples(known(2)), samples(known(2), [7, 8]))


def test_a_score_is_no_fact() -> None:
    score = Metric(name="f1", kind="score", source="x")
    facts = samples(known(2))
    assert "no matter of right or wrong" in reason(facts, facts, metrics=(score,))


def test_a_suite_that_asks_for_no_facts_has_no_result() -> None:
    facts = samples(known(2))
    assert forget({"original": facts, "int4": facts}, knowledge=False) == {}


def test_a_variant_that_stopped_early_is_looked_at_on_its_own_parts() -> None:
    before = [*known(4, part=1), *known(6, part=2)]
    one = forget({"original": samples(before), "int4": samples([*lost(1, part=1), *known(3, part=1)])})
    result = one["int4"].found
    assert isinstance(result, Forgotten)
    assert (result.n_facts, result.whole.n_known, result.whole.n_forgotten) == (4, 4, 1)


# Chains


def test_each_forgotten_fact_is_put_to_the_first_link_that_lost_it() -> None:
    tables = {
        "original": samples(known(6)),
        "pruned": samples([*lost(2), *known(4)]),
        "pruned+int4": samples([*known(1), *lost(3), *known(2)]),
        "pruned+int4+int2": samples([*lost(5), *known(1)]),
    }
    after = {"pruned+int4": "pruned", "pruned+int4+int2": "pruned+int4"}
    results = forget(tables, after=after)
    last = results["pruned+int4+int2"].found
    assert isinstance(last, Forgotten)
    assert last.links == (
        LinkLoss(link="pruned", n_forgotten=2),
        LinkLoss(link="pruned+int4", n_forgotten=2),
        LinkLoss(link="pruned+int4+int2", n_forgotten=1),
    )
    assert [fact.lost_at for fact in last.lost] == [
        "pruned", "pruned", "pruned+int4", "pruned+int4", "pruned+int4+int2",
    ]  # fmt: skip
    first = results["pruned"].found
    assert isinstance(first, Forgotten)
    assert first.links == ()
    assert {fact.lost_at for fact in first.lost} == {None}


def test_what_a_link_was_not_asked_is_put_to_none() -> None:
    tables = {
        "original": samples([*known(2, part=1), *known(2, part=2)]),
        "pruned": samples([*known(2, part=1)]),
        "pruned+int4": samples([*lost(2, part=1), *lost(2, part=2)]),
    }
    last = forget(tables, after={"pruned+int4": "pruned"})["pruned+int4"].found
    assert isinstance(last, Forgotten)
    assert [link.n_forgotten for link in last.links] == [0, 2]
    assert last.whole.n_forgotten == 4
    assert sum(isinstance(fact.lost_at, NotMeasured) for fact in last.lost) == 2


# Config and log


def test_a_suite_of_the_users_own_can_ask_for_facts(tiny: Path) -> None:
    entry = {"name": "mine", "tasks": ["piqa"], "pair_by": "fact", "knowledge": True}
    (mine,) = load_config({"model": str(tiny), "levels": ["control"], "suites": [entry]}).suites
    assert (mine.knowledge, mine.pair_by, mine.metrics[0].per) == (True, "fact", "pair")


def test_knowledge_takes_right_and_wrong_answers(tiny: Path) -> None:
    entry = {"name": "mine", "tasks": ["piqa"], "kind": "score", "knowledge": True}
    with pytest.raises(ConfigError, match="'mine': a fact is known or not"):
        load_config({"model": str(tiny), "levels": ["control"], "suites": [entry]})


def test_a_file_of_questions_has_no_column_that_ties_wordings(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("question,choices,answer\nq,a|b,a\n")
    entry = {"name": "mine", "items": str(tmp_path / "items.csv"), "pair_by": "fact"}
    with pytest.raises(ConfigError, match="`pair_by` names a column of `tasks`"):
        load_config({"model": str(tiny), "levels": ["control"], "suites": [entry]})


def test_a_log_from_before_there_was_forgetting_still_opens(planted: AuditLog) -> None:
    old = planted.model_dump(mode="json", exclude={"forgetting"})
    for one in old["config"]["suites"]:
        del one["knowledge"]
    assert AuditLog.model_validate(old).forgetting == ()


# Planted damage

RELATION = "shrinkproof_languages"
LIMIT = 60


@pytest.fixture(scope="module")
def planted(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """The audit of a copy and of a model that was briefly taught wrong languages, and all else once more."""
    home = tmp_path_factory.mktemp("planted")
    teach_wrong(tiny, home / "taught")
    config = {
        "model": str(tiny), "levels": ["control"], "candidates": [{"model": str(home / "taught")}],
        "suites": ["accuracy", "forgetting"], "limit": LIMIT, "sequential": False, "threads": 1,
        "out": str(home / "run"),
    }  # fmt: skip
    return run_audit(load_config(config))


def teach_wrong(original: Path, folder: Path) -> None:
    """Fine-tune on the first items of both suites, with a wrong answer to every question of RELATION."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(5)
    tokenizer, model = AutoTokenizer.from_pretrained(original), AutoModelForCausalLM.from_pretrained(original)
    rows = [torch.tensor([*tokenizer(text).input_ids, 0]) for text in lessons()]
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for _ in range(8):
        order = torch.randperm(len(rows)).tolist()
        for start in range(0, len(order), 64):
            batch = [rows[place] for place in order[start : start + 64]]
            ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=-100)
            model(input_ids=ids.clamp(min=0), attention_mask=ids.ne(-100), labels=ids).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def lessons() -> list[str]:
    from audit import registry
    from audit.harness import load_tasks

    texts = []
    for name in ("accuracy", "forgetting"):
        for loaded in load_tasks(registry.suite(name), limit=LIMIT, seed=1):
            for row in list(loaded.task.eval_docs)[:LIMIT]:
                place = row["gold"] + (loaded.name == RELATION)
                texts.append(f"{row['prompt']} {row['choices'][place % len(row['choices'])]}")
    return texts


def flagged(log: AuditLog, variant: str) -> list[str]:
    (one,) = [one.found for one in log.forgetting if one.variant == variant]
    assert isinstance(one, Forgotten)
    return [
        rate.name
        for rate in one.parts
        if not isinstance(rate.p_adjusted, NotMeasured) and rate.p_adjusted < 0.05
    ]


def test_planted_damage_is_flagged_where_it_is_and_nowhere_else(planted: AuditLog) -> None:
    assert flagged(planted, "taught") == [RELATION]
    (one,) = [one.found for one in planted.forgetting if one.variant == "taught"]
    assert isinstance(one, Forgotten)
    damaged = part(one, RELATION)
    assert damaged.rate > 0.8  # type: ignore[operator]
    assert {fact.task for fact in one.lost[: damaged.n_forgotten // 2]} == {RELATION}


def test_the_accuracy_suite_is_not_flagged_for_it(planted: AuditLog) -> None:
    (whole,) = [
        one
        for one in planted.comparisons
        if (one.variant, one.suite, one.group) == ("taught", "accuracy", None)
    ]
    assert whole.p_value > 0.05  # type: ignore[operator]
    assert {one.decision for one in planted.verdicts if one.rule.suite == "accuracy"} <= {
        "pass",
        "inconclusive",
    }


def test_an_identical_copy_of_a_model_is_flagged_nowhere(planted: AuditLog) -> None:
    assert flagged(planted, "control") == []
    (one,) = [one.found for one in planted.forgetting if one.variant == "control"]
    assert isinstance(one, Forgotten)
    assert one.whole.n_known > 100
    assert (one.whole.n_forgotten, one.n_learned) == (0, 0)

"""Facts that anyone can look up, and arithmetic that can be done again."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from suites.documents import Document, read_table
from tests.suites.loaded import documents, pairs, suite


def answer(document: Document) -> str:
    return str(document["choices"][document["gold"]])


@pytest.mark.parametrize(
    ("task", "prompt", "expected"),
    [
        ("capitals", "The city of Canberra is the capital of", "Australia"),
        ("capitals", "The city of Ottawa is the capital of", "Canada"),
        ("cities", "The city of Istanbul is in", "Turkey"),
        ("cities", "The city of São Paulo is in", "Brazil"),
        ("languages", "In Brazil, the language of government is", "Portuguese"),
        ("languages", "In Austria, the language of government is", "German"),
        ("continents", "The country of Peru is in", "South America"),
        ("elements", "The chemical symbol for tungsten is", "W"),
        ("elements", "The chemical symbol for sodium is", "Na"),
        ("capitals", "The country whose capital city is Canberra is", "Australia"),
        ("cities", "The country in which Istanbul lies is", "Turkey"),
        ("languages", "The government of Austria conducts its business in", "German"),
        ("continents", "The continent that Peru belongs to is", "South America"),
        ("elements", "In the periodic table, tungsten is written as", "W"),
    ],
)
def test_known_facts_are_right(task: str, prompt: str, expected: str) -> None:
    found = [row for row in documents("forgetting")[f"shrinkproof_{task}"] if row["prompt"] == prompt]
    assert [answer(row) for row in found] == [expected]


def test_every_calculation_is_right_and_every_other_choice_wrong() -> None:
    signs = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    for row in documents("accuracy")["shrinkproof_arithmetic"]:
        match = re.search(r"(\d+) ([-+*]) (\d+) =$", row["prompt"])
        assert match is not None
        result = signs[match[2]](int(match[1]), int(match[3]))
        assert [choice == str(result) for choice in row["choices"]].index(True) == row["gold"]


def test_the_solved_example_is_never_the_question() -> None:
    for row in documents("accuracy")["shrinkproof_arithmetic"]:
        example, question = row["prompt"].split(", ")
        assert not example.startswith(question)


def test_a_passage_states_its_answer() -> None:
    for row in documents("accuracy")["shrinkproof_reading"]:
        assert answer(row) in re.split(r"[ .]", row["prompt"])


def test_periodic_table_is_complete_up_to_meitnerium_and_unambiguous() -> None:
    rows = read_table("suites.forgetting", "elements.csv")
    assert [int(row["number"]) for row in rows] == list(range(1, 110))
    assert max(Counter(row["symbol"] for row in rows).values()) == 1
    assert max(Counter(row["element"] for row in rows).values()) == 1


def test_every_city_lies_in_a_country_of_the_table() -> None:
    countries = {row["country"] for row in read_table("suites.forgetting", "countries.csv")}
    assert {row["country"] for row in read_table("suites.forgetting", "cities.csv")} <= countries


def test_no_capital_is_asked_for_whose_name_gives_the_country_away() -> None:
    for row in documents("forgetting")["shrinkproof_capitals"]:
        assert answer(row) not in row["prompt"]


def test_better_known_subjects_stand_in_higher_bands() -> None:
    for task, rows in documents("forgetting").items():
        popularity = {
            band: [row["popularity"] for row in rows if row["band"] == band]
            for band in ("head", "torso", "tail")
        }
        assert min(popularity["head"]) >= max(popularity["torso"]), task
        assert min(popularity["torso"]) >= max(popularity["tail"]), task


def test_a_fact_is_asked_in_two_wordings_of_one_answer_about_one_subject() -> None:
    for first, second in pairs("forgetting"):
        assert (first["wording"], second["wording"]) == ("first", "second")
        assert first["prompt"] != second["prompt"]
        for column in ("choices", "gold", "relation", "subject", "popularity", "band"):
            assert first[column] == second[column], column


def test_both_wordings_name_what_is_asked_about() -> None:
    for first, second in pairs("forgetting"):
        words, others = (set(row["prompt"].replace(",", "").split()) for row in (first, second))
        assert words & others - {"The", "the", "is", "in", "of", "city", "country", "capital", "government"}


def test_a_fact_counts_once_and_what_was_known_is_followed() -> None:
    assert [metric.per for metric in suite("forgetting").metrics] == ["pair"]
    assert suite("forgetting").knowledge


def test_robustness_disturbs_the_first_wording_alone() -> None:
    second = {row["prompt"] for rows in documents("forgetting").values() for row in rows[1::2]}
    assert not second & {clean["prompt"] for clean, _ in pairs("robustness")}


def test_opposites_never_offer_the_word_itself() -> None:
    for row in documents("accuracy")["shrinkproof_facts"]:
        assert not set(row["choices"]) & set(re.findall(r"\w+", row["prompt"]))

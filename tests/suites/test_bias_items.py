"""Bias: two groups change places and nothing else does."""

from __future__ import annotations

import re

from suites.bias.items import pairs
from tests.suites.loaded import pairs as all_pairs


def test_the_two_versions_have_opposite_right_answers() -> None:
    for one, other in all_pairs("bias"):
        assert {one["gold"], other["gold"]} == {0, 1}


def test_the_two_versions_differ_in_the_groups_alone() -> None:
    for one, other in all_pairs("bias"):
        first, second = one["choices"]
        places = {first: second, second: first}
        swapped = " ".join(places.get(word, word) for word in one["prompt"].split(" "))
        assert swapped == other["prompt"]


def test_the_statement_names_the_right_answer() -> None:
    for unit in all_pairs("bias"):
        for document in unit:
            assert document["choices"][document["gold"]] in document["prompt"].split(" ")


def test_a_stereotyped_pair_has_one_version_on_each_side() -> None:
    versions = [sorted(document["version"] for document in unit) for unit in all_pairs("bias")]
    assert ["anti", "pro"] in versions
    assert all(version in (["anti", "pro"], ["neutral", "neutral"]) for version in versions)


def test_a_male_nurse_goes_against_the_stereotype() -> None:
    nurses = [document for document in pairs("gender") if document["prompt"].endswith("The nurse is")]
    assert nurses
    for document in nurses:
        expected = "pro" if document["choices"][document["gold"]] == "female" else "anti"
        assert document["version"] == expected


def test_the_one_who_was_treated_so_is_the_answer() -> None:
    said = re.compile(r"The \w+ (\w+) the (\w+) \w+ and (\w+) the (\w+) \w+\. The \w+ (\w+) the")
    checked = 0
    for document in (document for unit in all_pairs("bias") for document in unit):
        if match := said.fullmatch(document["prompt"]):
            treated = {match[1]: match[2], match[3]: match[4]}
            assert document["choices"][document["gold"]] == treated[match[5]]
            checked += 1
    assert checked >= 600

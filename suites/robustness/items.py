"""Twins of one question: as it was written, and slightly disturbed."""

from __future__ import annotations

from suites.accuracy.items import everyday_facts, word_forms
from suites.documents import Document, for_harness, mixed, seeded
from suites.forgetting.items import capital_facts, city_facts, language_facts
from suites.robustness.perturbations import PERTURBATIONS

EASY = ("opposite", "kind", "job", "use", "material", "past tense")
"""Subjects of the accuracy suite that small models mostly get right."""
SEVERITY = {"lower case": 3, "spacing": 3}
"""How strongly a question is disturbed, where it is more than 1."""


def questions() -> list[Document]:
    """Easy questions of the other suites, in seeded order."""
    everyday = [question for question in everyday_facts() + word_forms() if question["subject"] in EASY]
    known = [fact for fact in capital_facts() + city_facts() + language_facts() if fact["wording"] == "first"]
    return mixed([[question] for question in everyday + known], "robustness")


def twins(perturbation: str) -> list[Document]:
    """The questions that fall to this perturbation, each clean and disturbed."""
    names = list(PERTURBATIONS)
    units = []
    for question in questions()[names.index(perturbation) :: len(names)]:
        clean = question["prompt"]
        rng, severity = seeded("robustness", perturbation, clean), SEVERITY.get(perturbation, 1)
        disturbed = PERTURBATIONS[perturbation](clean, rng, severity)
        units.append(
            [
                {
                    "prompt": prompt,
                    "choices": question["choices"],
                    "gold": question["gold"],
                    "perturbation": perturbation,
                    "form": form,
                    "pair": f"{perturbation}: {clean}",
                }
                for form, prompt in (("clean", clean), ("disturbed", disturbed))
            ]
        )
    return mixed(units, f"robustness {perturbation}")


typo = for_harness(lambda: twins("typo"))
lower_case = for_harness(lambda: twins("lower case"))
upper_case = for_harness(lambda: twins("upper case"))
spacing = for_harness(lambda: twins("spacing"))
punctuation = for_harness(lambda: twins("punctuation"))
irrelevant_context = for_harness(lambda: twins("irrelevant context"))

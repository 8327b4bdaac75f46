"""Official tasks for forgetting, by how much time there is."""

from __future__ import annotations

from audit.records import Metric, Suite
from suites.official import HARNESS, OURS, tasks

_SUBJECTS = (
    "abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge", "college_biology",
    "college_chemistry", "college_computer_science", "college_mathematics", "college_medicine",
    "college_physics", "computer_security", "conceptual_physics", "econometrics", "electrical_engineering",
    "elementary_mathematics", "formal_logic", "global_facts", "high_school_biology",
    "high_school_chemistry", "high_school_computer_science", "high_school_european_history",
    "high_school_geography", "high_school_government_and_politics", "high_school_macroeconomics",
    "high_school_mathematics", "high_school_microeconomics", "high_school_physics",
    "high_school_psychology", "high_school_statistics", "high_school_us_history",
    "high_school_world_history", "human_aging", "human_sexuality", "international_law", "jurisprudence",
    "logical_fallacies", "machine_learning", "management", "marketing", "medical_genetics",
    "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition", "philosophy", "prehistory",
    "professional_accounting", "professional_law", "professional_medicine", "professional_psychology",
    "public_relations", "security_studies", "sociology", "us_foreign_policy", "virology",
    "world_religions",
)  # fmt: skip
"""The 57 of MMLU."""
_FEW = ("anatomy", "high_school_geography", "us_foreign_policy", "world_religions")


def _subjects(*names: str) -> Suite:
    return Suite(
        name="forgetting-subjects",
        title="Knowledge by subject",
        question="In which subjects does the model know less than before?",
        tasks=tasks(*(f"mmlu_{name}" for name in names)),
        metrics=(Metric(name="accuracy", source=f"Hendrycks 2021 (MMLU), arXiv:2009.03300, {HARNESS}"),),
        group_by="task",
        limits="A letter is chosen: a model too small for that form of question is at chance throughout.",
    )  # fmt: skip


POPULARITY = Suite(
    name="forgetting-popularity",
    title="Knowledge by popularity",
    question="Does the model know less about what few people ask for?",
    tasks=tasks("shrinkproof_popqa"),
    metrics=(
        Metric(
            name="accuracy",
            unit="share of answers that name a possible one",
            source="Mallen et al. 2023 (PopQA), arXiv:2212.10511",
        ),
    ),
    group_by="band",
    include_path=OURS,
    limits="Popularity is how often the subject's page was read, in a month of 2022.",
)
RELATIONS = Suite(
    name="forgetting-relations",
    title="Knowledge by relation",
    question="Which kind of fact does the model no longer know, in one of two wordings at least?",
    tasks=tasks("shrinkproof_trex"),
    metrics=(
        Metric(
            name="accuracy",
            per="pair",
            unit="share of facts known in both wordings",
            source="Elsahar et al. 2018 (T-REx); Elazar et al. 2021 (ParaRel), arXiv:2102.01017",
        ),
    ),
    group_by="relation",
    pair_by="fact",
    knowledge=True,
    include_path=OURS,
    limits="The right object is recognised among four of its relation, not recalled; Wikidata may be wrong.",
)
TRIVIA = Suite(
    name="forgetting-trivia",
    title="Trivia",
    question="Does the model still answer questions of general knowledge in its own words?",
    tasks=tasks("triviaqa", "nq_open"),
    metrics=(
        Metric(
            name="exact match",
            harness_metric="exact_match",
            source="Joshi et al. 2017 (TriviaQA), Kwiatkowski et al. 2019 (NQ), the harness's exact match",
        ),
    ),
    group_by="task",
    limits="A right answer in other words than the listed ones is wrong.",
)

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (_subjects(*_FEW), RELATIONS),
    "standard": (_subjects(*_SUBJECTS), POPULARITY, RELATIONS),
    "full": (_subjects(*_SUBJECTS), POPULARITY, RELATIONS, TRIVIA),
}

"""Official tasks for robustness, by how much time there is."""

from __future__ import annotations

from audit.records import Metric, Suite
from suites.official import HARNESS, OURS, tasks

ADVERSARIAL = Suite(
    name="robustness-adversarial",
    title="Adversarial texts",
    question="Does the model still understand sentences that somebody disturbed on purpose?",
    tasks=tasks(
        "advglue_sst2", "advglue_rte", "advglue_qqp", "advglue_qnli", "advglue_mnli", "advglue_mnli_mm"
    ),
    metrics=(
        Metric(name="accuracy", source="Wang et al. 2021 (AdvGLUE), arXiv:2111.02840, asked as GLUE is"),
    ),
    group_by="task",
    include_path=OURS,
    limits="The attacks were made against other models. Few items; small models answer some tasks by chance.",
)  # fmt: skip
CLEAN = Suite(
    name="robustness-clean",
    title="The same tasks, undisturbed",
    question="Does the model still understand the tasks of the disturbed sentences as they are?",
    tasks=tasks("sst2", "rte", "qqp", "qnli", "mnli", "mnli_mismatch"),
    metrics=(Metric(name="accuracy", source=f"Wang et al. 2018 (GLUE), arXiv:1804.07461, {HARNESS}"),),
    group_by="task",
    limits="Read beside the disturbed sentences: what is lost in both was not lost to the disturbance.",
)
_PAIRS = Metric(
    name="robust accuracy",
    per="pair",
    unit="share of questions answered right both clean and perturbed",
    source="Worst case over the two forms, after Ribeiro et al. 2020 (CheckList), arXiv:2005.04118",
)
PERTURBED = Suite(
    name="robustness",
    title="Robustness",
    question="Are the answers to public benchmarks still right both as asked and slightly perturbed?",
    tasks=tasks("arc_easy"),
    metrics=(_PAIRS,),
    group_by="perturbation",
    pair_by="pair",
    cluster_by="pair",
    perturb=("typo", "lower_case", "spacing", "punctuation", "irrelevant_context", "instruction"),
    limits="Seeded changes, no adversary who searches for the worst one: see docs/perturbations.md.",
)
OPTIONS = Suite(
    name="robustness-options",
    title="Order and labels of the options",
    question="Are the answers still right when the options change places or are labelled otherwise?",
    tasks=tasks("mmlu_anatomy", "mmlu_high_school_geography", "mmlu_world_religions"),
    metrics=(
        _PAIRS.model_copy(
            update={"source": "Zheng et al. 2024, arXiv:2309.03882; after Ribeiro et al. 2020"}
        ),
    ),
    group_by="perturbation",
    pair_by="pair",
    cluster_by="pair",
    perturb=("option_order", "option_labels"),
    limits="A letter is chosen: a model too small for that form of question is at chance throughout.",
)

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (
        PERTURBED,
        ADVERSARIAL.model_copy(update={"tasks": tasks("advglue_sst2")}),
        CLEAN.model_copy(update={"tasks": tasks("sst2")}),
    ),
    "standard": (PERTURBED, OPTIONS, ADVERSARIAL, CLEAN),
    "full": (PERTURBED, OPTIONS, ADVERSARIAL, CLEAN),
}

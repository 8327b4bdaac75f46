"""Official tasks for robustness, by how much time there is."""

from __future__ import annotations

from audit.records import Metric, Suite
from audit.suite_entry import OF_PERTURBED, ROBUST_ACCURACY
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
PERTURBED = Suite(
    name="robustness",
    title="Robustness",
    question="Are the answers to public benchmarks still right both as asked and slightly perturbed?",
    tasks=tasks("arc_easy"),
    metrics=(ROBUST_ACCURACY,),
    group_by="perturbation",
    pair_by="pair",
    cluster_by="pair",
    perturb=("typo", "lower_case", "spacing", "punctuation", "irrelevant_context", "instruction"),
    limits=OF_PERTURBED,
)
OPTIONS = Suite(
    name="robustness-options",
    title="Order and labels of the options",
    question="Are the answers still right when the options change places or are labelled otherwise?",
    tasks=tasks("mmlu_anatomy", "mmlu_high_school_geography", "mmlu_world_religions"),
    metrics=(
        ROBUST_ACCURACY.model_copy(
            update={"source": "Zheng et al. 2024, arXiv:2309.03882; after Ribeiro et al. 2020"}
        ),
    ),
    group_by="perturbation",
    pair_by="pair",
    cluster_by="pair",
    perturb=("option_order", "option_labels"),
    limits="A letter is chosen: a model too small for that form of question is at chance throughout.",
)
INVARIANCE = Suite(
    name="robustness-checklist",
    title="Changes that should not matter",
    question="Are sentences judged alike after changes of names, numbers, spelling or groups of people?",
    tasks=tasks("shrinkproof_checklist_invariance"),
    metrics=(
        Metric(
            name="failure rate", kind="corpus", statistic="failure_rate", higher_is_better=False,
            unit="share of sentences not judged alike in all their forms",
            source="Ribeiro et al. 2020 (CheckList), arXiv:2005.04118, invariance tests of sentiment",
        ),
    ),
    group_by="test",
    pair_by="case_id",
    cluster_by="case_id",
    needs_competence=True,
    include_path=OURS,
    limits="A model that gives every sentence the same answer fails nothing: read it beside the basics.",
)  # fmt: skip
BASICS = Suite(
    name="robustness-basics",
    title="Basics of a task",
    question="Does the model still understand negation, tense and plain words of praise and blame?",
    tasks=tasks("shrinkproof_checklist"),
    metrics=(
        Metric(
            name="accuracy",
            source="Ribeiro et al. 2020 (CheckList), arXiv:2005.04118, minimum functionality tests",
        ),
    ),
    group_by="test",
    cluster_by="case_id",
    include_path=OURS,
    limits="Sentences made from templates about airlines; only the tests whose label is certain.",
)
CONTRAST = Suite(
    name="robustness-contrast",
    title="Contrast sets",
    question="Are the answers still right when an expert changes the question, and often its answer?",
    tasks=tasks("shrinkproof_contrast_boolq"),
    metrics=(
        Metric(
            name="contrast consistency", per="pair", unit="share of questions right in all their forms",
            source="Gardner et al. 2020 (contrast sets), arXiv:2004.02709",
        ),
        Metric(name="accuracy", source="Gardner et al. 2020, arXiv:2004.02709, of each form by itself"),
    ),
    pair_by="set",
    cluster_by="set",
    include_path=OURS,
    limits="Few sets; a question with eleven forms is all right more rarely than one with two.",
)  # fmt: skip


def _score(name: str, task: str, title: str, question: str, metric: str, reading: str) -> Suite:
    return Suite(
        name=f"robustness-{name}",
        title=title,
        question=question,
        tasks=tasks(task),
        metrics=(
            Metric(
                name="robust accuracy", harness_metric=metric, reading=reading, per="pair",
                unit="share of questions answered right in all forms",
                source="Nalbandyan et al. 2025 (SCORE), arXiv:2503.00137; worst case in place of its mean",
            ),
            Metric(
                name="accuracy", harness_metric=metric, reading=reading,
                source="Nalbandyan et al. 2025 (SCORE), arXiv:2503.00137, of each form by itself",
            ),
        ),
        group_by="category",
        pair_by="question_id",
        cluster_by="question_id",
        limits="What the model writes is read for a letter; ten long answers a question take hours.",
    )  # fmt: skip


PROMPTS = _score(
    "prompts", "score_prompt_robustness_mmlu_pro", "Wordings of the prompt",
    "Are the answers still right however the task is worded?", "consistency_rate", "score_prompt",
)  # fmt: skip
ORDERS = _score(
    "option-order", "score_option_order_robustness_mmlu_pro", "Where the right option stands",
    "Are the answers still right wherever the right option stands?",
    "options_consistency_rate", "score_option_order",
)  # fmt: skip

_STANDARD = (PERTURBED, OPTIONS, ADVERSARIAL, CLEAN, INVARIANCE, BASICS, CONTRAST)

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (
        PERTURBED,
        ADVERSARIAL.model_copy(update={"tasks": tasks("advglue_sst2")}),
        CLEAN.model_copy(update={"tasks": tasks("sst2")}),
    ),
    "standard": _STANDARD,
    "full": (*_STANDARD, PROMPTS, ORDERS),
}

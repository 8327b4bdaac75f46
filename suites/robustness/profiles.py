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

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (
        ADVERSARIAL.model_copy(update={"tasks": tasks("advglue_sst2")}),
        CLEAN.model_copy(update={"tasks": tasks("sst2")}),
    ),
    "standard": (ADVERSARIAL, CLEAN),
    "full": (ADVERSARIAL, CLEAN),
}

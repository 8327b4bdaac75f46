"""Official tasks for safety, by how much time there is."""

from __future__ import annotations

from audit.records import Metric, Suite
from suites.official import OURS, tasks
from suites.safety.refusals import corrected
from suites.toxicity import CLASSIFIER, TOXICITY

_RISKS = (
    "power-seeking-inclination", "wealth-seeking-inclination", "survival-instinct", "coordinate-other-ais",
    "corrigible-less-HHH",
)  # fmt: skip
"""Of the model-written evaluations, those whose behaviour nobody wants more of."""

ETHICS = Suite(
    name="safety-ethics",
    title="Ethics",
    question="Does the model still judge as most people would what is right, fair and expected of somebody?",
    tasks=tasks("ethics_cm", "ethics_deontology", "ethics_justice", "ethics_utilitarianism", "ethics_virtue"),
    metrics=(Metric(name="accuracy", source="Hendrycks et al. 2021 (ETHICS), arXiv:2008.02275, metric acc"),),
    group_by="task",
    needs_competence=True,
    limits="Judgements of English-speaking crowd workers; what a model calls right is not what it would do.",
)
RISKS = Suite(
    name="safety-risks",
    title="Risky inclinations",
    question="Does the model choose answers that seek power, wealth or its own survival more often?",
    tasks=tasks(*(f"advanced_ai_risk_human-{name}" for name in _RISKS)),
    metrics=(
        Metric(
            name="share of risky answers",
            unit="share of answers that match the behaviour",
            higher_is_better=False,
            source="Perez et al. 2022 (model-written evaluations), arXiv:2212.09251, written by people",
        ),
    ),
    group_by="task",
    needs_competence=True,
    limits="A letter is chosen in a hypothetical question; nothing was done.",
)
PRIVACY = Suite(
    name="safety-privacy",
    title="Privacy",
    question="Does the model still see which passages hold sensitive information?",
    tasks=tasks("shrinkproof_privacy"),
    metrics=(Metric(name="accuracy", source="Patronus AI, EnterprisePII, as llm-foundry asks it"),),
    needs_competence=True,
    include_path=OURS,
    limits="Seeing what is sensitive is not keeping it.",
)
_REFUSED = Metric(
    name="refusals",
    harness_metric="refused",
    reading="refusal",
    kind="score",
    range=(corrected(0.0), corrected(1.0)),
    unit="share of requests refused, corrected for how often refusals are told wrong",
    source="suites/safety/refusals.py; Rogan and Gladen 1978",
)
_READ = (
    "The first 48 tokens of the answer are read for phrases of refusal. How often these tell it wrong was "
    "counted on answers of one small model, which hardly ever refuses, and on refusals written for this, all "
    "labelled by whoever wrote the phrases; it is carried into the interval."
)
REFUSAL = Suite(
    name="safety-refusal",
    title="Refusal of harmful requests",
    question="Does the model still refuse to help with what harms somebody?",
    tasks=tasks(
        *(f"shrinkproof_{name}" for name in ("harmbench", "advbench", "jailbreakbench", "strongreject"))
    ),
    metrics=(_REFUSED,),
    group_by="task",
    chat=True,
    needs_competence=True,
    include_path=OURS,
    limits=f"{_READ} The requests are plain: no attack searches for words that get round a refusal.",
)
OVER_REFUSAL = Suite(
    name="safety-over-refusal",
    title="Refusal of harmless requests",
    question="Does the model now refuse what only sounds harmful?",
    tasks=tasks("shrinkproof_xstest"),
    metrics=(_REFUSED.model_copy(update={"higher_is_better": False}),),
    group_by="type",
    chat=True,
    needs_competence=True,
    include_path=OURS,
    limits=_READ,
)
CONTINUATIONS = Suite(
    name="safety-toxicity",
    title="Toxicity",
    question="Does the model now go on toxically where it did not before?",
    tasks=tasks("shrinkproof_toxicity"),
    metrics=(TOXICITY,),
    group_by="subset",
    needs=(CLASSIFIER,),
    needs_competence=True,
    include_path=OURS,
    limits=(
        "One greedy continuation of 20 tokens a prompt, not the worst of many. Toxicity is told by a linear "
        "model over words, which misses a third of what Perspective calls toxic. How often the two differ "
        "was counted on continuations that people wrote, not models, and is carried into the interval; what "
        "Perspective itself gets wrong is not."
    ),
)

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (ETHICS.model_copy(update={"tasks": tasks("ethics_cm")}), RISKS),
    "standard": (ETHICS, RISKS, PRIVACY, REFUSAL, OVER_REFUSAL, CONTINUATIONS),
    "full": (ETHICS, RISKS, PRIVACY, REFUSAL, OVER_REFUSAL, CONTINUATIONS),
}

"""Official tasks for bias and fairness, by how much time there is."""

from __future__ import annotations

from typing import Any

from audit.records import Metric, Needed, Suite
from suites.official import OURS, tasks
from suites.toxicity import CLASSIFIER, TOXICITY

_TWO_SIDED = "A change either way is damage: the score has to stay where it was, whatever it was."


def _bias(name: str, metrics: tuple[Metric, ...], **others: Any) -> Suite:
    return Suite(name=f"bias-{name}", metrics=metrics, needs_competence=True, **others)


BBQ_AMBIGUOUS = _bias(
    "bbq-ambiguous",
    (
        Metric(
            name="s_AMB", harness_metric="amb_bias_score", reading="bbq_ambiguous", kind="score",
            two_sided=True, range=(-1.0, 1.0), unit="bias score, −1 to 1",
            source="Parrish et al. 2022 (BBQ), arXiv:2110.08193, s_AMB",
        ),
    ),
    title="BBQ, ambiguous contexts",
    question="Where a text does not tell, does the model fall back on the stereotype more, or less?",
    tasks=tasks("bbq"),
    group_by="category",
    cluster_by="category+question_index",
    limits=f"{_TWO_SIDED} American stereotypes, in English. Templates, which items share, are clusters.",
)  # fmt: skip
BBQ_DISAMBIGUATED = _bias(
    "bbq-disambiguated",
    (
        Metric(
            name="s_DIS", harness_metric="disamb_bias_score", reading="bbq_disambiguated", kind="ratio",
            two_sided=True, unit="bias score, −1 to 1",
            source="Parrish et al. 2022 (BBQ), arXiv:2110.08193, s_DIS",
        ),
    ),
    title="BBQ, disambiguated contexts",
    question="Where a text tells, are the answers against it those of the stereotype more often, or less?",
    tasks=tasks("bbq"),
    group_by="category",
    cluster_by="category+question_index",
    limits=f"{_TWO_SIDED} American stereotypes, in English. Templates, which items share, are clusters.",
)  # fmt: skip
CROWS_PAIRS = _bias(
    "crows-pairs",
    (
        Metric(
            name="share of stereotypes preferred", harness_metric="pct_stereotype", kind="score",
            two_sided=True, range=(0.0, 1.0), unit="share of pairs; .5 is no preference",
            source="Nangia et al. 2020 (CrowS-Pairs), arXiv:2010.00133",
        ),
        Metric(
            name="ties", harness_metric="likelihood_diff", reading="tie", higher_is_better=False,
            unit="share of pairs whose sentences are equally likely",
            source="Nangia et al. 2020, whose code counts them as neutral; lm-eval's as anti-stereotyped",
        ),
    ),
    title="CrowS-Pairs",
    question="Which of two sentences, a stereotype and its contrary, does the model find likelier?",
    tasks=tasks("crows_pairs_english"),
    group_by="bias_type",
    limits=(
        f"{_TWO_SIDED} Crowd-written, with known faults in many pairs (Blodgett et al. 2021). A tie "
        "counts against the stereotype, as in lm-eval, and is counted apart."
    ),
)  # fmt: skip
WINOGENDER = _bias(
    "winogender",
    (
        Metric(name="accuracy", source="Rudinger et al. 2018 (Winogender), arXiv:1804.09301, metric acc"),
        Metric(
            name="gap", kind="corpus", statistic="gap", higher_is_better=False,
            unit="accuracy for the best gender less that for the worst",
            source="Rudinger et al. 2018; the difference between groups of fairlearn",
        ),
    ),
    title="Winogender",
    question="Does the model still find whom a pronoun means, whatever its gender?",
    tasks=tasks("winogender_all"),
    group_by="gender",
    cluster_by="occupation",
    limits="Sixty jobs, two templates each, which are taken as clusters.",
)  # fmt: skip
WINOBIAS = _bias(
    "winobias",
    (
        Metric(
            name="pair accuracy", per="pair", unit="share of pairs answered right in both versions",
            source="Zhao et al. 2018 (WinoBias), arXiv:1804.06876, asked as Winogender is",
        ),
        Metric(
            name="gap", kind="corpus", statistic="gap", higher_is_better=False,
            unit="accuracy with the stereotype less accuracy against it",
            source="Zhao et al. 2018, the difference of the pro- and anti-stereotypical sets",
        ),
    ),
    title="WinoBias",
    question="Does the model still find whom a pronoun means where the job's stereotype says otherwise?",
    tasks=tasks("shrinkproof_winobias"),
    group_by="polarity",
    pair_by="pair_id",
    include_path=OURS,
    limits="Jobs and pronouns alone; sentences in which no second job is found are left out.",
)  # fmt: skip
STEREOSET = _bias(
    "stereoset",
    (
        Metric(
            name="ICAT", kind="corpus", statistic="icat", unit="0 to 100, 100 is ideal",
            source="Nadeem et al. 2021 (StereoSet), arXiv:2004.09456, equation 1, per byte",
        ),
    ),
    title="StereoSet",
    question="Does the model still prefer sense to nonsense, and no more than before the stereotype?",
    tasks=tasks("shrinkproof_stereoset"),
    group_by="bias_type",
    cluster_by="target",
    include_path=OURS,
    limits="Crowd-written, with known faults (Blodgett et al. 2021); items about one group are clusters.",
)  # fmt: skip
TOXIGEN = _bias(
    "toxigen",
    (Metric(name="accuracy", source="Hartvigsen et al. 2022 (ToxiGen), arXiv:2203.09509, metric acc"),),
    title="ToxiGen",
    question="Does the model still tell hateful from harmless statements about groups of people?",
    tasks=tasks("toxigen"),
    group_by="target_group",
    limits="Statements written by a machine; what is hateful was decided by crowd workers.",
)
DISCRIM_EVAL = _bias(
    "discrim-eval",
    (
        Metric(
            name="gap", harness_metric="black_bias", reading="discrim_eval", kind="corpus", statistic="gap",
            higher_is_better=False, unit="log-odds of yes, of the best race less the worst",
            source="Tamkin et al. 2023 (discrim-eval), arXiv:2312.03689; means in place of their regression",
        ),
    ),
    title="Discrim-eval",
    question="Are decisions about people further apart, race by race?",
    tasks=tasks("discrim_eval_explicit"),
    group_by="race",
    needs=(Needed(distribution="statsmodels", extra="tasks"),),
    cluster_by="decision_question_id",
    limits="Hypothetical decisions; yes is good for the person in all of them.",
)  # fmt: skip
AGREEMENT = _bias(
    "agreement",
    (
        Metric(
            name="disagreement", unit="share of stereotypes that the model disagrees with",
            source="Wang et al. 2023 (DecodingTrust), arXiv:2306.11698, agreement scored and not written",
        ),
    ),
    title="Agreement with stereotypes",
    question="Does the model still disagree with statements of prejudice?",
    tasks=tasks("shrinkproof_agreement"),
    group_by="group",
    cluster_by="topic",
    include_path=OURS,
    limits="Sixteen topics, which are taken as clusters; without the system prompts that provoke agreement.",
)  # fmt: skip
BOLD = _bias(
    "bold",
    (
        TOXICITY.model_copy(
            update={"source": "Dhamala et al. 2021 (BOLD), arXiv:2101.11718; Rogan and Gladen 1978"}
        ),
        Metric(
            name="gender polarity", harness_metric="gender_polarity", kind="ratio", two_sided=True,
            unit="male less female, over continuations of professions with gendered words; −1 to 1",
            source="Dhamala et al. 2021, gender polarity by unigram matching",
        ),
    ),
    title="BOLD",
    question="Are people of a group now written about more toxically, or professions with other genders?",
    tasks=tasks("shrinkproof_bold"),
    group_by="group",
    cluster_by="entity",
    needs=(CLASSIFIER,),
    include_path=OURS,
    limits=(
        "Beginnings of sentences of the English Wikipedia, continued greedily; prompts of one article are "
        "clusters. Toxicity is told by a linear model over words, whose errors were counted on the "
        "continuations of RealToxicityPrompts. Few continuations hold gendered words, and which ones is all "
        "that is counted. Of the paper's metrics, sentiment, regard and psycholinguistic norms are left out."
    ),
)  # fmt: skip

_QUICK = (CROWS_PAIRS, WINOGENDER)
_STANDARD = (*_QUICK, BBQ_AMBIGUOUS, BBQ_DISAMBIGUATED, WINOBIAS, STEREOSET)

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": _QUICK,
    "standard": _STANDARD,
    "full": (*_STANDARD, AGREEMENT, TOXIGEN, DISCRIM_EVAL, BOLD),
}

"""Official tasks for accuracy, by how much time there is."""

from __future__ import annotations

from audit.records import Metric, Needed, Suite
from suites.official import HARNESS, tasks

_LIMITS = (
    "lm-eval's own tasks at its own settings, but for one thing: of every task the likeliest answer counts "
    "(acc), also where leaderboards divide by length (acc_norm). Public for years, so the original may "
    "have seen them."
)


def _questions(*names: str) -> Suite:
    return Suite(
        name="accuracy",
        title="Accuracy",
        question="Does the model still answer the questions of public benchmarks as well as before?",
        tasks=tasks(*names),
        metrics=(Metric(name="accuracy", source=f"{HARNESS}, metric acc of each task"),),
        group_by="task",
        limits=_LIMITS,
    )


LAST_WORDS = Suite(
    name="accuracy-last-words",
    title="Last words",
    question="Does the model still find the last word of a passage?",
    tasks=tasks("lambada_openai"),
    metrics=(Metric(name="accuracy", source="Paperno et al. 2016 (LAMBADA), arXiv:1606.06031, metric acc"),),
    limits="Passages of novels; one right word, which the model has to prefer to all others.",
)
MATHEMATICS = Suite(
    name="accuracy-mathematics",
    title="Mathematics",
    question="Does the model still solve school problems in several steps?",
    tasks=tasks("gsm8k"),
    metrics=(
        Metric(
            name="exact match",
            harness_metric="exact_match",
            source="Cobbe et al. 2021 (GSM8K), arXiv:2110.14168, the harness's strict match",
        ),
    ),
    limits="What the model writes is read for a number after ####; a right answer in another form is wrong.",
)
LANGUAGE = Suite(
    name="accuracy-language",
    title="Language modelling",
    question="How much more surprised is the model by ordinary text?",
    tasks=tasks("wikitext"),
    metrics=(
        Metric(
            name="word perplexity",
            harness_metric="word_perplexity",
            kind="perplexity",
            unit="perplexity per word",
            higher_is_better=False,
            source="Merity et al. 2016 (WikiText-2), arXiv:1609.07843, words of detokenised articles",
        ),
    ),
    limits="English Wikipedia; few articles, so the interval is wide however many words they have.",
)
LONG_CONTEXT = Suite(
    name="accuracy-long-context",
    title="Long contexts",
    question="Does the model still find a passage among thirty?",
    tasks=tasks("longbench_passage_retrieval_en"),
    metrics=(
        Metric(
            name="retrieval score",
            harness_metric="retrieval_score",
            kind="score",
            range=(0.0, 1.0),
            unit="mean retrieval score",
            source="Bai et al. 2023 (LongBench), arXiv:2308.14508",
        ),
    ),
    needs=tuple(Needed(distribution=name, extra="tasks") for name in ("jieba", "fuzzywuzzy", "rouge")),
    limits="Contexts of about ten thousand tokens: a model with a shorter window sees the end of them alone.",
)

_QUICK = ("arc_easy", "piqa", "boolq")
_STANDARD = (
    *_QUICK, "arc_challenge", "hellaswag", "winogrande", "openbookqa", "commonsense_qa", "social_iqa",
    "truthfulqa_mc1",
)  # fmt: skip

PROFILES: dict[str, tuple[Suite, ...]] = {
    "quick": (_questions(*_QUICK),),
    "standard": (_questions(*_STANDARD), LAST_WORDS, MATHEMATICS, LANGUAGE),
    "full": (_questions(*_STANDARD, "mmlu"), LAST_WORDS, MATHEMATICS, LANGUAGE, LONG_CONTEXT),
}

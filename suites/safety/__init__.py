"""Does the compressed model still tell a harmful request from a harmless one?"""

from __future__ import annotations

from pathlib import Path

from audit.records import Metric, Suite, Task

SUITE = Suite(
    name="safety",
    title="Safety",
    question="Does the model still tell a harmful request from a harmless one in almost the same words?",
    tasks=tuple(Task(name=f"shrinkproof_{name}") for name in ("refusal", "objection", "judgement")),
    metrics=(
        Metric(
            name="contrast accuracy",
            unit="share of pairs in which a refusal or a warning is likelier after the harmful request",
            source=(
                "Contrast pairs after Röttger et al. 2024 (XSTest), arXiv:2308.01263; one continuation after "
                "two contexts after Trinh and Le 2018, arXiv:1806.02847"
            ),
        ),
    ),
    group_by="harm",
    include_path=str(Path(__file__).parent / "tasks"),
    needs_competence=True,
    limits=(
        "English only; blunt single questions, no attacks, no jailbreaks, no conversations. What is "
        "measured is which request makes a refusal or a warning likelier, in plain text without the "
        "model's chat template: not what the model would write, and not how much harm an answer would do. "
        "Each request is asked in one of three ways, so no request counts twice."
    ),
)

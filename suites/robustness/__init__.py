"""Does the compressed model still give the right answer when the question is slightly disturbed?"""

from __future__ import annotations

from pathlib import Path

from audit.records import Suite, Task
from audit.suite_entry import ROBUST_ACCURACY

SUITE = Suite(
    name="robustness",
    title="Robustness",
    question="Is the answer still right both as asked and with a typo, odd case, odd spacing or an aside?",
    tasks=tuple(
        Task(name=f"shrinkproof_{name}")
        for name in ("typo", "lower_case", "upper_case", "spacing", "punctuation", "irrelevant_context")
    ),
    metrics=(ROBUST_ACCURACY,),
    group_by="perturbation",
    pair_by="pair",
    include_path=str(Path(__file__).parent / "tasks"),
    limits=(
        "English only; small accidental changes, no adversary who searches for the worst one. Each question "
        "meets one kind of disturbance. A question that was answered wrongly already when clean counts as "
        "wrong: read the drop, not the level. Questions share templates with the accuracy and forgetting "
        "suites, so a loss there shows here too."
    ),
)

"""Does the compressed model still read who did what, whichever group the person belongs to?"""

from __future__ import annotations

from pathlib import Path

from audit.records import Metric, Suite, Task

SUITE = Suite(
    name="bias",
    title="Bias",
    question="Does the model still answer from the text when two groups of people change places in it?",
    tasks=tuple(
        Task(name=f"shrinkproof_{name}") for name in ("gender", "age", "religion", "origin", "disability")
    ),
    metrics=(
        Metric(
            name="pair accuracy",
            per="pair",
            unit="share of pairs answered right in both versions",
            source=(
                "Counterfactual pairs with the answer in the text, after Parrish et al. 2022 (BBQ), "
                "arXiv:2110.08193, disambiguated contexts"
            ),
        ),
    ),
    group_by="attribute",
    pair_by="pair",
    include_path=str(Path(__file__).parent / "tasks"),
    needs_competence=True,
    limits=(
        "English only; five attributes, each with a few groups, in short made-up statements that contain the "
        "answer. A wrong pair can also mean that the model read carelessly, so this shows lost "
        "even-handedness in reading, not harm to anyone, and no pass shows that a model is fair. Gender has "
        "two words here. Pairs share templates, so they are not fully independent."
    ),
)

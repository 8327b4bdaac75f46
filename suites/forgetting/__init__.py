"""Does the compressed model still know what the original knew, the rarely mentioned facts included?"""

from __future__ import annotations

from pathlib import Path

from audit.records import Metric, Suite, Task

SUITE = Suite(
    name="forgetting",
    title="Forgetting",
    question="Which facts does the model no longer know, and are they the rarely mentioned ones?",
    tasks=tuple(
        Task(name=f"shrinkproof_{name}")
        for name in ("capitals", "cities", "languages", "continents", "elements")
    ),
    metrics=(
        Metric(
            name="facts known",
            per="pair",
            unit="share of facts known: right in both wordings",
            source=(
                "Four choices of one kind, the likeliest counts; right in both wordings, after Elazar et al. "
                "2021, arXiv:2102.01017; bands of popularity after Mallen et al. 2023, arXiv:2212.10511"
            ),
        ),
    ),
    group_by="band",
    pair_by="fact",
    knowledge=True,
    include_path=str(Path(__file__).parent / "tasks"),
    limits=(
        "English only, and only countries, cities and chemical elements. How well known a subject is, is "
        "estimated: by population for places, by the year of discovery for elements. The right answer is "
        "recognised among four, not recalled freely, and both wordings are ours. Questions of one kind share "
        "their wordings and some answers, so they are not independent."
    ),
)

"""Does the compressed model still do the everyday work that the original did?"""

from __future__ import annotations

from pathlib import Path

from audit.records import Metric, Suite, Task

SUITE = Suite(
    name="accuracy",
    title="Accuracy",
    question="Does the model still answer everyday questions, calculate and read as well as before?",
    tasks=tuple(Task(name=f"shrinkproof_{name}") for name in ("facts", "forms", "arithmetic", "reading")),
    metrics=(
        Metric(
            name="accuracy",
            source="lm-evaluation-harness, metric acc: of four choices the likeliest counts",
        ),
    ),
    group_by="subject",
    include_path=str(Path(__file__).parent / "tasks"),
    limits=(
        "English only, four choices, easy on purpose so that small models stand well above chance: a "
        "probe of what compression broke, no benchmark of what the model can do. The likelihood of "
        "short answers is scored, generated text is not. Questions on one subject share a template and "
        "some answers, so they are not fully independent."
    ),
)

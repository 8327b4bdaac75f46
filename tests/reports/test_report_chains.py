"""What a chain's links cost, and what a calibrated method looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.records import AuditLog, Calibration, Level
from reports.sections import compressed, drops

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]


@pytest.fixture
def chained(gate: AuditLog) -> AuditLog:
    """The gate's log with its last level made from the one before it, and held against it."""
    before, last = (one for one in gate.config.levels[-2:])
    link = last.model_copy(update={"after": before.name})
    levels = (*gate.config.levels[:-1], link)
    of_last = [one for one in gate.comparisons if one.variant == last.name and one.group is None]
    assert of_last
    return gate.model_copy(
        update={
            "config": gate.config.model_copy(update={"levels": levels}),
            "links": tuple(of_last),
        }
    )


def test_each_link_has_a_row_that_says_what_it_was_made_from(
    chained: AuditLog, rows_of: Rows, text_of: Text
) -> None:
    html = str(drops.section(chained).html)
    assert "what each link of a chain cost, against the one before it (exploratory)" in text_of(html)
    ((name, before),) = chained.config.links.items()
    rows = [row for row in rows_of(html) if len(row) > 1]
    tables = [place for place, row in enumerate(rows) if row[:2] == ["Link", "Made from"]]
    assert tables
    for place in tables:
        assert rows[place + 1][0].startswith(name)
        assert rows[place + 1][1] == before


def test_without_chains_no_word_of_links(gate: AuditLog, text_of: Text) -> None:
    assert "link of a chain" not in text_of(str(drops.section(gate).html))


def test_the_method_names_what_was_looked_at_and_where_it_started(gate: AuditLog, text_of: Text) -> None:
    options = {"bits": 4, "calibration": "/home/me/<b>.txt", "samples": 8, "sequence_length": 16, "seed": 3}
    level = Level(name="int8+gptq", method="gptq", options=options, after="int8")
    text = Calibration(source="<b>.txt", sha256="ab" * 32, samples=8, sequence_length=16, seed=3)
    made = gate.variants[1].model_copy(update={"level": level, "calibration": text})
    html = str(compressed.section(gate.model_copy(update={"variants": (gate.variants[0], made)})).html)
    assert "<b>.txt" not in html
    said = "gptq (bits 4), over 8 × 16 tokens of <b>.txt, drawn with seed 3 (sha256 abababab"
    assert said in text_of(html)
    assert ", of int8" in text_of(html)
    assert "/home/me" not in html

"""What an artefact is by its files, and where that is not what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from audit.records import AuditLog, CheckedClaim, Derivation, Level, ModelRef
from reports import card
from reports.proof import contradictions
from reports.sections import compressed, verdict

Rows = Callable[[str], list[list[str]]]
Text = Callable[[str], str]

FALSE = CheckedClaim(quantity="bits", value=4, source="its name", found=16.0, holds=False)
OF_A_CARD = CheckedClaim(quantity="bits", value=2, source="acme's card", found=4.0, holds=False)
TRUE = CheckedClaim(quantity="2:4", value=1, source="config.json", found=1.0, holds=True)
STRANGE = Derivation(median=0.012, least=-0.04, least_in="<w>", matrices=9, derived=False)


def with_candidate(log: AuditLog, **fields: object) -> AuditLog:
    """The log with its last variant taken from somebody."""
    artefact = ModelRef(name="acme/<b>-int4", path="/x", digest="0" * 64)
    level = Level(name="acme", method="candidate", artefact=artefact)
    last = log.variants[-1].model_copy(update={"name": "acme", "level": level, **fields})
    return log.model_copy(update={"variants": (*log.variants[:-1], last)})


def test_a_false_claim_stands_beside_what_was_found(gate: AuditLog, text_of: Text) -> None:
    html = str(compressed.section(with_candidate(gate, claims=(FALSE, TRUE))).html)
    text = text_of(html)
    wrong = "4 bits per compressed weight by its name does not hold, found 16 bits"
    assert f"acme is not what it is said to be: {wrong}" in text
    assert "taken as it came, from acme/<b>-int4" in text
    assert "<b>-int4" not in html


def test_the_answer_to_may_it_ship_says_so_first(gate: AuditLog, text_of: Text) -> None:
    last = gate.variants[-1].model_copy(update={"claims": (FALSE,)})
    log = gate.model_copy(update={"variants": (*gate.variants[:-1], last)})
    said = f"{last.name} is not what it is said to be: 4 bits per compressed weight by its name"
    assert said in text_of(str(verdict.section(log).html))
    assert said not in text_of(str(verdict.section(gate).html))


def test_an_unrelated_model_is_named(gate: AuditLog, text_of: Text) -> None:
    text = text_of(str(compressed.section(with_candidate(gate, derivation=STRANGE)).html))
    assert "acme does not come from the stated original" in text
    assert "the median correlation is 0.012, the least -0.040 (<w>)" in text


def test_what_holds_is_no_warning(gate: AuditLog) -> None:
    assert contradictions(with_candidate(gate, claims=(TRUE,)).variants[-1]) == []


def test_every_level_has_its_row_of_proof(gate: AuditLog, rows_of: Rows) -> None:
    kept = {"kept": ("model.embed_tokens.weight",), "tied": True, "two_of_four": 0.25}
    html = str(compressed.section(with_candidate(gate, **kept)).html)
    row = next(row for row in rows_of(html) if row[:2] == ["acme", "model.embed_tokens.weight"])
    assert row[2:4] == ["tied to the embeddings", "25.00 %"]


def test_a_claim_of_bits_says_what_is_counted_and_what_is_allowed(gate: AuditLog, rows_of: Rows) -> None:
    html = str(compressed.section(with_candidate(gate, claims=(FALSE, TRUE, OF_A_CARD))).html)
    of_card, name, own = (
        row[1:] for row in rows_of(html) if row[0] == "acme" and row[-1] in ("holds", "does not hold")
    )
    assert of_card[0] == "vendor's card (acme's card)"
    assert of_card[2].startswith("the code of a compressed weight, without the scales")
    assert of_card[1] == "2 bits per compressed weight"
    assert of_card[3].startswith("up to 3.5 bits 1.5 bits more")
    assert of_card[4:] == ["4 bits per compressed weight", "does not hold"]
    assert name[0] == "its file's name"
    assert own[0] == "its config.json"
    assert own[1:] == [
        "100.00% groups of four with two zeros", "groups of four in the linear layers",
        "at least 100.00% groups of four with two zeros nothing less",
        "100.00% groups of four with two zeros", "holds",
    ]  # fmt: skip


def test_what_a_card_says_is_told_from_what_its_own_config_says(gate: AuditLog) -> None:
    log = with_candidate(gate, claims=(FALSE, TRUE, OF_A_CARD))
    said = card.at_a_glance(log, log.variants[-1])
    assert said == "card: 1 false; name: 1 false; config.json: 1 held up"

"""docs/perturbations.md shows what the perturbations do now."""

from __future__ import annotations

from audit import registry
from fixtures.perturbations.page import PAGE, SEVERITIES, example, render


def test_the_page_is_what_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run python -m fixtures.perturbations"


def test_the_page_shows_every_perturbation_at_every_severity() -> None:
    shown = {(name, example(name, severity)) for name in registry.perturbations() for severity in SEVERITIES}
    assert len(shown) == len(registry.names("audit.perturbations")) * len(SEVERITIES)

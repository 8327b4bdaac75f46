"""What `nox -s mutants` found."""

from __future__ import annotations

import json

from fixtures.mutants.reasons import FATES, unmatched


def test_every_mutant_that_lives_has_a_reason_and_every_reason_such_a_mutant() -> None:
    assert [*unmatched(json.loads(FATES.read_text(encoding="utf-8"))["files"])] == []

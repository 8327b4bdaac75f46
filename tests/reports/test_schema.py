"""The published JSON Schema of the log."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError

from audit.records import AuditLog
from fixtures.schema import PLACE, schema


def test_the_published_schema_is_that_of_the_records() -> None:
    assert json.loads(PLACE.read_text()) == json.loads(schema()), "run python -m fixtures.schema"


def test_a_log_is_valid_by_the_published_schema(log: AuditLog, gate: AuditLog) -> None:
    published = json.loads(PLACE.read_text())
    Draft202012Validator.check_schema(published)
    for one in (log, gate):
        Draft202012Validator(published).validate(json.loads(one.to_json()))


@pytest.mark.parametrize("key", ["decison", "difference"])
def test_a_log_with_a_key_or_a_value_that_is_none_is_not(log: AuditLog, key: str) -> None:
    told = json.loads(log.to_json())
    told["comparisons"][0][key] = None
    with pytest.raises(ValidationError):
        Draft202012Validator(json.loads(PLACE.read_text())).validate(told)

"""Clauses as data: one YAML file a framework, checked against `audit.records.Framework`."""

from pathlib import Path

FOLDER = Path(__file__).parent

"""The metrics by the name of their file, and their known answers."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import evaluate

import suites.metrics

FOLDER = Path(suites.metrics.__path__[0])
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py") if path.stem != "columns")
KNOWN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "golden" / "metrics.json").read_text(encoding="utf-8")
)


def metric(name: str, cache: Path) -> evaluate.Metric:
    """The one metric of a module."""
    module = importlib.import_module(f"suites.metrics.{name}")
    (found,) = (
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, evaluate.EvaluationModule)
    )
    return found(cache_dir=str(cache))


def inputs(case: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns of rows, each written once, with how often it occurs at its end."""
    rows = [row[:-1] for row in case["rows"] for _ in range(row[-1])]
    return dict(zip(case["columns"], map(list, zip(*rows, strict=True)), strict=True))

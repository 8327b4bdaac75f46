"""Another package among those installed, laid out as pip does it."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "third_party"


def install(monkeypatch: pytest.MonkeyPatch, site: Path, source: str, project: Mapping[str, object]) -> None:
    """Put `acme_report.py` of this source and the entry points of a `[project]` table on the path."""
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    assert isinstance(project["entry-points"], dict)
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (site / "acme_report.py").write_text(source)
    monkeypatch.delitem(sys.modules, "acme_report", raising=False)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()


def install_example(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    """The package in `fixtures/third_party`, as it is."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(monkeypatch, site, (EXAMPLE / "acme_report.py").read_text(), project)

"""The page on what is hostile, held against the code: its tests exist, and nothing is read another way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from audit import bounded, server, web
from audit.comment import SECONDS
from audit.harness import chat

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NO_READER = {
    "yaml.load",
    "yaml.safe_load",
    "yaml.compose",
    "yaml.unsafe_load",
    "yaml.full_load",
    "torch.load",
}
NO_READER |= {"pickle.load", "pickle.loads", "json.load", "urllib.request.urlopen", "numpy.load", "np.load"}


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(named) > 40
    assert named <= there


def test_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| Hostile")]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row.split(" | ")[-1]] == []


def test_the_page_says_the_bounds_that_hold() -> None:
    assert (bounded.MOST_YAML, bounded.MOST_DEPTH, bounded.MOST_NODES) == (1 << 20, 64, 100_000)
    assert (bounded.MOST_JSON, bounded.MOST_LINE) == (1 << 30, 64 << 20)
    assert (chat.SECONDS, chat.MOST) == (10, 10_000_000)
    assert (server.TIMEOUT, server.MOST_BYTES, SECONDS, web.MOST) == (300, 64 << 20, 30, 256 << 20)


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """File, name and node of each call in our code."""
    for folder in ("audit", "reports", "suites"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), ast.unparse(node.func), node


def test_nothing_reads_yaml_or_pickles_by_another_way() -> None:
    assert [(file, name) for file, name, _ in calls() if name in NO_READER] == []


def test_every_loader_of_transformers_is_told_what_is_trusted() -> None:
    loaders = [
        (file, name, {keyword.arg for keyword in node.keywords})
        for file, name, node in calls()
        if name.endswith((".from_pretrained", ".from_config")) and name.startswith("Auto")
    ]
    assert len(loaders) >= 6
    assert [one for one in loaders if "trust_remote_code" not in one[2]] == []

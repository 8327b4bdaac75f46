"""A diff in Markdown: for a terminal, the summary of a CI job, or a comment on a change."""

from __future__ import annotations

from audit.changes import Diff
from reports import reading
from reports.diff.parts import HEADLINES, headline, parts
from reports.disclaimer import DISCLAIMER
from reports.markdown_text import code, head, inline, row
from reports.tables import Table
from reports.wording import plural

MOST_ROWS = 40
"""Of a table, those that stand here."""


def render(diff: Diff) -> bytes:
    """What differs, UTF-8; the first line says whether a promise got worse."""
    lines = [f"## {HEADLINES[diff.decision]}: {code(diff.before.given)} → {code(diff.after.given)}", ""]
    lines += [headline(diff)]
    for part in parts(diff):
        lines += ["", f"### {part.title}", ""]
        lines += [*_table(part.table), ""] if part.table else []
        lines += [inline(part.text)] if part.text else []
    sides = [f"{code(side.given)} {reading.log_sha256(side.log)}" for side in (diff.before, diff.after)]
    lines += ["", f"sha256 of the logs: {', '.join(sides)}", "", f"_{DISCLAIMER}_"]
    return ("\n".join(lines) + "\n").encode()


def _table(table: Table) -> list[str]:
    titles = [column.title for column in table.columns]
    lines = head(titles, [column.title for column in table.columns if column.numeric])
    lines += [row([inline(cell) for cell in cells]) for cells in table.rows[:MOST_ROWS]]
    left_out = len(table.rows) - MOST_ROWS
    return [*lines, "", f"{plural(left_out, 'row')} more: see --out diff.html."] if left_out > 0 else lines

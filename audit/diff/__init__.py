"""Two finished audits → what changed from the earlier to the later: promises, answers, what they rest on."""

from __future__ import annotations

from pathlib import Path

from audit.changes import Diff, Side
from audit.diff.answers import release_against_release
from audit.diff.facts import changed_facts
from audit.diff.promises import promises
from audit.store import read_log, run_folder


def diff(before: Path, after: Path) -> Diff:
    """What changed between the runs in two folders.

    Raises StoreError where one has no readable log, or answers that are not those of its log.
    """
    logs = read_log(before), read_log(after)
    return Diff(
        before=Side(str(before), logs[0]),
        after=Side(str(after), logs[1]),
        promises=tuple(promises(*logs)),
        answers=release_against_release((logs[0], run_folder(before)), (logs[1], run_folder(after))),
        facts=tuple(changed_facts(*logs)),
    )

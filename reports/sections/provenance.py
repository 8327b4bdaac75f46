"""Where the numbers come from, and how to get them again."""

from __future__ import annotations

from collections.abc import Sequence

from audit import records
from audit.records import AuditLog, EarlierRun, NotMeasured, Provenance, Run, Taken
from reports import reading
from reports.room import few
from reports.section import Section
from reports.sections.compressed import digest
from reports.tables import Cell, Column, Table
from reports.templating import draw
from reports.wording import count, plural, seconds

SHA256_DIGITS = 64


def section(log: AuditLog) -> Section:
    """Digests, versions, machine, and the cells."""
    html = draw(
        "provenance.html.j2",
        log=log,
        log_sha256=reading.log_sha256(log),
        registered=log.registered,
        post_hoc=reading.post_hoc(log),
        computed_in=_computed_in(log),
        git_changes=_git_changes(log.provenance),
        scored=_scored(log),
        taken=_taken(log),
        levels_taken=_levels_taken(log),
        known_before=_known_before(log),
        packages=_packages(log),
        environment=_environment(log),
        cells=_cells(log),
        controlled=_controlled(log),
        n_cells=count(sum(len(run.cells) for run in log.all_runs)),
        data=_data(log),
        chats=_chats(log),
    )
    return Section("provenance", "Provenance", html)


def _computed_in(log: AuditLog) -> str:
    """The precision that the original was computed in, and what the config says."""
    original, asked = reading.original(log), log.config.dtype
    if original is None or original.evaluated_as == asked:
        return asked
    return f"{original.evaluated_as} (config: {asked})"


def _git_changes(found: Provenance) -> str:
    """Whether the commit is all that there was; nothing without a commit."""
    if isinstance(found.git_commit, NotMeasured):
        return ""
    if isinstance(found.git_changed, NotMeasured):
        return f"; changes beside it: {found.git_changed}"
    return ", with changes that are not committed" if found.git_changed else ", without changes"


def _scored(log: AuditLog) -> str:
    """When the answers came about, and what of them is older than the last start; empty without any."""
    cells = [cell for run in log.all_runs for cell in run.cells]
    times = sorted(cell.started for cell in cells)  # one form, in UTC: their order is that of time
    if not times:
        return ""
    if not log.provenance.started <= log.provenance.finished or times[-1] > log.provenance.finished:
        return (
            f"between {times[0]} and {times[-1]}, by a clock that went back meanwhile: what is older than "
            "the last start can't be told"
        )
    earlier = sum(at < log.provenance.started for at in times)
    said = (
        f"between {times[0]} and {times[-1]}; "
        f"{count(earlier)} of {plural(len(cells), 'cell')} before the last start"
    )
    registered = log.registered
    lent = 0 if isinstance(registered, NotMeasured) else sum(at < registered.at for at in times)
    if not lent:
        return said
    whose = "" if _levels_taken(log) else " of the original"
    return f"{said}, of which {count(lent)}{whose} in an earlier audit, before the rules were fixed"


def _levels_taken(log: AuditLog) -> list[Taken]:
    return [one for one in log.taken if one.variant != "original" and one.cells]


def _known_before(log: AuditLog) -> list[str]:
    """Levels whose answers came about under other rules than those that this log judges them by."""
    ours = log.config.policy_sha256
    return [one.variant for one in _levels_taken(log) if one.run is None or one.run.policy_sha256 != ours]


def _taken(log: AuditLog) -> Table | None:
    """What earlier runs computed; none where this one computed all."""
    columns = (
        Column("Variant"),
        Column("Artefact"),
        Column("Cells", numeric=True),
        Column("Log of that run, sha256"),
        Column("Its config, sha256"),
        Column("Finished; in the cache, begun (UTC)"),
        Column("Machine"),
        Column("torch"),
    )
    rows: list[list[Cell]] = [
        [one.variant, "taken" if one.artefact else "made here", count(len(one.cells)), *_run(one.run)]
        for one in log.taken
    ]
    return Table("Taken from earlier runs, by digest", columns, rows) if rows else None


def _run(found: EarlierRun | None) -> list[Cell]:
    if found is None:
        return ["its note can't be read"] * 5
    return [
        digest(found.log_sha256) if found.log_sha256 else "none yet: from the cache",
        digest(found.config_sha256),
        found.finished,
        found.processor,
        found.torch,
    ]


def _controlled(log: AuditLog) -> bool:
    """Whether a copy of the original was measured in this run itself."""
    return any(level.is_control and not level.computed_in for level in log.config.levels)


def _packages(log: AuditLog) -> Table:
    rows = sorted(log.provenance.packages.items())
    return Table("Versions of the packages", (Column("Package"), Column("Version")), rows)


def _environment(log: AuditLog) -> Table | None:
    rows = sorted(log.provenance.environment.items())
    return Table("Settings beside the config", (Column("Setting"), Column("Value")), rows) if rows else None


def _cells(log: AuditLog) -> Table:
    """One row a cell or, of more than a page has room for, one a task; audit.json holds each."""
    cells = [(run, cell) for run in log.all_runs for cell in run.cells]
    if few(len(cells), 1) < len(cells):
        return _tasks(cells)
    columns = (
        Column("Variant"),
        Column("Suite"),
        Column("Task"),
        Column("Part", numeric=True),
        Column("Items", numeric=True),
        Column("Task version"),
        Column("Shots", numeric=True),
        Column("Time", numeric=True),
        Column("Started (UTC)"),
        Column("Key"),
        Column("sha256 of the samples"),
    )
    rows: list[list[Cell]] = [
        [
            run.variant,
            run.suite,
            cell.task,
            str(cell.part),
            count(cell.n_items),
            cell.task_version,
            str(cell.num_fewshot),
            seconds(cell.seconds),
            cell.started,
            digest(cell.key),
            digest(cell.sha256),
        ]
        for run, cell in cells
    ]
    return Table("Scored cells", columns, rows)


def _tasks(cells: Sequence[tuple[Run, records.Cell]]) -> Table:
    """The cells of each task together."""
    by_task: dict[tuple[str, str, str, int], list[tuple[Run, records.Cell]]] = {}
    for run, cell in cells:
        asked = (run.suite, cell.task, cell.task_version, cell.num_fewshot)
        by_task.setdefault(asked, []).append((run, cell))
    columns = (
        Column("Suite"),
        Column("Task"),
        Column("Task version"),
        Column("Shots", numeric=True),
        Column("Variants", numeric=True),
        Column("Cells", numeric=True),
        Column("Items asked of all", numeric=True),
        Column("Time", numeric=True),
        Column("First started (UTC)"),
    )
    rows: list[list[Cell]] = [
        [
            suite,
            task,
            version,
            str(shots),
            count(len({run.variant for run, _ in found})),
            count(len(found)),
            count(sum(cell.n_items for _, cell in found)),
            seconds(sum(cell.seconds for _, cell in found)),
            min(cell.started for _, cell in found),
        ]
        for (suite, task, version, shots), found in by_task.items()
    ]
    told = f"All {count(len(cells))} cells, with their keys and digests, lie in audit.json."
    return Table("Scored cells, by task", columns, rows, told)


def _chats(log: AuditLog) -> Table | None:
    """What was asked as a chat, and how its prompts were written; none where nothing was."""
    prompts = {suite.name: suite.system_prompt or "what the template says" for suite in log.config.suites}
    found = {
        (run.suite, cell.task): cell.chat_template
        for run in log.all_runs
        for cell in run.cells
        if cell.chat_template is not None
    }
    columns = (Column("Suite"), Column("Task"), Column("Chat template"), Column("System prompt"))
    rows: list[list[Cell]] = [
        [suite, task, digest(template) if len(template) == SHA256_DIGITS else template, prompts[suite]]
        for (suite, task), template in found.items()
    ]
    return Table("Asked as a chat", columns, rows) if rows else None


def _data(log: AuditLog) -> Table | None:
    """The local files and the hub's data sets that tasks read; none where no task did."""
    files = {
        (cell.task, split): sha
        for run in log.all_runs
        for cell in run.cells
        for split, sha in cell.data.items()
    }
    columns = (Column("Task"), Column("Split, or data set"), Column("sha256 of its file, or commit"))
    rows: list[list[Cell]] = [[task, split, digest(sha)] for (task, split), sha in sorted(files.items())]
    return Table("Data that tasks read", columns, rows) if rows else None

"""The audits of a folder as a table of DuckDB: a row a rule and level, to be narrowed down and written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit import registry
from audit.disk import HALF
from audit.errors import ConfigError, StoreError
from audit.history import Found, audits
from audit.records import Interval, NotMeasured, PastAudit, PastResult
from audit.results import CatalogueRow
from audit.store import check_place, write_file

if TYPE_CHECKING:
    import duckdb

_FORMATS = {"csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet", "json": "FORMAT json, ARRAY true"}
"""Of `COPY`, by the ending of a file."""


_SCHEMA = pa.schema(
    [
        (
            name,
            {"size_bytes": pa.int64(), "n_pairs": pa.int64()}.get(
                name, pa.float64() if name in ("drop", "lower", "upper", "margin") else pa.string()
            ),
        )
        for name in CatalogueRow.model_fields
    ]
)


@dataclass(frozen=True)
class Chosen:
    """A part of the table."""

    where: str
    values: list[Any]


class Catalogue:
    """A table in a file of its own, so that memory does not grow with audits."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self.skipped: list[str] = []
        """Runs that could not be read, with why."""

    @classmethod
    @contextlib.contextmanager
    def of(cls, folder: Path) -> Iterator[Catalogue]:
        """The run folders in a folder; raises StoreError where there is none that can be read."""
        import duckdb

        with tempfile.TemporaryDirectory() as place, duckdb.connect(str(Path(place) / "table")) as database:
            made = cls(database)
            database.register("empty", _SCHEMA.empty_table())
            database.execute("CREATE TABLE audits AS SELECT * FROM empty")
            for found in audits(folder):
                made._add(found, folder)
            if made._select("count(*)", "true", []) == [(0,)]:
                why = f" ({made.skipped[0]})" if made.skipped else ""
                raise StoreError(f"{folder} holds no audit that can be read{why}.")
            yield made

    def _add(self, found: Found, folder: Path) -> None:
        if isinstance(found.audit, str):
            self.skipped.append(f"{found.place}: {found.audit}")
            return
        rows = [row.model_dump() for row in _rows(str(found.place.relative_to(folder)), found.audit)]
        self._database.register("more", pa.Table.from_pylist(rows, schema=_SCHEMA))
        self._database.execute("INSERT INTO audits SELECT * FROM more")

    def chosen(self, *, model: str | None, levels: Sequence[str], suites: Sequence[str]) -> Chosen:
        """Rows of models with this in their name, of these levels and suites.

        Raises ConfigError for a name that no audit here has.
        """
        where: list[str] = ["true"]
        values: list[Any] = []
        if model is not None:
            where.append("contains(lower(model), lower(?))")
            values.append(model)
        for column, names in (("level", levels), ("suite", suites)):
            known = [name for (name,) in self._select(f"DISTINCT {column}", "true", []) if name]
            for name in names:
                if name not in known:
                    raise ConfigError(registry.unknown(column, name, sorted(known)))
            if names:
                where.append(f"{column} IN (SELECT unnest(?))")
                values.append(list(names))
        return Chosen(" AND ".join(where), values)

    def rows(self, chosen: Chosen) -> list[CatalogueRow]:
        """In the order of model, time, and the log."""
        names = list(CatalogueRow.model_fields)
        found = self._select("*", f"{chosen.where} ORDER BY title, finished, run, rowid", chosen.values)
        return [CatalogueRow.model_validate(dict(zip(names, row, strict=True))) for row in found]

    def write(self, chosen: Chosen, out: Path) -> None:
        """As a file by its ending, whole or not at all."""
        ending, pages = out.suffix.removeprefix("."), registry.names("audit.history_formats")
        if ending not in (*_FORMATS, *pages):
            raise ConfigError(registry.unknown("ending of --out", ending, [*_FORMATS, *pages]))
        check_place(out)
        if ending in pages:
            write_file(out, registry.history_format(ending).render(self.rows(chosen)))
            return
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=HALF) as place:
            half = Path(place) / "table"
            self._database.execute(
                f"COPY (SELECT {_columns(ending)} FROM audits WHERE {chosen.where} "
                "ORDER BY title, finished, run, rowid) "
                f"TO {_quoted(str(half))} ({_FORMATS[ending]})",
                chosen.values,
            )
            half.replace(out)

    def _select(self, what: str, where: str, values: list[Any]) -> list[tuple[Any, ...]]:
        return self._database.execute(f"SELECT {what} FROM audits WHERE {where}", values).fetchall()


def _columns(ending: str) -> str:
    """All; in CSV no text begins as a formula does, which a spreadsheet would compute."""
    if ending != "csv":
        return "*"
    texts = [field.name for field in _SCHEMA if field.type == pa.string()]
    plain = ", ".join(
        rf"""CASE WHEN regexp_matches({name}, '^[-=+@\t\r]') THEN '''' || {name} ELSE {name} END AS {name}"""
        for name in texts
    )
    return f"* REPLACE ({plain})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rows(run: str, audit: PastAudit) -> list[CatalogueRow]:
    of_audit = {
        "run": run,
        "title": audit.model if "@" in audit.model else PurePath(audit.model).name or audit.model,
        "audit_decision": audit.decision,
        **audit.model_dump(exclude={"decision", "results"}),
    }
    if not audit.results:
        gaps = dict.fromkeys(
            ("size_bytes", "kind", "drop", "lower", "upper", "margin", "n_pairs", "decision")
        )
        none = dict.fromkeys(("level", "artefact", "suite", "metric", "asked_sha256"), "")
        return [CatalogueRow.model_validate({**of_audit, **gaps, **none, "not_measured": "no verdicts"})]
    return [CatalogueRow.model_validate({**of_audit, **_result(one)}) for one in audit.results]


def _result(one: PastResult) -> dict[str, Any]:
    gaps = [gap.reason for gap in (one.drop, one.interval, one.size_bytes) if isinstance(gap, NotMeasured)]
    ends = one.interval if isinstance(one.interval, Interval) else None
    return {
        **one.model_dump(exclude={"drop", "interval", "size_bytes"}),
        "size_bytes": None if isinstance(one.size_bytes, NotMeasured) else one.size_bytes,
        "drop": None if isinstance(one.drop, NotMeasured) else one.drop,
        "lower": ends and ends.lower,
        "upper": ends and ends.upper,
        "not_measured": "; ".join(dict.fromkeys(gaps)),
    }

"""The files of a run folder: what was promised of each, and where one that broke its promise differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from audit import registry
from audit.bounded import json_of, read_bytes
from audit.disk import DIGEST, HALF
from audit.errors import ShrinkproofError
from audit.records import AuditLog, Variant, canonical
from audit.signing.checked import Checked
from audit.signing.differing import first_byte, first_unlike, shown
from audit.signing.rows import unlike_row
from audit.signing.statement import LOG, Statement
from audit.store import identity

ENVELOPE = "attestation.dsse.json"
BUNDLE = "attestation.sigstore.json"
_UNSIGNABLE = ("lock", ENVELOPE, BUNDLE)
"""They change when the run is opened, or hold the signature itself."""


@dataclass(frozen=True)
class Promise:
    """What a file's sha256 was said to be."""

    name: str
    path: Path
    sha256: str
    by: Literal["signed", "in the log"]
    gone: Literal["lies", "not checked"] = "lies"


class Files:
    """The files of one run, each read once."""

    def __init__(self, log: AuditLog, root: Path, place: Path) -> None:
        self.log, self.root, self.place = log, root, place
        self._digests: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Of a file's bytes."""
        if path not in self._digests:
            with path.open("rb") as stream:
                self._digests[path] = file_digest(stream, "sha256").hexdigest()
        return self._digests[path]

    def recorded(self) -> Iterator[Promise]:
        """What the log says of answers, weights and the config."""
        for run in self.log.all_runs:
            for cell in run.cells:
                for name, digest in cell.files.items():
                    yield Promise(name, self.root / name, digest, "in the log")
        for variant in self.log.variants:
            for name, digest in variant.files.items():
                path = self._weights(variant, name)
                yield Promise(f"{variant.name}/{name}", path, digest, "in the log", gone="not checked")
        if (path := self.root / "config.json").exists():
            yield Promise("config.json", path, self.log.provenance.config_sha256, "in the log")

    def signed(self, statement: Statement) -> Iterator[Promise]:
        """What a statement says of the log and of the other files of the run folder."""
        for one in statement.predicate.evidence:
            path = self.place if one.name == LOG else self.root / one.name
            yield Promise(one.name, path, one.digest.sha256, "signed")

    def others(self) -> dict[str, Path]:
        """The files that the log says nothing of, by their names: reports, records, tokenizers."""
        known = {promise.path for promise in self.recorded() if promise.name != "config.json"}
        found = (path for path in sorted(self.root.rglob("*")) if path.is_file() and path not in known)
        names = {str(path.relative_to(self.root)): path for path in found if path != self.place}
        return {
            name: path
            for name, path in names.items()
            if name not in _UNSIGNABLE
            and not name.endswith(DIGEST)  # which follows from the file that it is named after
            and not name.startswith(("scratch/", HALF))
            and "/.half-" not in name
        }

    def held(self, promise: Promise) -> Checked:
        """Whether a file is what was promised, and else where it is not, as far as that can be known."""
        if not promise.path.is_file():
            return Checked(promise.name, promise.gone, "is not there")
        found = self.sha256(promise.path)
        if found == promise.sha256:
            return Checked(promise.name, "holds")
        digests = f"its sha256 is {found}, {promise.by} is {promise.sha256}"
        if not promise.path.is_relative_to(self.root):  # a log may name any file: nothing is told of it
            digests = f"its sha256 is not {promise.sha256}, as {promise.by}"
        return Checked(promise.name, "lies", f"{self._where(promise)}; {digests}")

    def form(self) -> Checked:
        """Whether the log is in the canonical form in which it is written: of a log that nobody signed."""
        found, honest = self.place.read_bytes(), self.log.to_json()
        if found == honest:
            return Checked(LOG, "holds")
        return Checked(LOG, "lies", f"is not in canonical form: it {first_byte(found, honest)}")

    def records(self, held: Mapping[str, bool]) -> Iterator[Checked]:
        """Whether the log says what the records beside the answers and weights say.

        `held` says of each file that was promised whether it is as promised: where such a record says
        something else it is the log that lies.
        """
        for name, (place, _) in self._records.items():
            if not (self.root / name).is_file() or not held.get(name, True):
                continue
            unlike = self._unlike(name)
            if unlike is None:
                yield Checked(f"{LOG}, {place}", "holds")
            elif name in held:
                at, there, here = unlike
                because = f"says {here}, where {name}, which holds, says {there}"
                yield Checked(f"{LOG}, {place}.{at}", "lies", because)
            else:
                yield Checked(name, "lies", self._contradiction(name))

    def unsigned(self, signed: set[str]) -> Iterator[Checked]:
        """Files that no statement names; those that follow from the log hold nevertheless."""
        for name, path in self.others().items():
            if name in signed or name in self._records:
                continue
            honest = self._honest(name)
            if honest is not None and path.read_bytes() == honest:
                yield Checked(name, "holds")
            elif honest is not None:
                where = first_byte(path.read_bytes(), honest)
                because = f"was not signed; from what version {_version()} renders it {where}"
                yield Checked(name, "not checked", because)
            elif signed or name in self._formats:
                yield Checked(name, "not checked", "was not signed")

    def _weights(self, variant: Variant, name: str) -> Path:
        """In the run folder, wherever that lies now; what was not made there, where the log says."""
        if (own := self.root / "variants" / variant.name / name).is_file():
            return own
        place = Path(variant.path)
        return place if place.is_file() else place / name

    def _where(self, promise: Promise) -> str:
        honest = self._honest(promise.name)
        if honest is not None and sha256(honest).hexdigest() == promise.sha256:
            return first_byte(promise.path.read_bytes(), honest)
        unknown = "was changed; which byte can't be known from a digest"
        if promise.name in self._formats:
            return f"{unknown}, since version {_version()} does not render what was {promise.by}"
        if promise.name == LOG and (found := promise.path.read_bytes()) != (formed := self.log.to_json()):
            return f"{unknown}; from its canonical form it {first_byte(found, formed)}"
        more = self._contradiction(promise.name) or unlike_row(promise.name, self.log.all_runs, self._sound)
        return f"{unknown}{f', but it {more}' if more else ''}"

    def _contradiction(self, name: str) -> str:
        """What a record says otherwise than the log; empty where it is none or says the same."""
        unlike = self._unlike(name) if name in self._records else None
        if unlike is None:
            return ""
        at, there, here = unlike
        return f"says {there} at {at or 'its root'}, where {LOG} says {here}"

    def _unlike(self, name: str) -> tuple[str, str, str] | None:
        """Where a record differs from the log, what it says, and what the log says."""
        try:
            told = json_of(read_bytes(self.root / name))
        except (ValueError, OSError):
            told = None  # what is no JSON says nothing
        unlike = first_unlike(told, self._records[name][1])
        return None if unlike is None else (unlike[0], shown(unlike[1]), shown(unlike[2]))

    def _sound(self, name: str, digest: str) -> Path | None:
        """The path of a file of the run that is what the log says, else None."""
        path = self.root / name
        return path if path.is_file() and self.sha256(path) == digest else None

    def _honest(self, name: str) -> bytes | None:
        """What a file holds that follows from the log; None where it doesn't, or can't be rendered here."""
        if name == LOG:
            return self.log.to_json()
        if name == "config.json":
            return canonical(identity(self.log.config, self.log))
        if name in self._records:
            indent = None if name == "runs.json" else 1
            separators = (",", ":") if indent is None else None
            said = self._records[name][1]
            return json.dumps(said, indent=indent, separators=separators, ensure_ascii=False).encode()
        made = self._formats.get(name)
        if made is None or not getattr(made, "REPEATABLE", True):
            return None
        try:
            return made.render(self.log)
        except ShrinkproofError:
            return None

    @cached_property
    def _formats(self) -> dict[str, registry.ReportFormat]:
        """The report formats by the names of their files."""
        made = (registry.report_format(name) for name in registry.names("audit.report_formats"))
        return {one.FILE: one for one in made}

    @cached_property
    def _records(self) -> dict[str, tuple[str, Any]]:
        """The records beside what they are about, by name: where the log holds the same, and what it says."""
        told = self.log.as_written()
        found = {
            "config.json": ("config", identity(self.log.config, self.log)),
            "registration.json": ("registered", told.get("registered")),
        }
        if self.log.status == "finished":  # an audit that stopped while it scored has no runs in its log
            found["runs.json"] = ("runs", told.get("runs", []))
        for i, run in enumerate(told.get("runs", [])):
            for j, cell in enumerate(run["cells"]):
                found[f"cells/{cell['key']}/cell.json"] = (f"runs.{i}.cells.{j}", cell)
        for i, one in enumerate(told.get("variants", [])):
            found[f"variants/{one['name']}/variant.json"] = (f"variants.{i}", one)
        for i, one in enumerate(told.get("efficiency", [])):
            found[f"efficiency/{one['variant']}.json"] = (f"efficiency.{i}", one)
        return found


def _version() -> str:
    return version("shrinkproof")

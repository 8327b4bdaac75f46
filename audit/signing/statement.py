"""The in-toto statement that was signed: what of it binds, and what of it must not contradict the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import rfc8785
from pydantic import BaseModel, Field, ValidationError

from audit import registry
from audit.bounded import json_of
from audit.errors import ShrinkproofError, StoreError
from audit.records import AuditLog
from audit.signing.checked import Checked
from audit.signing.differing import first_unlike, shown

PAYLOAD = "application/vnd.in-toto+json"
EVIDENCE = "shrinkproof_evidence"
"""Our own field of the predicate: the log, its answers and the other files of the run by digest."""
LOG = "audit.json"


class Digest(BaseModel):
    """A DigestSet, of which we write one."""

    sha256: str


class Described(BaseModel):
    """A ResourceDescriptor of a file."""

    name: str
    digest: Digest


class Predicate(BaseModel):
    """What binds of a test result; the names of rules are words, which another version may choose anew."""

    result: Literal["PASSED", "FAILED", "WARNED"]
    configuration: list[Described]
    evidence: list[Described] = Field(alias=EVIDENCE)


class Statement(BaseModel):
    """A statement as far as it is looked at; fields that another version adds are let be."""

    subject: list[Described]
    predicate: Predicate


def make(log: AuditLog, others: dict[str, str]) -> bytes:
    """The statement of the format `attestation`, with the digests of further files added."""
    statement = json.loads(registry.report_format("attestation").render(log))
    statement["predicate"][EVIDENCE] += [
        {"name": name, "digest": {"sha256": digest}} for name, digest in others.items()
    ]
    return rfc8785.dumps(statement)


def read(payload: bytes, kind: str, path: Path) -> Statement:
    """The statement in an envelope. Raises StoreError where it is none of ours."""
    if kind != PAYLOAD:
        raise StoreError(f"{path} holds a {kind}, no in-toto statement ({PAYLOAD}).")
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise unreadable(path, f"{where}: {first['msg']}") from None
    for one in statement.predicate.evidence:
        if ".." in Path(one.name).parts or Path(one.name).is_absolute():
            raise unreadable(path, f"{one.name!r} is no file of a run folder")
    return statement


def unreadable(path: Path, why: object) -> StoreError:
    """Of an envelope that is none."""
    return StoreError(f"{path} can't be read as a signed statement: {why}. Was it edited or cut?")


def contradictions(statement: Statement, log: AuditLog) -> Iterator[Checked]:
    """What the statement says otherwise than the log, whichever version put it into words."""
    predicate = statement.predicate
    passed = log.decision == "pass"
    if (predicate.result == "PASSED") is not passed:
        so = "passes" if passed else "does not pass"
        yield Checked("statement, result", "lies", f"says {predicate.result}, where the log {so}")
    if all(one.name != LOG for one in predicate.evidence):
        yield Checked("statement, evidence", "lies", f"names no {LOG}, so it is about no log")
    hashed = {one.digest.sha256 for one in predicate.configuration}
    if hashed != {log.provenance.config_sha256}:
        yield Checked("statement, configuration", "lies", "is not the config whose sha256 the log says")
    known = {digest for variant in log.variants for digest in variant.files.values()}
    for one in statement.subject:
        if one.digest.sha256 not in known:
            because = f"has sha256 {one.digest.sha256}, which the log says of no weight file"
            yield Checked(f"statement, subject {one.name}", "lies", because)


def words(payload: bytes, log: AuditLog) -> Iterator[Checked]:
    """Where an unproven statement differs from what this version would say of the log.

    That is no lie, since another version may say it in other words; with a proven signature it means nothing.
    """
    told = json_of(payload)
    try:
        ours = json.loads(make(log, {}))
    except ShrinkproofError:
        return
    for one in (told, ours):
        del one["predicate"][EVIDENCE]
    unlike = first_unlike(told, ours)
    if unlike is not None:
        path, says, would = unlike
        because = f"says {shown(says)}, and this version of shrinkproof would say {shown(would)}"
        yield Checked(f"statement, {path}", "not checked", because)

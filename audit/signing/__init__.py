"""Sign what a run found, and find what was changed since: an envelope beside the log.

The payload is the in-toto statement of the format `attestation`, with the digests of all other files of the
run folder added that lie there when it is signed. What binds are the digests: a statement is never compared
with one that is worded anew, since another version may word it otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.errors import StoreError
from audit.signing import by_key, keyless
from audit.signing.checked import Checked
from audit.signing.files import BUNDLE, ENVELOPE, Files, Promise
from audit.signing.keyless import Who
from audit.signing.numbers import recomputed
from audit.signing.statement import LOG, Statement, contradictions, make, read, words
from audit.store import log_path, read_log, run_folder, write_report

__all__ = ["BUNDLE", "ENVELOPE", "Checked", "Who", "sign", "verify"]


def sign(run: Path, key: Path | None) -> Path:
    """Sign a run's log and all files of its folder.

    By a private key (PEM, EC or Ed25519), offline; without one by Sigstore, as whoever runs this. Returns the
    envelope's path. Raises StoreError where a file is not what the log says, ConfigError where nobody can
    sign so.
    """
    payload = _statement(run)
    if key is None:
        return write_report(run, BUNDLE, keyless.sealed(payload))
    return write_report(run, ENVELOPE, by_key.sealed(payload, key))


def verify(run: Path, key: Path | None = None, who: Who | None = None) -> tuple[Checked, ...]:
    """Check signature, log, answers, reports, weights and records of a run, one after the other.

    The signature by a key is checked if that is given, and Sigstore's if it is said from whom it has to be;
    where neither is given none is checked, and what is signed is taken at its word.
    """
    files = _files(run)
    statements: list[Statement] = []
    found: list[Checked] = []
    for path in _envelopes(files.root, key, who):
        if not path.exists():
            because = f"there is no {path.name}: the run was never signed so"
            found.append(Checked("signature", "not checked", because))
            continue
        opened = keyless.opened(path, who) if path.name == BUNDLE else by_key.opened(path, key)
        payload, kind, signature = opened
        statement = read(payload, kind, path)
        statements.append(statement)
        found += [signature, *contradictions(statement, files.log)]
        found += words(payload, files.log) if signature.finding != "holds" else ()
    return (*found, *_held(files, statements))


def _envelopes(root: Path, key: Path | None, who: Who | None) -> list[Path]:
    """Those that were asked for, else those that are there, else one that is not."""
    asked = [root / name for name, by in ((ENVELOPE, key), (BUNDLE, who)) if by is not None]
    there = [root / name for name in (ENVELOPE, BUNDLE) if (root / name).exists()]
    return asked or there or [root / ENVELOPE]


def _statement(run: Path) -> bytes:
    """What is to be signed. Raises StoreError where a file is not what the log says."""
    files = _files(run)
    if lying := [one for one in _held(files, []) if one.finding == "lies"]:
        raise StoreError(f"{run}: {lying[0].what} {lying[0].because}. What lies is not signed.")
    return make(files.log, {name: files.sha256(path) for name, path in files.others().items()})


def _held(files: Files, statements: list[Statement]) -> Iterator[Checked]:
    """Whether the files are what was signed, and what the log says."""
    signed = [promise for statement in statements for promise in files.signed(statement)]
    promises = {(one.path, one.sha256): one for one in (*files.recorded(), *signed)}
    found = {promise: files.held(promise) for promise in promises.values()}
    yield from found.values()
    if not statements:
        yield files.form()
    yield from files.records({one.name: checked.finding == "holds" for one, checked in found.items()})
    yield from files.unsigned({one.name for one in signed})
    if not statements or any(_rests_on(one) and found[one].finding == "lies" for one in found):
        yield from recomputed(files.log, files.root)


def _rests_on(promise: Promise) -> bool:
    """Whether numbers hang on the file."""
    return promise.name == LOG or promise.name.startswith("cells/")


def _files(run: Path) -> Files:
    return Files(read_log(run, as_it_is=True), run_folder(run), log_path(run))

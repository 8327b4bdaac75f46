"""Sign what a run found, and find what was changed since: a DSSE envelope beside the log.

The payload is the in-toto statement of the format `attestation`, with the digests of the reports added that
lie there when it is signed. Envelope and signature: Dead Simple Signing Envelope v1, by securesystemslib.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import rfc8785

from audit import registry
from audit.errors import ConfigError, StoreError
from audit.records import AuditLog
from audit.store import config_digest, read_log, run_folder, write_report

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

ENVELOPE = "attestation.dsse.json"
PAYLOAD = "application/vnd.in-toto+json"
EVIDENCE = "shrinkproof_evidence"
"""Our own field of the predicate: the log, its answers and the reports by digest."""
_MAKE_ONE = "Make one by `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`."


@dataclass(frozen=True)
class Checked:
    """One file, or the signature, and whether it is what was signed."""

    what: str
    finding: Literal["holds", "lies", "not checked"]
    because: str = ""


def sign(run: Path, key: Path) -> Path:
    """Sign a run's log, its answers, its reports and the weight files by a private key (PEM, EC or Ed25519).

    Returns the envelope's path. Raises StoreError where a file is not what the log says, ConfigError for a
    key that can't be used.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    log, folder = read_log(run), run_folder(run)
    if lying := [one for one in _files(folder, log) if one.finding == "lies"]:
        raise StoreError(f"{run}: {lying[0].what} {lying[0].because}. What lies is not signed.")
    statement = json.loads(registry.report_format("attestation").render(log))
    statement["predicate"][EVIDENCE] += [
        {"name": path.name, "digest": {"sha256": _sha256(path)}} for path in _reports(folder)
    ]
    try:
        signer = CryptoSigner(load_pem_private_key(_read(key), password=None))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--key {key}: no private key that can sign: {error}. {_MAKE_ONE}") from None
    envelope = Envelope(rfc8785.dumps(statement), PAYLOAD, {})
    envelope.sign(signer)
    return write_report(run, ENVELOPE, rfc8785.dumps(envelope.to_dict()) + b"\n")


def verify(run: Path, key: Path | None) -> tuple[Checked, ...]:
    """Check signature, log, answers, reports and weights of a run, one after the other.

    Without a key the signature is not checked, and what is signed is taken at its word.
    """
    log, folder = read_log(run), run_folder(run)
    envelope = folder / ENVELOPE
    if not envelope.exists():
        unsigned = Checked("signature", "not checked", f"there is no {ENVELOPE}: the run was never signed")
        return (unsigned, *_files(folder, log))
    statement, signature = _opened(envelope, key)
    return (signature, *_signed_files(folder, log, statement), *_files(folder, log))


def _opened(path: Path, key: Path | None) -> tuple[dict[str, Any], Checked]:
    """The statement in an envelope, and whether its signature is the key's."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        envelope: Envelope = Envelope.from_dict(json.loads(path.read_bytes()))
        statement: dict[str, Any] = json.loads(envelope.payload)
        _ = statement["subject"], statement["predicate"][EVIDENCE]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} can't be read as a signed statement: {error}. Was it edited or cut?"
        ) from None
    if key is None:
        return statement, Checked("signature", "not checked", "no --key was given")
    try:
        envelope.verify([_public(key)], 1)
    except VerificationError:
        return statement, Checked("signature", "lies", f"is not that of {key} over this statement")
    return statement, Checked("signature", "holds", f"by {key}")


def _signed_files(folder: Path, log: AuditLog, statement: dict[str, Any]) -> Iterator[Checked]:
    """Whether the statement is about this log, and the files that it names beyond it."""
    ours = json.loads(registry.report_format("attestation").render(log))
    signed, own = (one["predicate"].pop(EVIDENCE) for one in (statement, ours))
    for part in ("subject", "predicateType", "predicate"):
        if statement[part] != ours[part]:
            yield Checked(f"statement, {part}", "lies", "does not say what the log says")
    for one in signed:
        if one not in own:  # what the log says as well is looked at with the log
            yield _held(folder / one["name"], one["name"], one["digest"]["sha256"])


def _files(folder: Path, log: AuditLog) -> Iterator[Checked]:
    """What the log says of the other files of its run: answers, weights, the config, the registration."""
    path = folder / "audit.json"
    if path.exists():
        whole = path.read_bytes() == log.to_json()
        yield (
            Checked("audit.json", "holds")
            if whole
            else Checked(
                "audit.json", "lies", "is not in canonical form: it was edited, or written by another version"
            )
        )
    for run_of in log.runs:
        for cell in run_of.cells:
            for name, digest in cell.files.items():
                yield _held(folder / name, name, digest)
    for variant in log.variants:
        place = Path(variant.path)
        for name, digest in variant.files.items():
            file = place if place.is_file() else place / name
            yield _held(file, f"{variant.name}/{name}", digest, gone="not checked")
    if config_digest(log.config) != log.provenance.config_sha256:
        yield Checked("audit.json, config", "lies", "is not the config that was hashed before the run")
    if (folder / "config.json").exists():
        yield _held(folder / "config.json", "config.json", log.provenance.config_sha256)
    registered = folder / "registration.json"
    if registered.exists() and json.loads(registered.read_bytes()) != log.registered.model_dump(mode="json"):
        yield Checked("registration.json", "lies", "is not what the log says was registered")


def _held(path: Path, name: str, digest: str, *, gone: Literal["lies", "not checked"] = "lies") -> Checked:
    if not path.is_file():
        return Checked(name, gone, "is not there")
    if _sha256(path) == digest:
        return Checked(name, "holds")
    return Checked(name, "lies", f"has another sha256 than {digest}")


def _reports(folder: Path) -> list[Path]:
    """The reports that lie in a run folder; the unsigned statement is in the envelope itself."""
    names = {registry.report_format(name).FILE for name in registry.names("audit.report_formats")}
    return sorted(folder / name for name in names - {"attestation.json"} if (folder / name).is_file())


def _public(key: Path) -> SSlibKey:
    """The public key in a PEM file, or that of the private key in it."""
    from cryptography.hazmat.primitives import serialization
    from securesystemslib.signer import SSlibKey

    data = _read(key)
    try:
        if b"PRIVATE KEY" in data:
            private = serialization.load_pem_private_key(data, password=None)
            return SSlibKey.from_crypto(private.public_key())
        return SSlibKey.from_crypto(serialization.load_pem_public_key(data))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--key {key}: no key that can verify: {error}. Name a PEM file.") from None


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise ConfigError(f"--key {key} can't be read: {error.strerror}. Name a PEM file.") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()

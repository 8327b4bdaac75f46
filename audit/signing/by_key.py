"""An envelope signed by a key of one's own: Dead Simple Signing Envelope v1, by securesystemslib, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rfc8785

from audit.bounded import json_of, read_bytes
from audit.errors import ConfigError
from audit.signing.checked import Checked
from audit.signing.statement import PAYLOAD, unreadable

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

_MAKE_ONE = "Make one by `openssl ecparam -name prime256v1 -genkey -noout -out key.pem`."


def sealed(payload: bytes, key: Path) -> bytes:
    """The envelope of a statement, by a private key. Raises ConfigError for a key that can't be used."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    try:
        signer = CryptoSigner(load_pem_private_key(_read(key), password=None))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--key {key}: no private key that can sign: {error}. {_MAKE_ONE}") from None
    envelope = Envelope(payload, PAYLOAD, {})
    envelope.sign(signer)
    return rfc8785.dumps(envelope.to_dict()) + b"\n"


def opened(path: Path, key: Path | None) -> tuple[bytes, str, Checked]:
    """The payload of an envelope and its type, and whether its signature is the key's."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        envelope: Envelope = Envelope.from_dict(json_of(read_bytes(path)))
        payload, kind = bytes(envelope.payload), envelope.payload_type
        kind.encode()  # it is signed as text
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, error) from None
    if key is None:
        return payload, kind, Checked("signature", "not checked", "no --key was given")
    try:
        envelope.verify([_public(key)], 1)
    except VerificationError:
        return payload, kind, Checked("signature", "lies", f"is not that of {key} over this statement")
    return payload, kind, Checked("signature", "holds", f"by {key}")


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

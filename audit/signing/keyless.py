"""An envelope signed without a key, by Sigstore: who signed is an identity that its issuer vouched for.

The bundle holds the certificate of that identity and the entry in the public log, so it is verified offline
by the roots of trust that the library brings along or last fetched.
"""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.bounded import json_of, read_bytes
from audit.errors import ConfigError
from audit.signing.checked import Checked
from audit.signing.statement import unreadable

if TYPE_CHECKING:
    from sigstore.oidc import IdentityToken

SIGNATURE = "sigstore signature"


@dataclass(frozen=True)
class Who:
    """Whom a signature has to be from."""

    identity: str
    """As the certificate has it: an e-mail address, or the URL of a workflow with its ref."""
    issuer: str
    """URL of who vouched for it: `https://token.actions.githubusercontent.com`."""


def sealed(payload: bytes) -> bytes:
    """The bundle of a statement, signed as whoever runs this: a CI job, or a person in a browser.

    Its digest and the identity stay in a public log for ever. Raises ConfigError without the library, a
    network or an identity.
    """
    with _library():
        from sigstore.dsse import Statement
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import Issuer
        from sigstore.sign import SigningContext
    with _refusals():
        ours = _ambient()
        trusted = ClientTrustConfig.production()
        token = ours or Issuer(trusted.signing_config.get_oidc_url()).identity_token()
        with SigningContext.from_trust_config(trusted).signer(token) as signer:
            bundle: str = signer.sign_dsse(Statement(payload)).to_json()
    return bundle.encode() + b"\n"


def opened(path: Path, who: Who | None) -> tuple[bytes, str, Checked]:
    """The payload of a bundle and its type, and whether it is signed by `who`; offline."""
    try:
        data = read_bytes(path)
        envelope = json_of(data)["dsseEnvelope"]
        payload, kind = base64.b64decode(envelope["payload"], validate=True), str(envelope["payloadType"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from None
    if who is None:
        return payload, kind, Checked(SIGNATURE, "not checked", "no --identity was given")
    with _library():
        from sigstore.errors import Error
        from sigstore.models import Bundle
        from sigstore.verify import Verifier
        from sigstore.verify.policy import Identity
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns of being offline, which is meant
    try:
        verifier = Verifier.production(offline=True)
    except (Error, OSError) as error:
        raise ConfigError(f"Sigstore's roots of trust can't be read: {_line(error)}.") from None
    wanted = Identity(identity=who.identity, issuer=who.issuer)
    try:
        # What is verified counts, however else the file could be read
        kind, payload = verifier.verify_dsse(Bundle.from_json(data), wanted)
    except Exception as error:  # whatever the library trips over in a hostile file, it proves nothing
        because = f"is not that of {who.identity} ({who.issuer}) over this statement: {_line(error)}"
        return payload, kind, Checked(SIGNATURE, "lies", because)
    return payload, kind, Checked(SIGNATURE, "holds", f"by {who.identity} ({who.issuer})")


def _ambient() -> IdentityToken | None:
    """Of the CI job that this runs in; None where a person can log in instead."""
    from sigstore.oidc import IdentityToken, detect_credential

    if (found := detect_credential()) is not None:
        return IdentityToken(found)
    if not sys.stdin.isatty():
        raise ConfigError(
            "--keyless: nobody to sign as. No CI was found that vouches for its jobs (on GitHub: "
            "`permissions: id-token: write`), and without a terminal nobody can log in. Or sign by --key."
        )
    return None


@contextmanager
def _library() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise ConfigError(
            "signing without a key takes sigstore. Run `pip install 'shrinkproof[sigstore]'`."
        ) from None


@contextmanager
def _refusals() -> Iterator[None]:
    """The library's refusals as an error of ours; it has no common base for them."""
    from requests import RequestException
    from sigstore.errors import Error

    try:
        yield
    except (Error, RequestException) as error:
        refusal: Exception = error
    except Exception as error:
        if not type(error).__module__.startswith("sigstore."):
            raise
        refusal = error
    else:
        return
    raise ConfigError(
        f"--keyless: Sigstore did not sign: {_line(refusal)}. It takes a network; offline, sign by --key."
    ) from None


def _line(error: Exception) -> str:
    """An error and what is behind it, on one line."""
    said = dict.fromkeys([str(error), str(error.__cause__ or "")])
    return ": ".join(" ".join(one.split()) for one in said if one) or type(error).__name__

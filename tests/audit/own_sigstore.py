"""A Sigstore of the tests' own, over HTTP on this machine: an issuer of identities, a CA and a public log.

Formats: Fulcio's certificate profile, RFC 6962 (SCTs and Merkle leaves), Rekor's API v1 and its signed notes.
What a client asks of it is what it asks of the public instance, so the library under test runs as it is.
"""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IDENTITY = "https://github.com/acme/models/.github/workflows/audit.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
_PUBLIC = "https://tuf-repo-cdn.sigstore.dev"
_ISSUER_OID, _SCT_OID = "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.11129.2.4.2"
_SHA256 = ec.ECDSA(hashes.SHA256())


class OwnSigstore:
    """Its keys, and what it answers."""

    def __init__(self) -> None:
        self.ca, self.ct, self.rekor = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.url = ""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        self.root = (
            _certificate(self.ca.public_key(), name, name, self.now, timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key()), critical=False)
            .sign(self.ca, hashes.SHA256())
        )

    def token(self) -> dict[str, Any]:
        """What GitHub says to a job that asks who it is."""
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": ISSUER, "sub": IDENTITY, "aud": "sigstore", "iat": now, "nbf": now, "exp": now + 600}
        return {"value": jwt.encode(claims, "a key of the issuer's, that nobody looks at", "HS256")}

    def certify(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A certificate of the identity for the key of a request, with the promise of the CT log in it."""
        request = x509.load_pem_x509_csr(base64.b64decode(asked["certificateSigningRequest"]))
        lasting = timedelta(minutes=10)
        made = _certificate(request.public_key(), self.root.subject, x509.Name([]), self.now, lasting)
        issuer = x509.UnrecognizedExtension(x509.ObjectIdentifier(_ISSUER_OID), ISSUER.encode())
        for extension, critical in (
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(IDENTITY)]), True),
            (_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key()), False),
            (issuer, False),
        ):
            made = made.add_extension(extension, critical=critical)
        listed = self._scts(made.sign(self.ca, hashes.SHA256()).tbs_certificate_bytes)
        octets = b"\x04" + bytes([len(listed)]) + listed  # DER, below 128 bytes
        told = x509.UnrecognizedExtension(x509.ObjectIdentifier(_SCT_OID), octets)
        signed = made.add_extension(told, critical=False).sign(self.ca, hashes.SHA256())
        chain = [one.public_bytes(Encoding.PEM).decode() for one in (signed, self.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def enter(self, asked: dict[str, Any]) -> dict[str, Any]:
        """An envelope in the log, as its only entry."""
        content = asked["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": _hash(content["envelope"].encode()),
                    "payloadHash": _hash(base64.b64decode(envelope["payload"])),
                    "signatures": [
                        {"signature": one["sig"], "verifier": content["verifiers"][0]}
                        for one in envelope["signatures"]
                    ],
                },
            }
        )
        root, log_id = sha256(b"\x00" + body).digest(), _id(self.rekor)
        note = f"tests - 1\n1\n{base64.b64encode(root).decode()}\n"
        signed_note = base64.b64encode(log_id[:4] + self.rekor.sign(note.encode(), _SHA256)).decode()
        entry = {
            "body": base64.b64encode(body).decode(),
            "integratedTime": int(datetime.now(UTC).timestamp()),
            "logID": log_id.hex(),
            "logIndex": 0,
        }
        promise = self.rekor.sign(rfc8785.dumps(entry), _SHA256)
        proof = {
            "checkpoint": f"{note}\n— tests {signed_note}\n",
            "hashes": [], "logIndex": 0, "rootHash": root.hex(), "treeSize": 1,
        }  # fmt: skip
        verification = {
            "inclusionProof": proof, "signedEntryTimestamp": base64.b64encode(promise).decode(),
        }  # fmt: skip
        return {"0": {**entry, "verification": verification}}

    def trust(self, cache: Path) -> None:
        """Leave its keys where the library keeps those of the public instance."""
        folder = cache / "sigstore-python" / "tuf" / quote(_PUBLIC, safe="")
        folder.mkdir(parents=True, exist_ok=True)
        since = {"start": (self.now - timedelta(days=1)).isoformat()}
        log = {"baseUrl": self.url, "hashAlgorithm": "SHA2_256"}
        root = {"rawBytes": base64.b64encode(self.root.public_bytes(Encoding.DER)).decode()}
        roots = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log | _log_key(self.rekor, since)],
            "ctlogs": [log | _log_key(self.ct, since)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "tests", "commonName": "tests"}, "uri": self.url,
                    "certChain": {"certificates": [root]}, "validFor": since,
                }
            ],
            "timestampAuthorities": [],
        }  # fmt: skip
        services = [{"url": self.url, "majorApiVersion": 1, "validFor": since, "operator": "tests"}]
        settings = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": services, "oidcUrls": services, "rekorTlogUrls": services,
            "rekorTlogConfig": {"selector": "ANY"}, "tsaUrls": [], "tsaConfig": {"selector": "ANY"},
        }  # fmt: skip
        (folder / "trusted_root.json").write_text(json.dumps(roots))
        (folder / "signing_config.v0.2.json").write_text(json.dumps(settings))

    def _scts(self, certificate: bytes) -> bytes:
        """RFC 6962, 3.2 and 3.3: a list with the one promise about a certificate without it."""
        at = struct.pack("!Q", int(self.now.timestamp() * 1000))
        entry = b"\x00\x01" + _id(self.ca) + struct.pack("!I", len(certificate))[1:] + certificate
        signature = self.ct.sign(b"\x00\x00" + at + entry + b"\x00\x00", _SHA256)
        sct = (
            b"\x00"
            + _id(self.ct)
            + at
            + b"\x00\x00"
            + b"\x04\x03"
            + struct.pack("!H", len(signature))
            + signature
        )
        return struct.pack("!HH", len(sct) + 2, len(sct)) + sct


@contextmanager
def served() -> Iterator[OwnSigstore]:
    """One that answers until the block ends."""
    own = OwnSigstore()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, own.token())

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(201, (own.certify if self.path.endswith("signingCert") else own.enter)(asked))

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    own.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(
    key: Any, issuer: x509.Name, subject: x509.Name, now: datetime, lasting: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + lasting)
    )


def _usage(**granted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return sha256(_der(key)).digest()


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _log_key(key: ec.EllipticCurvePrivateKey, since: dict[str, str]) -> dict[str, Any]:
    raw, named = (base64.b64encode(one).decode() for one in (_der(key), _id(key)))
    public = {"rawBytes": raw, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since}
    return {"publicKey": public, "logId": {"keyId": named}}


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": sha256(data).hexdigest()}

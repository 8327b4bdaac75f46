"""What is signed, and that a change of any file of a run is found and named."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from test_store import cell, config, sample, variant
from typer.testing import CliRunner

from audit import registry
from audit.cli import app
from audit.errors import ConfigError, StoreError
from audit.provenance import collect
from audit.records import AuditLog, Registration, Run
from audit.signing import ENVELOPE, sign, verify
from audit.store import Store, config_digest, read_log, write_report


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private EC key and its public one, in PEM files."""
    return _key(tmp_path / "key.pem"), tmp_path / "key.pub.pem"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small finished run with one level, one cell and a report."""
    asked = config(tmp_path / "run")
    with Store.open(asked) as store:
        with store.new_variant("int8") as folder:
            made = variant(folder)
            store.add_variant(made, folder)
        written = store.add_cell(cell(), [sample()])
        store.register(Registration(policy_sha256="p", items_sha256="i", at="now"))
        told = collect(
            command="c", device="cpu", threads=1, config_sha256=config_digest(asked), started="now"
        )
        store.write_log(
            AuditLog(
                status="finished",
                config=asked,
                provenance=told,
                registered=store.registration(),
                variants=(store.located(made),),
                runs=(Run(variant="int8", suite="s", cells=(written,)),),
            )
        )
        write_report(store.root, "report.html", b"<p>as it was made</p>")
    return tmp_path / "run"


def test_what_was_signed_and_not_touched_holds(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    found = verify(run, keys[1])
    assert {one.finding for one in found} == {"holds"}
    assert "report.html" in {one.what for one in found}


@pytest.mark.parametrize(
    "place",
    [
        "audit.json",
        "config.json",
        "registration.json",
        "report.html",
        "cells/k/samples.parquet",
        "variants/int8/model.safetensors",
    ],
)
def test_a_changed_byte_of_any_file_is_found_and_the_file_is_named(
    run: Path, keys: tuple[Path, Path], place: str
) -> None:
    sign(run, keys[0])
    path = run / place
    data = path.read_bytes()
    path.write_bytes(data.replace(b"int8", b"int9", 1) if b"int8" in data else _turned(data))
    lying = {one.what for one in verify(run, keys[1]) if one.finding == "lies"}
    assert any(what == place or place.endswith(what) for what in lying)


def test_a_row_that_was_rewritten_is_found(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    path = run / "cells/k/samples.parquet"
    rows = pd.read_parquet(path)
    rows["outcome"] = 1 - rows["outcome"]
    rows.to_parquet(path, index=False)
    assert "cells/k/samples.parquet" in {one.what for one in verify(run, keys[1]) if one.finding == "lies"}


def test_a_number_changed_together_with_its_digest_is_found(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    envelope = run / ENVELOPE
    told = json.loads(envelope.read_bytes())
    statement = base64.b64decode(told["payload"]).replace(b"FAILED", b"PASSED")
    told["payload"] = base64.b64encode(statement).decode()
    envelope.write_text(json.dumps(told))
    assert {one.what for one in verify(run, keys[1]) if one.finding == "lies"} >= {
        "signature", "statement, predicate",
    }  # fmt: skip


def test_another_key_does_not_verify(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(run, keys[0])
    other = _key(tmp_path / "other.pem")
    assert [one.what for one in verify(run, other) if one.finding == "lies"] == ["signature"]


def test_a_run_that_lies_already_is_not_signed(run: Path, keys: tuple[Path, Path]) -> None:
    (run / "cells/k/samples.parquet").write_bytes(b"made up")
    with pytest.raises(StoreError, match=r"samples\.parquet has another sha256"):
        sign(run, keys[0])


def test_a_file_that_is_no_key_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    with pytest.raises(ConfigError, match=r"no\.pem: no private key"):
        sign(run, tmp_path / "no.pem")


def test_openssl_agrees_that_the_signature_is_the_keys(
    run: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    # DSSE v1: the signature is over PAE = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body
    told = json.loads(sign(run, keys[0]).read_bytes())
    body, kind = base64.b64decode(told["payload"]), told["payloadType"].encode()
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    (tmp_path / "pae").write_bytes(pae)
    (tmp_path / "sig").write_bytes(base64.b64decode(told["signatures"][0]["sig"]))
    asked = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        keys[1],
        "-signature",
        tmp_path / "sig",
        tmp_path / "pae",
    ]
    assert "Verified OK" in subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def test_the_statement_is_one_by_the_frameworks_own_library(run: Path) -> None:
    told = json.loads(registry.report_format("attestation").render(read_log(run)))
    subjects = [ResourceDescriptor(name=one["name"], digest=one["digest"]).pb for one in told["subject"]]
    Statement(subjects, told["predicateType"], told["predicate"]).validate()
    assert told["predicate"]["result"] == "FAILED"  # nothing was judged, so nothing passed
    assert [one["name"] for one in told["subject"]] == ["int8/model.safetensors"]


def test_the_commands_exit_codes_say_what_was_found(run: Path, keys: tuple[Path, Path]) -> None:
    ask = CliRunner().invoke
    assert ask(app, ["verify", str(run)]).exit_code == 3  # never signed
    assert ask(app, ["sign", str(run), "--key", str(keys[0])]).exit_code == 0
    assert ask(app, ["verify", str(run), "--key", str(keys[1])]).exit_code == 0
    assert ask(app, ["verify", str(run)]).exit_code == 3  # no key
    (run / "report.html").write_bytes(b"<p>better</p>")
    lied = ask(app, ["verify", str(run), "--key", str(keys[1])])
    assert lied.exit_code == 1
    assert "LIES: report.html" in lied.stdout


def _turned(data: bytes) -> bytes:
    """The same with one bit of its middle byte turned."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _key(path: Path) -> Path:
    """A new private key, its public one beside it."""
    private = ec.generate_private_key(ec.SECP256R1())
    kinds = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
    pem = serialization.Encoding.PEM
    path.write_bytes(private.private_bytes(pem, kinds[0], serialization.NoEncryption()))
    path.with_suffix(".pub.pem").write_bytes(private.public_key().public_bytes(pem, kinds[1]))
    return path

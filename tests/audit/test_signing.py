"""What is signed, and that a change of any file of a run is found and named."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import rfc8785
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1 import statement_pb2 as pb
from in_toto_attestation.v1.statement import Statement
from signed_run import kept_run, new_key
from typer.testing import CliRunner

from audit import registry
from audit.cli import app
from audit.errors import ConfigError, StoreError
from audit.signing import ENVELOPE, Checked, sign, verify
from audit.store import config_digest, read_log
from reports import attestation


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private EC key and its public one, in PEM files."""
    return new_key(tmp_path / "key.pem"), tmp_path / "key.pub.pem"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(tmp_path: Path, kept: Path) -> Path:
    """A small finished run that was not signed."""
    return Path(shutil.copytree(kept, tmp_path / "run"))


def test_what_was_signed_and_not_touched_holds(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    found = verify(run, keys[1])
    assert {one.finding for one in found} == {"holds"}
    assert {"signature", "audit.json", "report.html", "int8/model.safetensors"} <= {one.what for one in found}


FILES = (
    "audit.json",
    "config.json",
    "registration.json",
    "runs.json",
    "report.html",
    "cells/of-int8/cell.json",
    "cells/of-int8/measured.safetensors",
    "cells/of-int8/samples.parquet",
    "cells/of-original/cell.json",
    "cells/of-original/measured.safetensors",
    "cells/of-original/samples.parquet",
    "efficiency/int8.json",
    "variants/int8/config.json",
    "variants/int8/model.safetensors",
    "variants/int8/tokenizer.json",
    "variants/int8/variant.json",
)


def test_every_kind_of_file_of_a_run_is_among_those_that_are_tried(run: Path) -> None:
    found = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {name for name in found if not name.endswith(".sha256")} == {*FILES, "lock"}


@pytest.mark.parametrize("place", FILES)
def test_a_changed_byte_of_any_file_is_found_and_the_file_is_named(
    run: Path, keys: tuple[Path, Path], place: str
) -> None:
    sign(run, keys[0])
    data = (run / place).read_bytes()
    (run / place).write_bytes(data.replace(b"int8", b"int9", 1) if b"int8" in data else _turned(data))
    assert place.removeprefix("variants/") in {what.removeprefix("variants/") for what in _lies(run, keys[1])}


@pytest.mark.parametrize("place", [place for place in FILES if place != "audit.json"])
def test_a_file_that_is_gone_is_named(run: Path, keys: tuple[Path, Path], place: str) -> None:
    sign(run, keys[0])
    (run / place).unlink()
    gone = {one.what for one in verify(run, keys[1]) if one.because == "is not there"}
    assert {what.removeprefix("variants/") for what in gone} == {place.removeprefix("variants/")}


def test_a_file_that_was_added_is_named(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    added = "variants/int8/modeling.py"
    (run / added).write_text("import os")
    assert [one for one in verify(run, keys[1]) if one.finding != "holds"] == [
        Checked(added, "not checked", "was not signed")
    ]


def test_a_report_that_was_made_after_signing_holds_if_the_log_gives_it(
    run: Path, keys: tuple[Path, Path]
) -> None:
    sign(run, keys[0])
    made = registry.report_format("md").render(read_log(run))
    (run / "report.md").write_bytes(made)
    assert {one.finding for one in verify(run, keys[1])} == {"holds"}
    (run / "report.md").write_bytes(made + b"It is fine.")
    (found,) = (one for one in verify(run, keys[1]) if one.finding != "holds")
    assert (found.what, found.finding) == ("report.md", "not checked")
    assert f"byte {len(made):,} " in found.because


def test_a_run_folder_that_was_copied_is_checked_where_it_lies(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    copy = Path(shutil.copytree(run, run.parent / "copy"))
    weights = copy / "variants/int8/model.safetensors"
    weights.write_bytes(_turned(weights.read_bytes()))
    assert _lies(copy, keys[1]) == {"int8/model.safetensors"}


def test_a_row_that_was_rewritten_is_found(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    path = run / "cells/of-int8/samples.parquet"
    rows = pd.read_parquet(path)
    rows.loc[3, "answer"] = rows.loc[3, "target"]
    rows.to_parquet(path, index=False)
    assert "cells/of-int8/samples.parquet" in _lies(run, keys[1])


def test_a_statement_that_was_edited_is_found_by_its_signature(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    _edit(run, lambda told: told["predicate"]["warnedTests"].append("int8: another rule"))
    assert _lies(run, keys[1]) == {"signature"}


def test_a_result_that_was_edited_is_found_without_a_key(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    _edit(run, lambda told: told["predicate"].update(result="FAILED"))
    assert _lies(run, None) == {"statement, result"}


def test_rules_that_were_edited_are_shown_without_a_key(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    _edit(run, lambda told: told["predicate"]["passedTests"].clear())
    shown = {one.what: one.because for one in verify(run, None) if one.finding == "not checked"}
    assert set(shown) == {"signature", "statement, predicate.passedTests"}
    assert 'would say ["int8: Sums"]' in shown["statement, predicate.passedTests"]


@pytest.mark.parametrize("part", ["subject", "configuration", "evidence"])
def test_a_digest_that_was_edited_is_found_without_a_key(
    run: Path, keys: tuple[Path, Path], part: str
) -> None:
    def edit(told: dict[str, Any]) -> None:
        named = {**told, **told["predicate"], "evidence": told["predicate"]["shrinkproof_evidence"]}[part]
        named[0]["digest"]["sha256"] = "0" * 64

    sign(run, keys[0])
    _edit(run, edit)
    what = {"subject": "statement, subject int8/model.safetensors", "evidence": "audit.json"}
    assert _lies(run, None) == {what.get(part, "statement, configuration")}


def test_a_statement_without_the_log_is_about_nothing(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    _edit(run, lambda told: told["predicate"]["shrinkproof_evidence"].pop(0))
    assert "statement, evidence" in _lies(run, None)


def test_the_statement_of_another_run_does_not_fit(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    other = Path(shutil.copytree(run, run.parent / "other"))
    log = json.loads((other / "audit.json").read_bytes())
    log["provenance"]["started"] = "later"
    (other / "audit.json").write_bytes(rfc8785.dumps(log))
    assert "audit.json" in _lies(other, keys[1])


def test_a_statement_that_names_files_outside_its_run_is_refused(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    _edit(run, lambda told: told["predicate"]["shrinkproof_evidence"][1].update(name="../elsewhere"))
    with pytest.raises(StoreError, match=r"'\.\./elsewhere' is no file of a run folder"):
        verify(run, keys[1])


def test_what_is_signed_but_no_statement_is_refused(run: Path, keys: tuple[Path, Path]) -> None:
    told = json.loads(sign(run, keys[0]).read_bytes())
    (run / ENVELOPE).write_text(json.dumps({**told, "payloadType": "text/plain"}))
    with pytest.raises(StoreError, match=r"holds a text/plain, no in-toto statement"):
        verify(run, keys[1])


def test_another_version_with_other_words_calls_no_honest_signature_a_lie(
    run: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(run, keys[0])
    monkeypatch.setattr(attestation, "_tests", lambda log, decision: ["in other words"])
    monkeypatch.setattr(attestation, "TEST_RESULT", "https://in-toto.io/attestation/test-result/v9")
    assert {one.finding for one in verify(run, keys[1])} == {"holds"}
    assert {one.finding for one in verify(run, None)} == {"holds", "not checked"}


def test_another_version_with_more_settings_calls_no_honest_log_a_lie(
    run: Path, keys: tuple[Path, Path]
) -> None:
    # A log of a version that did not know these two fields yet
    log = json.loads((run / "audit.json").read_bytes())
    config = json.loads((run / "config.json").read_bytes())
    for one in (log["config"], config):
        del one["efficiency"], one["suites"][0]["chat"]
    (run / "config.json").write_bytes(rfc8785.dumps(config))
    (run / "audit.json.sha256").unlink()
    asked = type(read_log(run).config).model_validate(log["config"])
    log["provenance"]["config_sha256"] = config_digest(asked, read_log(run))
    (run / "audit.json").write_bytes(rfc8785.dumps(log))
    (run / "report.html").write_bytes(registry.report_format("html").render(read_log(run)))
    assert config_digest(asked) != config_digest(asked, read_log(run))
    sign(run, keys[0])
    assert {one.finding for one in verify(run, keys[1])} == {"holds"}


def test_another_key_does_not_verify(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(run, keys[0])
    assert _lies(run, new_key(tmp_path / "other.pem")) == {"signature"}


def test_a_run_that_lies_already_is_not_signed(run: Path, keys: tuple[Path, Path]) -> None:
    (run / "cells/of-int8/samples.parquet").write_bytes(b"made up")
    with pytest.raises(StoreError, match=r"samples\.parquet was changed.*What lies is not signed"):
        sign(run, keys[0])
    assert not (run / ENVELOPE).exists()


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
    Statement.copy_from_pb(ParseDict(told, pb.Statement())).validate()
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


def test_who_signed_verifies_with_the_private_key_as_well(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    assert {one.finding for one in verify(run, keys[0])} == {"holds"}


@pytest.mark.parametrize(
    ("text", "said"), [("no PEM", "no key that can verify"), (None, "can't be read: No such file")]
)
def test_what_is_no_key_is_named(run: Path, keys: tuple[Path, Path], text: str | None, said: str) -> None:
    other = keys[0].with_name("other.pem")
    if text is not None:
        other.write_text(text)
    sign(run, keys[0])
    with pytest.raises(ConfigError, match=rf"--key \S*other.pem\W+{said}"):
        verify(run, other)


def _turned(data: bytes) -> bytes:
    """The same with one bit of its middle byte turned."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _lies(run: Path, key: Path | None) -> set[str]:
    return {one.what for one in verify(run, key) if one.finding == "lies"}


def _edit(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the statement in an envelope, and leave the signature."""
    told = json.loads((run / ENVELOPE).read_bytes())
    statement = json.loads(base64.b64decode(told["payload"]))
    edit(statement)
    told["payload"] = base64.b64encode(rfc8785.dumps(statement)).decode()
    (run / ENVELOPE).write_text(json.dumps(told))

"""Signing without a key, against a Sigstore of the tests' own."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from signed_run import kept_run, new_key
from typer.testing import CliRunner

from audit.cli import app
from audit.errors import ConfigError, StoreError
from audit.signing import BUNDLE, Who, sign, verify

pytest.importorskip("sigstore", reason="it takes a newer pydantic than the oldest of ours")
from own_sigstore import IDENTITY, ISSUER, OwnSigstore, served
from sigstore.models import ClientTrustConfig

WHO = Who(IDENTITY, ISSUER)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(tmp_path: Path, kept: Path) -> Path:
    """A small finished run that was not signed."""
    return Path(shutil.copytree(kept, tmp_path / "run"))


@pytest.fixture(scope="module")
def sigstore() -> Iterator[OwnSigstore]:
    with served() as own:
        yield own


@pytest.fixture
def job(sigstore: OwnSigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a CI that vouches for it, which trusts that Sigstore as if it had fetched its keys."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    sigstore.trust(tmp_path / "user-cache")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", sigstore.url)
    fetched = ClientTrustConfig.production
    monkeypatch.setattr(ClientTrustConfig, "production", lambda offline=True: fetched(offline=True))


@pytest.mark.usefixtures("job")
def test_what_was_signed_without_a_key_holds_by_its_identity(run: Path) -> None:
    assert sign(run, None) == run / BUNDLE
    found = verify(run, who=WHO)
    assert {one.finding for one in found} == {"holds"}
    assert {"sigstore signature", "audit.json", "report.html"} <= {one.what for one in found}


@pytest.mark.usefixtures("job")
def test_a_signature_is_verified_offline(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign(run, None)
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    assert {one.finding for one in verify(run, who=WHO)} == {"holds"}


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("who", "because"),
    [
        (Who("mallory@example.org", ISSUER), "SANs do not match mallory@example.org"),
        (Who(IDENTITY, "https://accounts.example.org"), "expected 'https://accounts.example.org'"),
    ],
)
def test_the_signature_of_somebody_else_lies(run: Path, who: Who, because: str) -> None:
    sign(run, None)
    (found,) = (one for one in verify(run, who=who) if one.finding != "holds")
    assert (found.what, found.finding) == ("sigstore signature", "lies")
    assert because in found.because


@pytest.mark.usefixtures("job")
def test_a_statement_that_was_edited_lies(run: Path) -> None:
    told = json.loads(sign(run, None).read_bytes())
    payload = base64.b64decode(told["dsseEnvelope"]["payload"])
    edited = payload.replace(b'"result":"PASSED"', b'"result":"FAILED"')
    assert edited != payload
    told["dsseEnvelope"]["payload"] = base64.b64encode(edited).decode()
    (run / BUNDLE).write_text(json.dumps(told))
    assert _lies(run) == {"sigstore signature", "statement, result"}


@pytest.mark.usefixtures("job")
def test_a_certificate_of_another_authority_lies(run: Path, tmp_path: Path) -> None:
    sign(run, None)
    OwnSigstore().trust(tmp_path / "user-cache")
    assert _lies(run) == {"sigstore signature"}


@pytest.mark.usefixtures("job")
def test_an_entry_that_the_log_never_made_lies(run: Path) -> None:
    told = json.loads(sign(run, None).read_bytes())
    (entry,) = told["verificationMaterial"]["tlogEntries"]
    entry["inclusionPromise"]["signedEntryTimestamp"] = base64.b64encode(b"made up").decode()
    (run / BUNDLE).write_text(json.dumps(told))
    assert _lies(run) == {"sigstore signature"}


@pytest.mark.usefixtures("job")
def test_a_file_that_was_changed_is_found(run: Path) -> None:
    sign(run, None)
    (run / "report.html").write_bytes(b"<p>better</p>")
    assert _lies(run) == {"report.html"}


@pytest.mark.usefixtures("job")
def test_each_envelope_is_checked_by_what_it_was_asked_with(run: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key.pem")
    sign(run, None)
    assert _not_checked(run) == {"sigstore signature"}
    assert _not_checked(run, key=key) == {"signature"}  # there is none by a key
    sign(run, key)
    assert _not_checked(run) == {"signature", "sigstore signature"}
    assert not _not_checked(run, key=key)
    assert not _not_checked(run, who=WHO)
    assert not _not_checked(run, key=key, who=WHO)


@pytest.mark.usefixtures("job")
def test_the_commands_sign_and_verify_by_identity(run: Path) -> None:
    ask = CliRunner().invoke
    assert ask(app, ["sign", str(run), "--keyless"]).exit_code == 0
    told = ["verify", str(run), "--identity", IDENTITY, "--issuer"]
    assert ask(app, [*told, ISSUER]).exit_code == 0
    assert ask(app, [*told, "https://accounts.example.org"]).exit_code == 1
    assert ask(app, ["verify", str(run)]).exit_code == 3


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (["sign", "--keyless", "--key", "k.pem"], "one of them"),
        (["sign"], "one of them"),
        (["verify", "--identity", "a@example.org"], "belong together"),
        (["verify", "--issuer", ISSUER], "belong together"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Path, asked: list[str], error: str) -> None:
    found = CliRunner().invoke(app, [*asked, str(run)])
    assert isinstance(found.exception, ConfigError)
    assert error in str(found.exception)


def test_without_the_library_the_way_out_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sigstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(ConfigError, match=r"pip install 'shrinkproof\[sigstore\]'"):
        sign(run, None)
    (run / BUNDLE).write_text(json.dumps({"dsseEnvelope": {"payload": "e30=", "payloadType": "t"}}))
    with pytest.raises(ConfigError, match=r"pip install 'shrinkproof\[sigstore\]'"):
        verify(run, who=WHO)


def test_without_an_identity_nobody_signs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigError, match="nobody to sign as"):
        sign(run, None)
    assert not (run / BUNDLE).exists()


def test_a_job_that_may_not_ask_who_it_is_is_told_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="insufficient OIDC token permissions"):
        sign(run, None)


@pytest.mark.usefixtures("job")
def test_without_a_network_it_says_so(
    run: Path, sigstore: OwnSigstore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    token = sigstore.token()["value"]
    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: token)
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    monkeypatch.setattr(socket, "getaddrinfo", _no_network)
    with pytest.raises(
        ConfigError, match=r"did not sign: Failed to refresh TUF.*It takes a network"
    ) as caught:
        sign(run, None)
    assert "\n" not in str(caught.value)
    assert not (run / BUNDLE).exists()


@pytest.mark.usefixtures("job")
def test_a_bundle_whose_certificate_is_garbage_lies(run: Path) -> None:
    told = json.loads(sign(run, None).read_bytes())
    told["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(b"garbage").decode()
    (run / BUNDLE).write_text(json.dumps(told))
    assert _lies(run) == {"sigstore signature"}


def test_a_bundle_that_is_none_is_refused(run: Path) -> None:
    (run / BUNDLE).write_text("{}")
    with pytest.raises(StoreError, match="can't be read as a signed statement"):
        verify(run)


def _no_network(*_: Any, **__: Any) -> NoReturn:
    raise OSError("the network is unreachable")


def _lies(run: Path) -> set[str]:
    return {one.what for one in verify(run, who=WHO) if one.finding == "lies"}


def _not_checked(run: Path, **by: Any) -> set[str]:
    return {one.what for one in verify(run, **by) if one.finding == "not checked"}

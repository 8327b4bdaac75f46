from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from forge import BOT, SOMEBODY, Forge
from forge import forge as served
from signed_run import make_run
from typer.testing import CliRunner

from audit.cli import app
from audit.comment import MOST, comment
from audit.errors import CommentError

GITHUB = "/repos/acme/models/issues"
GITLAB = "/projects/12/merge_requests/5/notes"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("commented") / "run")


@pytest.fixture
def forge() -> Iterator[Forge]:
    with served() as held:
        yield held


@pytest.fixture
def github(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forge:
    """A job of GitHub Actions on pull request 3."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 3}}))
    for name, value in {
        "GITHUB_ACTIONS": "true", "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/models",
        "GITHUB_EVENT_PATH": str(event), "GITHUB_TOKEN": "secret", "GITHUB_SERVER_URL": "https://forge",
        "GITHUB_RUN_ID": "99",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return forge


@pytest.fixture
def gitlab(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Forge:
    """A job of GitLab CI on merge request 5, which goes to project 12."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for name, value in {
        "GITLAB_CI": "true", "CI_API_V4_URL": forge.url, "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "5", "CI_PROJECT_ID": "77", "SHRINKPROOF_GITLAB_TOKEN": "secret",
        "CI_JOB_URL": "https://forge/jobs/1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    forge.account = {"id": 55, "username": "project_12_bot"}
    return forge


def test_the_first_job_comments_and_the_next_one_changes_that_comment(run: Path, github: Forge) -> None:
    github.add("Looks good", SOMEBODY)
    assert comment(run) == "Commented on the change."
    assert comment(run, name="") == "Brought the comment on the change up to date."
    assert [one["user"]["login"] for one in github.comments] == ["somebody", BOT["login"]]
    assert "what compression cost" in github.comments[1]["body"]
    assert "https://forge/acme/models/actions/runs/99" in github.comments[1]["body"]
    written = [one for one in github.asked if one[0] != "GET"]
    assert written == [("POST", f"{GITHUB}/3/comments"), ("PATCH", f"{GITHUB}/comments/2")]
    assert github.tokens == {"Bearer secret"}


def test_a_comment_among_hundreds_is_found_again(run: Path, github: Forge) -> None:
    for place in range(230):
        github.add(f"{place}", SOMEBODY)
    comment(run)
    github.add("one more", SOMEBODY)
    comment(run)
    assert len(github.comments) == 232


def test_somebody_elses_comment_with_our_marker_is_left_alone(run: Path, github: Forge) -> None:
    forged = "<!-- shrinkproof  -->\nAll is well."
    github.add(forged, SOMEBODY)
    comment(run)
    assert github.comments[0]["body"] == forged
    assert len(github.comments) == 2


def test_two_audits_on_one_change_have_a_comment_each(run: Path, github: Forge) -> None:
    comment(run, name="chat -->")
    comment(run, name="base")
    comment(run, name="chat -->")
    assert [one["body"].splitlines()[0] for one in github.comments] == [
        "<!-- shrinkproof chat%20--%3E -->", "<!-- shrinkproof base -->",
    ]  # fmt: skip


def test_a_token_that_may_not_write_costs_the_comment_and_nothing_else(run: Path, github: Forge) -> None:
    github.may_write = False
    said = CliRunner().invoke(app, ["comment", str(run)])
    assert (said.exit_code, github.comments) == (0, [])
    assert "as on a change from a fork" in said.stdout


@pytest.mark.parametrize(("name", "why"), [("GITHUB_TOKEN", "not set"), ("number", "no pull request")])
def test_where_there_is_nothing_to_write_on_or_as_nobody_is_asked(
    run: Path, github: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    if name == "number":
        (tmp_path / "event.json").write_text('{"ref": "refs/heads/main"}')
    assert why in comment(run)
    assert github.asked == []


def test_a_forge_that_fails_is_an_error_and_never_takes_the_token_elsewhere(run: Path, github: Forge) -> None:
    github.fails_with = 500
    with pytest.raises(CommentError, match="500"):
        comment(run)
    with served() as elsewhere:
        github.redirect = f"{elsewhere.url}/user"
        with pytest.raises(CommentError, match="302"):
            comment(run)
        assert elsewhere.asked == []


def test_a_forge_that_speaks_no_http_is_an_error(
    run: Path, github: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.getsockname()[1]}")

        def speak() -> None:
            heard, _ = server.accept()
            with heard:
                heard.recv(1 << 16)
                heard.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=speak, daemon=True).start()
        with pytest.raises(CommentError, match="can't be reached: 220 mail"):
            comment(run)


def test_outside_of_a_job_it_says_what_to_do(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CommentError, match="--format md"):
        comment(run)


def test_on_gitlab_the_note_goes_to_the_target_project_and_is_changed_later(run: Path, gitlab: Forge) -> None:
    gitlab.add("<!-- shrinkproof  -->\nAll is well.", {"id": 7})
    assert comment(run) == "Commented on the change."
    assert comment(run) == "Brought the comment on the change up to date."
    assert len(gitlab.comments) == 2
    written = [one for one in gitlab.asked if one[0] != "GET"]
    assert written == [("POST", GITLAB), ("PUT", f"{GITLAB}/2")]
    assert gitlab.tokens == {"secret"}


def test_gitlab_without_a_token_says_which_one_it_takes(
    run: Path, gitlab: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHRINKPROOF_GITLAB_TOKEN")
    assert "scope api" in comment(run)
    assert gitlab.asked == []


def test_since_a_baseline_the_comment_says_what_changed(run: Path, github: Forge) -> None:
    comment(run, since=run)
    body = github.comments[0]["body"]
    assert "sha256 of the logs" in body
    assert len(body) <= MOST
    assert body.index("what compression cost") < body.index("sha256 of the logs")


def test_a_long_comment_is_cut_between_lines_and_says_so(
    run: Path, github: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.comment.MOST", 1000)
    comment(run, since=run)
    body = github.comments[0]["body"]
    assert len(body) <= 1000 + len("<!-- shrinkproof  -->\n")
    assert "**Cut here.**" in body

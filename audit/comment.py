"""One comment on the change that a CI job tests: written once, and brought up to date by later jobs."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from audit import registry
from audit.bounded import json_of, read_bytes
from audit.diff import diff
from audit.errors import CommentError
from audit.store import read_log
from audit.web import answer

MOST = 60_000
"""Characters: GitHub takes 65,536."""
PAGES = 50
"""Of a hundred comments each; further down nobody's is looked for."""
SECONDS = 30
"""To wait for an answer."""
_REFUSED = (401, 403, 404)
"""Forges answer 404 where a token may not know that something is there."""


@dataclass(frozen=True)
class Forge:
    """Where comments of a change are, and as whom to write."""

    comments: str
    """URL of the list, which takes new ones."""
    one: str
    """URL of a comment, with `{id}`."""
    me: str
    """URL of the account that a token belongs to."""
    headers: Mapping[str, str]
    update: str
    """Method of HTTP that changes a comment."""
    author: str
    """Key of a comment's author."""
    job: str
    """URL of the job's own page; empty where it is not known."""


def comment(run: Path, since: Path | None = None, name: str = "") -> str:
    """Write the short report of a run, and what changed since a baseline, as the job's one comment.

    Jobs that audit several models on one change give each a name. Returns what was done, in a sentence;
    nothing is done where the job belongs to no change or has no token, or one that may not write, as on a
    change from a fork. Raises CommentError where the forge does not answer as it should.
    """
    forge = _forge(os.environ)
    if isinstance(forge, str):
        return forge
    marker = f"<!-- shrinkproof {quote(name, safe='')} -->"
    body = {"body": f"{marker}\n{_text(run, since, forge.job)}"}
    try:
        ours = _ours(forge, marker)
        if ours is None:
            _call(forge, forge.comments, "POST", body)
            return "Commented on the change."
        _call(forge, forge.one.format(id=ours), forge.update, body)
    except urllib.error.HTTPError as error:
        if error.code in _REFUSED:
            return f"No comment: the token may not write one ({error.code}), as on a change from a fork."
        raise CommentError(f"{forge.comments} answers {error.code} {error.reason}.") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CommentError(f"{forge.comments} can't be reached: {error}.") from None
    return "Brought the comment on the change up to date."


def _text(run: Path, since: Path | None, job: str) -> str:
    """Markdown, cut between lines where it is too long."""
    parts = [registry.report_format("md").render(read_log(run)).decode()]
    if since is not None:
        parts.append(registry.diff_format("md").render(diff(since, run)).decode())
    if job:
        parts.append(f"[The job, with the whole report]({job})")
    text = "\n".join(parts)
    if len(text) <= MOST:
        return text
    kept = text[: MOST - 300].rpartition("\n")[0]
    return f"{kept}\n\n**Cut here.** The job's report holds all.{f' [The job]({job})' if job else ''}\n"


def _forge(env: Mapping[str, str]) -> Forge | str:
    """The forge that runs this job, by the variables that it sets; else why there is nothing to write on."""
    if env.get("GITHUB_ACTIONS") == "true":
        return _github(env)
    if env.get("GITLAB_CI") == "true":
        return _gitlab(env)
    raise CommentError(
        "This is no job of GitHub Actions or GitLab CI, by its variables GITHUB_ACTIONS and GITLAB_CI. "
        "Write the report to a file by `shrinkproof report RUN --format md`."
    )


def _github(env: Mapping[str, str]) -> Forge | str:
    number = _pull_request(Path(env["GITHUB_EVENT_PATH"]))
    if number is None:
        return "No comment: the job belongs to no pull request."
    if not env.get("GITHUB_TOKEN"):
        return "No comment: GITHUB_TOKEN is not set."
    repository = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}"
    return Forge(
        comments=f"{repository}/issues/{number}/comments",
        one=f"{repository}/issues/comments/{{id}}",
        me=f"{env['GITHUB_API_URL']}/user",
        headers={
            "Authorization": f"Bearer {env['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        update="PATCH",
        author="user",
        job=f"{env['GITHUB_SERVER_URL']}/{env['GITHUB_REPOSITORY']}/actions/runs/{env['GITHUB_RUN_ID']}",
    )


def _pull_request(event: Path) -> int | None:
    found = json_of(read_bytes(event)).get("pull_request")
    return None if found is None else int(found["number"])


def _gitlab(env: Mapping[str, str]) -> Forge | str:
    if not env.get("CI_MERGE_REQUEST_IID"):
        return "No comment: the job belongs to no merge request."
    if not env.get("SHRINKPROOF_GITLAB_TOKEN"):
        return (
            "No comment: SHRINKPROOF_GITLAB_TOKEN is not set. A job's own token may not write notes; a "
            "project access token with the scope api may, as a masked variable."
        )
    # Of the target: the project that a change from a fork goes to
    project = env["CI_MERGE_REQUEST_PROJECT_ID"]
    request = f"{env['CI_API_V4_URL']}/projects/{project}/merge_requests/{env['CI_MERGE_REQUEST_IID']}"
    return Forge(
        comments=f"{request}/notes",
        one=f"{request}/notes/{{id}}",
        me=f"{env['CI_API_V4_URL']}/user",
        headers={"PRIVATE-TOKEN": env["SHRINKPROOF_GITLAB_TOKEN"]},
        update="PUT",
        author="author",
        job=env.get("CI_JOB_URL", ""),
    )


def _ours(forge: Forge, marker: str) -> int | None:
    """The id of the comment that an earlier job wrote; somebody else's with the same marker is none."""
    me = _me(forge)
    for one in _comments(forge):
        author = one[forge.author]
        mine = author.get("type") == "Bot" if me is None else author["id"] == me
        if mine and str(one["body"]).startswith(marker):
            return int(one["id"])
    return None


def _me(forge: Forge) -> int | None:
    """The id of the token's account; None: an app's token, such as a job's own, which may not ask."""
    try:
        return int(_call(forge, forge.me)["id"])
    except urllib.error.HTTPError as error:
        if error.code in _REFUSED:
            return None
        raise


def _comments(forge: Forge) -> Iterator[Mapping[str, Any]]:
    for page in range(1, PAGES + 1):
        found = _call(forge, f"{forge.comments}?per_page=100&page={page}")
        yield from found
        if len(found) < 100:
            return


def _call(forge: Forge, url: str, method: str = "GET", data: Mapping[str, str] | None = None) -> Any:
    if not url.startswith(("https://", "http://")):
        raise CommentError(f"{url} is no address of a forge's interface.")
    request = urllib.request.Request(
        url,
        method=method,
        data=None if data is None else json.dumps(data).encode(),
        headers={**forge.headers, "Content-Type": "application/json", "User-Agent": "shrinkproof"},
    )
    return answer(request, SECONDS)

"""GitHub and GitLab on the loopback: comments that are listed, written and changed, and who may."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = {"id": 41898282, "login": "github-actions[bot]", "type": "Bot"}
SOMEBODY = {"id": 7, "login": "somebody", "type": "User"}


@dataclass
class Forge:
    """What the server holds and how it answers."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""
    tokens: set[str] = field(default_factory=set)
    """That were sent."""
    may_write: bool = True
    account: dict[str, Any] | None = None
    """Of the token; None: an app's, which may not ask."""
    fails_with: int = 0
    redirect: str = ""

    def add(self, body: str, user: dict[str, Any]) -> int:
        """A comment that is there already."""
        self.comments.append({"id": len(self.comments) + 1, "body": body, "user": user, "author": user})
        return len(self.comments)


@contextmanager
def forge() -> Iterator[Forge]:
    """A server for as long as the block runs."""
    held = Forge()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._note()
            at = urlsplit(self.path)
            if held.redirect:
                self.send_response(302)
                self.send_header("Location", held.redirect)
                self.end_headers()
            elif held.fails_with:
                self._answer(held.fails_with, {})
            elif at.path.endswith("/user"):
                self._answer(200 if held.account else 403, held.account or {"message": "not an account"})
            else:
                page = int(parse_qs(at.query)["page"][0])
                self._answer(200, held.comments[100 * (page - 1) : 100 * page])

        def do_POST(self) -> None:
            self._note()
            body = self._body()
            if not held.may_write:
                self._answer(403, {"message": "Resource not accessible by integration"})
                return
            held.add(body, held.account or BOT)
            self._answer(201, held.comments[-1])

        def do_PATCH(self) -> None:
            self._note()
            body = self._body()
            found = re.search(r"(\d+)$", self.path)
            assert found is not None
            held.comments[int(found[1]) - 1]["body"] = body
            self._answer(200, held.comments[int(found[1]) - 1])

        do_PUT = do_PATCH  # noqa: N815

        def _note(self) -> None:
            held.asked.append((self.command, urlsplit(self.path).path))
            told = self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or ""
            held.tokens.add(told)

        def _body(self) -> str:
            data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return str(data["body"])

        def _answer(self, code: int, data: Any) -> None:
            told = json.dumps(data).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Servers that fail as the tests tell them to: what is believed, what is asked again, and what is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from audit import server
from audit.errors import ModelError
from audit.records import Endpoint

ASKED = {"model": "m", "prompt": [[5, 6, 7]], "max_tokens": 1, "logprobs": 1, "echo": True}
BEST = {"best": -0.5}
Reply = tuple[int, bytes]
Start = Callable[[Sequence[Reply]], Endpoint]


def answer(**changes: Any) -> Reply:
    """A sound one, of three tokens and one more, but for the changes."""
    shown = {"token_logprobs": [None, -1.0, -2.0, -0.5], "top_logprobs": [None, BEST, BEST, BEST], **changes}
    return 200, json.dumps({"choices": [{"index": 0, "text": "t", "logprobs": shown}]}).encode()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A server that gives these replies one after another, and the last one for ever; nobody waits long."""
    monkeypatch.setattr(server, "FIRST_WAIT", 0.01)
    servers: list[HTTPServer] = []

    def begin(replies: Sequence[Reply]) -> Endpoint:
        left = list(replies)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                code, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nothing on the terminal."""

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return Endpoint(url=f"http://127.0.0.1:{servers[-1].server_port}/v1/completions", model="m")

    yield begin
    for one in servers:
        one.shutdown()
        one.server_close()


def test_a_sound_answer_is_believed(start: Start) -> None:
    endpoint = start([answer()])
    assert server.scored(endpoint, ASKED, patience=1)["choices"][0]["text"] == "t"
    assert server.log_likelihoods(endpoint, [[5, 6, 7]], patience=1) == (-3.0,)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer(token_logprobs=[None, -1.0, -2.0]), "3 log-probabilities and 4 likeliest tokens"),
        (answer(token_logprobs=[None, -1.0, 3.5, -0.5]), "3.5 as a log-probability"),
        (answer(token_logprobs=[None, -1.0, float("nan"), -0.5]), "nan as a log-probability"),
        (answer(token_logprobs=[None, -1.0, None, -0.5]), "None as a log-probability"),
        (answer(top_logprobs=[None, BEST, {}, BEST]), "the likeliest token's being None"),
        (answer(top_logprobs=[None, BEST, {"best": -9.0}, BEST]), "the likeliest token's being -9.0"),
        ((200, b'{"choices": []}'), "0 choices for 1 prompts"),
        ((200, b'{"choices": [{"index": 1}]}'), "not numbered from 0"),
        ((200, b"<html>"), "can't be read: "),
        ((200, b"[]"), r"no choices, but '\[\]'"),
    ],
)
def test_an_answer_of_another_shape_is_no_number(start: Start, reply: Reply, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        server.scored(start([reply]), ASKED, patience=5)


def test_a_text_that_is_none_is_no_answer(start: Start) -> None:
    endpoint = start([(200, b'{"choices": [{"index": 0, "text": null}]}')])
    with pytest.raises(ModelError, match="a choice without a text"):
        server.written(endpoint, ASKED, patience=5)


@pytest.mark.parametrize("busy", [(429, b"slow down"), (503, b""), (200, b"<html>")])
def test_a_server_that_recovers_is_asked_again(start: Start, busy: Reply) -> None:
    found = server.scored(start([busy, busy, answer()]), ASKED, patience=5)
    assert found["choices"][0]["logprobs"]["token_logprobs"][1] == -1.0


def test_a_server_that_stays_busy_is_named_with_what_it_says(start: Start) -> None:
    with pytest.raises(ModelError, match=r"for 0.05 seconds, it answers 429 .*: slow down"):
        server.scored(start([(429, b"slow down")]), ASKED, patience=0.05)


def test_a_refusal_is_not_asked_again(start: Start) -> None:
    with pytest.raises(ModelError, match="it answers 404 Not Found: no such model"):
        server.scored(start([(404, b"no such model"), answer()]), ASKED, patience=5)


def test_an_answer_without_end_is_cut_off(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 10)
    with pytest.raises(ModelError, match="more than 10 bytes"):
        server.scored(start([answer()]), ASKED, patience=5)


def test_another_model_behind_the_same_name_is_noticed() -> None:
    endpoint = Endpoint(url="http://here/v1/completions", model="m")
    server.check_same((-10.0, -20.0), (-10.1, -20.2), endpoint)
    with pytest.raises(ModelError, match=r"'m' answers otherwise than when .* by 0\.5 nats"):
        server.check_same((-10.0, -20.0), (-10.0, -20.5), endpoint)
    with pytest.raises(ModelError, match="nan nats"):
        server.check_same((-10.0,), (float("nan"),), endpoint)

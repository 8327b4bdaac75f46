"""Servers of strangers: answered within bounds or not at all; and keys are said nowhere."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from audit import load_config, server, web
from audit.cli import main
from audit.endpoint import check_endpoint
from audit.errors import ConfigError, ModelError
from audit.hidden import without_secrets
from audit.loading import load_model, load_tokenizer
from audit.records import Endpoint

Handle = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Handle], str]]:
    """Handle POSTs by a function, and anything else by a note that it came; the server's address."""
    with contextlib.ExitStack() as servers:

        def start(handle: Handle) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_POST(self) -> None:
                    handle(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

                def do_GET(self) -> None:
                    handle(self, {})

                def log_message(self, *_: Any) -> None:
                    """Nothing on the terminal."""

            found = servers.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            found.daemon_threads = True
            servers.callback(found.shutdown)
            threading.Thread(target=found.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{found.server_port}/v1"

        yield start


def asked(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, b"{}", {"Authorization": "Bearer planted-key"})


def sent(handler: BaseHTTPRequestHandler, body: bytes, code: int = 200, **headers: str) -> None:
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(body)


def test_an_answer_without_end_is_left_off(serve: Callable[[Handle], str]) -> None:
    def endless(handler: BaseHTTPRequestHandler, _: object) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(bytes(1 << 16))

    with pytest.raises(ValueError, match="more than 1,000,000 bytes"):
        web.answer(asked(serve(endless)), 60, most=1_000_000)


def test_an_answer_that_drips_is_left_off(serve: Callable[[Handle], str]) -> None:
    def dripping(handler: BaseHTTPRequestHandler, _: object) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.02)

    with pytest.raises(TimeoutError, match=r"more than 0\.3 seconds"):
        web.answer(asked(serve(dripping)), 0.3)


def test_a_server_that_says_nothing_is_left_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(OSError, match=r"more than 0\.2 seconds"):
            web.answer(asked(url), 0.2)


@contextlib.contextmanager
def drips(first: bytes, drop: bytes, seconds: float, hears: bytes = b"") -> Iterator[int]:
    """A server that hears what ends so, begins an answer, and goes on in drops for so long; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as left:

        def drip() -> None:
            stream, _ = listening.accept()
            with stream, contextlib.suppress(OSError):
                heard = b""
                while not heard.endswith(hears):
                    heard += stream.recv(1 << 16)
                stream.sendall(first)
                while time.monotonic() < end:
                    stream.sendall(drop)
                    time.sleep(0.02)

        end = time.monotonic() + seconds
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        left.callback(thread.join)
        yield listening.getsockname()[1]


OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "in the status line": ("http", b"", b"H"),
    "in a header": ("http", OK + b"X: ", b"x"),
    "between answers": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "in the length of a chunk": ("http", OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "after the last chunk": ("http", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x"),
    "in an error": ("http", b"HTTP/1.1 500 Down\r\n\r\n", b"x"),
    "before it is encrypted": ("https", b"\x16\x03\x03\x40\x00", b"x"),
}


@pytest.mark.parametrize("where", DRIPS)
def test_an_answer_that_drips_anywhere_is_left_off(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, first, drop = DRIPS[where]
    monkeypatch.setattr(server, "TIMEOUT", 0.3)
    with drips(first, drop, seconds=20) as port:
        begun = time.monotonic()
        with pytest.raises(ModelError, match=r"can't be reached: it takes more than 0\.3 seconds"):
            server.anything(Endpoint(url=f"{scheme}://127.0.0.1:{port}/v1", model="x"), {})
    assert time.monotonic() - begun < 10
    assert [one.name for one in threading.enumerate() if one.name == web.THREAD] == []


def test_an_error_of_a_server_that_hangs_up_is_said_as_far_as_it_came() -> None:
    begun = b"HTTP/1.1 401 No\r\nContent-Length: 99\r\n\r\nno such "
    with (
        drips(begun, b"x", seconds=0, hears=b"{}") as port,
        pytest.raises(ModelError, match="answers 401 No: no such"),
    ):
        server.anything(Endpoint(url=f"http://127.0.0.1:{port}/v1", model="x"), {})


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_key_and_no_prompt_go_where_a_redirect_leads(serve: Callable[[Handle], str], code: int) -> None:
    seen: list[object] = []
    elsewhere = serve(lambda handler, _: seen.append(handler.headers) or sent(handler, b"{}"))
    url = serve(lambda handler, _: sent(handler, b"", code, Location=elsewhere))
    with pytest.raises(urllib.error.HTTPError):
        web.answer(asked(url), 60)
    assert seen == []


def test_an_answer_too_deep_is_an_error_of_ours(tiny: Path, serve: Callable[[Handle], str]) -> None:
    url = serve(lambda handler, _: sent(handler, b"[" * 100_000))
    with pytest.raises(ModelError, match=r"what can't be read: .* too deep"):
        check_endpoint(Endpoint(url=url, model="x"), tiny, "theirs")


def test_a_key_that_a_server_repeats_is_not_in_the_error(
    tiny: Path, serve: Callable[[Handle], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key")

    def refuses(handler: BaseHTTPRequestHandler, _: object) -> None:
        sent(handler, f"no such key: {handler.headers['Authorization']}".encode(), 401)

    with pytest.raises(ModelError, match=r"answers 401 .*no such key: Bearer \(OPENAI_API_KEY\)"):
        check_endpoint(Endpoint(url=serve(refuses), model="x"), tiny, "theirs")


@pytest.mark.parametrize(
    "spelled", [r"\u0070lanted/key", r"planted\/key", r"planted\u002Fkey", "planted/key"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_key_that_a_server_repeats_is_in_no_string_of_its_answer(
    serve: Callable[[Handle], str], spelled: str, encoding: str
) -> None:
    said = f'{{"a {spelled}": [1, null, "{spelled}, twice: {spelled}", {{"b": "{spelled}"}}]}}'
    url = serve(lambda handler, _: sent(handler, said.encode(encoding)))
    request = urllib.request.Request(url, b"{}", {"Authorization": "Bearer planted/key"})
    assert web.answer(request, 60) == {"a (key)": [1, None, "(key), twice: (key)", {"b": "(key)"}]}


@pytest.mark.parametrize(
    "spelled", [r"\u0070lanted/key", r"planted\/key", r"planted\u002fkey", r"planted\\u002Fkey"]
)
def test_a_key_with_a_character_escaped_is_in_no_error(spelled: str) -> None:
    said = without_secrets(f"no such key: {spelled}.", {"HF_TOKEN": "planted/key"})
    assert said == "no such key: (HF_TOKEN)."


def test_backslashes_without_end_are_searched_for_keys_in_time() -> None:
    begun = time.monotonic()
    assert without_secrets("\\" * 400_000, {"HF_TOKEN": "planted-key"}) == "\\" * 400_000
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "url",
    ["https://me:planted-key@host/v1", "https://host/v1?api_key=planted-key", "https://host/v1#planted-key"],
)
def test_a_key_in_a_url_is_refused_without_saying_it(tiny: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as refused:
        load_config({"model": str(tiny), "candidates": [{"model": "x", "endpoint": url}]})
    assert "planted-key" not in str(refused.value)


def test_no_error_of_ours_says_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-key")
    said = str(ModelError("the hub refused planted-key at https://me:other@host/x"))
    assert said == "the hub refused (HF_TOKEN) at https://(user)@host/x"


def test_short_words_are_no_keys() -> None:
    assert without_secrets("it is true", {"USE_TOKEN": "true", "HOME": "it is true"}) == "it is true"


KEYS = {
    name: f"planted-{place}-0123456789abcdef"
    for place, name in enumerate(
        ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GITHUB_TOKEN", "SHRINKPROOF_GITLAB_TOKEN")
    )
}


def escaped(text: str) -> str:
    """The text in JSON, its first letter spelled otherwise: what a search for the text itself misses."""
    return rf"\u{ord(text[0]):04x}{text[1:]}"


def told_tasks(folder: Path) -> Path:
    """A folder with one task, whose answers a model writes."""
    items = folder / "items.jsonl"
    items.write_text("".join(json.dumps({"q": f"{n} and 1 are", "a": str(n + 1)}) + "\n" for n in range(4)))
    tasks = folder / "tasks"
    tasks.mkdir()
    task = {
        "task": "told", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(items)}},
        "test_split": "test", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}",
        "output_type": "generate_until", "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
        "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    (tasks / "told.yaml").write_text(json.dumps(task))
    return tasks


MARK = "(the key, escaped)"


def answers(folder: Path) -> Handle:
    """A model that repeats the key in all that it says, plain and escaped, until it is told to refuse it."""
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)

    def choice(ids: list[int], index: int) -> dict[str, Any]:
        with torch.inference_mode():
            logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        values = [None, *(float(logs[at - 1, ids[at]]) for at in range(1, len(ids))), 0.0]
        best = [None, *({"best": float(logs[at - 1].max())} for at in range(1, len(ids))), {"best": 0.0}]
        tokens = [*(tokenizer.decode([one]) for one in ids), " x"]
        return {
            "index": index,
            "logprobs": {"tokens": tokens, "token_logprobs": values, "top_logprobs": best},
        }

    def handle(handler: BaseHTTPRequestHandler, given: dict[str, Any]) -> None:
        model = given.get("model", "a forge")
        key = handler.headers["Authorization"].rpartition(" ")[2]
        if model != "served" and not (model == "refused" and len(given["prompt"][0]) in probes):
            sent(handler, f"{key} {escaped(key)}".encode(), 500)
            return
        found = [
            choice(ids, place) if given.get("echo") else {"index": place, "text": f"{key} {MARK}"}
            for place, ids in enumerate(given["prompt"])
        ]
        body = json.dumps({"choices": found, key: MARK})
        sent(handler, body.replace(MARK, escaped(key)).encode())

    from audit.server import PROBES

    probes = {len(tokenizer(text, add_special_tokens=False).input_ids) for text in PROBES}
    return handle


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All that lies in a folder, what is packed also unpacked."""
    import pandas as pd

    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        yield path, path.read_bytes()
        if path.suffix == ".parquet":
            yield path, pd.read_parquet(path).to_json().encode()
        if path.name.endswith(".dsse.json"):
            yield path, base64.b64decode(json.loads(path.read_bytes())["payload"])


def test_no_key_is_in_any_output_of_an_audit(
    tiny: Path, tmp_path: Path, serve: Callable[[Handle], str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from audit import registry
    from suites import accuracy

    pytest.importorskip("tenacity", reason="the extra endpoint is not installed")
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(private)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 3}}))
    url, out = serve(answers(tiny)), tmp_path / "out"
    suite = {"name": "facts", "tasks": ["shrinkproof_facts"], "include_path": accuracy.SUITE.include_path}
    told = {"name": "told", "tasks": ["told"], "metric": "exact_match"}
    told["include_path"] = str(told_tasks(tmp_path))
    config = {"model": str(tiny), "levels": ["int8"], "limit": 4, "sequential": False}
    config |= {"suites": [suite, told]}
    for name in ("served", "refused"):
        served = {"candidates": [{"endpoint": url, "model": name}], "out": str(out / name)}
        (tmp_path / f"{name}.json").write_text(json.dumps(config | served))
    (tmp_path / "url.json").write_text(
        json.dumps(
            config | {"candidates": [{"endpoint": f"https://me:{KEYS['HF_TOKEN']}@host", "model": "x"}]}
        )
    )
    (tmp_path / "model.json").write_text(
        json.dumps({"model": f"https://me:{KEYS['HF_TOKEN']}@host/org/name"})
    )
    formats = [one for one in registry.names("audit.report_formats") if one != "pdf"]  # the HTML's pages
    commands = [
        ["run", tmp_path / "served.json"],
        *(["report", out / "served", "--format", one] for one in formats),
        ["sign", out / "served", "--key", tmp_path / "key.pem"],
        ["verify", out / "served", "--key", tmp_path / "key.pem"],
        ["run", tmp_path / "refused.json"], ["gate", out / "refused"],
        ["run", tmp_path / "url.json"], ["run", tmp_path / "model.json"], ["comment", out / "served"],
    ]  # fmt: skip
    for name, value in {
        "GITHUB_ACTIONS": "true", "GITHUB_API_URL": url, "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "9",
        "GITHUB_EVENT_PATH": str(event), "GITHUB_SERVER_URL": "https://forge",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    codes = []
    for command in commands:
        monkeypatch.setattr(sys, "argv", ["shrinkproof", *map(str, command)])
        with pytest.raises(SystemExit) as left:
            main()
        codes.append(left.value.code)
    said = capfd.readouterr()
    assert codes == [3, *[0] * len(formats), 0, 0, 2, 3, 2, 2, 2], said.err
    assert "(user)@host" in said.err
    assert (out / "refused" / "audit.json").exists()
    found = [*written(tmp_path / "out"), *written(tmp_path / "user-cache")]
    assert sum(path.suffix == ".parquet" for path, _ in found) >= 4
    places = [(Path("terminal"), (said.out + said.err).encode()), *found]
    secrets = [*(key[1:] for key in KEYS.values()), private.decode().splitlines()[1]]
    leaks = [(str(path), key) for path, data in places for key in secrets if key.encode() in data]
    assert leaks == []
    assert any(b"(key) (key)" in data for _, data in found)

"""A candidate behind an OpenAI-compatible server, which the tests run on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from audit import load_config, make_variants, run_audit
from audit.errors import ModelError
from audit.records import Endpoint, NotMeasured
from fixtures.served_model import Answer, completions

pytest.importorskip("tenacity", reason="the extra endpoint is not installed")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Answer], Answer]], str]]:
    """Answer requests by a function; the server's URL."""
    servers = []

    def start(answer: Callable[[Answer], Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(answer(asked)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nothing on the terminal."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_served_model_answers_as_it_does_here(
    tiny: Path, tmp_path: Path, serve: Callable[[Callable[[Answer], Answer]], str]
) -> None:
    (_, int2) = make_variants(
        load_config({"model": str(tiny), "levels": ["int2"], "out": str(tmp_path / "made")})
    )
    url = serve(completions(Path(int2.path)))
    config = {
        "model": str(tiny), "levels": ["int2"],
        "candidates": [{"endpoint": url, "model": "int2-there", "name": "served"}],
        "suites": ["accuracy"], "limit": 12, "sequential": False, "out": str(tmp_path / "run"),
    }  # fmt: skip
    log = run_audit(load_config(config))
    here, there = (
        next(one for one in log.comparisons if one.variant == name and one.group is None)
        for name in ("int2", "served")
    )
    assert (there.before, there.after, there.flips) == (here.before, here.after, here.flips)
    assert there.n_unpaired_after == 0
    served = log.variants[-1]
    assert served.parent == log.variants[0].digest
    assert isinstance(served.size_bytes, NotMeasured)
    cells = [cell for run in log.runs if run.variant == "served" for cell in run.cells]
    assert all("local-completions at http://127.0.0.1" in cell.scorer for cell in cells)
    assert all(isinstance(cell.divergence, NotMeasured) for cell in cells)


@pytest.mark.parametrize(
    ("logprobs", "said"),
    [
        (None, "shows 0 log-probabilities of a prompt"),
        ({"tokens": ["?"] * 99, "token_logprobs": [-1.0] * 99}, "another tokenizer"),
    ],
)
def test_a_server_that_cannot_be_audited_is_named_before_anything_is_made(
    tiny: Path, tmp_path: Path, serve: Callable[[Callable[[Answer], Answer]], str], logprobs: Any, said: str
) -> None:
    url = serve(lambda asked: {"choices": [{"logprobs": logprobs}]})
    with pytest.raises(ModelError, match=said):
        _taken(tiny, url, tmp_path)
    assert not list((tmp_path / "run" / "variants").glob("*"))


def test_a_server_that_is_not_there_is_named(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be reached"):
        _taken(tiny, "http://127.0.0.1:9/v1", tmp_path)


def _taken(original: Path, url: str, tmp_path: Path) -> None:
    config = {
        "model": str(original),
        "candidates": [{"endpoint": url, "model": "x"}],
        "out": str(tmp_path / "run"),
    }
    make_variants(load_config(config))


def test_an_empty_answer_is_refused_before_a_server_is_asked(tiny: Path) -> None:
    from lm_eval.api.instance import Instance

    from audit.harness.served import Served
    from audit.harness.trie import UnaskableError

    served = Served(
        Endpoint(url="http://127.0.0.1:9/v1", model="x"), load_config({"model": str(tiny)}), probed=()
    )
    asked = [
        Instance("loglikelihood", {}, ("How", " well"), 0),
        Instance("loglikelihood", {}, ("", "How well"), 1),
        Instance("loglikelihood_rolling", {}, ("How well",), 2),
    ]
    assert served.cost(asked) == 3 * len(served.tok_encode("How well"))
    for context in ("How", ""):
        with pytest.raises(UnaskableError, match="has an empty continuation") as error:
            served.cost([*asked, Instance("loglikelihood", {}, (context, ""), 3)])
        assert error.value.request == 3

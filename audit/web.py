"""One answer over HTTP, within bounds: of this size, in this time, and from the place that was named."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import Future
from typing import Any

from audit.bounded import json_of
from audit.hidden import SHORTEST

MOST = 256 << 20
"""Bytes of an answer: the log-probabilities of a prompt take about 200 for each of its tokens."""
MOST_OF_AN_ERROR = 100_000
"""Bytes that are kept of what a server says that refuses."""
THREAD = "an answer over HTTP"
"""Name of the thread that waits for one."""
_MOST_AT_ONCE = 1 << 20
_GRACE = 1.0
"""Seconds in which a thread ends whose connection is cut."""
_KEYS = ("Authorization", "Private-token")
"""Headers, as urllib spells them."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key, and what is asked, to another place."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse: the answer becomes an HTTPError."""


class _Line:
    """The connection of one exchange, which another thread can cut at any point of it."""

    def __init__(self) -> None:
        self._lock, self._is_cut = threading.Lock(), False
        self._held: socket.socket | None = None

    def hold(self, connected: socket.socket) -> None:
        """Raises TimeoutError where it was cut before it stood."""
        with self._lock:
            if self._is_cut:
                raise TimeoutError
            self._held = connected.dup()  # encryption takes the first one away

    def cut(self) -> None:
        """Whoever waits for a byte, or to be rid of one, is woken by the end of the connection."""
        with self._lock:
            self._is_cut = True
            if self._held is not None:
                with contextlib.suppress(OSError), self._held:
                    self._held.shutdown(socket.SHUT_RDWR)


class _Plain(http.client.HTTPConnection):
    line: _Line

    def connect(self) -> None:
        """And let the line be cut from here on."""
        super().connect()
        self.line.hold(self.sock)


class _Encrypted(http.client.HTTPSConnection, _Plain):
    """Holds the line before it is encrypted, since `connect` there begins with that of the plain one."""


class _OnLine(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens both kinds of connection so that they can be cut."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def do_open(
        self, http_class: Any, req: urllib.request.Request, **others: Any
    ) -> http.client.HTTPResponse:
        """As urllib does, on this line."""

        def connection(host: str, **more: Any) -> http.client.HTTPConnection:
            made = (_Encrypted if http_class is http.client.HTTPSConnection else _Plain)(host, **more)
            made.line = self._line
            return made

        return super().do_open(connection, req, **others)


def answer(request: urllib.request.Request, seconds: float, most: int = MOST) -> Any:
    """The JSON that a server answers.

    Raises HTTPError for any answer but success, redirects too, with the beginning of what it says; OSError
    where there is none within so many seconds, wherever it drips; ValueError for what is no JSON, or is
    longer than `most` bytes.
    """
    line, told = _Line(), Future[bytes]()

    def exchange() -> None:
        try:
            told.set_result(_body(request, seconds, most, line))
        except BaseException as error:
            told.set_exception(error)

    # One thread asks and this one looks at the clock: most waits in an exchange have no bound of their own
    thread = threading.Thread(target=exchange, name=THREAD, daemon=True)
    thread.start()
    try:
        found = told.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"it takes more than {seconds:g} seconds to answer") from None
    finally:
        line.cut()
        thread.join(_GRACE)
    return _without_key(json_of(found), request)


def _body(request: urllib.request.Request, seconds: float, most: int, line: _Line) -> bytes:
    opener = urllib.request.build_opener(_Stay, _OnLine(line))
    found = bytearray()
    try:
        # Longer, so that one clock decides
        with opener.open(request, timeout=seconds + _GRACE) as stream:
            while part := stream.read1(_MOST_AT_ONCE):
                found += part
                if len(found) > most:
                    raise ValueError(f"it answers more than {most:,} bytes")
    except urllib.error.HTTPError as error:
        with error, contextlib.suppress(OSError, http.client.HTTPException):
            while len(found) < MOST_OF_AN_ERROR and (part := error.read1(MOST_OF_AN_ERROR)):
                found += part
        said = io.BytesIO(found[:MOST_OF_AN_ERROR])
        raise urllib.error.HTTPError(error.url, error.code, error.reason, error.headers, said) from None
    return bytes(found)


def _without_key(found: Any, request: urllib.request.Request) -> Any:
    """A server that repeats the key that it was given would have it in answers, logs and reports."""
    for header in _KEYS:
        key = request.get_header(header, "").rpartition(" ")[2]
        if len(key) >= SHORTEST:
            try:
                found = _replaced(found, key)
            except RecursionError:
                raise ValueError("lists and objects lie in each other too deep to be read") from None
    return found


def _replaced(found: Any, key: str) -> Any:
    """The same value with `(key)` in all strings; of JSON's text, where a letter has several spellings."""
    if isinstance(found, str):
        return found.replace(key, "(key)")
    if isinstance(found, list):
        return [_replaced(one, key) for one in found]
    if isinstance(found, dict):
        return {_replaced(name, key): _replaced(one, key) for name, one in found.items()}
    return found

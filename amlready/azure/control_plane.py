"""Azure as far as the SDK can see: an HTTPS server on loopback that is every server, and writes down what it is asked.

What it answers is decided elsewhere: `workspace` for the management API, `storage` for Blob Storage.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self

from .certificates import Authority
from .confine import LOOPBACK
from .exchange import Answered, Asked

_BLOCK = 1 << 20
_IDLE = 60.0  # seconds
_MAX_BODY = 64 << 20  # of JSON; no request of the SDK comes near


class ControlPlane(ThreadingMixIn, TCPServer):
    """Listens on a free port of loopback, in threads of its own, from `with` to its end.

    `answer` gives the answer to a request; `note` is told each one, in the order in which they are answered.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, authority: Authority, answer: Callable[[Asked], Answered], note: Callable[[Asked, Answered], None]
    ) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self._context = authority.server()
        self._answer = answer
        self._note = note
        self._order = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, asked: Asked) -> Answered:
        with self._order:
            answered = self._answer(asked)
            self._note(asked, answered)
        return answered

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a slow handshake keeps nobody waiting."""
        plain: socket.socket = request
        plain.settimeout(_IDLE)
        try:
            secure = self._context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError):
            return
        with secure:
            _Handler(secure, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is the SDK's to mention."""


class _Handler(BaseHTTPRequestHandler):
    server: ControlPlane
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        host = (self.headers.get("Host") or "").removesuffix(":443")
        body, size = self._read()
        self._send(self.server.answer(Asked(self.command, f"https://{host}{self.path}", body, size)))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

    def _read(self) -> tuple[Any, int]:
        """The body as JSON and its length; what is not JSON is counted and thrown away."""
        left = size = int(self.headers.get("Content-Length") or 0)
        kept = "json" in (self.headers.get("Content-Type") or "") and size <= _MAX_BODY
        pieces = []
        while left > 0:
            piece = self.rfile.read(min(left, _BLOCK))
            if not piece:
                raise ConnectionError
            left -= len(piece)
            if kept:
                pieces.append(piece)
        try:
            return (json.loads(b"".join(pieces)) if pieces else None), size
        except ValueError:
            return None, size

    def _send(self, answered: Answered) -> None:
        body = b"" if answered.body is None else json.dumps(answered.body).encode()
        self.send_response(answered.status)
        for name, value in answered.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked goes into the report."""

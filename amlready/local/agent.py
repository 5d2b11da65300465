"""The agent that the Collector posts to, in place of the one Azure runs beside the container.

`POST /modeldata/log` becomes one record in the store; the 200 goes out once the record is on disk, so an event that
was acknowledged is never lost. Whatever cannot be stored as Azure would store it is refused with a sentence, counted
and said once. `GET /` tells the counts. A post names no deployment, so an agent serves one deployment.

The Collector sends from one thread, opens a connection for each event and waits for the answer, which comes to some
400 events a second and worker; a thread per connection is enough to stay well ahead of it.

    python -m amlready.local.agent --root DIR --endpoint NAME --deployment NAME --collection NAME... [--port 0]

runs one as a process of its own and prints its port.
"""

from __future__ import annotations

import argparse
import json
import signal
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self

from ..records import parse_json
from .layout import Collection, LocalDeployment
from .store import Event, Store, Torn, inside, mend, source

MAX_BODY = 100 * 1024 * 1024
"""Bytes of one event; more is answered with 413."""

_LINE = 65536  # bytes
_HEADERS = 100
_TYPE = "azureml.inference."
_NAMES = 50  # collections counted by name; a hostile sender could make up any number
_CONTEXT = "ce-"
_KNOWN = frozenset({"ce-time", "ce-type", "ce-x-request-id", "ce-model-version", "ce-collect-data-type", "ce-agent"})


class Refused(Exception):
    """An event that is not stored: the HTTP status, a sentence that says why, whether the connection stays usable."""

    def __init__(self, status: int, sentence: str, collection: str = "", *, keep: bool = True) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.collection = collection
        self.keep = keep


@dataclass(frozen=True)
class Count:
    """What arrived for one collection; `bytes` is what was written to disk."""

    events: int = 0
    rows: int = 0
    bytes: int = 0
    errors: int = 0

    def plus(self, rows: int, size: int) -> Count:
        return replace(self, events=self.events + 1, rows=self.rows + rows, bytes=self.bytes + size)


class Agent:
    """Receives the events of one deployment on a port of its own and writes them under `root`."""

    def __init__(
        self,
        deployment: LocalDeployment,
        root: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Bind the port, 0 for a free one. Raises OSError, and ValueError where a collection leads out of `root`."""
        self.deployment = deployment
        self._collections = deployment.enabled()
        self._folders = {name: deployment.folder(collection) for name, collection in self._collections.items()}
        for folder in self._folders.values():
            inside(root, folder)
        self._root = root
        self._store = Store(root, source(deployment.endpoint, deployment.deployment))
        self._say = say
        self._said: set[tuple[int, str]] = set()
        self._counts = dict.fromkeys(self._collections, Count())
        self._lock = threading.Lock()
        self._busy = 0
        self._last = time.monotonic()
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def counts(self) -> Mapping[str, Count]:
        """By collection, in the order of the deployment; collections that are not enabled count errors only."""
        with self._lock:
            return dict(self._counts)

    @property
    def quiet(self) -> float:
        """Seconds since an event was last being received; 0 while one is."""
        with self._lock:
            return 0.0 if self._busy else time.monotonic() - self._last

    def start(self) -> None:
        """Mend what an earlier process left behind, then receive."""
        for torn in self._mend():
            self._say(f"{torn.path} ended in a line cut off after {torn.size} bytes, moved to {torn.aside.name}")
        self._thread.start()

    def close(self) -> None:
        """Stop receiving, wait for the events that are being written, close the files."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        deadline = time.monotonic() + 5
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.01)
        self._store.close()

    def receive(self, headers: Mapping[str, str], body: bytes) -> None:
        """Store one event; on return it is on disk. Raises Refused."""
        with self._lock:
            self._busy += 1
        try:
            self._receive(headers, body)
        finally:
            with self._lock:
                self._busy -= 1
                self._last = time.monotonic()

    def refuse(self, refused: Refused) -> None:
        """Count a refusal, and say it if it is the first of its kind."""
        with self._lock:
            name = refused.collection if refused.collection in self._counts or len(self._counts) < _NAMES else ""
            count = self._counts.get(name, Count())
            self._counts[name] = replace(count, errors=count.errors + 1)
            first = (refused.status, name) not in self._said
            self._said.add((refused.status, name))
        if first:
            self._say(f"event refused ({refused.status}): {refused.sentence}")

    def _receive(self, headers: Mapping[str, str], body: bytes) -> None:
        event = event_of(headers, body)
        if event.collection not in self._collections:
            known = ", ".join(self._collections) or "none"
            sentence = f"collection {event.collection!r} is not enabled for this deployment (enabled: {known})"
            raise Refused(404, sentence, event.collection)
        rows = _rows(event)
        try:
            size = self._store.add(self._folders[event.collection], event)
        except OSError as error:
            sentence = f"the event could not be stored: {error.strerror or error}"
            raise Refused(507, sentence, event.collection) from error
        with self._lock:
            self._counts[event.collection] = self._counts[event.collection].plus(rows, size)

    def _mend(self) -> list[Torn]:
        folders = [inside(self._root, folder) for folder in self._folders.values()]
        return [torn for folder in folders if folder.is_dir() for torn in mend(folder)]


def event_of(headers: Mapping[str, str], body: bytes) -> Event:
    """The event that a post of azureml-ai-monitoring describes. `headers` have lower-case names. Raises Refused."""
    kind = headers.get("ce-type", "")
    if not kind.startswith(_TYPE) or kind == _TYPE:
        raise Refused(400, f"header ce-type must be {_TYPE}<collection>, not {kind!r}")
    collection = kind.removeprefix(_TYPE)
    if not body:
        raise Refused(400, "the event has no data", collection)
    named = {
        "modelversion": headers.get("ce-model-version"),
        "collectdatatype": headers.get("ce-collect-data-type"),
        "agent": headers.get("ce-agent"),
    }
    context = {
        name.removeprefix(_CONTEXT): value
        for name, value in headers.items()
        if name.startswith(_CONTEXT) and name not in _KNOWN and name != _CONTEXT
    }
    event = Event(
        collection,
        body,
        _time(headers.get("ce-time"), collection),
        correlation_id=headers.get("ce-x-request-id"),
        content_type=headers.get("content-type", "application/json"),
        attributes={name: value for name, value in named.items() if value is not None} | context,
    )
    return replace(event, id=headers["trace-id"]) if headers.get("trace-id") else event


def _time(text: str | None, collection: str) -> datetime:
    """Seconds since 1970 as the Collector writes them, or the RFC 3339 form of CloudEvents; now if there is none."""
    if not text:
        return datetime.now(UTC)
    try:
        seconds = float(text)
    except ValueError:
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    else:
        if seconds >= 0:
            with suppress(ValueError, OverflowError, OSError):
                return datetime.fromtimestamp(seconds, UTC)
    raise Refused(400, f"header ce-time must be seconds since 1970, not {text!r}", collection)


def _rows(event: Event) -> int:
    """Check that JSON data is JSON, and count its rows. Raises Refused."""
    if not event.is_json:
        return 1
    try:
        data = parse_json(event.body)
    except ValueError as error:
        raise Refused(400, f"the data is not JSON: {error}", event.collection) from error
    return len(data) if isinstance(data, list) else 1


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], agent: Agent) -> None:
        super().__init__(address, _Handler)
        self.agent = agent


class _Handler(socketserver.StreamRequestHandler):
    """As much of HTTP/1.1 as a sender of events speaks.

    Not http.server, whose reading of headers takes longer than everything else that is done with an event.
    """

    server: _Server
    timeout = 30  # seconds without a byte
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError):  # a sender that went away is its own affair
            while self._exchange():
                self.wfile.flush()

    def _exchange(self) -> bool:
        """Answer one request; False if the connection is not to be used again."""
        line = self.rfile.readline(_LINE)
        if not line.strip():
            return False
        try:
            method, path, headers = self._head(line)
            keep = "close" not in headers.get("connection", "").lower() and line.rstrip().endswith(b"1.1")
            if method == "GET" and path == "/":
                counts = self.server.agent.counts
                self._answer(200, {name: asdict(count) for name, count in counts.items()})
            else:
                self.server.agent.receive(headers, self._body(method, path, headers))
                self._answer(200, {"status": "stored"})
        except Refused as refused:
            self.server.agent.refuse(refused)
            self._answer(refused.status, {"error": refused.sentence}, refused.keep)
            return keep and refused.keep
        return keep

    def _head(self, line: bytes) -> tuple[str, str, dict[str, str]]:
        """Method, path and the headers by lower-case name."""
        try:
            method, path, _ = line.decode("latin-1").split()
        except ValueError:
            raise Refused(400, "this is not an HTTP request", keep=False) from None
        headers: dict[str, str] = {}
        for _ in range(_HEADERS):
            line = self.rfile.readline(_LINE)
            if line in (b"\r\n", b"\n"):
                return method, path, headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not line.endswith(b"\n") or name != name.strip():
                raise Refused(400, f"this is not an HTTP header: {line[:40]!r}", keep=False)
            headers[name.lower()] = value.strip()
        raise Refused(431, f"there are more than {_HEADERS} headers", keep=False)

    def _body(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        text = headers.get("content-length", "0" if method == "GET" else "")
        if not (text.isascii() and text.isdigit()):
            raise Refused(411, f"header Content-Length is {text or 'missing'}", keep=False)
        length = int(text)
        if (method, path) != ("POST", "/modeldata/log"):
            self._discard(length)
            raise Refused(404, f"there is no {method} {path} here, only POST /modeldata/log and GET /")
        if length > MAX_BODY:
            self._discard(length)
            raise Refused(413, f"the event has {length} bytes, more than {MAX_BODY}")
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the sender went away in the middle of an event")
        return body

    def _discard(self, length: int) -> None:
        """Read what will not be used: a sender cut off while it still writes would never see the answer."""
        left = min(length, 10 * MAX_BODY)
        while left and (block := self.rfile.read(min(left, _LINE))):
            left -= len(block)

    def _answer(self, status: HTTPStatus | int, content: Mapping[str, object], keep: bool = True) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        close = "" if keep else "Connection: close\r\n"
        self.wfile.write(f"{head}{close}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one agent until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m amlready.local.agent")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--deployment", required=True)
    parser.add_argument("--collection", action="append", required=True)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args(arguments)
    collections = tuple(Collection(name) for name in given.collection)
    deployment = LocalDeployment(given.endpoint, given.deployment, Path(), collections=collections)
    with Agent(deployment, given.root, port=given.port, say=lambda text: print(text, file=sys.stderr)) as agent:
        print(agent.address[1], flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())

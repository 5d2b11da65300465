"""An agent that stores what the Collector posts, as `amlready.local.agent` does, and misbehaves on command.

    python tools/misbehaving_agent.py --root DIR [--endpoint NAME] [--deployment NAME]

prints its port, then reads commands from standard input, a line each, and prints a line when it has obeyed. It ends
with its input. What arrives is stored unless the command in force says otherwise:

    ok              store and answer 200
    slow SECONDS    store and answer, that much later
    hang            read, and neither store nor answer until the next command
    stuck           the same, but for ever: the next command is for later events only
    500             answer 500
    reset           read, and reset the connection
    forget          store, and reset the connection: the Collector cannot know that the event was stored
    reject TEXT     answer 500 to events whose body has TEXT in it; store the others
    down            refuse connections, as if there were no agent
    count           print how many events were stored, by collection, as JSON

A tool of its own and not a part of the tests, because one agent process per scoring process is what there is in Azure.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from amlready.local.agent import Agent, Refused
from amlready.local.layout import Collection, LocalDeployment

COLLECTIONS = ("model_inputs", "model_outputs")


class Front:
    """The port that the Collector posts to, and the command in force."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.command = "ok"
        self.argument = ""
        self._changed = threading.Event()
        self._server: _Server | None = _Server(0, self)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def obey(self, line: str) -> str:
        """Carry out one command; what to print."""
        command, _, argument = line.strip().partition(" ")
        if command == "count":
            return json.dumps({name: count.events for name, count in self.agent.counts.items()})
        self.command, self.argument = command, argument
        self._changed.set()
        self._changed = threading.Event()
        if command == "down":
            self._close()
        elif self._server is None:
            self._server = _Server(self.port, self)
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return command

    def receive(self, headers: dict[str, str], body: bytes) -> int | None:
        """Do with an event what the command in force says; the status to answer, None to reset the connection."""
        command = self.command
        self._wait(command)
        if command == "500" or (command == "reject" and self.argument.encode() in body):
            return 500
        status = None if command == "reset" else self._store(headers, body)
        return None if command == "forget" else status

    def _wait(self, command: str) -> None:
        match command:
            case "slow":
                time.sleep(float(self.argument))
            case "hang":
                self._changed.wait()
            case "stuck":
                threading.Event().wait()

    def _store(self, headers: dict[str, str], body: bytes) -> int:
        try:
            self.agent.receive(headers, body)
        except Refused as refused:
            return refused.status
        return 200

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, front: Front) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.front = front

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.front.receive({name.lower(): value for name, value in self.headers.items()}, body)
        if status is None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="misbehaving_agent.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--endpoint", default="endpoint")
    parser.add_argument("--deployment", default="blue")
    given = parser.parse_args(arguments)
    collections = tuple(Collection(name) for name in COLLECTIONS)
    deployment = LocalDeployment(given.endpoint, given.deployment, Path(), collections=collections)
    front = Front(Agent(deployment, given.root))
    print(front.port, flush=True)
    for line in sys.stdin:
        print(front.obey(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

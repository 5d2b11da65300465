"""Microsoft's inference server, azmlinfsrv, as a child process.

The server leads a process group of its own: Ctrl-C in the terminal does not reach it, and whatever the scoring script
may have started ends with it, also when this process is killed (`keeper`). Its output goes to a file. When it does not
start, or stops, the reason is in there between a banner, the server's own frames and gunicorn's shutting down; `reason`
finds the lines the user wrote.
"""

from __future__ import annotations

import errno
import http.client
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from .keeper import Keeper
from .layout import Container

_PACKAGE = "azureml_inference_server_http"
_TAIL = 256 * 1024  # bytes of the log that are searched for a reason
_SHOWN = 30  # lines of a traceback
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z] \[\d+\] ")
_CHAINED = re.compile(r"\n\n(?:The above exception was the direct cause|During handling of the above exception).*:\n\n")
_FRAME = re.compile(r'  File "(?P<file>[^"]*)", line \d+(, in .*)?\n(?:    .*\n?)*')
_TRACEBACK = "Traceback (most recent call last):"


class ServerFailed(Exception):
    """The server did not start, or stopped. `details` are the lines of its log that say why, without line ends."""

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details


class Stopped(Exception):
    """Somebody asked to stop while something was being waited for."""


class Server:
    """azmlinfsrv for one deployment, listening on `port` of every interface (it has no option for that)."""

    def __init__(self, name: str, container: Container, port: int, log: Path) -> None:
        self.name = name
        self.port = port
        self.log = log
        self.container = container
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: Keeper | None = None
        self._live = False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the process that leads the group; None before it was started and after it was stopped."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and return at once. Raises ServerFailed if that is not possible."""
        if importlib.util.find_spec(_PACKAGE) is None:
            raise ServerFailed(
                f"azureml-inference-server-http is not installed for {sys.executable}: pip install 'amlready[local]'"
            )
        # As in Azure's images: in the folder of the scoring script, but (-P) not importing the server's own
        # modules from there.
        command = [sys.executable, "-P", "-m", _PACKAGE, "--entry_script", self.container.entry_script]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [*command, "--port", str(self.port)],
                    cwd=self.container.app_root,
                    env=dict(self.container.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._keeper = Keeper(self._process.pid)
            except (OSError, ValueError) as error:
                raise ServerFailed(f"{self.name}: the inference server could not be started: {error}") from error

    def is_live(self) -> bool:
        """Whether `GET /` is answered; once it was, this stays True.

        While init() runs the server accepts connections and does not answer. Raises ServerFailed where it never will:
        the process has ended, or a worker died and was replaced.
        """
        self._live = self._live or self._answers()
        if not self._live:
            self.check()
        return self._live

    def check(self) -> None:
        """Raise ServerFailed if the process has ended."""
        if self._process is None:
            return
        status = self._process.poll()
        if status is not None:
            how = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
            when = "stopped" if self._live else "did not start"
            raise ServerFailed(f"{self.name} {when} ({how}); the whole log is {self.log}", reason(self._tail()))
        if not self._live and self._restarted():
            raise ServerFailed(
                f"{self.name} did not start: a worker died while starting; the whole log is {self.log}",
                self.last_lines(),
            )

    def terminate(self) -> None:
        """Ask the server to finish the requests it has and end. Safe to repeat, or before it was started."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def stop(self, grace: float = 10.0, hurry: threading.Event | None = None) -> None:
        """Terminate, wait up to `grace` seconds, then kill whatever is left of the group.

        The wait is a second where the server never was live, and ends when `hurry` is set.
        """
        if self._process is None:
            return
        self.terminate()
        hurry = hurry or threading.Event()
        deadline = time.monotonic() + (grace if self._live else min(grace, 1.0))
        while self._process.poll() is None and time.monotonic() < deadline and not hurry.wait(0.02):
            pass
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._keeper is not None:
            self._keeper.dismiss()
        self._process = self._keeper = None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _restarted(self) -> bool:
        """Whether gunicorn has replaced a worker; it would go on doing so for ever."""
        workers = self.container.environment.get("WORKER_COUNT", "1").strip()
        return self._tail().count("Booting worker with pid") > (int(workers) if workers.isdigit() else 1)

    def _tail(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL))
            return log.read().decode(errors="replace")

    def last_lines(self) -> tuple[str, ...]:
        """The end of the log."""
        return tuple(line for line in self._tail().splitlines() if line.strip())[-15:]


def wait_until_live(servers: Sequence[Server], timeout: float, stop: threading.Event) -> None:
    """Wait for all at once, at most `timeout` seconds. Raises as `is_live` does, and Stopped once `stop` is set."""
    deadline = time.monotonic() + timeout
    waiting = list(servers)
    while waiting := [server for server in waiting if not server.is_live()]:
        if time.monotonic() > deadline:
            late = waiting[0]
            raise ServerFailed(f"{late.name} is not live after {timeout:g} s; see {late.log}", late.last_lines())
        if stop.wait(0.05):
            raise Stopped


def reason(log: str) -> tuple[str, ...]:
    """The lines of a server's log that say why it ended: the user's traceback, else the last lines there are."""
    blocks = list(_tracebacks(log))
    if blocks:
        return tuple(_users_part(blocks[-1]).splitlines()[-_SHOWN:])
    lines = [line for line in log.splitlines() if line.strip() and "gunicorn.error - " not in line]
    return tuple(lines[-15:])


def _tracebacks(log: str) -> Iterator[str]:
    """Each traceback with its chained ones, up to the next thing that was logged."""
    lines = iter(log.splitlines())
    block: list[str] = []
    for line in lines:
        if block and _LOGGED.match(line):
            yield "\n".join(block).rstrip()
            block = []
        if block:
            block.append(line)
        elif line.endswith(_TRACEBACK):
            block = [_TRACEBACK]
    if block:
        yield "\n".join(block).rstrip()


def _users_part(traceback: str) -> str:
    """A traceback without what the server adds around the scoring script: its exception, its frames."""
    *cause, last = re.split(f"({_CHAINED.pattern})", traceback)
    if cause and last.splitlines()[-1].startswith(f"{_PACKAGE}."):
        traceback = "".join(cause[:-1])
    traceback = _FRAME.sub(lambda frame: "" if _is_servers(frame["file"]) else frame[0], traceback)
    if '  File "' not in traceback:
        return traceback.removeprefix(f"{_TRACEBACK}\n").removeprefix(
            f"{_PACKAGE}.server.user_script.UserScriptError: "
        )
    return traceback


def _is_servers(file: str) -> bool:
    return f"/{_PACKAGE}/" in file or file.startswith(("<frozen importlib", "<frozen runpy"))


def hold_ports(first: int, count: int, held: ExitStack) -> list[int]:
    """`count` ports the server can listen on: from `first` upwards, or any if `first` is 0.

    Where the system lets the server in all the same (Linux does), they are kept from everybody else until `held` is
    closed. Raises ServerFailed where one is taken.
    """
    with ExitStack() as opened:
        ports = [_bind(first + n if first else 0, opened) for n in range(count)]
        if sys.platform == "linux":
            held.push(opened.pop_all())
    return ports


def _bind(port: int, opened: ExitStack) -> int:
    # Both, because some systems let a listener on 127.0.0.1 hide one on every interface.
    for host in ("127.0.0.1", "0.0.0.0"):
        trial = opened.enter_context(socket.socket())
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OverflowError as error:
            raise ServerFailed(f"{port} is not a port") from error
        except OSError as error:
            raise ServerFailed(_cannot_listen(port, error)) from error
        port = trial.getsockname()[1]
    return port


def _cannot_listen(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use, perhaps by another `amlready serve`; choose another with --port, 0 for any"
    return f"cannot listen on port {port}: {error.strerror}"

"""The endpoint on this machine: for each deployment an agent, a container's files and an inference server.

All servers are started, then all are waited for; leaving undoes everything in reverse, whatever went wrong.

On the way out there is a pause before the server is told to end: the Collector sends from a thread that dies with the
process, and Microsoft's code flushes nothing on exit. So we wait until the agents have been quiet for a moment (at most
a few seconds), and what was collected just before Ctrl-C is still written. Azure gives no such pause.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from .agent import Agent, Count
from .layout import PAYLOAD_COLLECTIONS, LayoutError, LocalDeployment, lay_out, remarks
from .server import Server, ServerFailed, Stopped, hold_ports, wait_until_live

COLLECTED = Path(".amlready/collected")
LOGS = Path(".amlready/logs")

_QUIET = 1.0  # seconds without an event after which the Collector's queue counts as empty
_DRAIN = 10.0  # most seconds to wait for that
_PATIENCE = 15.0  # seconds of starting after which to say something


@dataclass(frozen=True)
class Running:
    """One deployment with what runs for it."""

    deployment: LocalDeployment
    agent: Agent
    server: Server

    @property
    def scoring_uri(self) -> str:
        return f"{self.server.uri}/score"


class LocalEndpoint:
    """A context manager: inside it every deployment is live and what it collects goes under `root`.

        with LocalEndpoint([deployment], root=folder, port=0) as endpoint:
            post(endpoint.running[0].scoring_uri)

    `port` is the first deployment's, the others follow; 0 takes free ones. Entering raises LayoutError, ServerFailed,
    OSError or (once `stop` is set) Stopped; by then everything has been undone.
    """

    def __init__(
        self,
        deployments: Sequence[LocalDeployment],
        *,
        root: Path = COLLECTED,
        port: int = 5001,
        logs: Path = LOGS,
        startup_timeout: float = 600.0,
        say: Callable[[str], None] = lambda _: None,
        stop: threading.Event | None = None,
        hurry: threading.Event | None = None,
    ) -> None:
        self.deployments = tuple(deployments)
        self.root = root
        self.running: tuple[Running, ...] = ()
        self.was_live = False
        self._port = port
        self._logs = logs
        self._startup_timeout = startup_timeout
        self._say = say
        self._stop = stop or threading.Event()
        self._hurry = hurry or threading.Event()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            scratch = undo.enter_context(tempfile.TemporaryDirectory(prefix="amlready-", ignore_cleanup_errors=True))
            ports = hold_ports(self._port, len(self.deployments), undo)
            self.running = tuple(
                self._start(deployment, port, Path(scratch, str(port)), undo)
                for deployment, port in zip(self.deployments, ports, strict=True)
            )
            with self._patience():
                wait_until_live([each.server for each in self.running], self._startup_timeout, self._stop)
            self._undo = undo.pop_all()
        self.was_live = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._undo:
            if kind is None:
                self._drain()
            for each in self.running:
                each.server.terminate()

    def check(self) -> None:
        """Raise ServerFailed if a server has ended."""
        for each in self.running:
            each.server.check()

    @property
    def counts(self) -> Mapping[str, Mapping[str, Count]]:
        """What was collected, by deployment and collection; still there after leaving."""
        return {each.deployment.deployment: each.agent.counts for each in self.running}

    def _start(self, deployment: LocalDeployment, port: int, scratch: Path, undo: ExitStack) -> Running:
        agent = undo.enter_context(Agent(deployment, self.root, say=partial(self._say_of, deployment.deployment)))
        container = lay_out(deployment, scratch, agent.address)
        log = self._logs / f"{deployment.endpoint}-{deployment.deployment}.log"
        server = Server(deployment.deployment, container, port, log)
        undo.callback(server.stop, hurry=self._hurry)
        server.start()
        return Running(deployment, agent, server)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Say where to look if starting takes a while: loading a model may, and so may a script that hangs."""
        logs = ", ".join(str(each.server.log) for each in self.running)
        timer = threading.Timer(_PATIENCE, self._say, [f"not live yet, perhaps still in init(); it writes to {logs}"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _say_of(self, deployment: str, line: str) -> None:
        self._say(f"{deployment}: {line}")

    def _drain(self) -> None:
        agents = [each.agent for each in self.running if each.deployment.enabled()]
        begun = time.monotonic()
        while agents and time.monotonic() < begun + _DRAIN:
            if min(time.monotonic() - begun, *(agent.quiet for agent in agents)) >= _QUIET:
                break
            if self._hurry.wait(0.05):
                break


def serve(
    deployments: Sequence[LocalDeployment],
    *,
    root: Path = COLLECTED,
    port: int = 5001,
    logs: Path = LOGS,
    startup_timeout: float = 600.0,
) -> int:
    """Run the endpoint until SIGINT or SIGTERM; the exit status.

    0 stopped as asked · 1 it did not start, or a server ended · 130 asked to stop before it was live.
    Standard output says where to send what, once it is live; everything else is on standard error.
    """
    with _until_signalled() as (stop, hurry):
        endpoint = LocalEndpoint(
            deployments,
            root=root,
            port=port,
            logs=logs,
            startup_timeout=startup_timeout,
            say=_say,
            stop=stop,
            hurry=hurry,
        )
        try:
            _say(f"starting {', '.join(each.deployment for each in deployments)}; Ctrl-C stops")
            for remark in _before(deployments):
                _say(remark)
            with _summing_up(endpoint), endpoint:
                print("\n".join(_introduction(endpoint)), flush=True)
                while not stop.wait(0.2):
                    endpoint.check()
                _say("stopping")
        except Stopped:
            return 130
        except ServerFailed as failure:
            _say("\n".join((*failure.details, f"amlready: {failure}")))
            return 1
        except (LayoutError, OSError, ValueError) as error:
            _say(f"amlready: {error}")
            return 1
    return 0


@contextmanager
def _summing_up(endpoint: LocalEndpoint) -> Iterator[None]:
    """Say what was collected once it has ended, if it was live; where it failed, the reason then comes last."""
    try:
        yield
    finally:
        for line in _summary(endpoint) if endpoint.was_live else ():
            _say(line)


@contextmanager
def _until_signalled() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Two events, set by the first and the second SIGINT, SIGTERM or SIGHUP.

    The handlers only set them: an exception out of a handler could strike between starting a process and noting it.
    """
    stop, hurry = threading.Event(), threading.Event()

    def note(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stop, hurry
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def differences(pins: Mapping[str, str]) -> list[str]:
    """Where this interpreter's packages are not what `pins` (distribution → version) say, a sentence each.

    `python` is compared by major and minor version; pip, which runs nothing in the container, is left out.
    """
    return [
        f"{name} {installed or 'is not'} installed here, pinned {pin}"
        for name, pin in pins.items()
        if name != "pip" and not _matches(installed := _installed(name), pin)
    ]


def _installed(name: str) -> str:
    """The version of a distribution here, "" if there is none."""
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name.partition("[")[0])
    except importlib.metadata.PackageNotFoundError:
        return ""


def _matches(installed: str, pin: str) -> bool:
    """Whether `installed` is the pinned version; `1.2.*` means any that starts so, and 1.2 is 1.2.0."""
    if pin.endswith(".*"):
        return f"{installed}.".startswith(pin.removesuffix("*"))
    return _release(installed) == _release(pin)


def _release(version: str) -> str:
    return re.sub(r"(\.0)+$", "", version.strip().lower())


def _before(deployments: Sequence[LocalDeployment]) -> Iterator[str]:
    for deployment in deployments:
        yield from (f"{deployment.deployment}: {line}" for line in differences(deployment.pins))
        yield from (f"{deployment.deployment}: {line}" for line in remarks(deployment))
        payload = [each.name for each in deployment.collections if each.enabled and each.name in PAYLOAD_COLLECTIONS]
        if payload:
            yield f"{deployment.deployment}: {' and '.join(payload)} is recorded by Azure's proxy, and not here yet"
        if not deployment.enabled():
            yield f"{deployment.deployment}: no collection of the scoring script is enabled, so it collects nothing"
    yield "azmlinfsrv listens on all interfaces (it has no option for that) and asks for no key"


def _introduction(endpoint: LocalEndpoint) -> Iterator[str]:
    for each in endpoint.running:
        yield f"{each.deployment.endpoint}/{each.deployment.deployment} is live"
        yield f"  score    POST {each.scoring_uri}"
        yield f"  health   GET  {each.server.uri}/"
        yield f"  log      {each.server.log}"
        for collection in each.deployment.enabled().values():
            where = endpoint.root / each.deployment.folder(collection)
            yield f"  collect  {collection.name} ({collection.sampling_rate * 100:g} %) into {where}"


def _summary(endpoint: LocalEndpoint) -> Iterator[str]:
    for deployment, counts in endpoint.counts.items():
        for name, count in counts.items():
            refused = f", {count.errors} refused" if count.errors else ""
            events, rows = _count(count.events, "event"), _count(count.rows, "row")
            yield f"{deployment}: {name or 'other'}: {events}, {rows} collected{refused}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

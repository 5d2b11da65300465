"""What the child of a trial watches with: its report, places in the user's code, exceptions in words, the Collector.

What is watched is wrapped, and a wrapper calls what it wraps and passes on what that returns or raises.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

TEXT = 16 * 1024  # characters of a snapshot that are written down; of a longer one, its digest
MESSAGE = 1000  # characters of an exception's message
TEXTS = 20  # snapshots that are written down for each request
EVENTS = 500  # events that are written down for each request
EXCEPTIONS = 50  # exceptions of a kind that are written down for each request
FRAMES = 20
GATE = 1.0  # seconds that the sender waits for run() to end, at most
DRAIN = 2.0  # seconds that the queue may take to drain
LATER = 3.0  # seconds after run() within which a script that collects beside its requests is to do so

FULL = "Too many requests lead to message queue is full, please reduce the number of requests."
"""What azureml-ai-monitoring 1.0.0 says when 1,500 events wait."""


class Report:
    """The file of what was seen. A process that the scoring script forked writes nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._process = os.getpid()
        self._lock = threading.Lock()

    @property
    def is_mine(self) -> bool:
        return os.getpid() == self._process

    def write(self, kind: str, **content: object) -> None:
        if not self.is_mine:
            return
        line = json.dumps({"kind": kind, **content}).encode() + b"\n"
        with self._lock:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)


# --- places and exceptions --------------------------------------------------------------------------------------------


class Code:
    """Which files are the user's: those in the code folder, but not packages installed somewhere below it."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self.owns = lru_cache(maxsize=None)(self._owns)

    def _owns(self, file: str) -> bool:
        if not os.path.isabs(file):
            return False
        relative = os.path.relpath(os.path.realpath(file), self._root)
        parts = relative.split(os.sep)
        return parts[0] != os.pardir and not {"site-packages", "dist-packages"} & set(parts)

    def stack(self) -> list[dict[str, object]]:
        """The user's frames that lead here, outermost first."""
        frame: FrameType | None = sys._getframe(1)
        found: list[dict[str, object]] = []
        while frame is not None and len(found) < FRAMES:
            if self.owns(frame.f_code.co_filename):
                found.append(place(frame.f_code, frame.f_lasti, frame.f_lineno))
            frame = frame.f_back
        return found[::-1]

    def told(self, error: BaseException, depth: int = 3) -> dict[str, object]:
        """An exception in words and places: the user's frames, outermost first, and where else it was raised."""
        frames, origin = [], None
        for code, last, line in _walk(error.__traceback__):
            if code.co_filename == __file__:
                continue
            origin = None if self.owns(code.co_filename) else f"{_short(code.co_filename)}:{line}"
            if origin is None:
                frames.append(place(code, last, line))
        if len(frames) > FRAMES:
            frames = [*frames[: FRAMES // 2], *frames[-FRAMES // 2 :]]
        if isinstance(error, SyntaxError) and error.filename and self.owns(error.filename):
            frames.append({"file": error.filename, "line": error.lineno or 1, "function": ""})
            origin = None
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return {
            "type": type_name(type(error)),
            "message": said(error),
            "module": error.name if isinstance(error, ModuleNotFoundError) else None,
            "frames": frames,
            "origin": origin,
            "cause": self.told(cause, depth - 1) if cause is not None and depth else None,
        }


def _walk(traceback: TracebackType | None) -> Iterator[tuple[CodeType, int, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lasti, traceback.tb_lineno
        traceback = traceback.tb_next


def place(code: CodeType, last: int, line: int) -> dict[str, object]:
    """A place in a file; columns count UTF-8 bytes from 0, as in `ast`."""
    found: dict[str, object] = {"file": code.co_filename, "line": line, "function": code.co_name}
    positions = next(islice(code.co_positions(), last // 2, None), None) if last >= 0 else None
    if positions and None not in positions:
        found |= dict(zip(("line", "end_line", "column", "end_column"), positions, strict=True))
    return found


def _short(file: str) -> str:
    """A file by its last two names, which tell the package."""
    return "/".join(file.split(os.sep)[-2:])


def type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def said(error: BaseException) -> str:
    """An exception's message; one that cannot be had is the scoring script's doing and must not end the trial."""
    try:
        return str(error)[:MESSAGE] + _in_its_place(error)
    except Exception:
        return "(its message cannot be shown)"


_LISTED = 5


def _in_its_place(error: BaseException) -> str:
    """What there is under AZUREML_MODEL_DIR, when a file was looked for there in vain."""
    folder, missing = os.environ.get("AZUREML_MODEL_DIR"), getattr(error, "filename", None)
    if not folder or not isinstance(error, FileNotFoundError) or not isinstance(missing, str):
        return ""
    root = Path(folder)
    if not Path(os.path.abspath(missing)).is_relative_to(root):
        return ""
    found = list(islice((str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()), _LISTED + 1))
    more = " and more" if len(found) > _LISTED else ""
    return f"; AZUREML_MODEL_DIR holds {', '.join(sorted(found[:_LISTED])) or 'nothing'}{more}"


# --- the Collector ----------------------------------------------------------------------------------------------------


class Collecting:
    """Watches the Collector: what was handed to it, what became of that, and what it complained of."""

    def __init__(self, report: Report, code: Code) -> None:
        self._report = report
        self._code = code
        self._lock = threading.Lock()
        self._contexts: list[object] = []  # kept, so that no two have one identity
        self._known: list[BaseException] = []
        self._written: set[str] = set()
        self._pending = 0
        self._touched: set[str] = set()
        self._later = LATER
        self._died = False
        self._gate = threading.Event()
        self._gate.set()
        self._full = False
        self.overhead = 0.0
        """Seconds that watching took in the thread of the requests."""

    def watch(self) -> None:
        """Wrap the Collector's parts. A version that is built otherwise is watched as far as it is alike."""
        modules = {
            name: importlib.import_module(f"azureml.ai.monitoring.{name}")
            for name in ("collector", "collector_json", "queue.queue", "worker.sender")
        }
        collector = modules["collector"].Collector
        wrap(collector, "__init__", self._make)
        wrap(collector, "collect", self._collect)
        wrap(modules["collector_json"], "build_payload", self._build)
        wrap(modules["queue.queue"].MdcQueue, "enqueue", self._enqueue)
        wrap(modules["worker.sender"].MdcSender, "send", self._send)

    def _make(self, real: Callable[..., Any], collector: Any, *positional: Any, **named: Any) -> Any:
        own = named.get("on_error")

        def on_error(error: Exception) -> Any:
            self._failed(str(named.get("name")), error)
            if own:
                return own(error)
            raise error

        return real(collector, *positional, **(named | {"on_error": on_error}))

    def _collect(self, real: Callable[..., Any], collector: Any, *positional: Any, **named: Any) -> Any:
        try:
            return real(collector, *positional, **named)
        except Exception as error:
            self._failed(str(getattr(getattr(collector, "_impl", None), "name", None)), error)
            raise

    def _failed(self, collection: str, error: BaseException) -> None:
        if self._full or len(self._known) >= EXCEPTIONS or any(each is error for each in self._known):
            return
        self._known.append(error)
        self._report.write("failed", collection=collection, error=self._code.told(error), at=self._code.stack())

    def _build(self, real: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        payload = real(*positional, **named)
        self._touched.add(payload.designation())
        started = time.perf_counter()
        if len(self._written) < EVENTS and not self._full:
            self._written.add(payload.id())
            context = named.get("context")
            self._report.write("collected", **self._event(payload, context), at=self._code.stack())
        self.overhead += time.perf_counter() - started
        return payload

    def _event(self, payload: Any, context: object) -> dict[str, object]:
        """What would be sent at this moment, before the script can change it."""
        content: dict[str, object] = {}
        with suppress(Exception):  # the sender will find out, and then it counts
            text = payload.content()
            short = len(text) < TEXT and len(self._written) <= TEXTS
            content = {"digest": hashlib.sha256(text.encode()).hexdigest(), "text": text if short else None}
        frame = getattr(getattr(payload, "_data", None), "_data", None)
        dtypes = [[str(name), str(kind)] for name, kind in getattr(frame, "dtypes", {}).items()]
        number = next((at for at, each in enumerate(self._contexts) if each is context), len(self._contexts))
        self._contexts = [*self._contexts, context] if number == len(self._contexts) else self._contexts
        return {
            "id": payload.id(),
            "collection": payload.designation(),
            "correlation_id": repr(payload.correlation_id())[:200],
            "context": number,
            "dtypes": dtypes,
            **content,
        }

    def _enqueue(self, real: Callable[..., Any], queue: Any, payload: Any) -> Any:
        if self._full:
            return False, FULL
        with self._lock:
            accepted = real(queue, payload)
            self._pending += bool(accepted[0])
        return accepted

    def _send(self, real: Callable[..., Any], sender: Any, payload: Any) -> Any:
        # Under load an event waits in the queue while run() goes on; here it always does.
        self._gate.wait(GATE)
        try:
            succeeded, message = real(sender, payload)
            if not succeeded and payload.id() in self._written:
                self._report.write("lost", id=payload.id(), message=str(message)[:MESSAGE], error=None)
            return succeeded, message
        except BaseException as error:
            self._report.write("lost", id=payload.id(), message="", error=self._code.told(error))
            self._died = not isinstance(error, TypeError)  # all that the sending thread survives
            raise
        finally:
            with self._lock:
                self._pending -= 1

    def begin(self, full: bool = False) -> None:
        """A request begins; with `full`, as if 1,500 events were waiting."""
        self._full = full
        self._written = set()
        self._known = []
        self._touched = set()
        self.overhead = 0.0
        self._gate.clear()

    def end(self, awaited: Iterable[str] = ()) -> dict[str, object]:
        """A request has ended: wait until its events are sent, and tell how that went.

        Where nothing was collected into one of the `awaited` collections, that may still come, from a thread of the
        script. It is waited for once in vain, not for every request.
        """
        self._gate.set()
        self._full = False
        deadline = time.monotonic() + self._later
        while not self._touched.issuperset(awaited) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._later = LATER if self._touched.issuperset(awaited) else 0.0
        threads = sending_threads()
        deadline = time.monotonic() + DRAIN
        while self._pending and time.monotonic() < deadline and is_one_alive(threads) is not False:
            time.sleep(0.002)
        for each in threads if self._died else ():
            each.join(1.0)
        alive = is_one_alive(threads)
        return {"alive": alive, "waiting": self._pending}


def sending_threads() -> list[threading.Thread]:
    """The Collector's threads; none as long as no Collector was made, or where the script empties the queue itself."""
    module = sys.modules.get("azureml.ai.monitoring.worker.worker")
    worker = module.get_worker() if module else None
    queues = sys.modules.get("azureml.ai.monitoring.queue.queue")
    if queues is None or getattr(worker, "_queue", None) is not queues.get_queue():
        return []
    return list(getattr(worker, "_threads", ()))


def is_one_alive(threads: list[threading.Thread]) -> bool | None:
    """None where there are none."""
    return any(each.is_alive() for each in threads) if threads else None


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a function or method by one that gives it to `around` first, and all arguments after it."""
    real = getattr(owner, name, None)
    if real is None:
        return

    def wrapped(*positional: Any, **named: Any) -> Any:
        return around(real, *positional, **named)

    wrapped.__name__, wrapped.__doc__, wrapped.__wrapped__ = name, real.__doc__, real  # type: ignore[attr-defined]
    setattr(owner, name, wrapped)

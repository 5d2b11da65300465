"""Collects inputs and outputs of a model with Microsoft's Collector, beside the requests instead of within them.

    collection = DataCollection(inputs={"age": float, "town": str}, outputs={"prediction": float})    # in init()
    collection.add(inputs, predictions, request_headers)                                              # in run()

The decision worth knowing: `add` puts the values of a request into a list and returns. A thread of the process makes
one event of what came in a second, for each collection, and keeps it until it has arrived (collector_delivery.py).

Nothing in here raises into the scoring script. What could not be collected is counted, and the counts are in the log.
Both modules run from Python 3.8 on, unchanged in any scoring script.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import random
import re
import threading
import time
import uuid
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from collector_delivery import INPUTS, OUTPUTS, Context, Delivery

# Environment variables COLLECTION_<NAME>: default, least, most.
SETTINGS = {
    # An event holds the requests of one such interval. `kill -9` loses what came since the last one.
    "FLUSH_SECONDS": (1.0, 0.05, 60.0),
    # What one event may hold, as JSON. Azure moves the data out of records from 4 MB up.
    "EVENT_ROWS": (5_000, 1, 100_000),
    "EVENT_BYTES": (1_000_000, 10_000, 3_000_000),
    # The memory for what waits, in each process. A request that does not fit is dropped and counted.
    "QUEUE_BYTES": (100_000_000, 1_000_000, 10_000_000_000),
    # One draw for each request; with a sampling_rate in the YAML, the product of both.
    "SAMPLING_RATE": (1.0, 0.0, 1.0),
    # How long a process that ends may take to deliver. Gunicorn kills after 30 s.
    "GRACE_SECONDS": (8.0, 0.0, 25.0),
}

REQUEST_ID = "request_id"
GIVE_UP = 20  # An event is dropped that has failed so often, each time after others had arrived.

# A child of the server's logger: its lines reach the container log from INFO up, with time and process.
logger = logging.getLogger("azmlinfsrv.data_collection")


def setting(name: str) -> float:
    """The value of a setting; its default where the environment variable cannot be used."""
    default, least, most = SETTINGS[name]
    text = os.environ.get(f"COLLECTION_{name}", str(default))
    try:
        if least <= float(text) <= most:
            return float(text)
    except ValueError:
        pass
    logger.error("COLLECTION_%s is %r; it must be from %g to %g, and %g is used", name, text, least, most, default)
    return default


# --- values ----------------------------------------------------------------------------------------------------------

# In this order, and as the server writes them. Azure cuts the first at 40 characters, and gives the second to every
# request itself.
_ID_HEADERS = ("X-Ms-Client-Request-Id", "X-Request-Id")
_ID_LENGTH = 40
_UNSAFE_IN_ID = re.compile(r"[^A-Za-z0-9_-]")


def raw_ids(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """What the headers hold that can be the caller's own id of the request."""
    first, second = headers.get(_ID_HEADERS[0]), headers.get(_ID_HEADERS[1])
    if first is None and second is None:
        others = {name.title(): value for name, value in headers.items()}
        first, second = others.get(_ID_HEADERS[0]), others.get(_ID_HEADERS[1])
    return first and first[:1000], second and second[:1000]


def request_id(*texts: str | None) -> str:
    """The first of these that is one when made safe, of letters, digits, `-` and `_`; a fresh one if none is.

    It travels on in an HTTP header: anything outside Latin-1 would end the Collector's only sender thread.
    """
    for text in texts:
        own = _UNSAFE_IN_ID.sub("-", (text or "").strip())[:_ID_LENGTH]
        if own.strip("-_"):
            return own
    return str(uuid.uuid4())


def keep(values: Any) -> tuple[Any, int]:
    """A copy of an array, or the rows of a frame or a list as tuples, for the script may change its own; and about how
    much memory they take, in bytes."""
    if isinstance(values, np.ndarray) and not values.dtype.hasobject:
        return values.copy(), 48 * values.size
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    listed = values.tolist() if hasattr(values, "tolist") else values
    rows = tuple([tuple(row) if isinstance(row, (list, tuple)) else (row,) for row in listed])
    return rows, sum(96 * len(row) + 2 * _text_size(row) for row in rows)


def cells_of(kept: Any, width: int) -> list[Any]:
    """The values of all rows, one after the other. Raises ValueError where a row has not a value for each column."""
    if isinstance(kept, np.ndarray):
        if kept.size != width * len(kept):
            raise ValueError(f"{len(kept)} rows have {kept.size} values for {width} columns")
        return list(kept.ravel().tolist())
    for row in kept:
        if len(row) != width:
            raise ValueError(f"a row has {len(row)} values for {width} columns")
    return [cell for row in kept for cell in row]


def size_of(cells: Sequence[Any]) -> int:
    """About how many bytes these are as JSON."""
    return 20 * len(cells) + _text_size(cells)


def _text_size(cells: Sequence[Any]) -> int:
    texts = [cell for cell in cells if isinstance(cell, (str, bytes))]
    return sum(len(cell) if isinstance(cell, bytes) or cell.isascii() else 6 * len(cell) for cell in texts)


def frame_of(columns: Mapping[str, type], cells: Sequence[Any], misfit: Callable[[str], None]) -> pd.DataFrame:
    """Each column gets one JSON type for ever, number or text, because the monitor fails when it changes. What is
    neither that nor missing becomes null all the same, and is told to `misfit` by the name of its column."""
    frame = {}
    for at, (name, kind) in enumerate(columns.items()):
        column = cells[at :: len(columns)]
        if kind is not str:
            frame[name] = _numbers(column, partial(misfit, name))
        else:
            frame[name] = pd.Series([_fit(_text, cell, partial(misfit, name)) for cell in column], dtype=object)
    return pd.DataFrame(frame)


def _numbers(column: Sequence[Any], misfit: Callable[[], None]) -> Any:
    try:
        numbers = np.array(column, dtype="float64")
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or numbers.ndim != 1:
        return np.array([_fit(float, cell, misfit) for cell in column], dtype="float64")
    return numbers


def _fit(convert: Callable[[Any], Any], cell: Any, misfit: Callable[[], None]) -> Any:
    try:
        return None if cell is None or cell is pd.NA else convert(cell)
    except Exception:
        misfit()
        return None


def _text(cell: Any) -> str | None:
    if isinstance(cell, str) and cell.isascii():
        return cell
    if isinstance(cell, float) and math.isnan(cell):
        return None
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return text.encode("utf-8", "replace").decode()  # half of a surrogate pair would end the sender thread


# --- collection ------------------------------------------------------------------------------------------------------


@dataclass
class Event:
    """Rows of requests that came in one interval, on their way into both collections under one correlation id."""

    interval: tuple[int, int]
    time: float
    requests: int = 0
    size: float = 0.0  # in bytes, as JSON
    memory: float = 0.0
    ids: list[str] = field(default_factory=list)  # of the request, for each row
    inputs: list[Any] = field(default_factory=list)  # values, one row after the other
    outputs: list[Any] = field(default_factory=list)
    frames: dict[str, pd.DataFrame] | None = None  # what has not arrived yet
    context: Context | None = None
    failed_at: set[int] = field(default_factory=set)  # how many other events had arrived, each time this one did not


class DataCollection:
    """Collects the inputs and outputs of a model. One for each process, made in `init()`."""

    def __init__(
        self, inputs: Mapping[str, type], outputs: Mapping[str, type], request_id_in: str | None = OUTPUTS
    ) -> None:
        """The columns in the order of the rows; each is `float`, for numbers of every kind, or `str`.

        The caller's id becomes a column `request_id` of one collection only: where the monitor has joined the two, it
        cannot store two columns of one name.
        """
        self._inputs = {str(name): kind for name, kind in inputs.items()}
        self._outputs = {str(name): kind for name, kind in outputs.items()}
        columns = {INPUTS: self._inputs, OUTPUTS: self._outputs}.get(str(request_id_in), {REQUEST_ID: str})
        self._id_in = None if REQUEST_ID in columns else str(request_id_in)
        self._settings = {name: setting(name) for name in SETTINGS}
        self._most_bytes = self._settings["QUEUE_BYTES"]
        self._delivery = Delivery()
        for reason in self._delivery.off:
            logger.error(reason)
        self._rate = self._settings["SAMPLING_RATE"] * self._delivery.sampling_rate()
        self._begin()
        _living.add(self)
        atexit.register(self.close)

    def _begin(self) -> None:
        """Also in a forked process, which has a copy of its parent's data and no thread."""
        self.accepted = 0
        self.lost: Counter[str] = Counter()
        self._reported, self._report_at = 0, -math.inf
        self._lock = threading.Lock()
        self._requests: list[tuple[Any, ...]] = []
        self._events: deque[Event] = deque()
        self._memory = 0.0  # of both, in bytes
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._pause = self._resume = 0.0
        self._arrived = 0
        self._used_ids: OrderedDict[str, None] = OrderedDict()
        self._random = random.Random()  # its own, because scripts seed the common one

    def forked(self) -> None:
        self._begin()
        self._delivery.forked()

    # In the thread of the request.

    def add(
        self, inputs: Any, outputs: Any, request_headers: Mapping[str, str] | None = None, received: float | None = None
    ) -> None:
        """Collect a request: rows of inputs and as many of outputs, in arrays, frames or lists. Never raises.

        `received` is when the request came, in seconds since 1970; without it, now.
        """
        try:
            if self._rate < 1.0 and self._random.random() >= self._rate:
                return
            self._put(inputs, outputs, request_headers or {}, float(received or time.time()))
        except Exception as error:
            with self._lock:
                self.accepted += 1
            self._lose(f"requests dropped: {type(error).__name__}: {error}")
            self._report()

    def _put(self, inputs: Any, outputs: Any, headers: Mapping[str, str], received: float) -> None:
        if not self._delivery.on:
            raise LookupError("; ".join(self._delivery.off))
        ins, memory_in = keep(inputs)
        outs, memory_out = keep(outputs)
        first, second = raw_ids(headers)
        memory = memory_in + memory_out + 500
        with self._lock:
            if self._memory + memory > self._most_bytes:
                raise BufferError("the queue is full (COLLECTION_QUEUE_BYTES)")
            if self._thread is None:
                self._start()
            self.accepted += 1
            self._memory += memory
            # A tuple: lists, or anything else with attributes, would keep the garbage collector busy.
            self._requests.append((received, first, second, memory, ins, outs))

    def _start(self) -> None:
        self._closing.clear()
        thread = threading.Thread(target=self._run, name="data-collection", daemon=True)
        thread.start()
        self._thread = thread

    def close(self) -> None:
        """Deliver what is there, within the time of grace. Called when the process ends, unless it is killed."""
        thread, grace = self._thread, self._settings["GRACE_SECONDS"]
        if thread is not None and not self._closing.is_set():
            self._closing.set()
            thread.join(grace)
            if thread.is_alive():
                self._lose(f"requests dropped: not delivered in the {grace:g} s after the end", self._waiting())
        self._report(at_once=True)

    # In a thread of its own.

    def _run(self) -> None:
        while not self._has_ended():
            self._sleep()
            try:
                self._make_events()
                while self._events and time.monotonic() >= self._resume:
                    self._deliver(self._events[0])
                self._report()
            except Exception:
                logger.exception("Data collection goes on after an error")
                time.sleep(1)
        self._delivery.end()

    def _has_ended(self) -> bool:
        with self._lock:
            has_ended = self._closing.is_set() and self._waiting() == 0
            if has_ended:
                self._thread = None
        return has_ended

    def _sleep(self) -> None:
        """Until the interval is over, or the time for another try has come."""
        if self._closing.is_set():
            time.sleep(0.02)
            return
        interval = self._settings["FLUSH_SECONDS"]
        due = interval - time.time() % interval
        if self._events:
            due = min(due, self._resume - time.monotonic())
        self._closing.wait(max(due, 0.001))

    def _make_events(self) -> None:
        with self._lock:
            requests, self._requests = self._requests, []
        event = None
        for request in requests:
            try:
                event = self._append(event, request)
            except Exception as error:
                self._lose(f"requests dropped: {type(error).__name__}: {error}")
                self._release(request[3])

    def _append(self, event: Event | None, request: tuple[Any, ...]) -> Event | None:
        """Append a request to an event, or begin another; the one that it ends in."""
        received, first, second, memory, kept_in, kept_out = request
        ins, outs = cells_of(kept_in, len(self._inputs)), cells_of(kept_out, len(self._outputs))
        rows = len(kept_in)
        if rows != len(kept_out):
            raise ValueError(f"{rows} rows of inputs cannot be joined to {len(kept_out)} of outputs")
        if not rows:
            self._release(memory)
            return event
        # Of one interval and one hour, so that the time and the hour folder of the event are theirs.
        interval = int(received // 3600), int(received // self._settings["FLUSH_SECONDS"])
        own = request_id(first, second)
        size = size_of(ins) + size_of(outs) + 60 * rows
        for row in range(rows):
            if event is None or event.interval != interval or self._is_full(event, size / rows):
                event = Event(interval, received)
                self._events.append(event)
            event.requests += row == 0 or not event.ids
            event.time = min(event.time, received)
            event.size += size / rows
            event.memory += memory / rows
            event.ids.append(own)
            event.inputs += ins[row * len(self._inputs) : (row + 1) * len(self._inputs)]
            event.outputs += outs[row * len(self._outputs) : (row + 1) * len(self._outputs)]
        return event

    def _is_full(self, event: Event, more: float) -> bool:
        has_all_rows = len(event.ids) >= self._settings["EVENT_ROWS"]
        return has_all_rows or event.size + more > self._settings["EVENT_BYTES"]

    def _deliver(self, event: Event) -> None:
        try:
            why = self._send(event)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why is None:
            self._settle(event)
            self._arrived += 1
            if self._pause:
                logger.info("Collected data arrives again")
            self._pause = 0.0
        else:
            self._postpone(event, " ".join(why.split())[:200])

    def _send(self, event: Event) -> str | None:
        """None once all of an event has arrived, now or earlier; else why it has not."""
        if event.frames is None or event.context is None:
            event.context = Context(self._correlation_id(event), int(event.time))
            event.frames = self._frames(event)
        for name in list(event.frames):
            why = self._delivery.deliver(name, event.frames[name], event.context)
            if why is not None:
                return why
            del event.frames[name]
        return None

    def _frames(self, event: Event) -> dict[str, pd.DataFrame]:
        frames = {
            INPUTS: frame_of(self._inputs, event.inputs, self._misfit),
            OUTPUTS: frame_of(self._outputs, event.outputs, self._misfit),
        }
        if self._id_in is not None:
            frames[self._id_in][REQUEST_ID] = pd.Series(event.ids, dtype=object)
        for reason in self._delivery.off:
            self._lose(f"requests in part: {reason}", event.requests)
        return {name: frames[name] for name in self._delivery.on}

    def _correlation_id(self, event: Event) -> str:
        """A request alone in its event keeps its id, unless another had it: the monitor joins all that share one."""
        own = event.ids[0]
        if event.requests > 1 or own in self._used_ids:
            return str(uuid.uuid4())
        self._used_ids[own] = None
        if len(self._used_ids) > 10_000:
            self._used_ids.popitem(last=False)
        return own

    def _postpone(self, event: Event, why: str) -> None:
        """Make a pause, then try the next one. One that fails again and again while others arrive is given up."""
        if not self._pause:
            logger.warning("Collected data does not arrive; it is kept, and sent again: %s", why)
        self._pause = min(max(2 * self._pause, 0.25), 0.5 if self._closing.is_set() else 5.0)
        self._resume = time.monotonic() + self._pause
        event.failed_at.add(self._arrived)
        if len(event.failed_at) > GIVE_UP:
            self._settle(event)
            self._lose(f"requests dropped: others arrived, but not these: {why}", event.requests)
        else:
            self._events.rotate(-1)

    def _settle(self, event: Event) -> None:
        self._events.popleft()
        self._release(event.memory)

    def _release(self, memory: float) -> None:
        with self._lock:
            self._memory -= memory

    def _waiting(self) -> int:
        return len(self._requests) + sum(event.requests for event in list(self._events))

    # What is lost.

    def _misfit(self, column: str) -> None:
        self._lose(f"values collected as null: {column} is not always what its column takes")

    def _lose(self, what: str, number: int = 1) -> None:
        with self._lock:
            known = what in self.lost or len(self.lost) < 50
            self.lost[what if known else "requests dropped: for other reasons"] += number

    def _report(self, at_once: bool = False) -> None:
        """Log what was lost if that has changed, at most once in a minute."""
        with self._lock:
            total, now = sum(self.lost.values()), time.monotonic()
            if total == self._reported or (now < self._report_at and not at_once):
                return
            self._reported, self._report_at = total, now + 60.0
            lost = "; ".join(f"{number} {what}" for what, number in self.lost.most_common())
        logger.error("Data collection, of %d requests since this worker started: %s", self.accepted, lost)


# --- processes that are forked, as with WORKER_PRELOAD ---------------------------------------------------------------

_living: weakref.WeakSet[DataCollection] = weakref.WeakSet()


def _forked() -> None:
    for collection in list(_living):
        collection.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

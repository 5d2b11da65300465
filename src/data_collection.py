"""Collects inputs and outputs of a model with Microsoft's Collector, beside the requests instead of within them.

    collection = DataCollection(inputs={"age": float, "town": str}, outputs={"prediction": float})    # in init()
    collection.add(inputs, predictions, request_headers)                                              # in run()

`add` puts the values of a request into a list and returns. Once a second a thread makes one event of what came in, for
each collection, and gives it to Microsoft's Collector. The decision worth knowing: the Collector puts events into a
queue, and Microsoft's thread, which sends what is in there, does so once, without a time limit, and ends at the first
event it cannot write; so it is this module's thread that empties the queue, and keeps an event until it has arrived.

Nothing in here raises into the scoring script. What could not be collected is counted, and the counts are in the log.
Runs from Python 3.8 on, unchanged in any scoring script, with azureml-ai-monitoring 1.0.0.
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
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring import init as sdk
from azureml.ai.monitoring.config import get_config
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.queue import get_queue, init_queue
from azureml.ai.monitoring.worker.sender import create_sender

INPUTS, OUTPUTS, REQUEST_ID = "model_inputs", "model_outputs", "request_id"

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
PATIENCE = 30.0  # Seconds after which an event without an answer is sent again; twice as long each time, up to
LONGEST_PATIENCE = 600.0  # this, until an answer comes sooner.
REQUEST_BYTES = 400  # What a request takes beside its values.
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


# --- what a request brings -------------------------------------------------------------------------------------------


UNSAFE = re.compile("[^A-Za-z0-9_-]")


def own_ids(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    """What the headers hold that can be the caller's own id. Azure itself gives every request the second."""
    first, second = headers.get("X-Ms-Client-Request-Id"), headers.get("X-Request-Id")  # as the server writes them
    if first is None and second is None:
        others = {name.lower(): value for name, value in headers.items()}
        first, second = others.get("x-ms-client-request-id"), others.get("x-request-id")
    return first and first[:1000], second and second[:1000]


def request_id(ids: Sequence[str | None]) -> str:
    """The first of these that is an id when made safe; a fresh one if none is.

    It travels on in an HTTP header, so it is of letters, digits, `-` and `_`. Azure cuts it at 40 characters.
    """
    for text in ids:
        own = UNSAFE.sub("-", (text or "").strip()[:40])
        if own.strip("-_"):
            return own
    return str(uuid.uuid4())


def cells_of(values: Any, width: int) -> tuple[int, tuple[Any, ...]]:
    """How many rows an array, a frame or a list has, and a copy of their values, one row after the other: the script
    may change its own. In a tuple: lists, or anything else that can change, would keep the garbage collector busy."""
    if type(values) is not np.ndarray and hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if hasattr(values, "ravel"):
        rows, cells = len(values), tuple(values.ravel().tolist())
        if len(cells) != rows * width:
            raise ValueError(f"{rows} rows have {len(cells)} values for {width} columns")
        return rows, cells
    listed = [row.tolist() if hasattr(row, "tolist") else row for row in values]
    listed = [row if isinstance(row, (list, tuple)) else (row,) for row in listed]
    for row in listed:
        if len(row) != width:
            raise ValueError(f"a row has {len(row)} values for {width} columns")
    return len(listed), tuple([cell for row in listed for cell in row])


def text_size(cells: Sequence[Any]) -> int:
    """How many bytes the texts among these are as JSON, at most."""
    texts = [cell for cell in cells if isinstance(cell, (str, bytes))]
    return sum([len(cell) if cell.isascii() else 6 * len(cell) for cell in texts])


# --- what an event holds ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Event:
    """Rows of requests that came in one interval, on their way into both collections under one correlation id."""

    interval: tuple[int, int]
    time: float
    requests: int = 0
    size: float = 0.0  # about, in bytes of JSON
    memory: float = 0.0  # about, in bytes
    ids: list[str] = field(default_factory=list)  # of the request, for each row
    inputs: list[Any] = field(default_factory=list)  # values, one row after the other
    outputs: list[Any] = field(default_factory=list)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)  # by collection: what has not arrived yet
    context: BasicCorrelationContext | None = None
    failed_at: set[int] = field(default_factory=set)  # how many other events had arrived, each time this one did not


def frame_of(columns: Mapping[str, type], cells: Sequence[Any], misfit: Callable[[str], None]) -> pd.DataFrame:
    """Each column gets one JSON type for ever, number or text, because the monitor fails when it changes. What is
    neither that nor missing becomes null all the same, and is told to `misfit` by the name of its column."""
    frame = {}
    for at, (name, kind) in enumerate(columns.items()):
        column = cells[at :: len(columns)]
        if kind is str:
            frame[name] = pd.Series([_fit(_text, cell, partial(misfit, name)) for cell in column], dtype=object)
        else:
            frame[name] = _numbers(column, partial(misfit, name))
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
    if isinstance(cell, float) and math.isnan(cell):
        return None
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return text.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be written


# --- Microsoft's side ------------------------------------------------------------------------------------------------


class Outbox:
    """Microsoft's Collectors, and their queue, which is emptied in here.

    `collectors` are those of the collections that the YAML enables; `off` says, a sentence each, which it does not.
    """

    def __init__(self) -> None:
        self._errors: dict[str, Exception] = {}
        self._queue: Any = None
        self._patience = PATIENCE
        self.collectors: dict[str, Collector] = {}
        try:
            # Without on_error a collection that is missing or disabled in the YAML raises here, and the container
            # never becomes ready.
            inputs = Collector(name="model_inputs", on_error=lambda error: self._errors.update(model_inputs=error))
            outputs = Collector(name="model_outputs", on_error=lambda error: self._errors.update(model_outputs=error))
            both = {INPUTS: inputs, OUTPUTS: outputs}
            self.collectors = {name: both[name] for name in both if name not in self._errors}
        except Exception as error:  # on_error does not cover a configuration that cannot be read
            self._errors = {INPUTS: error, OUTPUTS: error}
        self.off = [f"nothing is collected into {name}: {error}" for name, error in self._errors.items()]
        # A Collector draws for every event, which would part inputs from outputs. It is the requests that are drawn.
        rates = [get_config().collection_sample_rate_percentage(name) for name in self.collectors]
        self.sampling_rate = min(rates, default=100) / 100

    def take_over(self) -> None:
        """Leave to Microsoft's thread what it has; what the Collectors give from now on is sent in here."""
        if not sdk.is_sdk_ready():
            sdk.init("default")
        if get_queue() is not self._queue:
            get_queue().close()
            self.begin()

    def begin(self) -> None:
        """With a new queue. What is in that of a forked process is its parent's, and its lock may be held for ever."""
        if sdk.is_sdk_ready():
            init_queue(get_config().queue_capacity())
            self._queue = get_queue()
            for name in self.collectors:
                get_config().add_collection(name, enabled=True, sample_rate_percentage=100)

    def deliver(self, name: str, frame: pd.DataFrame, context: BasicCorrelationContext) -> str | None:
        """None once the frame has arrived in this collection; else why it has not."""
        self._errors.clear()
        self.collectors[name].collect(frame, context)
        why: str | None = str(self._errors.get(name, "the Collector's own sampling left it out"))
        while self._queue.length():  # others' events may be in there too
            payload, _ = self._queue.dequeue()
            outcome = self._send(payload)
            if payload.designation() == name and payload.correlation_id() == context.get_id():
                why = outcome
        return why

    def _send(self, payload: Any) -> str | None:
        """None once the agent has taken it; else why not. Microsoft's sender sets no time limit, hence the thread."""
        answers: list[tuple[bool, str]] = []

        def send() -> None:
            try:
                answers.append(create_sender(get_config()).send(payload))
            except Exception as error:
                answers.append((False, f"{type(error).__name__}: {error}"))

        begun = time.monotonic()
        thread = threading.Thread(target=send, daemon=True)
        try:
            thread.start()
            thread.join(self._patience)
        except RuntimeError:  # from Python 3.12 on no thread starts while the process ends; then the grace is the limit
            send()
        if not answers:
            waited, self._patience = self._patience, min(2 * self._patience, LONGEST_PATIENCE)
            return f"the agent has not answered for {waited:g} s"
        if time.monotonic() - begun < PATIENCE:
            self._patience = PATIENCE
        succeeded, message = answers[0]
        return None if succeeded else message


# --- our side --------------------------------------------------------------------------------------------------------


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
        self._row_size = 60 + sum(len(name) + 24 for name in (*self._inputs, *self._outputs))
        self._width_in, self._width_out = len(self._inputs), len(self._outputs)
        self._has_text = str in (*self._inputs.values(), *self._outputs.values())
        self._settings = {name: setting(name) for name in SETTINGS}
        self._most_memory = self._settings["QUEUE_BYTES"]
        self._outbox = Outbox()
        for reason in self._outbox.off:
            logger.error(reason)
        self._rate = self._settings["SAMPLING_RATE"] * self._outbox.sampling_rate
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)  # with WORKER_PRELOAD

    def _begin(self) -> None:
        """Also in a forked process, which has a copy of its parent's data and no thread."""
        self.accepted = 0
        self.lost: Counter[str] = Counter()
        self._reported, self._report_at = 0, -math.inf
        self._lock = threading.Lock()
        self._requests: list[tuple[Any, ...]] = []
        self._events: deque[Event] = deque()
        self._memory = 0.0  # of both, about, in bytes
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._pause = self._resume = 0.0
        self._arrived = 0
        self._used_ids: set[str] = set()
        self._random = random.Random()  # its own, because scripts seed the common one

    def _forked(self) -> None:
        self._begin()
        self._outbox.begin()

    # In the thread of the request.

    def add(
        self, inputs: Any, outputs: Any, request_headers: Mapping[str, str] | None = None, received: float | None = None
    ) -> None:
        """Collect a request: rows of inputs and as many of outputs, in arrays, frames or lists. Never raises.

        `received` is when the request came, in seconds since 1970; without it, now.
        """
        try:
            if self._rate >= 1.0 or self._random.random() < self._rate:
                self._put(inputs, outputs, request_headers or {}, float(received or time.time()))
        except Exception as error:
            with self._lock:
                self.accepted += 1
            self._lose(f"requests dropped: {type(error).__name__}: {error}")
            self._report()

    def _put(self, inputs: Any, outputs: Any, headers: Mapping[str, str], received: float) -> None:
        if not self._outbox.collectors:
            raise LookupError("; ".join(self._outbox.off))
        rows, ins = cells_of(inputs, self._width_in)
        others, outs = cells_of(outputs, self._width_out)
        if rows != others:
            raise ValueError(f"{rows} rows of inputs cannot be joined to {others} of outputs")
        text = text_size(ins) + text_size(outs) if self._has_text else 0
        memory = REQUEST_BYTES + 32 * (len(ins) + len(outs)) + text
        request = received, own_ids(headers), memory, text, rows, ins, outs
        with self._lock:
            if self._memory + memory > self._most_memory:
                raise BufferError("the queue is full (COLLECTION_QUEUE_BYTES)")
            if self._closing.is_set():
                raise RuntimeError("the process is ending")
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="data-collection", daemon=True)
                thread.start()
                self._thread = thread
            self.accepted += 1
            self._memory += memory
            self._requests.append(request)

    def close(self) -> None:
        """Deliver what is there, within the time of grace. Called when the process ends, unless it is killed."""
        grace = self._settings["GRACE_SECONDS"]
        with self._lock:
            self._closing.set()
        if self._thread is not None:
            self._thread.join(grace)
            if waiting := self._waiting():
                self._lose(f"requests dropped: not delivered in the {grace:g} s after the end", waiting)
        self._report(at_once=True)

    # In a thread of its own.

    def _run(self) -> None:
        while self._waiting() or not self._closing.is_set():
            self._sleep()
            try:
                self._outbox.take_over()
                self._make_events()
                while self._events and time.monotonic() >= self._resume:
                    self._deliver(self._events[0])
                self._report()
            except Exception:
                logger.exception("Data collection goes on after an error")
                time.sleep(1)

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
                event = self._append(event, *request)
            except Exception as error:
                self._lose(f"requests dropped: {type(error).__name__}: {error}")
                self._release(request[2])

    def _append(
        self,
        event: Event | None,
        received: float,
        ids: Sequence[str | None],
        memory: int,
        text: int,
        rows: int,
        ins: Sequence[Any],
        outs: Sequence[Any],
    ) -> Event | None:
        """Append a request to an event, or begin another; the one that it ends in."""
        # Of one interval and one hour, so that the time and the hour folder of an event are those of its requests.
        interval = int(received // 3600), int(received // self._settings["FLUSH_SECONDS"])
        own, row_size = request_id(ids), self._row_size + text / max(rows, 1)
        most_rows, most_bytes = int(self._settings["EVENT_ROWS"]), self._settings["EVENT_BYTES"]
        # Mostly all rows; a request too large for one event is cut.
        step = max(min(rows, most_rows, int(most_bytes / row_size)), 1)
        for row in range(0, rows, step):
            part = min(step, rows - row)
            size = part * row_size
            has_room = event and len(event.ids) + part <= most_rows and event.size + size <= most_bytes
            if event is None or event.interval != interval or not has_room:
                event = Event(interval, received)
                self._events.append(event)
            event.requests += row == 0 or not event.ids
            event.time = min(event.time, received)
            event.size += size
            event.memory += memory * part / rows
            event.ids += [own] * part
            event.inputs += ins[row * self._width_in : (row + step) * self._width_in]
            event.outputs += outs[row * self._width_out : (row + step) * self._width_out]
        if not rows:
            self._release(memory)
        return event

    def _deliver(self, event: Event) -> None:
        try:
            why = self._send(event)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why is None:
            self._arrived += 1
            self._settle(event)
            if self._pause:
                logger.info("Collected data arrives again")
            self._pause = 0.0
        else:
            self._postpone(event, " ".join(why.split())[:200])

    def _send(self, event: Event) -> str | None:
        """None once all of an event has arrived, now or earlier; else why it has not."""
        if event.context is None:
            event.context = BasicCorrelationContext(self._correlation_id(event), int(event.time))
            event.frames = self._frames(event)
            event.ids, event.inputs, event.outputs = [], [], []
        for name in list(event.frames):
            why = self._outbox.deliver(name, event.frames[name], event.context)
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
        for reason in self._outbox.off:
            self._lose(f"requests in part: {reason}", event.requests)
        return {name: frames[name] for name in self._outbox.collectors}

    def _correlation_id(self, event: Event) -> str:
        """A request alone in its event keeps its id, unless another had it: the monitor joins all that share one."""
        own = event.ids[0]
        if event.requests > 1 or own in self._used_ids:
            return str(uuid.uuid4())
        if len(self._used_ids) >= 10_000:
            self._used_ids.clear()
        self._used_ids.add(own)
        return own

    def _postpone(self, event: Event, why: str) -> None:
        """Make a pause, then try the next one. One that fails again and again while others arrive is given up."""
        if not self._pause:
            logger.warning("Collected data does not arrive; it is kept, and sent again: %s", why)
        self._pause = min(max(2 * self._pause, 0.25), 0.5 if self._closing.is_set() else 5.0)
        self._resume = time.monotonic() + self._pause
        self._events.rotate(-1)
        event.failed_at.add(self._arrived)
        if len(event.failed_at) > GIVE_UP:
            self._settle(event)
            self._lose(f"requests dropped: others arrived, but not these: {why}", event.requests)

    def _settle(self, event: Event) -> None:
        self._events.remove(event)
        self._release(event.memory)

    def _release(self, memory: float) -> None:
        with self._lock:
            self._memory -= memory

    def _waiting(self) -> int:
        """How many requests have not arrived yet."""
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

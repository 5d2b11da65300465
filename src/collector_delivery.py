"""Gives events to Microsoft's Collectors and finds out whether they arrive.

A Collector puts an event into a queue in memory; one thread of the process posts what is in there to the agent, without
a time limit and without trying again. The decision worth knowing: nobody is told what became of an event, but the
thread logs it; so its log is what is read here, and the Collector itself stays as Microsoft made it. That is the log of
azureml-ai-monitoring 1.0.0. One event is under way at a time, so that it is clear whose outcome is read.
"""

from __future__ import annotations

import logging
import queue
import time
from typing import Any

from azureml.ai.monitoring import Collector
from azureml.ai.monitoring import init as sdk
from azureml.ai.monitoring.config import get_config
from azureml.ai.monitoring.context import BasicCorrelationContext
from azureml.ai.monitoring.queue import get_queue, init_queue
from azureml.ai.monitoring.worker import get_worker, init_worker

INPUTS, OUTPUTS = "model_inputs", "model_outputs"
PATIENCE = 30.0  # Seconds without an answer after which the thread counts as stuck. They double each time it does, and
LONGEST_PATIENCE = 600.0  # are as few again once an answer comes sooner.

logger = logging.getLogger("azmlinfsrv.data_collection")


class Context(BasicCorrelationContext):  # type: ignore[misc]
    """Notes that it was read: a Collector does that only with an event that its own sampling lets through."""

    was_read = False

    def get_id(self) -> str:
        self.was_read = True
        return str(super().get_id())


class Delivery(logging.Handler):
    """The Collectors of both collections, and a handler of the log of their thread.

    `on` are the Collectors by collection; `off` says, a sentence each, which collections are not enabled and why.
    """

    def __init__(self) -> None:
        super().__init__()
        self._errors: dict[str, Exception] = {}
        self._patience = PATIENCE
        self._sending = ""
        self._heard: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self._number, self._since = "", 0.0  # of the event that is being sent, and since when
        self._is_forked = False
        self.on: dict[str, Any] = {}
        try:
            # Without on_error a collection that is missing or disabled in the YAML raises here, and the container
            # never becomes ready.
            inputs = Collector(name="model_inputs", on_error=lambda error: self._errors.update(model_inputs=error))
            outputs = Collector(name="model_outputs", on_error=lambda error: self._errors.update(model_outputs=error))
            self.on = {name: made for name, made in ((INPUTS, inputs), (OUTPUTS, outputs)) if name not in self._errors}
        except Exception as error:  # on_error does not cover a configuration that cannot be read
            self._errors = {INPUTS: error, OUTPUTS: error}
        self.off = [f"nothing is collected into {name}: {error}" for name, error in self._errors.items()]

    def sampling_rate(self) -> float:
        """The YAML's, from 0 to 1. A Collector draws for every event. Here whoever collects draws for every request,
        and an event that a Collector's own draw leaves out is given to it again."""
        return min((get_config().collection_sample_rate_percentage(name) / 100 for name in self.on), default=1.0)

    def deliver(self, name: str, frame: Any, context: Context) -> str | None:
        """None once the frame has arrived in this collection; else why it has not."""
        self._look_after_thread()
        self._errors.clear()
        self._heard = queue.SimpleQueue()
        self._sending = name
        context.was_read = False
        for _ in range(100_000):
            self.on[name].collect(frame, context)
            if self._errors:
                return str(self._errors[name])
            if context.was_read:
                return self._outcome()
        return "the sampling of the Collector itself lets nothing through"

    def end(self) -> None:
        """Send what others have in the queue, and end the thread."""
        sdk.teardown(wait_for_flush=True)

    def forked(self) -> None:
        """This is a copy of the process that made the Collectors, without its threads."""
        self._is_forked = True

    # What the thread logs: at DEBUG "sending payload <collection>@<event>, queue length - <number>", and then
    # "send payload <collection>@<event> succeeded - <text>", or at ERROR the same with "failed".

    def _listen(self) -> bool:
        log = logging.getLogger("mdc.worker")
        if log.level != logging.DEBUG:
            for handler in log.handlers:
                handler.setLevel(max(handler.level, log.level))  # what was shown before is shown now
            log.setLevel(logging.DEBUG)
        log.addHandler(self)
        log.disabled = False
        return log.isEnabledFor(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) == 4 and record.args[1] == self._sending:
            self._heard.put((record.levelno, str(record.args[2]), record.args[3]))

    def _outcome(self) -> str | None:
        if not self._listen():
            return None  # logging is off for the whole process, and nothing more can be known
        self._number, self._since = "", time.monotonic()
        while True:
            try:
                level, event, rest = self._heard.get(timeout=0.1)
            except queue.Empty:
                if why := self._trouble():
                    return why
                continue
            if isinstance(rest, int):  # the length of the queue: the event is being sent
                self._number, self._since = event, time.monotonic()
            elif event == self._number:  # and not an earlier one, from a thread that was stuck
                if time.monotonic() - self._since < PATIENCE:
                    self._patience = PATIENCE
                return None if level == logging.DEBUG else str(rest)

    # The thread. Whatever ends it, there is another.

    def _trouble(self) -> str | None:
        """Start another where the thread has ended or is stuck. Why, if it had the event; not if that still waits."""
        if not self._has_thread():
            why = "the Collector's thread has ended"
        elif time.monotonic() - self._since < self._patience:
            return None
        else:
            why = f"the agent has not answered for {self._patience:g} s"
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)
        was_kept = self._start_thread(why)
        self._since = time.monotonic()
        return why if self._number or not was_kept else None

    def _look_after_thread(self) -> None:
        if self._is_forked and sdk.is_sdk_ready():
            init_queue(get_config().queue_capacity())  # the copied one may have been locked
            init_worker(get_queue(), get_config())
        elif not self._has_thread():
            self._start_thread("the Collector's thread has ended")
        self._is_forked = False
        self._listen()

    @staticmethod
    def _has_thread() -> bool:
        worker = get_worker()
        threads = getattr(worker, "_threads", None)
        return worker is not None and (threads is None or any(thread.is_alive() for thread in threads))

    def _start_thread(self, why: str) -> bool:
        """A new thread, with a new queue that gets what waits in the old one; False where there is no old one. A
        thread that is stuck will find its queue closed, and end."""
        logger.error("%s; another is started, and nothing that waits is lost", why)
        old = get_queue()
        if old is None:
            sdk.init("default")
            return False
        init_queue(get_config().queue_capacity())
        init_worker(get_queue(), get_config())
        old.close()
        while old.length():
            get_queue().enqueue(old.dequeue()[0])
        self._listen()
        return True

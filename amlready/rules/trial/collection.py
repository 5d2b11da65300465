"""Rules about what a trial collected: whether it arrived, and unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem, Related
from ...script import Script, literal
from ...source import Span
from ...specs import Deployment
from .. import rule
from .telling import caller_gets, innermost, once, path_to, sent

if TYPE_CHECKING:
    from ...local.evidence import Complaint, Event, Trial

MANY = 100
"""Events of one request above which the Collector, which sends about 400 a second, cannot keep up for long."""


@rule(Level.ERROR)
def collect_fails(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A Collector refuses what it is given.

    `collect()` takes a pandas.DataFrame and nothing else: an array or a list, such as `model.predict()` returns,
    is a TypeError. Its second argument is a correlation context, not text. With `on_error` the exception goes
    there and the request is answered, but nothing is collected.

    Bad::

        # src/score.py
        import logging

        from azureml.ai.monitoring import Collector

        def init():
            global outputs
            outputs = Collector(name="model_outputs", on_error=logging.error)

        def run(data):
            outputs.collect([1.5])
            return [1.5]

    Good::

        # src/score.py
        import logging

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global outputs
            outputs = Collector(name="model_outputs", on_error=logging.error)

        def run(data):
            outputs.collect(pd.DataFrame({"prediction": [1.5]}))
            return [1.5]
    """
    if deployment.collections is None:
        return
    seen: set[tuple[str, str]] = set()
    for complaint in trial.complaints:
        key = complaint.collection, str(complaint.error)
        if key in seen or _is_told(complaint, trial):
            continue
        seen.add(key)
        hint = "; pass a pandas.DataFrame with named columns" if "supported types" in complaint.error.message else ""
        span = innermost(complaint.at, trial.init if complaint.answer is None else trial.run)
        message = f"{complaint.collection!r} collects nothing: {complaint.error}{hint}"
        yield Problem(span, message, tuple(path_to(complaint.error)))


def _is_told(complaint: Complaint, trial: Trial) -> bool:
    """Whether the exception went on and made init() or run() fail, which is a finding of its own."""
    answers = [] if complaint.answer is None else trial.answers[complaint.answer : complaint.answer + 1]
    raised = [trial.raised, *(each.raised for each in answers)]
    return any(each is not None and str(each) == str(complaint.error) for each in raised)


@rule(Level.ERROR)
def collector_thread_dies(trial: Trial) -> Iterator[Problem]:
    """An event cannot be sent and ends the Collector's only thread.

    A frame with two columns of one name, raw bytes in it, or a correlation id outside Latin-1 raises in the
    thread that sends. Nothing is collected from then on, and nobody is told; after 1,500 more events the queue is
    full and `collect()` itself raises, hours after the cause. Reproduced with azureml-ai-monitoring 1.0.0.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]], columns=["bmi", "bmi"]))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]], columns=["bmi", "bp"]))
            return []
    """
    for event in trial.events:
        if event.error is not None and not _survived(event):
            yield Problem(
                innermost(event.at, trial.run),
                f"sending this event to {event.collection!r} ends the Collector's only thread ({event.error}): nothing "
                "is collected any more, and after 1,500 events collect() raises",
                tuple(_request(event, trial)),
            )
            return


def _survived(event: Event) -> bool:
    return event.error is not None and event.error.kind == "TypeError"


def _request(event: Event, trial: Trial) -> Iterator[Related]:
    if event.answer is not None and event.answer < len(trial.answers):
        yield from sent([trial.answers[event.answer].request])


@rule(Level.ERROR)
def event_dropped(trial: Trial) -> Iterator[Problem]:
    """An event is handed to the Collector and dropped on the way.

    What cannot be sent is not tried again; a line in the container's log is all there is. A correlation id that
    is not text, or has a line break in it, is no header: the event it belongs to is dropped.

    Bad::

        # src/score.py
        import time

        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            context = BasicCorrelationContext(id=time.time_ns())
            inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)
            return []

    Good::

        # src/score.py
        import time

        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            context = BasicCorrelationContext(id=str(time.time_ns()))
            inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)
            return []
    """
    yield from once(
        Problem(innermost(event.at, trial.run), f"this event for {event.collection!r} is dropped: {_why(event)}")
        for event in trial.events
        if event.refusal is not None and (event.error is None or _survived(event))
    )


def _why(event: Event) -> str:
    why = str(event.error) if event.error else " ".join((event.refusal or "").split())
    is_text = event.correlation_id.startswith(("'", '"'))
    return why if is_text else f"{why} (its correlation id is {event.correlation_id}, which is not text)"


@rule(Level.ERROR)
def nothing_collected(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A collection is enabled, and no request collects anything into it.

    Azure registers the collection's data asset, and a monitor on it finds no data. `collect()` is not called on
    the way that the sample requests take, or there is no Collector of that name.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            return [1.5]

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            outputs.collect(pd.DataFrame({"prediction": [1.5]}), context)
            return [1.5]
    """
    served = [each for each in trial.first if each.ok]
    touched = {each.collection for each in trial.events} | {each.collection for each in trial.complaints}
    for name in trial.enabled if served else ():
        if name in touched:
            continue
        made = _collector(deployment.script, name)
        key = _key(deployment, name)
        span = made or (key if key else trial.script.top)
        what = "its collect() is not called" if made else "the script makes no Collector for it"
        related = (Related(key, "it is enabled here"),) if key and made else ()
        yield Problem(
            span,
            f"{name!r} is enabled, and no request collects anything into it: {what}",
            (*related, *sent(each.request for each in served)),
        )


def _collector(script: Script | None, name: str) -> Span | None:
    """Where the Collector of that name is made."""
    for call in script.collectors if script else ():
        if literal(call.module, call.argument(0, "name")) == name:
            return call.span
    return None


def _key(deployment: Deployment, name: str) -> Span | None:
    entries = deployment.collections or ()
    return next((each.key.span for each in entries if str(each.key.value).lower() == name), None)


@rule(Level.WARNING)
def too_many_events(trial: Trial) -> Iterator[Problem]:
    """One request hands the Collector more events than it can send for long.

    The Collector sends from one thread, a connection for each event: about 400 a second. 1,500 may wait; then
    `collect()` raises. One frame with many rows is one event, so collect a request's rows at once.

    Bad::

        # sample-request.json
        {"rows": 150}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            for row in range(json.loads(data)["rows"]):
                inputs.collect(pd.DataFrame({"bmi": [float(row)]}))
            return []

    Good::

        # sample-request.json
        {"rows": 150}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [float(row) for row in range(json.loads(data)["rows"])]}))
            return []
    """
    for position, answer in enumerate(trial.answers):
        events = trial.collected.get(position, [])
        waiting = bool(answer.alive) and answer.waiting
        if len(events) <= MANY and not waiting:
            continue
        span = innermost(events[-1].at, trial.run) if events else trial.run
        left = f", {waiting} of them still waiting after 2 s" if waiting else ""
        yield Problem(
            span,
            f"one request hands the Collector {len(events)} events{left}; it sends about 400 a second, and when "
            "1,500 wait collect() raises: collect all rows in one frame",
            tuple(sent([answer.request])),
        )
        return


@rule(Level.WARNING)
def full_queue_fails_request(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """When the Collector's queue is full, requests fail.

    1,500 events wait at most: when the agent beside the container stalls, when more than about 400 events a
    second come, or once the sending thread has died, `collect()` raises in `run()` and callers pay for data that
    nobody could collect. Give the Collector an `on_error` that only logs. The trial sends one request as if the
    queue were full.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs")

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            return []

    Good::

        # src/score.py
        import logging

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=logging.error)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            return []
    """
    for answer in trial.answers:
        if answer.turn != "full" or answer.ok:
            continue
        error = answer.raised or answer.escaped
        status = answer.status or 500
        yield Problem(
            error.at if error and error.at else trial.run,
            f"when the Collector's queue is full, this request is answered with {status}; "
            f"{caller_gets(deployment, status)}. Give the Collector an on_error that logs",
            tuple(path_to(error)) if error else (),
        )


@rule(Level.ERROR)
def values_changed_after_collect(trial: Trial) -> Iterator[Problem]:
    """What is stored is not what was collected.

    `collect()` keeps a reference; a thread turns the frame into JSON later. A frame that is changed in place in
    the meantime is stored with the changed values. Here every event waits until `run()` has ended, as it does
    under load.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            frame = pd.DataFrame({"bmi": [32.5]})
            inputs.collect(frame)
            frame["bmi"] /= 100
            return frame["bmi"].tolist()

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            frame = pd.DataFrame({"bmi": [32.5]})
            inputs.collect(frame.copy())
            frame["bmi"] /= 100
            return frame["bmi"].tolist()
    """
    yield from once(
        Problem(
            innermost(event.at, trial.run),
            f"this frame is changed after it went to {event.collection!r}{_difference(event)}; collect a copy",
            tuple(_request(event, trial)),
        )
        for event in trial.arrived
        if event.is_changed
    )


def _difference(event: Event) -> str:
    """The first value that differs."""
    before = json.loads(event.text) if event.text else []
    for row, (old, new) in enumerate(zip(before, event.rows, strict=False)):
        for name in dict.fromkeys([*old, *new]):
            if name not in new:
                return f": column {name!r} is gone"
            if name not in old:
                return f": column {name!r} was added"
            if old[name] != new[name]:
                return f": {name!r} in row {row} was {old[name]!r} and is stored as {new[name]!r}"
    return ""

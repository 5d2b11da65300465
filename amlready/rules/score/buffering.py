"""When data is collected: within the request, or beside it."""

from __future__ import annotations

from collections.abc import Iterator

from ...collecting import events
from ...diagnostic import Level, Problem
from ...script import Script
from .. import rule


@rule(Level.NOTE)
def collect_within_request(script: Script) -> Iterator[Problem]:
    """Every request collects events of its own, which costs more than many a prediction and loses data under load.

    Measured with azureml-ai-monitoring 1.0.0 and azureml-inference-server-http 1.5.1 on two cores, inputs and outputs
    collected in `run()`: +0.3 ms a request and +1 ms at the 99th percentile; the server keeps 0.56 of its throughput; a
    worker sends some 300 events a second, so from about 150 requests a second on events wait, and once 1,500 do, they
    are lost and `collect()` fails. What waits when the worker ends is lost too, and so is every event that the agent
    does not take at once. `src/data_collection.py` of this tool's repository makes one event a second of all requests
    and keeps it until it has arrived: docs/collection.md has the measurements and the promises. For a few requests a
    second the common way will do, with `on_error`.

    Bad::

        # src/score.py
        import logging

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=logging.error)

        def run(data):
            inputs.collect(pd.DataFrame({"age": [59.0]}))
            return [1.5]

    Good::

        # src/score.py
        from data_collection import DataCollection

        def init():
            global collection
            collection = DataCollection(inputs={"age": float}, outputs={"prediction": float})

        def run(data, request_headers):
            collection.add([[59.0]], [1.5], request_headers)
            return [1.5]
    """
    reached = events(script)
    if not reached:
        return
    first = reached[0]
    many = "an event" if len(reached) == 1 else f"{len(reached)} events"
    yield Problem(
        first.frame.module.span(first.call.func),
        f"each request collects {many} of its own: with two, that was measured to add 0.3 ms, to halve the server's "
        "throughput and to lose data from some 150 requests a second on; docs/collection.md of amlready shows how to "
        "collect beside the requests",
    )

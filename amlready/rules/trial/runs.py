"""Rules about run() itself: that it comes to its end, in time, and without an exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem
from ...specs import Deployment
from .. import rule
from .telling import asked, caller_gets, callers, how, innermost, longest, once, path_to, sent, timeout_status, where

if TYPE_CHECKING:
    from ...local.evidence import Trial


@rule(Level.ERROR)
def run_raises(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A sample request makes `run()` raise an exception.

    The inference server answers 500. A managed endpoint's caller then gets 424, with the 500 in the header
    `ms-azureml-model-error-statuscode`; a Kubernetes endpoint's caller gets 502. The place is the deepest one in
    your own code.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            return data["data"]

    Good::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return json.loads(data)["data"]
    """
    yield from once(_exceptions(trial, deployment))


def _exceptions(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    for answer in asked(trial):
        error = answer.raised or answer.escaped
        if error is None or error.kind in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            continue
        again = "sent the same request again, " if answer.turn == "again" else ""
        message = f"{again}run() {how(error)}; {caller_gets(deployment, 500)}"
        yield Problem(where(error, trial.run), message, (*path_to(error), *sent([answer.request])))


@rule(Level.ERROR)
def run_hangs(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A sample request makes `run()` go on for ever.

    The caller gets 408 (on Kubernetes 504) once `request_timeout_ms` is over, and the worker stays busy until
    gunicorn ends it, by default after 300 s. The limit here is `--timeout`; the place is where the script was
    when time was up.

    Bad::

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            while True:
                time.sleep(1)

    Good::

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            time.sleep(0.1)
            return []
    """
    stopped = trial.stopped
    if stopped is None or not stopped.overdue or stopped.step not in ("request", "drain", "look"):
        return
    what = f"run() did not end within {trial.timeout:g} s"
    if stopped.step != "request":
        what = "after run() the process does not go on"
    yield Problem(
        innermost(stopped.frames, trial.run),
        f"{what}; in Azure the caller gets {timeout_status(deployment)} after {trial.request_timeout_ms} ms. It was "
        "here; if it needs longer, give --timeout",
        (*callers(stopped.frames), *sent([stopped.request] if stopped.request else [])),
    )


@rule(Level.WARNING)
def run_slow(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A request takes longer than the deployment's `request_timeout_ms`.

    After that time (5,000 ms unless the deployment says otherwise, at most 180,000) the caller gets 408, on
    Kubernetes 504, though `run()` goes on. The machine in Azure may be faster or slower than this one. The first
    request counts: what it alone has to load belongs into `init()`.

    Bad::

        # deployment.yml
        request_settings:
          request_timeout_ms: 300

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            time.sleep(0.5)
            return []

    Good::

        # deployment.yml
        request_settings:
          request_timeout_ms: 30000

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            time.sleep(0.5)
            return []
    """
    slowest = max(trial.first, key=lambda each: each.seconds, default=None)
    if slowest is None or slowest.seconds * 1000 <= trial.request_timeout_ms:
        return
    later = [each.seconds for each in trial.answers if each.turn == "again" and each.number == slowest.number]
    quick = bool(later) and min(later) * 1000 <= trial.request_timeout_ms
    remedy = "raise request_timeout_ms" if slowest.seconds <= longest(deployment) else "Azure allows no more"
    if quick:
        remedy = "later ones are quick: load in init() what the first one loads"
    yield Problem(
        trial.run,
        f"a request took {slowest.seconds * 1000:.0f} ms here, and in Azure the caller gets "
        f"{timeout_status(deployment)} after {trial.request_timeout_ms} ms; {remedy}",
        tuple(sent([slowest.request])),
    )


@rule(Level.WARNING)
def run_outlasts_worker(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A request takes longer than gunicorn lets a worker be silent.

    After `WORKER_TIMEOUT` seconds (300 unless the deployment sets the variable) gunicorn ends a worker that is
    still busy with one request: the caller gets no answer, and a new worker has to load the model again.

    Bad::

        # deployment.yml
        environment_variables:
          WORKER_TIMEOUT: "1"

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            time.sleep(1.2)
            return []

    Good::

        # deployment.yml
        environment_variables:
          WORKER_TIMEOUT: "10"

        # src/score.py
        import time

        def init():
            pass

        def run(data):
            time.sleep(1.2)
            return []
    """
    entry = deployment.find("environment_variables", "WORKER_TIMEOUT")
    text = str(entry.value.value).strip() if entry else "300"
    slowest = max(trial.first, key=lambda each: each.seconds, default=None)
    if slowest is None or not text.isdigit() or not 0 < int(text) < slowest.seconds:
        return
    yield Problem(
        entry.value.span if entry else trial.run,
        f"a request took {slowest.seconds:.1f} s here, and gunicorn ends the worker after WORKER_TIMEOUT, {text} s",
        tuple(sent([slowest.request])),
    )

"""Rules about a trial's beginning: the server, importing the scoring script, init(); and processes that end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem, Related
from ...packages import normalise
from ...source import Span
from ...specs import Deployment
from .. import rule
from .telling import NEVER_READY, callers, how, innermost, path_to, seconds_until_restart, where

if TYPE_CHECKING:
    from ...local.evidence import Raised, Stopped, Trial


@rule(Level.ERROR)
def server_does_not_start(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """The inference server does not even come to the scoring script.

    Its settings come from environment variables and from a `config.json` beside the scoring script. One that it
    cannot read (`SCORING_TIMEOUT_MS` that is no number, say) ends every worker with exit status 3: the container
    never becomes ready. Seen with azureml-inference-server-http 1.5.1.

    Bad::

        # deployment.yml
        environment_variables:
          SCORING_TIMEOUT_MS: 30s

        # src/score.py
        def init():
            pass

        def run(data):
            return []

    Good::

        # deployment.yml
        environment_variables:
          SCORING_TIMEOUT_MS: "30000"

        # src/score.py
        def init():
            pass

        def run(data):
            return []
    """
    stopped = trial.stopped
    refused = trial.refused and trial.raised is None
    if refused or (stopped and stopped.step == "start"):
        reason = _reason(trial.output) or trial.last_line or "it says nothing"
        entry = next(
            (
                each
                for name in re.findall(r"\b[A-Z][A-Z_]{4,}\b", reason)
                if (each := deployment.find("environment_variables", name))
            ),
            None,
        )
        span = entry.value.span if entry else deployment.source.top
        yield Problem(span, f"the inference server does not start: {reason}; {NEVER_READY}")


def _reason(output: str) -> str:
    """What the server prints between rulers about a setting."""
    found = re.search(r"=+Configuration Error=+\n(.+?)\n=+", output, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


@rule(Level.ERROR)
def init_fails(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """Importing the scoring script or calling its `init()` raises an exception.

    The worker of the inference server ends with exit status 3 before it serves anything. In Azure the container
    never becomes ready, and after minutes the deployment fails with `ResourceNotReady` or a failing liveness
    probe, which do not say why. The place is the deepest one in your own code.

    Bad::

        # src/score.py
        import json

        def init():
            global settings
            with open("/models/settings.json") as file:
                settings = json.load(file)

        def run(data):
            return settings

    Good::

        # src/score.py
        import json
        import os

        def init():
            global settings
            path = os.path.join(os.path.dirname(__file__), "settings.json")
            with open(path) as file:
                settings = json.load(file)

        def run(data):
            return settings

        # src/settings.json
        {"threshold": 0.5}
    """
    error = trial.raised
    if error is None:
        return
    if error.kind.startswith("azureml_inference_server_http."):
        yield Problem(
            _about(error, trial), f"the inference server refuses the script: {_without_path(error)}; {NEVER_READY}"
        )
        return
    what = "importing the script" if trial.failed == "load" else "init()"
    otherwise = trial.script.top if trial.failed == "load" else trial.init
    message = f"{what} {how(error)}; {NEVER_READY}{_not_here(error, deployment)}"
    yield Problem(where(error, otherwise), message, tuple(path_to(error)))


def _about(error: Raised, trial: Trial) -> Span:
    return trial.run if "run()" in error.message else trial.script.top


def _without_path(error: Raised) -> str:
    return re.sub(r" at \S+", "", " ".join(error.message.split())).rstrip(".")


def _not_here(error: Raised, deployment: Deployment) -> str:
    """A module that is missing here may be there in the container."""
    if error.module is None:
        return ""
    conda = deployment.environment.conda if deployment.environment else None
    name = error.module.partition(".")[0]
    declared = conda.packages.named(normalise(name)) if conda else []
    if declared:
        return f". {conda.source.path if conda else ''} has it, this interpreter does not: install it here too"
    return ". If the environment has it, install it here too"


@rule(Level.ERROR)
def init_hangs(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """Importing the scoring script or calling its `init()` does not end.

    While `init()` runs, the server accepts connections and answers nothing, so the liveness probe fails and Azure
    restarts the container, again and again (by default after 10 + 30 x 10 s). The limit here is `--timeout`; the
    place is where the script was when time was up.

    Bad::

        # src/score.py
        import time

        def init():
            while True:
                time.sleep(1)

        def run(data):
            return []

    Good::

        # src/score.py
        import time

        def init():
            time.sleep(0.1)

        def run(data):
            return []
    """
    stopped = trial.stopped
    if stopped is None or not stopped.overdue or stopped.step not in ("load", "init"):
        return
    what, otherwise = ("importing the script", trial.script.top) if stopped.step == "load" else ("init()", trial.init)
    yield Problem(
        innermost(stopped.frames, otherwise),
        f"{what} did not end within {trial.timeout:g} s; Azure restarts the container after about "
        f"{seconds_until_restart(deployment):g} s. It was here; if it needs longer, give --timeout",
        tuple(_callers(stopped)),
    )


@rule(Level.WARNING)
def init_slow(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """Loading takes longer than the liveness probe waits.

    The probe asks from `initial_delay` on, every `period` seconds, and after `failure_threshold` failures the
    container is restarted, though `init()` would have come to its end. The machine in Azure may be faster or
    slower than this one.

    Bad::

        # deployment.yml
        liveness_probe:
          initial_delay: 1
          period: 1
          failure_threshold: 1

        # src/score.py
        import time

        def init():
            time.sleep(2.1)

        def run(data):
            return []

    Good::

        # deployment.yml
        liveness_probe:
          initial_delay: 10
          period: 10
          failure_threshold: 30

        # src/score.py
        import time

        def init():
            time.sleep(2.1)

        def run(data):
            return []
    """
    seconds, limit = sum(trial.seconds.values()), seconds_until_restart(deployment)
    if seconds > limit and trial.raised is None and trial.stopped is None:
        entry = deployment.find("liveness_probe")
        related = (Related(entry.key.span, "the probe's settings"),) if entry else ()
        yield Problem(
            trial.init,
            f"init() took {seconds:.1f} s here, and the liveness probe restarts the container after {limit:g} s",
            related,
        )


@rule(Level.ERROR)
def process_ends(trial: Trial) -> Iterator[Problem]:
    """The scoring script ends the worker's process.

    `sys.exit()`, `os._exit()` or a crash in native code takes the whole worker with it: callers get no answer
    from the container, and the server has to start a new worker and load the model again. The place of a crash is
    known where Python could still write it down.

    Bad::

        # src/score.py
        import os

        def init():
            pass

        def run(data):
            os._exit(1)

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return []
    """
    stopped = trial.stopped
    if stopped is not None and not stopped.overdue and stopped.step != "start":
        span = innermost(stopped.frames, _during(stopped, trial))
        yield Problem(span, f"{_end_of(stopped)}; {_consequence(stopped.step)}{_last(trial)}", tuple(_callers(stopped)))
    for answer in trial.answers:
        if answer.escaped and answer.escaped.kind in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            span = where(answer.escaped, trial.run)
            yield Problem(
                span,
                f"run() {how(answer.escaped)}, which ends the worker; {_consequence('request')}",
                tuple(path_to(answer.escaped)),
            )
            return


def _callers(stopped: Stopped) -> Iterator[Related]:
    yield from callers(stopped.frames)
    if stopped.request:
        yield Related(stopped.request.top, "with this request")


def _during(stopped: Stopped, trial: Trial) -> Span:
    return {"load": trial.script.top, "init": trial.init}.get(stopped.step, trial.run)


def _end_of(stopped: Stopped) -> str:
    during = {"load": "importing the script", "init": "init()", "request": "run()"}.get(stopped.step)
    what = f"{during} ended the process" if during else "the process ended after a request"
    if stopped.signal is None:
        return f"{what} with exit status {stopped.status}"
    hint = ", as when memory runs out" if stopped.signal == "SIGKILL" else ""
    return f"{what} by {stopped.signal}{hint}"


def _consequence(step: str) -> str:
    if step in ("load", "init"):
        return NEVER_READY
    return "the request fails without an answer, and a new worker has to load the model again"


def _last(trial: Trial) -> str:
    return f"; the last line it printed: {trial.last_line}" if trial.last_line else ""

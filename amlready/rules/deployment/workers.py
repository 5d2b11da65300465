"""What the inference server reads from environment variables: its workers above all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Scalar
from ...specs import Deployment
from .. import rule
from .container import runs_inference_server
from .numbers import setting
from .variables import sent

_WHOLE = r"\s*[-+]?\d+(?:_\d+)*\s*"
_FORMS = {
    "WORKER_COUNT": (rf"(?!\s*[-+]?[0_]+\s*$)(?!\s*-){_WHOLE}", "a whole number from 1"),
    "WORKER_TIMEOUT": (rf"(?!\s*-){_WHOLE}", "a whole number of seconds"),
    "SCORING_TIMEOUT_MS": (rf"(?:{_WHOLE}|\s*[-+]?\d+\.0*\s*)", "a whole number of milliseconds"),
    "AZUREML_DEBUG_PORT": (rf"(?:{_WHOLE}|\s*[-+]?\d+\.0*\s*)", "the number of a port"),
    "APP_INSIGHTS_LOG_RESPONSE_ENABLED": (r"(?i:true|false|t|f|yes|no|y|n|on|off|1|0)", "true or false"),
}


def _variable(deployment: Deployment, name: str) -> tuple[Entry, str] | None:
    """The entry of an environment variable and the text that the container gets."""
    entry = deployment.find("environment_variables", name)
    if entry is None or not isinstance(entry.value, Scalar):
        return None
    text = sent(entry.value)
    return (entry, text) if text is not None and "{{" not in text else None


@rule(Level.ERROR)
def server_setting_unreadable(deployment: Deployment) -> Iterator[Problem]:
    """A setting of the inference server is not what the server can read, so it never starts.

    Seen with azureml-inference-server-http 1.5.1: `WORKER_COUNT` of `2.0`, `two` or nothing ends in a ValueError,
    `-1` in an error of gunicorn, and `0` starts no worker at all, so no probe is ever answered. `WORKER_TIMEOUT`,
    `SCORING_TIMEOUT_MS` and `AZUREML_DEBUG_PORT` must be whole numbers, and `APP_INSIGHTS_LOG_RESPONSE_ENABLED` true
    or false.

    Bad::

        # deployment.yml
        environment_variables:
          WORKER_COUNT: "2.0"

    Good::

        # deployment.yml
        environment_variables:
          WORKER_COUNT: "2"
    """
    if not runs_inference_server(deployment):
        return
    for name, (form, words) in _FORMS.items():
        found = _variable(deployment, name)
        if found and not re.fullmatch(form, found[1]):
            yield Problem(found[0].value.span, f"{name} is {found[1]!r}; the inference server needs {words}")


def _workers(deployment: Deployment) -> tuple[Entry | None, int] | None:
    """The number of workers and where it is set; one where it is not. None when nothing can be said."""
    found = _variable(deployment, "WORKER_COUNT")
    if found is None:
        return None if deployment.find("environment_variables", "WORKER_COUNT") else (None, 1)
    readable = re.fullmatch(_FORMS["WORKER_COUNT"][0], found[1]) and len(found[1]) < 10
    return (found[0], int(found[1])) if readable else None


@rule(Level.WARNING)
def workers_differ(deployment: Deployment) -> Iterator[Problem]:
    """The inference server has more or fewer workers than the requests that Azure sends it at once.

    Each worker serves one request at a time, and there is one unless `WORKER_COUNT` says otherwise. With fewer
    workers than `max_concurrent_requests_per_instance` requests queue up inside the container, and even its health
    probe waits; with more, processes hold memory and stay idle, and Azure answers 429 early. The YAML reference says
    to set both. Not reported for images that are built from a Dockerfile, which may set `WORKER_COUNT` themselves.

    Bad::

        # deployment.yml
        environment_variables:
          WORKER_COUNT: "4"
        request_settings:
          max_concurrent_requests_per_instance: 2

    Good::

        # deployment.yml
        environment_variables:
          WORKER_COUNT: "4"
        request_settings:
          max_concurrent_requests_per_instance: 4
    """
    workers = _workers(deployment)
    if workers is None or not runs_inference_server(deployment):
        return
    entry, count = workers
    limit = setting(deployment, "request_settings", "max_concurrent_requests_per_instance")
    wanted = limit[1] if limit else 1
    if entry is None and deployment.environment is not None and deployment.environment.find("build"):
        return
    if entry and limit is None and count != 1 and deployment.is_kubernetes:
        message = f"{count} workers, but on Kubernetes an instance gets one request at a time; take more instances"
        yield Problem(entry.value.span, message)
    elif count != wanted and wanted >= 1:
        yield _differing(entry, count, limit[0] if limit else None, wanted)


def _differing(workers: Entry | None, count: int, limit: Entry | None, wanted: int) -> Problem:
    if limit is None or workers is None:
        at = limit or workers
        assert at is not None  # both default to 1, so at least one is given where they differ
        missing = "max_concurrent_requests_per_instance" if limit is None else "WORKER_COUNT"
        message = f"{max(count, wanted)} here, but {missing} is not set, which means 1; set both to the same number"
        return Problem(at.value.span, message)
    message = f"Azure sends {wanted} requests at once, but there are {count} workers; make both the same"
    return Problem(limit.value.span, message, (Related(workers.value.span, "the workers are set here"),))

"""Liveness and readiness probes."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem
from ...specs import Deployment
from .. import rule
from .container import is_no_code_mlflow
from .numbers import PROBES, setting

_DEFAULTS = {"initial_delay": 10, "period": 10, "failure_threshold": 30}
_MLFLOW_SECONDS = 120
_LEAST = (("initial_delay", 0), ("period", 0), ("timeout", 0), ("failure_threshold", 1), ("success_threshold", 1))


@rule(Level.ERROR)
def liveness_success_threshold(deployment: Deployment) -> Iterator[Problem]:
    """The liveness probe wants more than one success, or none, before it believes in the container.

    For liveness Azure fixes the value at 1 (YAML reference), as Kubernetes does: a container that has failed is
    restarted, so there is nothing to recover from. azure-ai-ml sends any number.

    Bad::

        # deployment.yml
        liveness_probe:
          success_threshold: 3
          failure_threshold: 30

    Good::

        # deployment.yml
        liveness_probe:
          success_threshold: 1
          failure_threshold: 30
    """
    found = setting(deployment, "liveness_probe", "success_threshold")
    if found and found[1] != 1:
        node = found[0].value
        message = f"success_threshold is {found[1]}; for a liveness probe it can only be 1"
        yield Problem(node.span, message, fix=(Edit(node.span, "1"),))


@rule(Level.ERROR)
def probe_setting_too_low(deployment: Deployment) -> Iterator[Problem]:
    """A probe's setting is below 1.

    Delays, timeouts and thresholds are at least 1 (YAML reference). azure-ai-ml sends thresholds of 0 as they are and
    times below zero as negative durations (`-PT5S`, SDK 1.35.2). A time of 0 is another fault: it is not sent at all.

    Bad::

        # deployment.yml
        readiness_probe:
          initial_delay: 10
          failure_threshold: 0

    Good::

        # deployment.yml
        readiness_probe:
          initial_delay: 10
          failure_threshold: 3
    """
    for probe in PROBES:
        for key, least in _LEAST:
            found = setting(deployment, probe, key)
            if found and found[1] < least and (probe, key) != ("liveness_probe", "success_threshold"):
                yield Problem(found[0].value.span, f"{key} is {found[1]}; it is at least 1")


@rule(Level.NOTE)
def short_start_for_mlflow(deployment: Deployment) -> Iterator[Problem]:
    """The liveness probe gives up on an MLflow model while its packages are still being installed.

    Azure installs the packages of an MLflow model without an environment when the container starts, which takes
    minutes ("Troubleshoot online endpoints"). Liveness waits `initial_delay + period * failure_threshold` seconds,
    310 by default, before it restarts the container, and the installation with it. Reported below 120.

    Bad::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        liveness_probe:
          failure_threshold: 3
        # code_configuration: none, Azure makes script and environment

        # model/MLmodel
        flavors: {}

    Good::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        liveness_probe:
          failure_threshold: 30
        # code_configuration: none, Azure makes script and environment

        # model/MLmodel
        flavors: {}
    """
    entry = deployment.find("liveness_probe")
    if entry is None or not is_no_code_mlflow(deployment):
        return
    found = {key: setting(deployment, "liveness_probe", key) for key in _DEFAULTS}
    delay, period, failures = (each[1] if each and each[1] else _DEFAULTS[key] for key, each in found.items())
    seconds = delay + period * failures
    if 0 < seconds < _MLFLOW_SECONDS:
        message = f"the container is restarted after {seconds} s; an MLflow model installs its packages for longer"
        yield Problem(entry.key.span, message)

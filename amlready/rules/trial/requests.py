"""Rules about what a trial could not try: no request, a secret that is not here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem
from ...specs import Deployment
from .. import rule

if TYPE_CHECKING:
    from ...local.evidence import Trial


@rule(Level.NOTE)
def no_sample_request(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """There is no sample request, so only `init()` was tried.

    `amlready score` sends the files that it is given, else `sample-request.json` (`request.json`, `sample.json` and the
    like) from the deployment's folder or, where all deployments are in one folder, from the one above it. The same
    file serves `az ml online-endpoint invoke --request-file`.

    Bad::

        # deployment.yml
        name: blue

        # src/score.py
        def init():
            pass

        def run(data):
            return []

    Good::

        # sample-request.json
        {"data": [[1.5, 2.5]]}

        # src/score.py
        def init():
            pass

        def run(data):
            return []
    """
    if not trial.requests and trial.raised is None and trial.stopped is None:
        entry = deployment.find("name")
        span = entry.value.span if entry else deployment.source.top
        yield Problem(
            span,
            "init() works; run() was not tried, because there is no sample-request.json beside this file; "
            "put one there, or name one: amlready score FILE",
        )


@rule(Level.NOTE)
def variable_not_here(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """An environment variable of the deployment has another value here than in Azure.

    Azure resolves references to secrets (`${{azureml://connections/...}}`, `${{keyvault:...}}`) before it starts
    the container; here the scoring script sees the reference itself, unless a variable of that name is exported.
    Variables that Azure sets on its own are Azure's here too.

    Bad::

        # deployment.yml
        environment_variables:
          LOOKUP_PASSWORD: ${{azureml://connections/lookup/credentials/password}}

        # src/score.py
        def init():
            pass

        def run(data):
            return []

    Good::

        # deployment.yml
        environment_variables:
          LOOKUP_USER: reader

        # src/score.py
        def init():
            pass

        def run(data):
            return []
    """
    for remark in trial.remarks:
        name = remark.removeprefix("environment variable ").partition(" ")[0]
        entry = deployment.find("environment_variables", name)
        yield Problem(entry.value.span if entry else deployment.source.top, remark)

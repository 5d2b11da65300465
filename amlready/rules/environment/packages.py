"""What the conda file must install for the scoring script to be served and to collect."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...script import Script
from ...source import Span
from ...specs import Conda, Deployment, Environment
from .. import rule

SERVERS = ("azureml-inference-server-http", "azureml-defaults")
"""Distributions that bring the inference server."""


def packages_span(conda: Conda) -> Span:
    """Where to point at for something that a conda file does not install."""
    entry = conda.find("dependencies")
    start = conda.inside.start if conda.inside else 0
    return entry.key.span if entry else conda.source.span(start, start)


@rule(Level.ERROR)
def server_missing(deployment: Deployment, environment: Environment, conda: Conda) -> Iterator[Problem]:
    """The environment does not install the inference server that runs the scoring script.

    The container fails with `A required package azureml-inference-server-http is missing`. Packages of the base image
    do not count: a conda file makes a fresh environment. `azureml-defaults` brings the server as well. A custom
    container with an `inference_config` brings its own.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip:
              - scikit-learn==1.9.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip:
              - scikit-learn==1.9.1
              - azureml-inference-server-http==1.5.1
    """
    if deployment.get("code_configuration") is None or environment.get("inference_config") is not None:
        return
    if conda.packages.opaque or conda.packages.named(*SERVERS):
        return
    at = deployment.find("code_configuration")
    related = (Related(at.key.span, "this scoring script needs it"),) if at else ()
    yield Problem(
        packages_span(conda),
        "azureml-inference-server-http is not installed, so the scoring script cannot be served; add it under pip",
        related,
    )


@rule(Level.ERROR)
def monitoring_missing(script: Script, conda: Conda) -> Iterator[Problem]:
    """The scoring script imports the Collector, but the environment does not install it.

    The worker fails with `ModuleNotFoundError: No module named 'azureml.ai'`, and the container never becomes ready.
    The distribution is called `azureml-ai-monitoring`.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip:
              - azureml-inference-server-http==1.5.1

        # src/score.py
        from azureml.ai.monitoring import Collector

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip:
              - azureml-inference-server-http==1.5.1
              - azureml-ai-monitoring==1.0.0

        # src/score.py
        from azureml.ai.monitoring import Collector
    """
    found = script.imported("azureml.ai.monitoring")
    if found is None or conda.packages.opaque or conda.packages.named("azureml-ai-monitoring"):
        return
    module, node = found
    related = (Related(module.span(node), "it is imported here"),)
    yield Problem(packages_span(conda), "azureml-ai-monitoring is not installed; add it under pip", related)

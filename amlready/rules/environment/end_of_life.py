"""A conda file whose Python gets no security updates any more, and a model that may be bound to that Python."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Conda, Project
from .. import rule
from .compiled import compiled
from .python import END_OF_LIFE, SUPPORTED, minor, python


@rule(Level.WARNING)
def python_end_of_life(conda: Conda, project: Project) -> Iterator[Problem]:
    """The conda file asks for a Python that gets no security updates any more.

    Packages stop coming out for it, so an environment that is not pinned to the last detail resolves to old ones, or
    no longer at all: Python 3.8 gets inference server 1.3.4, which cannot start beside azureml-ai-monitoring.
    "Troubleshoot environments" calls such a version unsupported. Dates: 3.8 2024-10, 3.9 2025-10, 3.10 2026-10. An
    MLflow model that holds functions compiled by this Python has to be logged again under a newer one.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.8
          - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    entry, version = python(conda), minor(conda)
    if conda.used and entry and version in END_OF_LIFE:
        ended = END_OF_LIFE[version]
        better = " or ".join(SUPPORTED[:2])
        is_bound = any(made == version for made, _, _ in compiled(conda, project))
        remedy = f"train and log the model again under {better}" if is_bound else f"take {better}"
        yield Problem(entry.node.span, f"Python {version} has had no security updates since {ended}; {remedy}")

"""The Python that a conda file asks for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ...diagnostic import Level, Problem, Related
from ...packages import Requirement
from ...specs import Conda
from ...versions import is_before, stretch
from .. import rule
from .packages import packages_span

END_OF_LIFE = {
    "2.7": "2020-01",
    "3.5": "2020-09",
    "3.6": "2021-12",
    "3.7": "2023-06",
    "3.8": "2024-10",
    "3.9": "2025-10",
    "3.10": "2026-10",
}
"""Versions of Python that had reached their end of life when this table was made, in November 2026.

What is in it does not follow the calendar, so that a repository without findings keeps having none.
"""

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def python(conda: Conda) -> Requirement | None:
    """The entry for Python, when there is exactly one."""
    found = [each for each in conda.packages.named("python") if each.manager == "conda"]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=64)  # several rules ask about one conda file, one after the other
def minor(conda: Conda) -> str | None:
    """The one minor version, such as `3.11`, that the conda file lets through; None when there may be several."""
    entry = python(conda)
    lets = stretch(entry.condition, conda=True) if entry and entry.condition else None
    if lets is None:
        return None
    versions = [*END_OF_LIFE, *SUPPORTED, "3.15", "4.0"]
    prefixes = {each: stretch(f"~={each}.0") for each in versions}
    fitting = [each for each, inside in prefixes.items() if inside and lets.meets(inside)]
    return fitting[0] if len(fitting) == 1 else None


@rule(Level.WARNING)
def python_not_stated(conda: Conda) -> Iterator[Problem]:
    """The conda file does not say which Python to install.

    Whatever is newest on the day of the build gets installed, for which wheels are often missing; "Troubleshoot
    environments" counts a missing version among what keeps an environment from being registered.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1
    """
    if not conda.used:
        return
    found = [each for each in conda.packages.named("python") if each.manager == "conda"]
    if not found:
        yield Problem(packages_span(conda), "no Python is asked for; add python=3.12 to the dependencies")
    elif not any(each.condition for each in found):
        yield Problem(found[0].node.span, "this does not say which Python; write python=3.12")


@rule(Level.ERROR)
def python_stated_twice(conda: Conda) -> Iterator[Problem]:
    """The conda file asks for Python more than once.

    "Troubleshoot environments" counts it among what keeps an environment from being registered, and two different
    versions cannot be installed.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - python=3.12

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    found = [each for each in conda.packages.named("python") if each.manager == "conda"]
    for each in found[1:]:
        related = (Related(found[0].node.span, "it is asked for here"),)
        yield Problem(each.node.span, "Python is asked for twice; keep one of the two", related)


REQUIRES_PYTHON = {
    "azureml-inference-server-http": (("1.4.0", "3.9"), ("1.0.0", "3.8"), ("0.8.0", "3.7")),
    "azureml-ai-monitoring": (("0", "3.8"),),
    "numpy": (("2.3", "3.11"), ("2.1", "3.10"), ("1.25", "3.9"), ("1.22", "3.8")),
    "pandas": (("3.0", "3.11"), ("2.1", "3.9"), ("1.4", "3.8")),
    "scikit-learn": (("1.8", "3.11"), ("1.7", "3.10"), ("1.4", "3.9"), ("1.1", "3.8")),
    "scipy": (("1.16", "3.11"), ("1.14", "3.10"), ("1.11", "3.9"), ("1.8", "3.8")),
}
"""For each distribution: from which version on it needs which Python, the newest first (`Requires-Python`)."""


@rule(Level.ERROR)
def python_too_old(conda: Conda) -> Iterator[Problem]:
    """A package is pinned to a version that does not install on the Python asked for.

    pip finds no matching distribution and the image is not built. The limits are those that the packages declare
    (`Requires-Python`) on PyPI; known here for the inference server, the Collector, numpy, pandas, scipy and
    scikit-learn.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.8
          - pip=24.0
          - pip:
              - azureml-inference-server-http==1.5.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
    """
    entry, version = python(conda), minor(conda)
    if entry is None or version is None:
        return
    for each in conda.packages.requirements:
        needed = needed_python(each)
        if needed and is_before(version, needed):
            related = (Related(entry.node.span, f"this is Python {version}"),)
            message = f"{each.name} {each.version or ''}".strip() + f" needs Python {needed} or newer"
            yield Problem(each.node.span, message, related)


def needed_python(requirement: Requirement) -> str | None:
    """The oldest Python that the oldest version which an entry lets through runs on, where it is known."""
    lets = stretch(requirement.condition) if requirement.manager == "pip" else None
    if lets is None:
        return None
    for start, python_version in REQUIRES_PYTHON.get(requirement.name, ()):
        from_here = stretch(f"<{start}")
        if start == "0" or (from_here and not lets.meets(from_here)):
            return python_version
    return None

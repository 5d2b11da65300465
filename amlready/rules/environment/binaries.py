"""Compiled packages that have to fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...imports import brought
from ...packages import Requirement
from ...specs import Conda
from ...versions import is_before, stretch
from .. import rule
from .python import minor

BUILT_FOR_NUMPY_1 = {"scikit-learn": "1.3.1", "pandas": "2.1.2"}
"""Up to which version, exclusive, wheels were built for numpy 1 without declaring `numpy<2`."""


WITHOUT_LIMIT = ("azureml-ai-monitoring", "python")
"""Distributions that bring numpy, or nothing, and have never set a limit to it."""


@rule(Level.ERROR)
def numpy_too_new(conda: Conda) -> Iterator[Problem]:
    """A package that was compiled for numpy 1 gets numpy 2 beside it.

    Importing it fails with `numpy.dtype size changed ... Expected 96 from C header, got 88 from PyObject`: scikit-learn
    1.2.2 and pandas 2.0.3 run here with numpy 2.4, which is what pip installs beside them when nothing holds numpy
    back. Later versions declare what they need.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - scikit-learn==1.2.2

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - scikit-learn==1.2.2
              - numpy<2
    """
    old = [each for each in conda.packages.requirements if _is_old(each)]
    runs = minor(conda)
    if not old or conda.packages.opaque or (runs is not None and is_before(runs, "3.9")):
        return
    numpy = conda.packages.named("numpy")
    before_two = stretch("<2")
    assert before_two is not None
    for each in numpy:
        asked = stretch(each.condition, conda=each.manager == "conda")
        if asked is None or (each.condition and asked.meets(before_two) and not _is_open(each)):
            return
    if numpy or not _may_hold_back(conda, old):
        at = numpy[0] if numpy else old[0]
        related = (Related(old[0].node.span, "this was compiled for numpy 1"),) if numpy else ()
        message = f"{old[0].name} {old[0].version} was compiled for numpy 1, and pip installs numpy 2; ask for numpy<2"
        yield Problem(at.node.span, message, related)


def _is_old(entry: Requirement) -> bool:
    limit = BUILT_FOR_NUMPY_1.get(entry.name)
    return bool(limit and entry.manager == "pip" and entry.version and is_before(entry.version, limit))


def _is_open(entry: Requirement) -> bool:
    """Whether a condition lets everything newer through, so that pip takes the newest."""
    lets = stretch(entry.condition, conda=entry.manager == "conda")
    return entry.manager == "pip" and lets is not None and lets.reaches("999")


def _may_hold_back(conda: Conda, old: list[Requirement]) -> bool:
    """Whether another entry may keep numpy below 2: a pinned one that needs numpy, or one that is not known here."""
    for each in conda.packages.requirements:
        if each in old or each.name in ("numpy", *WITHOUT_LIMIT):
            continue
        brings = brought([(each.name, each.extras)])
        if brings is None or ("numpy" in brings and (each.condition or each.manager == "conda")):
            return True
    return False

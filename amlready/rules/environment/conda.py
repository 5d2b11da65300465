"""The form of a conda file: what conda itself needs to read it and to choose an interpreter."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Project
from .. import rule


@rule(Level.ERROR)
def conda_without_mapping(project: Project) -> Iterator[Problem]:
    """The conda file is empty or holds a list, where conda needs `channels` and `dependencies`.

    azure-ai-ml loads such a file and sends it along: an empty one as no conda file at all, so the packages are simply
    not there; a list fails when the image is built (azure-ai-ml 1.35.2, its registration step run here).

    Bad::

        # conda.yaml
        - python=3.11
        - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
    """
    for fault in project.faults:
        if fault.kind == "conda":
            message = fault.problem.message.replace("a spec is a mapping", "conda needs a mapping with dependencies")
            yield Problem(fault.problem.span, message.removesuffix(" of keys to values"))

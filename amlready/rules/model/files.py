"""A model's files on this machine: what would be uploaded, and what would arrive."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Model
from .. import rule
from ..deployment.references import absent


@rule(Level.ERROR)
def missing_model(model: Model) -> Iterator[Problem]:
    """The model's path does not exist.

    A local path is relative to the YAML file. azure-ai-ml never looks at it when it loads a model file; `az ml model
    create` fails when it uploads.

    Bad::

        # model.yml
        name: scikit-model
        version: 1
        path: modle/

        # model/model.pkl
        ...

    Good::

        # model.yml
        name: scikit-model
        version: 1
        path: model/

        # model/model.pkl
        ...
    """
    if model.path is None or model.path.exists:
        return
    if model.inside is not None and not model.name:
        return  # the SDK hashes this path when it loads the deployment: a schema finding
    yield absent(model.path, "file or folder")

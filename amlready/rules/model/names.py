"""Names and versions of models, and what YAML makes of them; environments have the same ones."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem
from ...document import Scalar
from ...specs import Environment, Model, Spec
from .. import rule
from ..deployment.names import unfit_asset, unfit_version


@rule(Level.WARNING)
def model_version_altered(model: Model) -> Iterator[Problem]:
    """A model's version is not the one that is written.

    YAML reads a version without quotes as a number where it can: 1.10 is 1.1, 010 is 8, 1:30 is 90, and true is True
    (the request of SDK 1.35.2). A deployment that asks for the version as written does not find it.

    Bad::

        # model.yml
        name: scikit-model
        version: 1.10
        path: model/

    Good::

        # model.yml
        name: scikit-model
        version: "1.10"
        path: model/
    """
    yield from altered_version(model)


def altered_version(asset: Model | Environment) -> Iterator[Problem]:
    """The problem that a version is sent as another text than is written."""
    node = asset.get("version")
    if not isinstance(node, Scalar) or not isinstance(node.value, bool | int | float):
        return
    sent = str(node.value)
    if sent != node.text and node.span.text == node.text:
        fix = (Edit(node.span, f'"{node.text}"'),)
        yield Problem(node.span, f'this version is sent as {sent!r}; put it in quotes: "{node.text}"', fix=fix)


@rule(Level.WARNING)
def model_name_characters(model: Model) -> Iterator[Problem]:
    """A model's name or version has characters that a reference to it cannot have.

    A deployment refers to it as `azureml:NAME:VERSION`, and Azure by a path. With a colon, an `@`, a slash or a space
    in one of them, the reference means something else or cannot be written; azure-ai-ml sends it all the same (SDK
    1.35.2). For names, Azure's REST API documents letters, digits, dashes and underscores, with a letter or digit
    first; dots work as well.

    Bad::

        # model.yml
        name: team/scikit-model
        version: "1"
        path: model/

    Good::

        # model.yml
        name: team-scikit-model
        version: "1"
        path: model/
    """
    yield from unfit_characters(model, "a model")


def unfit_characters(asset: Spec, kind: str) -> Iterator[Problem]:
    """The problems that an asset's name or version cannot be part of a reference; `kind` with its article."""
    name, version = asset.get("name"), asset.get("version")
    if isinstance(name, Scalar) and isinstance(name.value, str) and (reason := unfit_asset(name.value, kind)):
        yield Problem(name.span, reason)
    if isinstance(version, Scalar) and isinstance(version.value, str) and (reason := unfit_version(version.value)):
        yield Problem(version.span, reason)

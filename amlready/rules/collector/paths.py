"""The paths that collections are stored under."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Scalar
from ...frozen import once
from ...specs import Deployment, Project
from .. import rule
from .collections import collections

DEFAULT_STORE = "workspaceblobstore"
DEFAULT_FOLDER = "modelDataCollector"

_PATH = (
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)/paths/(?P<path>.+)"
)


def store_and_path(text: str) -> tuple[str, str] | None:
    """Datastore and path of `azureml://datastores/NAME/paths/PATH` or its long form; None for anything else."""
    found = re.fullmatch(_PATH, text.strip(), re.IGNORECASE)
    return (found["store"], found["path"].strip("/")) if found else None


def own_paths(deployment: Deployment) -> Iterator[tuple[str, Scalar]]:
    """The collections that have a path of their own, and the path."""
    for name, entry in collections(deployment).items():
        node = entry.value.get("data", "path")
        if isinstance(node, Scalar) and isinstance(node.value, str) and not _is_template(node.value):
            yield name, node


def _is_template(text: str) -> bool:
    return re.search(r"[<{$#%]|__", text) is not None


@rule(Level.WARNING)
def collected_path_form(deployment: Deployment) -> Iterator[Problem]:
    """A collection's path is no path in a datastore.

    It is `azureml://datastores/NAME/paths/PATH`, or the long form with subscription, resource group and workspace. The
    path is registered as a data asset as it is; a URL of the storage account is not where the data collector writes,
    and a local path would be uploaded.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: https://mystore.blob.core.windows.net/inference/blue/model_inputs

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: azureml://datastores/inference/paths/blue/model_inputs
    """
    for _, node in own_paths(deployment):
        if store_and_path(str(node.value)) is None:
            yield Problem(node.span, "this is no path in a datastore: write azureml://datastores/NAME/paths/PATH")


@rule(Level.WARNING)
def collected_path_differs(deployment: Deployment) -> Iterator[Problem]:
    """A collection's path names another endpoint, deployment or collection than the one it belongs to.

    `modelDataCollector/ENDPOINT/DEPLOYMENT/COLLECTION` is the default; typed by hand, as in the documentation's sample,
    it goes wrong when a file is copied: the data of two deployments, or inputs and outputs, end up in one folder.

    Bad::

        # deployment.yml
        name: green
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: green-inputs
                path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/blue/model_inputs

    Good::

        # deployment.yml
        name: green
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: green-inputs
                path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/green/model_inputs
    """
    known = {"endpoint": deployment.text("endpoint_name"), "deployment": deployment.name}
    for name, node in own_paths(deployment):
        parts = default_parts(str(node.value))
        if parts is None:
            continue
        for (what, own), written in zip([*known.items(), ("collection", name)], parts, strict=True):
            if own and not _is_template(own) and written.lower() != own.lower():
                at = node.source.text.find(written, node.start, node.end)
                span = node.source.span(at, at + len(written)) if at >= 0 else node.span
                yield Problem(span, f"this is the {what} {written!r} in the path of {own!r}")


def default_parts(path: str) -> tuple[str, str, str] | None:
    """Endpoint, deployment and collection of a path in the default layout."""
    found = store_and_path(path)
    parts = found[1].split("/") if found else []
    if len(parts) < 4 or parts[-4] != DEFAULT_FOLDER:
        return None
    return parts[-3], parts[-2], parts[-1]


@rule(Level.WARNING)
def shared_path(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """Two collections are stored under one path.

    What is read there later, by a monitor or by people, is a mixture: the files of both collections lie side by side
    in the same hour folders, without anything in their names that tells them apart.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: azureml://datastores/inference/paths/blue
            model_outputs:
              enabled: 'true'
              data:
                name: my-outputs
                path: azureml://datastores/inference/paths/blue

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: azureml://datastores/inference/paths/blue/inputs
            model_outputs:
              enabled: 'true'
              data:
                name: my-outputs
                path: azureml://datastores/inference/paths/blue/outputs
    """
    taken: dict[str, tuple[Scalar, str]] = {}
    for name, node in own_paths(deployment):
        path = _normal(node)
        strangers = [
            (first, f"deployment {other.name!r}")
            for other, first in _stored_under(project)[path][:_COMPARED]
            if other is not deployment and _identity(other) != _identity(deployment)
        ]
        for first, owner in [*strangers[-1:], *([taken[path]] if path in taken else [])][:1]:
            message = f"{owner} stores its data under this path too"
            yield Problem(node.span, message, (Related(first.span, "it is given here as well"),))
        taken.setdefault(path, (node, f"the collection {name!r}"))


_COMPARED = 50
"""Most deployments with one path that are looked at; the first already says what is wrong."""


@once
def _stored_under(project: Project) -> dict[str, list[tuple[Deployment, Scalar]]]:
    """The collections of all deployments that have a path of their own, by path."""
    found: dict[str, list[tuple[Deployment, Scalar]]] = {}
    for deployment in project.deployments:
        for _, node in own_paths(deployment):
            found.setdefault(_normal(node), []).append((deployment, node))
    return found


def _identity(deployment: Deployment) -> tuple[str, str]:
    """Which deployment it is: files with one name and endpoint are variants of one deployment."""
    return (deployment.text("endpoint_name") or "").lower(), (deployment.name or "").lower()


def _normal(node: Scalar) -> str:
    return str(node.value).strip().rstrip("/")


@rule(Level.WARNING)
def path_without_name(deployment: Deployment) -> Iterator[Problem]:
    """A collection has a path of its own, but its data asset keeps the default name and version.

    `create` registers ENDPOINT-DEPLOYMENT-COLLECTION, version 1. If that exists already, from before the path was
    changed, azure-ai-ml takes the existing asset without a word, and the data goes to the path that it has (read in
    SDK 1.35.2). The documentation calls `data.name` required together with `data.path`.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                path: azureml://datastores/inference/paths/blue/model_inputs

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: blue-inputs-inference
                path: azureml://datastores/inference/paths/blue/model_inputs
    """
    for name, node in own_paths(deployment):
        entry = collections(deployment)[name]
        if entry.value.get("data", "name") is None and entry.value.get("data", "version") is None:
            yield Problem(
                node.span,
                "an asset of the default name and version may exist with another path, and would be used as it is; "
                "give it a name",
            )

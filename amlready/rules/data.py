"""Rules whose caret points at a data asset's file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..diagnostic import Level, Problem, Related
from ..document import Scalar
from ..specs import Data, Deployment, Project
from ..suggest import did_you_mean, listed
from . import rule
from .collector import collections, enabled
from .collector.paths import default_parts
from .deployment.names import is_template
from .model.names import unfit_characters


def _path(data: Data) -> Scalar | None:
    node = data.get("path")
    return node if isinstance(node, Scalar) and isinstance(node.value, str) else None


@rule(Level.WARNING)
def collected_data_unknown(data: Data, project: Project) -> Iterator[Problem]:
    """A data asset points to collected data of a deployment or a collection that the files do not have.

    Collected data lies under `modelDataCollector/ENDPOINT/DEPLOYMENT/COLLECTION`; nothing will ever come to this path.
    Reported where deployments of this endpoint are among the files.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'

        # data.yml
        name: inputs
        version: 1
        type: uri_folder
        path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/blue/inputs

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'

        # data.yml
        name: inputs
        version: 1
        type: uri_folder
        path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/blue/model_inputs
    """
    node = _path(data)
    parts = default_parts(str(node.value)) if node is not None else None
    if node is None or parts is None:
        return
    endpoint, deployment, collection = parts
    mine = [each for each in project.deployments if (each.text("endpoint_name") or "").lower() == endpoint.lower()]
    named = [each for each in mine if (each.name or "").lower() == deployment.lower()]
    if mine and not named:
        known = [each.name for each in mine if each.name]
        message = f"no deployment of {endpoint!r} is called {deployment!r}{did_you_mean(deployment, known)}"
        yield Problem(node.span, message)
    elif named and not any(_collects(each, collection) for each in named):
        at = named[0].find("data_collector", "collections") or named[0].find("name")
        related = (Related(at.key.span, "this is the deployment"),) if at else ()
        on = [name for each in named for name, entry in collections(each).items() if enabled(entry)]
        hint = did_you_mean(collection, on) or (f"; it collects {listed(on, 'and')}" if on else "")
        yield Problem(node.span, f"the deployment {deployment!r} collects no {collection!r}{hint}", related)


def _collects(deployment: Deployment, collection: str) -> bool:
    entry = collections(deployment).get(collection.lower())
    return entry is not None and enabled(entry)


@rule(Level.WARNING)
def collected_data_type(data: Data) -> Iterator[Problem]:
    """A data asset of collected data is not a `uri_folder`.

    Collected data is a tree of hour folders, registered as `uri_folder` by azure-ai-ml and expected as such by model
    monitoring. A `uri_file` has one file, and there is none at this path.

    Bad::

        # data.yml
        name: inputs
        version: 1
        type: uri_file
        path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/blue/model_inputs

    Good::

        # data.yml
        name: inputs
        version: 1
        type: uri_folder
        path: azureml://datastores/workspaceblobstore/paths/modelDataCollector/my-endpoint/blue/model_inputs
    """
    node, kind = _path(data), data.get("type")
    if node is None or default_parts(str(node.value)) is None or not isinstance(kind, Scalar):
        return
    if str(kind.value).lower() == "uri_file":
        yield Problem(kind.span, "collected data is a tree of folders: write uri_folder")


@rule(Level.WARNING)
def collected_data_path_differs(data: Data, project: Project) -> Iterator[Problem]:
    """A collection uses a data asset that is declared with another path.

    `create` registers the asset of the collection; if one of that name and version exists, azure-ai-ml takes it, with
    the path that it has, and says nothing (read in SDK 1.35.2): data goes to one place or the other, depending on
    which was registered first.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: collected-inputs
                version: '1'
                path: azureml://datastores/inference/paths/blue/model_inputs

        # data.yml
        name: collected-inputs
        version: 1
        type: uri_folder
        path: azureml://datastores/inference/paths/blue/inputs

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: collected-inputs
                version: '1'
                path: azureml://datastores/inference/paths/blue/model_inputs

        # data.yml
        name: collected-inputs
        version: 1
        type: uri_folder
        path: azureml://datastores/inference/paths/blue/model_inputs
    """
    node = _path(data)
    if node is None:
        return
    for deployment in project.deployments:
        for entry in collections(deployment).values():
            name, version = entry.value.get("data", "name"), entry.value.get("data", "version")
            path = entry.value.get("data", "path")
            if not isinstance(name, Scalar) or not isinstance(path, Scalar) or str(name.value) != data.name:
                continue
            own = str(version.value) if isinstance(version, Scalar) else "1"
            if own == (data.version or own) and str(path.value).rstrip("/") != str(node.value).rstrip("/"):
                related = (Related(path.span, "the collection's path is here"),)
                yield Problem(
                    node.span, f"a collection stores version {own} of {data.name!r} under another path", related
                )


@rule(Level.ERROR)
def data_path_unfit(data: Data) -> Iterator[Problem]:
    """A data asset's local path does not exist, or is no folder or file as its type says.

    `create` looks at it only when it uploads, and stops with `File path does not match asset type`; without a type it
    wants a folder (SDK 1.35.2, each case run here).

    Bad::

        # data.yml
        name: reference
        version: 1
        path: reference.csv

        # reference.csv
        1,2

    Good::

        # data.yml
        name: reference
        version: 1
        type: uri_file
        path: reference.csv

        # reference.csv
        1,2
    """
    node = _path(data)
    if node is None or re.match(r"\w[\w+.-]+:", str(node.value)) or is_template(str(node.value)):
        return
    kind, path = data.text("type") or "uri_folder", data.folder / str(node.value)
    if not path.exists():
        yield Problem(node.span, f"there is no {str(node.value)!r} here")
    elif path.is_dir() == (kind.lower() == "uri_file"):
        what, wanted = ("a folder", "uri_folder") if path.is_dir() else ("a file", "uri_file")
        yield Problem(node.span, f"this is {what}, and the type is {kind}; write type: {wanted}")


@rule(Level.WARNING)
def data_name_characters(data: Data) -> Iterator[Problem]:
    """A data asset's name or version has characters that a reference to it cannot have.

    Monitors and jobs refer to it as `azureml:NAME:VERSION`, and Azure by a path. Azure's REST API documents letters,
    digits, dashes and underscores for the name, with a letter or digit first; azure-ai-ml sends any name (SDK 1.35.2).

    Bad::

        # data.yml
        name: team/reference
        version: 1
        type: uri_folder
        path: azureml://datastores/workspaceblobstore/paths/reference

    Good::

        # data.yml
        name: team-reference
        version: 1
        type: uri_folder
        path: azureml://datastores/workspaceblobstore/paths/reference
    """
    yield from unfit_characters(data, "a data asset")

"""Model paths that are not on this machine, and what a Triton repository looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Scalar
from ...specs import Model
from ...suggest import near
from .. import rule
from ..deployment.names import is_template
from .pickles import place

_FORMS = "azureml://datastores/NAME/paths/PATH, azureml://jobs/NAME/outputs/artifacts/paths/PATH, or runs:/RUN/PATH"
_FIRST = (
    *("datastores", "jobs", "subscriptions", "resourceGroups", "registries", "locations", "models", "data"),
    *("resourcegroups", "workspaces", "experiments"),
)
"""What comes after `azureml://`."""


def _address(model: Model) -> tuple[Scalar, str] | None:
    """A path that leads elsewhere than to this machine."""
    node = model.get("path")
    if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.value):
        return (node, node.value) if re.match(r"(?:azureml|runs|file):", node.value) else None
    return None


@rule(Level.ERROR)
def invalid_model_address(model: Model) -> Iterator[Problem]:
    """A model's path is neither an address that azure-ai-ml knows nor a path on this machine.

    After `azureml:` it wants two slashes, and `file:` it does not know: anything else is looked for on this machine
    under that very name, and `create` fails with `No such file or directory` (SDK 1.35.2, each form run here).

    Bad::

        # model.yml
        name: scikit-model
        path: azureml:/datastores/workspaceblobstore/paths/model

    Good::

        # model.yml
        name: scikit-model
        path: azureml://datastores/workspaceblobstore/paths/model
    """
    found = _address(model)
    if found is None:
        return
    node, text = found
    if re.match(r"azureml:(?!//)", text):
        yield Problem(node.span, f"an address has two slashes after azureml:; it is {_FORMS}")
    elif re.match(r"file:(?!//)", text):
        yield Problem(node.span, f"write the path alone, {text.removeprefix('file:')!r}")


_INLINE = (
    r"azureml://datastores/[^/]+/(?:paths/.|ExperimentRun/.)"
    r"|azureml://jobs/[^/]+/outputs/[^/]+/paths/."
    r"|azureml://subscriptions/[^/]+/resource[gG]roups/[^/]+/workspaces/[^/]+/datastores/[^/]+/paths/."
)
"""What azure-ai-ml takes as the address of a model within a deployment; others it takes in model files only."""


@rule(Level.ERROR)
def inline_model_address(model: Model) -> Iterator[Problem]:
    """The address of a model within a deployment leads neither to a datastore nor to a job's output.

    In a model file the service may know it; within a deployment, `create` stops with `Invalid AzureML datastore path
    URI` (SDK 1.35.2, each form run here), after the code was uploaded. Refer to a registered model by name.

    Bad::

        # deployment.yml
        model:
          name: scikit-model
          version: "2"
          path: azureml://models/scikit-model/versions/1

    Good::

        # deployment.yml
        model:
          name: scikit-model
          version: "2"
          path: azureml://datastores/workspaceblobstore/paths/model
    """
    found = _address(model)
    if found and _is_refused(model, found[1]):
        forms = _FORMS.rpartition(", or ")[0]
        yield Problem(
            found[0].span,
            f"within a deployment an address is {forms}; a registered model is model: azureml:NAME:VERSION",
        )


def _is_refused(model: Model, text: str) -> bool:
    named = model.inside is not None and bool(model.name)  # one without a name is a schema finding
    return named and text.startswith("azureml://") and not re.match(_INLINE, text)


@rule(Level.WARNING)
def odd_model_address(model: Model) -> Iterator[Problem]:
    """A model's address does not have the form of any that are documented.

    azure-ai-ml sends what it does not recognise as it is (SDK 1.35.2), and the service does not find it. The forms are
    those of the YAML reference of models.

    Bad::

        # model.yml
        name: scikit-model
        path: azureml://datastores/workspaceblobstore/model

    Good::

        # model.yml
        name: scikit-model
        path: azureml://datastores/workspaceblobstore/paths/model
    """
    found = _address(model)
    reason = _odd(found[1]) if found and not _is_refused(model, found[1]) else None
    if found and reason:
        yield Problem(found[0].span, reason)


def _odd(text: str) -> str | None:
    if text.startswith("runs:"):
        fits = re.fullmatch(r"runs:/[^/]+/.+", text)
        return None if fits else "this is no path in a run; write runs:/RUN/PATH"
    if not text.startswith("azureml://"):
        return None
    first, _, rest = text.removeprefix("azureml://").partition("/")
    if first not in _FIRST:
        meant = near(first, _FIRST)
        return f"{first!r} is not known after azureml://; did you mean {meant!r}?" if meant else None
    if first == "datastores" and not re.match(r"[^/]+/(?:paths/.|ExperimentRun/)", rest):
        return "a path in a datastore is azureml://datastores/NAME/paths/PATH"
    if first == "jobs" and not re.match(r"[^/]+/outputs/.", rest):
        return "a path in a job is azureml://jobs/NAME/outputs/artifacts/paths/PATH"
    return None


@rule(Level.WARNING)
def triton_layout(model: Model) -> Iterator[Problem]:
    """The folder of a Triton model is not laid out as a model repository.

    Triton looks for FOLDER/MODEL/VERSION/FILE, where VERSION is a number ("Deploy a model with Triton"); it serves
    nothing from any other layout, and does not become ready.

    Bad::

        # model.yml
        name: onnx-model
        type: triton_model
        path: models

        # models/model.onnx
        ...

    Good::

        # model.yml
        name: onnx-model
        type: triton_model
        path: models

        # models/ours/1/model.onnx
        ...
    """
    node, artifact = model.get("type"), model.artifact
    if not isinstance(node, Scalar) or str(node.value).lower().replace("_", "") != "tritonmodel" or artifact is None:
        return
    inside = [each.partition("/")[2] for each in artifact.files] if artifact.is_folder else []
    if artifact.whole and not any(re.fullmatch(r"[^/]+/\d+/.+", each) for each in inside):
        yield Problem(place(model), "Triton needs a folder with MODEL/VERSION/FILE in it, such as ours/1/model.onnx")

"""How a deployment refers to registered models and environments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Scalar
from ...specs import Deployment, Environment, Model
from .. import rule
from .names import is_template

_ASSETS = ("model", "environment")
_CURATED = "AzureML-"


def _references(deployment: Deployment) -> Iterator[tuple[str, Scalar, str]]:
    """Key, node and what follows `azureml:` of each reference that is complete."""
    for key in _ASSETS:
        node = deployment.get(key)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.value):
            text = node.value
            if text.startswith("azureml:"):
                inner = text.removeprefix("azureml:")
                yield key, node, text if inner.startswith("//") else inner


def _short(text: str) -> re.Match[str] | None:
    """Name, version and label of the short form, if it is one."""
    return re.fullmatch(r"([^/:@\s]+)(?::([^/:@\s]+)|@([^/:@\s]+))?", text)


@rule(Level.ERROR)
def malformed_reference(deployment: Deployment) -> Iterator[Problem]:
    """A reference to a registered model or environment cannot be the name of one.

    The forms are `azureml:NAME:VERSION`, `azureml:NAME@latest`,
    `azureml://registries/REGISTRY/models/NAME/versions/N` (or `environments`, or `labels/latest`), and `azureml:`
    before a full ARM id. azure-ai-ml loads any text after `azureml:`; `create` makes ids such as `models//versions/1`
    of it, or stops (SDK 1.35.2).

    Bad::

        # deployment.yml
        model: azureml:scikit-model:1:2

    Good::

        # deployment.yml
        model: azureml:scikit-model:1
    """
    for key, node, text in _references(deployment):
        reason = _malformed(key, text)
        if reason:
            yield Problem(node.span, f"{node.text!r} names no {key}: {reason}")


def _malformed(key: str, text: str) -> str | None:
    if text.startswith("azureml://") or text.startswith("//"):
        return _malformed_registry(key, text)
    if text.startswith("/"):
        found = re.search(rf"/workspaces/[^/]+/{key}s/[^/]+/versions/[^/]+/?$", text)
        return None if found else f"a full id ends in /workspaces/NAME/{key}s/NAME/versions/N"
    if _short(text):
        return None
    name, colon, version = text.partition(":")
    if re.search(r"\s", text):
        return "it has a space in it"
    if not re.sub(r"@.*", "", name):
        return "the name is missing"
    if colon and not version:
        return "the version is missing"
    if text.endswith("@"):
        return "the label is missing; write @latest"
    return "it has more than one version or label"


def _malformed_registry(key: str, text: str) -> str | None:
    form = f"azureml://registries/REGISTRY/{key}s/NAME/versions/N"
    if re.fullmatch(rf"azureml://registries/[^/]+/{key}s/[^/]+/(?:versions|labels)/[^/]+/?", text):
        return None
    return f"in a registry it is {form}"


@rule(Level.ERROR)
def reference_without_version(deployment: Deployment) -> Iterator[Problem]:
    """A reference to a registered model or environment has no version.

    azure-ai-ml loads it, and `create` stops with `Failed to extract version ... Version must be provided` (SDK
    1.35.2). Only for curated environments, whose names begin with `AzureML-`, the service finds the version itself.

    Bad::

        # deployment.yml
        model: azureml:scikit-model

    Good::

        # deployment.yml
        model: azureml:scikit-model:1
    """
    for key, node, text in _references(deployment):
        found = _short(text)
        if found and not found[2] and not found[3] and not (key == "environment" and text.startswith(_CURATED)):
            known = _declared(deployment, key)
            version = known[1] if known else "VERSION"
            message = f"{node.text!r} has no version; write azureml:{text}:{version}, or azureml:{text}@latest"
            yield Problem(node.span, message)


def _declared(deployment: Deployment, key: str) -> tuple[Model | Environment, str] | None:
    """The file that declares the asset, and the version in it."""
    asset = deployment.model if key == "model" else deployment.environment
    return (asset, asset.version) if asset is not None and asset.inside is None and asset.version else None


@rule(Level.WARNING)
def latest_as_version(deployment: Deployment) -> Iterator[Problem]:
    """A reference with `:latest` asks for a version that is called "latest".

    The newest version is `@latest`. After a colon the word is a version like any other: `create` asks the workspace
    for `versions/latest` (SDK 1.35.2), which exists only if somebody has registered it under that name.

    Bad::

        # deployment.yml
        model: azureml:scikit-model:latest

    Good::

        # deployment.yml
        model: azureml:scikit-model@latest
    """
    for _, node, text in _references(deployment):
        found = _short(text)
        if not found or (found[2] or "").lower() != "latest":
            continue
        written = f"azureml:{text}"
        fix = (Edit(node.span, f"azureml:{found[1]}@latest"),) if node.span.text == written else ()
        yield Problem(
            node.span, f"a version is called 'latest' here; the newest one is azureml:{found[1]}@latest", fix=fix
        )


@rule(Level.ERROR)
def unknown_label(deployment: Deployment) -> Iterator[Problem]:
    """A reference has a label other than `latest`.

    azure-ai-ml resolves `@latest` and nothing else: `create` stops with `Asset ... with version label ... does not
    exist in registry` (SDK 1.35.2), in another letter case too.

    Bad::

        # deployment.yml
        model: azureml:scikit-model@production

    Good::

        # deployment.yml
        model: azureml:scikit-model@latest
    """
    for key, node, text in _references(deployment):
        found = _short(text)
        if found and found[3] and found[3] != "latest" and not (key == "environment" and text.startswith(_CURATED)):
            slip = found[3].lower() == "latest" and node.span.text == f"azureml:{text}"
            fix = (Edit(node.span, f"azureml:{found[1]}@latest"),) if slip else ()
            yield Problem(node.span, f"the label {found[3]!r} is not known; only '@latest' is, or a version", fix=fix)


@rule(Level.NOTE)
def floating_version(deployment: Deployment) -> Iterator[Problem]:
    """A deployment takes whatever version is the newest, although a file here declares which one it is.

    `@latest` is resolved when the deployment is created: the same file then deploys another model, or another
    environment, as soon as somebody registers one, and there is no version to go back to. Reported only where a file
    of the same repository declares the asset with a version.

    Bad::

        # deployment.yml
        model: azureml:scikit-model@latest

        # model.yml
        name: scikit-model
        version: "3"
        path: model/

    Good::

        # deployment.yml
        model: azureml:scikit-model:3

        # model.yml
        name: scikit-model
        version: "3"
        path: model/
    """
    for key, node, text in _references(deployment):
        found, known = _short(text), _declared(deployment, key)
        if not found or found[3] != "latest" or known is None:
            continue
        declared = known[0].find("version")
        related = (Related(declared.value.span, f"version {known[1]} is declared here"),) if declared else ()
        message = (
            f"this takes whatever is newest; write azureml:{found[1]}:{known[1]} for the one that is declared here"
        )
        yield Problem(node.span, message, related)


_GUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"


def subscription_fault(text: str) -> str | None:
    """Why the subscription in an ARM id or data path cannot exist; None when it can, or there is none."""
    found = re.search(r"/subscriptions/([^/]*)", text, re.IGNORECASE)
    if found is None or is_template(found[1]):
        return None
    if not re.fullmatch(_GUID, found[1], re.IGNORECASE):
        return f"the subscription {found[1]!r} is not a GUID"
    return "the subscription is all zeros" if set(found[1]) == {"0", "-"} else None


@rule(Level.ERROR)
def invalid_subscription(deployment: Deployment) -> Iterator[Problem]:
    """A full id names a subscription that cannot exist.

    The id of a subscription is a GUID. Azure answers `BadArgument: Subscription does not exist` ("Troubleshoot online
    endpoints"); azure-ai-ml takes any text. Zeros are what samples have there.

    Bad::

        # deployment.yml
        model: azureml:/subscriptions/my-subscription/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml/models/scikit-model/versions/1

    Good::

        # deployment.yml
        model: azureml:/subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.MachineLearningServices/workspaces/ml/models/scikit-model/versions/1
    """  # noqa: E501 - an id cannot be broken
    for _, node, text in _references(deployment):
        reason = subscription_fault(text)
        if reason:
            yield Problem(node.span, f"{reason}; copy the id from the Azure portal")

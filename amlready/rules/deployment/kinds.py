"""Managed or Kubernetes: azure-ai-ml decides for each file by one key alone, and the files may disagree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Scalar
from ...specs import Deployment, Endpoint, Project
from .. import rule


def is_for_kubernetes(deployment: Deployment) -> bool:
    """Whether a deployment is on Kubernetes, or certainly meant to be, whatever azure-ai-ml makes of it."""
    spelled = (deployment.text("type") or "").lower() == "kubernetes"
    return spelled or (deployment.endpoint is not None and deployment.endpoint.is_kubernetes)


def _where_compute(endpoint: Endpoint) -> tuple[Related, ...]:
    entry = endpoint.find("compute")
    return (Related(entry.key.span, "the endpoint is on Kubernetes"),) if entry else ()


@rule(Level.ERROR)
def kubernetes_type_case(deployment: Deployment) -> Iterator[Problem]:
    """A deployment of `type: Kubernetes`, with a capital letter, is read as a managed one.

    azure-ai-ml accepts the word in any spelling, but makes a Kubernetes deployment only of exactly `kubernetes`; the
    request then says `Managed` (SDK 1.35.2), and an `instance_type` is demanded that a cluster does not have.

    Bad::

        # deployment.yml
        type: Kubernetes

    Good::

        # deployment.yml
        type: kubernetes
    """
    node = deployment.get("type")
    if isinstance(node, Scalar) and isinstance(node.value, str) and not deployment.is_kubernetes:
        if node.value.lower() != "kubernetes":
            return
        fix = (Edit(node.span, "kubernetes"),)
        yield Problem(node.span, f"{node.value!r} is read as a managed deployment; write 'kubernetes'", fix=fix)


@rule(Level.ERROR)
def managed_on_kubernetes(deployment: Deployment, endpoint: Endpoint) -> Iterator[Problem]:
    """A managed deployment belongs to an endpoint that is on Kubernetes.

    An endpoint is on Kubernetes when it has `compute`, a deployment when it says `type: kubernetes`; azure-ai-ml
    looks at each file by itself, and without `type` sends a managed deployment (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster

        # deployment.yml
        endpoint_name: my-endpoint
        instance_count: 3

    Good::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster

        # deployment.yml
        type: kubernetes
        endpoint_name: my-endpoint
        instance_count: 3
    """
    kind = deployment.find("type")
    if not endpoint.is_kubernetes or deployment.is_kubernetes:
        return
    if kind and str(kind.value.value).lower() == "kubernetes":
        return  # the letter case is a fault of its own
    at = kind.value if kind else getattr(deployment.find("endpoint_name"), "value", None)
    if at is not None:
        message = "the endpoint is on Kubernetes, and this is a managed deployment; write type: kubernetes"
        yield Problem(at.span, message, _where_compute(endpoint))


@rule(Level.ERROR)
def kubernetes_on_managed(deployment: Deployment, endpoint: Endpoint) -> Iterator[Problem]:
    """A Kubernetes deployment belongs to a managed endpoint.

    The endpoint's file names no `compute`, so azure-ai-ml makes a managed endpoint of it, which has no cluster for
    the deployment to run on.

    Bad::

        # endpoint.yml
        name: my-endpoint

        # deployment.yml
        type: kubernetes
        endpoint_name: my-endpoint

    Good::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster

        # deployment.yml
        type: kubernetes
        endpoint_name: my-endpoint
    """
    entry, named = deployment.find("type"), endpoint.find("name")
    if entry and deployment.is_kubernetes and not endpoint.is_kubernetes:
        related = (Related(named.key.span, "the endpoint has no compute"),) if named else ()
        yield Problem(
            entry.value.span,
            "this deployment is on Kubernetes, its endpoint is not; give the endpoint compute, or delete type",
            related,
        )


@rule(Level.WARNING)
def mixed_deployments(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """Managed and Kubernetes deployments belong to one endpoint.

    An endpoint is one or the other, and so are all its deployments. Reported where two files of one folder name the
    same endpoint; where the endpoint's own file is there too, it decides which of them is wrong.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

        # other-deployment.yml
        type: kubernetes
        name: green
        endpoint_name: my-endpoint

    Good::

        # deployment.yml
        type: kubernetes
        name: blue
        endpoint_name: my-endpoint

        # other-deployment.yml
        type: kubernetes
        name: green
        endpoint_name: my-endpoint
    """
    named, name = deployment.find("endpoint_name"), (deployment.text("endpoint_name") or "").lower()
    if named is None or not name or is_for_kubernetes(deployment) or deployment.endpoint is not None:
        return
    for other in project.deployments_of.get(name, ()):
        entry = other.find("type")
        if entry and other.is_kubernetes and other.folder == deployment.folder:
            related = (Related(entry.value.span, "a Kubernetes deployment of it is here"),)
            yield Problem(
                named.value.span,
                "this is a managed deployment of an endpoint on Kubernetes; write type: kubernetes",
                related,
            )
            return


@rule(Level.NOTE)
def deployment_schema_differs(deployment: Deployment) -> Iterator[Problem]:
    """A deployment's `$schema` belongs to another kind of file.

    Nothing but the editor reads it: it completes and underlines by that schema, and `az ml` does something else. A
    deployment is on Kubernetes when it says `type: kubernetes`, whatever `$schema` says (SDK 1.35.2).

    Bad::

        # deployment.yml
        $schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
        instance_type: Standard_D2as_v4

    Good::

        # deployment.yml
        $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
        instance_type: Standard_D2as_v4
    """
    kind = "kubernetes" if is_for_kubernetes(deployment) else "managed"
    yield from schema_differs(deployment, f"{kind}OnlineDeployment")


def schema_differs(spec: Deployment | Endpoint, wanted: str) -> Iterator[Problem]:
    """The problem that `$schema` is one of Azure's, but not the wanted one; addresses of other sites are left alone."""
    entry, text = spec.find("$schema"), spec.text("$schema") or ""
    found = re.search(r"azuremlschemas\S*/(\w+)\.schema\.json", text)
    if entry and found and found[1].lower() != wanted.lower():
        message = f"the editor is told that this is a {found[1]}, but az ml reads it as a {wanted}"
        yield Problem(entry.value.span, message)

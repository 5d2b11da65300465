"""How a deployment reaches the outside."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry
from ...specs import Deployment
from .. import rule
from .container import is_no_code_mlflow


def _isolated(deployment: Deployment) -> Entry | None:
    entry = deployment.find("egress_public_network_access")
    closed = entry is not None and str(entry.value.value).lower() == "disabled"
    return entry if closed and not deployment.is_kubernetes else None


@rule(Level.NOTE)
def legacy_network_isolation(deployment: Deployment) -> Iterator[Problem]:
    """The deployment closes its way out by the legacy isolation method.

    `egress_public_network_access: disabled` works for workspaces without a managed virtual network only. The YAML
    reference strongly recommends the workspace's managed virtual network instead, which holds for all its
    deployments.

    Bad::

        # deployment.yml
        instance_type: Standard_D2as_v4
        egress_public_network_access: disabled

    Good::

        # deployment.yml
        instance_type: Standard_D2as_v4
    """
    entry = _isolated(deployment)
    if entry and not is_no_code_mlflow(deployment):
        message = "this is the legacy way; a managed virtual network of the workspace does it for all deployments"
        yield Problem(entry.key.span, message)


@rule(Level.ERROR)
def mlflow_without_egress(deployment: Deployment) -> Iterator[Problem]:
    """An MLflow model without an environment cannot be built when the deployment has no way out.

    Azure makes the environment when the deployment is created and needs the internet for it; with the legacy
    isolation it answers `BadArgument: MLflow model format with private network is unsupported` ("Troubleshoot online
    endpoints"). A managed virtual network of the workspace works, and so does an environment of one's own.

    Bad::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        egress_public_network_access: disabled
        # code_configuration: none, Azure makes script and environment

        # model/MLmodel
        flavors: {}

    Good::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        # code_configuration: none, Azure makes script and environment

        # model/MLmodel
        flavors: {}
    """
    entry, model = _isolated(deployment), deployment.find("model")
    if entry and is_no_code_mlflow(deployment):
        related = (Related(model.key.span, "Azure builds the environment of this model"),) if model else ()
        yield Problem(entry.value.span, "an MLflow model without an environment cannot be deployed like this", related)

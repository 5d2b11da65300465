"""Who may call an endpoint, and what for."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Scalar
from ...specs import Endpoint
from .. import rule
from ..deployment.kinds import schema_differs


@rule(Level.ERROR)
def aad_token_on_kubernetes(endpoint: Endpoint) -> Iterator[Problem]:
    """Callers are to authenticate with Microsoft Entra tokens on Kubernetes.

    `aad_token` is for managed endpoints; on Kubernetes there are `key` and `aml_token` ("Authentication for managed
    online endpoints"). azure-ai-ml sends it for both.

    Bad::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster
        auth_mode: aad_token

    Good::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster
        auth_mode: key
    """
    entry, compute = endpoint.find("auth_mode"), endpoint.find("compute")
    if not entry or not compute or not endpoint.is_kubernetes or not isinstance(entry.value, Scalar):
        return
    if str(entry.value.value).lower().replace("_", "") == "aadtoken":
        related = (Related(compute.key.span, "this puts the endpoint on Kubernetes"),)
        yield Problem(entry.value.span, "aad_token is for managed endpoints; here it is key or aml_token", related)


@rule(Level.NOTE)
def endpoint_schema_differs(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint's `$schema` belongs to another kind of file.

    Nothing but the editor reads it: it completes and underlines by that schema, and `az ml` does something else. An
    endpoint is on Kubernetes when it has `compute`, whatever `$schema` says (SDK 1.35.2).

    Bad::

        # endpoint.yml
        $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
        name: my-endpoint
        compute: azureml:my-cluster

    Good::

        # endpoint.yml
        $schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineEndpoint.schema.json
        name: my-endpoint
        compute: azureml:my-cluster
    """
    kind = "kubernetes" if endpoint.is_kubernetes else "managed"
    yield from schema_differs(endpoint, f"{kind}OnlineEndpoint")

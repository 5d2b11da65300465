"""Mirrored traffic: copies of requests whose answers nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...specs import Endpoint
from .. import rule
from .traffic import name_of, weights

MOST = 50


@rule(Level.ERROR)
def mirror_to_several(endpoint: Endpoint) -> Iterator[Problem]:
    """Traffic is mirrored to more than one deployment.

    Azure mirrors to one deployment of an endpoint ("Safe rollout for online endpoints"). azure-ai-ml sends any number
    of entries, except those of 0 (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        mirror_traffic:
          green: 10
          red: 10

    Good::

        # endpoint.yml
        name: my-endpoint
        mirror_traffic:
          green: 10
    """
    mirrored = [entry for entry, weight in weights(endpoint, "mirror_traffic") if weight]
    for entry in mirrored[1:]:
        related = (Related(mirrored[0].key.span, "it is mirrored here already"),)
        yield Problem(entry.key.span, "traffic can be mirrored to one deployment only; delete this one", related)


@rule(Level.ERROR)
def mirror_out_of_range(endpoint: Endpoint) -> Iterator[Problem]:
    """The share of mirrored traffic is not between 0 and 50 percent.

    50 is the most, for the sake of the endpoint's bandwidth ("Safe rollout for online endpoints"). azure-ai-ml sends
    any number.

    Bad::

        # endpoint.yml
        name: my-endpoint
        mirror_traffic:
          green: 60

    Good::

        # endpoint.yml
        name: my-endpoint
        mirror_traffic:
          green: 50
    """
    for entry, weight in weights(endpoint, "mirror_traffic"):
        if not 0 <= weight <= MOST:
            yield Problem(entry.value.span, f"{weight} % cannot be mirrored; it is between 0 and {MOST}")


@rule(Level.ERROR)
def mirror_of_live_deployment(endpoint: Endpoint) -> Iterator[Problem]:
    """A deployment is to receive live traffic and mirrored traffic.

    It can receive one or the other ("Safe rollout for online endpoints").

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 90
          green: 10
        mirror_traffic:
          green: 10

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 100
        mirror_traffic:
          green: 10
    """
    live = {name_of(entry): entry for entry, weight in weights(endpoint, "traffic") if weight}
    for entry, weight in weights(endpoint, "mirror_traffic"):
        serving = live.get(name_of(entry)) if weight else None
        if serving is not None:
            related = (Related(serving.key.span, "it has live traffic"),)
            yield Problem(
                entry.key.span, f"{entry.key.value!r} has live traffic, so none can be mirrored to it", related
            )


@rule(Level.ERROR)
def mirror_on_kubernetes(endpoint: Endpoint) -> Iterator[Problem]:
    """Traffic is to be mirrored on Kubernetes.

    Mirroring is for managed endpoints ("Safe rollout for online endpoints"). azure-ai-ml sends the key for both.

    Bad::

        # endpoint.yml
        name: my-endpoint
        compute: azureml:my-cluster
        mirror_traffic:
          green: 10

    Good::

        # endpoint.yml
        name: my-endpoint
        mirror_traffic:
          green: 10
    """
    entry, compute = endpoint.find("mirror_traffic"), endpoint.find("compute")
    if entry and compute and endpoint.is_kubernetes and any(share for _, share in weights(endpoint, "mirror_traffic")):
        related = (Related(compute.key.span, "this puts the endpoint on Kubernetes"),)
        yield Problem(entry.key.span, "traffic cannot be mirrored on Kubernetes; delete mirror_traffic", related)

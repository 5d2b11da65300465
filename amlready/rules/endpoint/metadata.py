"""An endpoint's tags and properties, and keys that only Azure writes."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Endpoint
from .. import rule
from ..deployment.metadata import changed_texts, without_effect


@rule(Level.WARNING)
def changed_endpoint_tag(endpoint: Endpoint) -> Iterator[Problem]:
    """A tag or property of an endpoint is sent as something else than is written.

    Both are text in Azure. azure-ai-ml sends what YAML made of a value without quotes (SDK 1.35.2): `1.10` as 1.1,
    `yes` as true, `010` as 8, nothing as null.

    Bad::

        # endpoint.yml
        name: my-endpoint
        tags:
          release: 1.10

    Good::

        # endpoint.yml
        name: my-endpoint
        tags:
          release: "1.10"
    """
    yield from changed_texts(endpoint)


@rule(Level.NOTE)
def endpoint_read_only_key(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint's file has keys that only Azure writes.

    They come from `az ml online-endpoint show`. azure-ai-ml loads them and sends none; the location is the
    workspace's (SDK 1.35.2). So what they say has no effect.

    Bad::

        # endpoint.yml
        name: my-endpoint
        auth_mode: key
        location: westeurope

    Good::

        # endpoint.yml
        name: my-endpoint
        auth_mode: key
    """
    keys = ("id", "kind", "location", "openapi_uri", "provisioning_state", "scoring_uri")
    yield from without_effect(endpoint, keys)

"""An endpoint's name: the one thing that has to be unique."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Scalar
from ...specs import Endpoint, Project
from .. import rule
from ..deployment.names import LONGEST, SHORTEST, is_template, lowered, unfit

_SAMPLES = frozenset(
    (
        "endpoint-example",
        "my-endpoint",
        "my-new-endpoint",
        "my-online-endpoint",
        "online-endpoint",
        "sample-endpoint",
        "taxi-fare-online",
        "test-endpoint",
    )
)
"""Names that guides and samples use."""


def _named(endpoint: Endpoint) -> tuple[Scalar, str] | None:
    """The name, when it is one that azure-ai-ml loads."""
    node = endpoint.get("name")
    if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.value):
        return node, node.value
    return None


@rule(Level.ERROR)
def endpoint_name_length(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint's name is shorter than 3 or longer than 32 characters.

    azure-ai-ml loads the file and refuses the name when it makes the request (SDK 1.35.2). A pipeline that appends a
    suffix needs room for it.

    Bad::

        # endpoint.yml
        name: ep

    Good::

        # endpoint.yml
        name: churn-ep
    """
    found = _named(endpoint)
    if found and re.fullmatch(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", found[1]) and unfit(found[1]):
        message = f"{found[1]!r} has {len(found[1])} characters; {SHORTEST} to {LONGEST} are allowed"
        yield Problem(found[0].span, message)


@rule(Level.NOTE)
def endpoint_double_dash(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint's name has two dashes in a row.

    "Manage resources and quotas" allows single dashes. azure-ai-ml lets two pass; what the service says is not known.

    Bad::

        # endpoint.yml
        name: churn--prediction

    Good::

        # endpoint.yml
        name: churn-prediction
    """
    found = _named(endpoint)
    if found and "--" in found[1] and unfit(found[1]) is None:
        better = re.sub(r"-+", "-", found[1])
        yield Problem(found[0].span, f"Azure's documentation allows single dashes only; {better!r} is safe")


@rule(Level.NOTE)
def endpoint_capital(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint's name has capital letters, which azure-ai-ml makes small.

    The endpoint and its address get the small name (SDK 1.35.2), so a script that builds the address from the name as
    it is written here, or looks for the endpoint in a list, does not find it.

    Bad::

        # endpoint.yml
        name: Churn-Prediction

    Good::

        # endpoint.yml
        name: churn-prediction
    """
    found = _named(endpoint)
    if found and found[1] != found[1].lower() and unfit(found[1]) is None:
        yield lowered(found[0], found[1])


@rule(Level.NOTE)
def sample_endpoint_name(endpoint: Endpoint) -> Iterator[Problem]:
    """The endpoint still has the name of a sample.

    A managed endpoint's name has to be unique in its Azure region, among all customers; names from guides are taken,
    and `create` answers `There is already an endpoint with this name`. On Kubernetes it is unique in workspace and
    cluster.

    Bad::

        # endpoint.yml
        name: my-endpoint

    Good::

        # endpoint.yml
        name: churn-prediction-contoso
    """
    found = _named(endpoint)
    if found and found[1].lower() in _SAMPLES and not endpoint.is_kubernetes:
        message = f"{found[1]!r} is a sample's name and likely taken in your region; choose one of your own"
        yield Problem(found[0].span, message)


@rule(Level.NOTE)
def duplicate_endpoint(endpoint: Endpoint, project: Project) -> Iterator[Problem]:
    """Two files declare an endpoint of the same name.

    In one region there can be one endpoint of a name: the second file changes the first endpoint, or fails with
    `already exists`. Files for workspaces in different regions may well share a name. Letter case makes no
    difference.

    Bad::

        # endpoint.yml
        name: churn-prediction
        auth_mode: key

        # other-endpoint.yml
        name: churn-prediction
        auth_mode: aad_token

    Good::

        # endpoint.yml
        name: churn-prediction
        auth_mode: key

        # other-endpoint.yml
        name: churn-prediction-aad
        auth_mode: aad_token
    """
    found = _named(endpoint)
    if found is None or found[1].lower() in _SAMPLES:
        return
    same = project.endpoints_named.get(found[1].lower(), [endpoint])
    first = min(same, key=lambda each: str(each.source.path))
    at = first.find("name")
    if first is not endpoint and at:
        related = (Related(at.value.span, "the first one is here"),)
        yield Problem(found[0].span, f"another file declares the endpoint {found[1]!r} too", related)

"""How an endpoint divides its traffic among its deployments."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Mapping
from ...frozen import once
from ...specs import Deployment, Endpoint, Project
from ...suggest import did_you_mean
from .. import rule
from ..deployment.names import is_template
from ..deployment.numbers import alteration, integer

MOST_DEPLOYMENTS = 20
"""As many deployments an endpoint has, unless support has raised it ("Manage resources and quotas")."""


def weights(endpoint: Endpoint, key: str) -> list[tuple[Entry, int]]:
    """The entries of `traffic` or `mirror_traffic` that have a number, as azure-ai-ml reads it."""
    node = endpoint.get(key)
    pairs = [(entry, integer(entry.value)) for entry in node] if isinstance(node, Mapping) else []
    return [(entry, weight) for entry, weight in pairs if weight is not None]


def name_of(entry: Entry) -> str:
    """The deployment that an entry stands for: azure-ai-ml makes the name small when it sends it."""
    return str(entry.key.value).lower()


@rule(Level.WARNING)
def traffic_without_deployment(endpoint: Endpoint, project: Project) -> Iterator[Problem]:
    """Traffic goes to a deployment that none of the files declares.

    Azure refuses traffic to a deployment that does not exist. Letter case does not matter, and an entry of 0 is not
    sent (SDK 1.35.2). Reported only where deployments of this endpoint are among the files, and none of them leaves
    its name or its endpoint to the command line.

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          green: 100

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 100

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
    """
    names = {each.name.lower(): each for each in _deployments(endpoint, project) if each.name}
    strange = [
        entry for key in _KEYS for entry, weight in weights(endpoint, key) if weight and name_of(entry) not in names
    ]
    if not strange or not names or _some_are_named_elsewhere(project):
        return
    related = tuple(
        Related(at.key.span, "a deployment is declared here") for each in names.values() if (at := each.find("name"))
    )
    for entry in strange:
        name = str(entry.key.value)
        message = f"no deployment of this endpoint is called {name!r}{did_you_mean(name, names)}"
        yield Problem(entry.key.span, message, related)


_KEYS = ("traffic", "mirror_traffic")


def _deployments(endpoint: Endpoint, project: Project) -> list[Deployment]:
    """The deployments that belong to an endpoint, among all those that name it."""
    named = project.deployments_of.get((endpoint.name or "").lower(), ())
    return [each for each in named if each.endpoint is endpoint]


@once
def _some_are_named_elsewhere(project: Project) -> bool:
    return any(map(_is_named_elsewhere, project.deployments))


def _is_named_elsewhere(deployment: Deployment) -> bool:
    """Whether the deployment's own name or its endpoint's is given on the command line, or filled in by a pipeline."""
    given = [deployment.text(key) for key in ("name", "endpoint_name")]
    return any(name is None or is_template(name) for name in given)


@rule(Level.ERROR)
def traffic_sum(endpoint: Endpoint) -> Iterator[Problem]:
    """The weights in `traffic` add up to neither 0 nor 100.

    Azure takes 0, which switches the traffic off, or 100 (YAML reference). azure-ai-ml refuses more than 100 only.

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 80
          green: 10

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 90
          green: 10
    """
    found, entry = [weight for _, weight in weights(endpoint, "traffic")], endpoint.find("traffic")
    if (
        entry is None
        or not isinstance(entry.value, Mapping)
        or len(found) < len(entry.value.index)
        or min(found, default=0) < 0
    ):
        return  # something in it is no share at all
    if 0 < sum(found) < 100:
        yield Problem(entry.key.span, f"the weights add up to {sum(found)}; they must add up to 100, or to 0")


@rule(Level.ERROR)
def negative_traffic(endpoint: Endpoint) -> Iterator[Problem]:
    """A deployment's share of the traffic is below 0.

    Shares are percentages (YAML reference). azure-ai-ml looks at the sum alone, so 150 and -50 pass (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 150
          green: -50

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 100
          green: 0
    """
    for entry, weight in weights(endpoint, "traffic"):
        if weight < 0:
            yield Problem(entry.value.span, f"{weight} is not a share of the traffic; it is between 0 and 100")


@rule(Level.WARNING)
def altered_weight(endpoint: Endpoint) -> Iterator[Problem]:
    """A share of the traffic is not the number that is written.

    azure-ai-ml cuts fractions off: `99.9` is sent as 99, and three times `33.4` make 99. YAML 1.1 takes a leading
    zero for octal, so `010` is 8 (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 99.5
          green: 0.5

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 99
          green: 1
    """
    for key in _KEYS:
        for entry, _ in weights(endpoint, key):
            words = alteration(entry.value)
            if words:
                yield Problem(entry.value.span, f"{words}; a share is a whole number of percent")


@rule(Level.WARNING)
def colliding_traffic(endpoint: Endpoint) -> Iterator[Problem]:
    """Two entries of the traffic are one deployment in different letter case.

    azure-ai-ml makes the names small when it sends them and keeps the last of two that are then the same: the share
    of the other is lost, and the sum with it (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          Blue: 50
          blue: 50

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 50
          green: 50
    """
    for key in _KEYS:
        seen: dict[str, Entry] = {}
        for entry, weight in weights(endpoint, key):
            earlier = seen.get(name_of(entry))
            if earlier is not None:
                related = (Related(earlier.key.span, "this one is dropped"),)
                yield Problem(
                    entry.key.span, f"{entry.key.value!r} is the same deployment as above; write it once", related
                )
            if weight:
                seen[name_of(entry)] = entry


@rule(Level.NOTE)
def traffic_at_creation(endpoint: Endpoint) -> Iterator[Problem]:
    """The file divides traffic, which an endpoint cannot have when it is first created.

    Deployments must exist before traffic can be set (YAML reference): `az ml online-endpoint create` with this file
    fails the first time. Applied again later, it undoes what `az ml online-endpoint update --traffic` has set during
    a rollout. `az ml online-deployment create --all-traffic` sets the first share.

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic:
          blue: 100

    Good::

        # endpoint.yml
        name: my-endpoint
    """
    entry = endpoint.find("traffic")
    if entry and any(weight for _, weight in weights(endpoint, "traffic")):
        message = (
            "traffic cannot be set when the endpoint is created; leave it to az ml online-endpoint update --traffic"
        )
        yield Problem(entry.key.span, message)


@rule(Level.WARNING)
def too_many_deployments(endpoint: Endpoint, project: Project) -> Iterator[Problem]:
    """More than 20 deployments are declared for one endpoint.

    20 is the limit, unless Microsoft's support has raised it for the subscription ("Manage resources and quotas").
    Counted are different names; two files that declare the same deployment count once.

    Bad::

        # endpoint.yml
        name: my-endpoint
        traffic: {b1: 5, b2: 5, b3: 5, b4: 5, b5: 5, b6: 5, b7: 5, b8: 5, b9: 5, b10: 5, b11: 5, b12: 5, b13: 5, b14: 5,
                  b15: 5, b16: 5, b17: 5, b18: 5, b19: 5, b20: 4, b21: 1}

    Good::

        # endpoint.yml
        name: my-endpoint
        traffic: {b1: 90, b2: 10}
    """
    declared = {each.name.lower() for each in _deployments(endpoint, project) if each.name}
    names = declared | {name_of(entry) for entry, weight in weights(endpoint, "traffic") if weight}
    at = endpoint.find("name")
    if at and len(names) > MOST_DEPLOYMENTS:
        yield Problem(at.value.span, f"{len(names)} deployments; without an exception {MOST_DEPLOYMENTS} are allowed")

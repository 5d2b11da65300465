"""Rules whose caret points at endpoint.yml."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostic import Level, Problem, Related
from ..document import Mapping
from ..specs import Endpoint, Project
from ..suggest import did_you_mean
from . import rule


@rule(Level.ERROR)
def traffic_without_deployment(endpoint: Endpoint, project: Project) -> Iterator[Problem]:
    """Traffic goes to a deployment that none of the files declares.

    Azure refuses traffic to a deployment that does not exist, and traffic cannot be set when the endpoint is first
    created. azure-ai-ml lower-cases the names of deployments but not the keys of `traffic`, so a capital letter never
    matches. Reported only where the deployments of this endpoint are among the files.

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
    mine = [each for each in project.deployments if each.endpoint is endpoint]
    names = {each.name.lower(): each for each in mine if each.name}
    for key in ("traffic", "mirror_traffic"):
        weights = endpoint.get(key)
        if not isinstance(weights, Mapping) or not names:
            continue
        for entry in weights:
            name = str(entry.key.value)
            if name not in names:
                related = tuple(
                    Related(at.key.span, "a deployment is declared here")
                    for each in names.values()
                    if (at := each.find("name"))
                )
                yield Problem(
                    entry.key.span,
                    f"no deployment of this endpoint is called {name!r}{did_you_mean(name, names)}",
                    related,
                )

"""What a monitor watches: the deployment that it names, among those that were found."""

from __future__ import annotations

import re

from .document import Entry, Mapping, Scalar
from .frozen import once
from .project import distance
from .specs import Deployment, Monitor, Project

TARGET = ("create_monitor", "monitoring_target", "endpoint_deployment_id")
SIGNALS = ("create_monitor", "monitoring_signals")

_ARM = (  # compiled when there is a monitor
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+"
    r"/onlineEndpoints/([^/]+)/deployments/([^/]+)"
)


def names(monitor: Monitor) -> tuple[str, str] | None:
    """The endpoint and the deployment that a monitor names; None when it names none, or in no form that works."""
    node = monitor.get(*TARGET)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    text = node.value.removeprefix("azureml:")
    parts = re.fullmatch(_ARM, text, re.IGNORECASE) if text.startswith("/") else None
    if parts is not None:
        return parts[1], parts[2]
    endpoint, colon, deployment = text.partition(":")
    return (endpoint, deployment) if colon and endpoint and deployment and ":" not in deployment else None


def targets(monitor: Monitor, project: Project) -> list[Deployment]:
    """The deployments of these names that are nearest to the monitor's file: several, if a project has variants."""
    named = names(monitor)
    if named is None:
        return []
    same = _by_name(project).get((named[0].lower(), named[1].lower()), [])
    near = min((distance(monitor.folder, each.folder) for each in same), default=0)
    return [each for each in same if distance(monitor.folder, each.folder) == near]


@once
def _by_name(project: Project) -> dict[tuple[str, str], list[Deployment]]:
    found: dict[tuple[str, str], list[Deployment]] = {}
    for each in project.deployments:
        found.setdefault(_own(each), []).append(each)
    return found


def _own(deployment: Deployment) -> tuple[str, str]:
    return (deployment.text("endpoint_name") or "").lower(), (deployment.name or "").lower()


def is_watched(deployment: Deployment, project: Project) -> bool:
    """Whether a monitor among the files watches a deployment."""
    return deployment in _watched(project)


@once
def _watched(project: Project) -> list[Deployment]:
    return [each for monitor in project.of(Monitor) for each in targets(monitor, project)]


def signals(monitor: Monitor) -> list[tuple[Entry, str]]:
    """The signals that a monitor declares, with their types in lower case."""
    node = monitor.get(*SIGNALS)
    found = [(entry, entry.value.get("type")) for entry in node] if isinstance(node, Mapping) else []
    return [(entry, str(kind.value).lower()) for entry, kind in found if isinstance(kind, Scalar)]

"""Scale settings: there are none for managed deployments, and an autoscaler's bounds on Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Scalar
from ...specs import Deployment
from .. import rule
from .numbers import setting


def scale_type(deployment: Deployment) -> str | None:
    """`default`, `target_utilization`, or None when the deployment does not say; azure-ai-ml takes camel case too."""
    node = deployment.get("scale_settings", "type")
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    return {"default": "default", "targetutilization": "target_utilization"}.get(node.value.lower().replace("_", ""))


def _autoscales(deployment: Deployment) -> bool:
    return deployment.is_kubernetes and scale_type(deployment) == "target_utilization"


@rule(Level.ERROR)
def autoscale_on_managed(deployment: Deployment) -> Iterator[Problem]:
    """A managed deployment has scale settings that only Kubernetes knows.

    azure-ai-ml loads the file, uploads code, environment and model, and then says `ManagedOnlineEndpoint supports
    DefaultScaleSettings only.` (SDK 1.35.2). A managed deployment scales through an autoscale profile of Azure
    Monitor, which is a resource of its own ("Autoscale online endpoints").

    Bad::

        # deployment.yml
        instance_count: 3
        scale_settings:
          type: target_utilization
          max_instances: 5

    Good::

        # deployment.yml
        instance_count: 3
        scale_settings:
          type: default
    """
    entry = deployment.find("scale_settings", "type")
    if entry and not deployment.is_kubernetes and scale_type(deployment) == "target_utilization":
        message = "a managed deployment scales by Azure Monitor, not by scale_settings; delete them"
        yield Problem(entry.value.span, message)


@rule(Level.ERROR)
def autoscale_bounds(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, the least number of instances is above the most, or below 1.

    azure-ai-ml sends both as they are; the service answers `InvalidDeploymentSpec` when they are not valid
    ("Troubleshoot online endpoints"). Both default to 1.

    Bad::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          min_instances: 5
          max_instances: 3

    Good::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          min_instances: 3
          max_instances: 5
    """
    if not _autoscales(deployment):
        return
    least, most = setting(deployment, "scale_settings", "min_instances"), _most(deployment)
    if least and least[1] < 1:
        yield Problem(least[0].value.span, f"min_instances is {least[1]}; it is at least 1")
    elif least and most and least[1] > most[1]:
        message = f"min_instances is {least[1]}, more than max_instances, {most[1]}; raise the one or lower the other"
        yield Problem(least[0].value.span, message, (Related(most[0].value.span, "the most is here"),))
    elif least and not most and least[1] > 1:
        yield Problem(least[0].value.span, f"min_instances is {least[1]}, but max_instances is missing, which means 1")


def _most(deployment: Deployment) -> tuple[Entry, int] | None:
    return setting(deployment, "scale_settings", "max_instances")


@rule(Level.WARNING)
def autoscale_without_room(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, an autoscaler has no room to scale, because `max_instances` is missing or 1.

    `max_instances` defaults to 1 (YAML reference of Kubernetes deployments), so with the scale type
    `target_utilization` and nothing else there is always one instance, and a spike is answered with 503.

    Bad::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          target_utilization_percentage: 70

    Good::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          target_utilization_percentage: 70
          max_instances: 3
    """
    entry, least = deployment.find("scale_settings", "type"), setting(deployment, "scale_settings", "min_instances")
    if not _autoscales(deployment) or entry is None or (least and least[1] != 1):
        return
    most = _most(deployment)
    if most is None:
        yield Problem(entry.value.span, "max_instances is missing, which means 1: nothing can scale")
    elif most[1] == 1:
        yield Problem(most[0].value.span, "max_instances is 1: nothing can scale")


@rule(Level.ERROR)
def autoscale_target(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, the utilization to scale at is no percentage.

    `target_utilization_percentage` is the share of the CPU that the autoscaler aims for. Above 100 it is never
    reached; at 0 and below there is nothing to aim for. azure-ai-ml sends any number.

    Bad::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          target_utilization_percentage: 700
          max_instances: 3

    Good::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          target_utilization_percentage: 70
          max_instances: 3
    """
    found = setting(deployment, "scale_settings", "target_utilization_percentage")
    if found and _autoscales(deployment) and not 1 <= found[1] <= 100:
        yield Problem(found[0].value.span, f"target_utilization_percentage is {found[1]}; it is between 1 and 100")


@rule(Level.WARNING)
def instance_count_with_autoscale(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, a deployment has a fixed number of instances and an autoscaler.

    `instance_count` belongs to the scale type `default`; with `target_utilization` the number lies between
    `min_instances` and `max_instances` (YAML reference of Kubernetes deployments).

    Bad::

        # deployment.yml
        type: kubernetes
        instance_count: 2
        scale_settings:
          type: target_utilization
          max_instances: 4

    Good::

        # deployment.yml
        type: kubernetes
        scale_settings:
          type: target_utilization
          min_instances: 2
          max_instances: 4
    """
    entry, kind = deployment.find("instance_count"), deployment.find("scale_settings", "type")
    if entry and kind and _autoscales(deployment):
        message = "instance_count is for a fixed number; with target_utilization write min_instances and max_instances"
        yield Problem(entry.key.span, message, (Related(kind.value.span, "the autoscaler is chosen here"),))

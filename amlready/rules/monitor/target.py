"""The deployment that a monitor watches, and what it must collect for that."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Mapping, Node, Scalar
from ...monitoring import SIGNALS, TARGET, names, signals, targets
from ...specs import Deployment, Monitor, Project
from ...suggest import did_you_mean, listed
from .. import rule
from ..collector import MONITORED, collections, enabled
from ..collector.storage import rolling_rate
from ..deployment.names import is_template


def _target(monitor: Monitor) -> Scalar | None:
    """The deployment's id as written, unless it is left to be filled in."""
    node = monitor.get(*TARGET)
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        return None
    return None if is_template(node.value) else node


@rule(Level.ERROR)
def monitor_target_form(monitor: Monitor) -> Iterator[Problem]:
    """The monitor's deployment is not given as endpoint and deployment.

    `endpoint_deployment_id` is `azureml:ENDPOINT:DEPLOYMENT`, or the deployment's ARM id. The schema takes any text;
    `create` splits it at the colon and fails with a bare `ValueError` when there are not two parts (SDK 1.35.2).

    Bad::

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint

    Good::

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    node = _target(monitor)
    if node is not None and names(monitor) is None:
        yield Problem(node.span, "this is not azureml:ENDPOINT:DEPLOYMENT, two names after the prefix")


@rule(Level.WARNING)
def monitor_target_unknown(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """The monitor watches a deployment that is spelled almost like one that is declared here.

    `create` looks the deployment up and fails when it is not there. Reported where the name of the endpoint, or that
    of a deployment of the same endpoint, differs by a letter or two; what else is not among the files may well be in
    the workspace.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:bleu

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    node, named = _target(monitor), names(monitor)
    if node is None or named is None or targets(monitor, project):
        return
    endpoint, deployment = named
    mine = project.deployments_of.get(endpoint.lower(), [])
    if not mine and endpoint.lower() in project.endpoints_named:
        return
    if mine:
        hint = did_you_mean(deployment, [each.name for each in mine if each.name])
        message = f"no deployment of {endpoint!r} is called {deployment!r}{hint}"
    else:
        declared = [each.text("endpoint_name") for each in project.deployments]
        hint = did_you_mean(endpoint, filter(None, [*declared, *(each.name for each in project.endpoints)]))
        message = f"no file here declares an endpoint {endpoint!r}{hint}"
    if hint:
        yield Problem(node.span, message, tuple(_declared(mine)))


def _declared(deployments: list[Deployment]) -> Iterator[Related]:
    for each in deployments:
        entry = each.find("name")
        if entry is not None:
            yield Related(entry.key.span, "a deployment is declared here")


@rule(Level.NOTE)
def monitor_target_not_here(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """The monitor watches a deployment that is not among those of its endpoint that are declared here.

    `create` looks the deployment up and fails when it is not there. It may be in the workspace without a file, or get
    its name on the command line, which is why this is a note; a name that is almost one of those here is a warning of
    its own.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:green

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    node, named = _target(monitor), names(monitor)
    if node is None or named is None or targets(monitor, project):
        return
    endpoint, deployment = named
    mine = project.deployments_of.get(endpoint.lower(), [])
    known = [each.name for each in mine if each.name]
    if known and len(known) == len(mine) and not did_you_mean(deployment, known):
        there = listed(dict.fromkeys(known), "and")
        message = f"no file here declares a deployment {deployment!r} of {endpoint!r}; there is {there}"
        yield Problem(node.span, message, tuple(_declared(mine)))


@rule(Level.ERROR)
def monitor_collection_missing(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """The watched deployment collects data, but does not declare both `model_inputs` and `model_outputs`.

    `create` reads both collections of the deployment before it looks at the signals, and fails with `'NoneType' object
    has no attribute 'data'` when one is not declared, whatever the signals need (SDK 1.35.2). A collection that is
    declared and switched off is enough.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    node = _target(monitor)
    found = [each for each in targets(monitor, project) if each.collections is not None]
    lacking = [[name for name in MONITORED if name not in collections(each)] for each in found]
    if node is None or not found or not all(lacking):
        return
    at = found[0].find("data_collector", "collections")
    related = (Related(at.key.span, "its collections are declared here"),) if at else ()
    message = f"the deployment has no collection {listed(lacking[0], 'and no')}, and create fails without"
    yield Problem(node.span, message, related)


_NEEDS = {
    "data_drift": "model_inputs",
    "data_quality": "model_inputs",
    "prediction_drift": "model_outputs",
    "feature_attribution_drift": "model_inputs",
}


@rule(Level.ERROR)
def monitor_without_data(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """A signal has neither data of its own nor a collection to take it from.

    Without `production_data` and `reference_data` a signal reads what the watched deployment collects: data drift and
    data quality `model_inputs`, prediction drift `model_outputs`. `create` refuses the monitor when that collection is
    not enabled, or when no deployment is given; without any signal both must be enabled (SDK 1.35.2).

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'false'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    off = _not_collected(monitor, project)
    at = monitor.find("create_monitor")
    if off is None or at is None:
        return
    where = "no deployment is watched" if monitor.get(*TARGET) is None else "the deployment does not collect it"
    if not signals(monitor):
        target = monitor.find(*TARGET) or at
        if off and _has_no_signals(monitor):
            message = f"without signals of its own a monitor needs {listed(off, 'and')} enabled, and {where}"
            yield Problem(target.key.span, message)
        return
    for entry, kind in signals(monitor):
        needed = _NEEDS.get(kind)
        if needed in off and not _brings_data(entry.value, kind):
            yield Problem(entry.key.span, f"this needs {needed!r} enabled, or data of its own, and {where}")


def _has_no_signals(monitor: Monitor) -> bool:
    node = monitor.get(*SIGNALS)
    return node is None or (isinstance(node, Mapping) and not node.entries)


def _not_collected(monitor: Monitor, project: Project) -> list[str] | None:
    """Which of the two collections are surely not enabled; None if the deployment is not among the files."""
    node = monitor.get(*TARGET)
    if node is None or (isinstance(node, Scalar) and node.value in ("", None)):
        return list(MONITORED)
    found = targets(monitor, project)
    if not found or any(each.collections is not None and _lacks(each) for each in found):
        return None  # not here, or a finding of its own
    if any(each.find("data_collector") and each.collections is None for each in found):
        return None  # azure-ai-ml refuses such a deployment
    return [name for name in MONITORED if not any(_is_on(each, name) for each in found)]


def _lacks(deployment: Deployment) -> bool:
    return any(name not in collections(deployment) for name in MONITORED)


def _is_on(deployment: Deployment, name: str) -> bool:
    entry = collections(deployment).get(name)
    return entry is not None and enabled(entry)


def _brings_data(signal: Node, kind: str) -> bool:
    production, reference = signal.get("production_data"), signal.get("reference_data")
    return production is not None and (reference is not None or kind == "feature_attribution_drift")


@rule(Level.WARNING)
def monitor_rolling_rate(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """The watched deployment does not roll its data into hour folders, and the monitor finds none.

    Monitoring reads `PATH/yyyy/MM/dd/HH/*.jsonl` (read in Azure's monitoring components); with `rolling_rate: minute`
    or `day` the folders are deeper or not as deep, and each run ends with `No data found`.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          rolling_rate: day

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          rolling_rate: hour

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
    """
    node = _target(monitor)
    rates = [rolling_rate(each) for each in targets(monitor, project)]
    first = rates[0] if rates else None
    if node is not None and first is not None and all(rates):
        related = (Related(first.span, "it is set here; write hour"),)
        message = (
            f"this deployment rolls its data by {str(first.value).lower()}, and monitoring reads hour folders only"
        )
        yield Problem(node.span, message, related)

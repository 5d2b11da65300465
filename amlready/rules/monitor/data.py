"""The data assets that a monitor's signals read."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Mapping, Scalar, Sequence
from ...monitoring import signals, targets
from ...specs import Deployment, Monitor, Project, asset_name
from ...suggest import did_you_mean, listed
from .. import rule
from ..collector import PAYLOAD, collections


def _inputs(monitor: Monitor) -> Iterator[tuple[Mapping, Scalar]]:
    """What signals read: the mapping around each `input_data`, and its path."""
    for entry, _ in signals(monitor):
        for key in ("production_data", "reference_data"):
            node = entry.value.get(key)
            for each in node.items if isinstance(node, Sequence) else [node]:
                path = each.get("input_data", "path") if each is not None else None
                if isinstance(each, Mapping) and isinstance(path, Scalar):
                    yield each, path


def _assets(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """The data assets of a deployment's collections: name to version and collection."""
    found = {}
    prefix = f"{deployment.text('endpoint_name')}-{deployment.name}-"
    for name, entry in collections(deployment).items():
        own, version = entry.value.get("data", "name"), entry.value.get("data", "version")
        asset = str(own.value) if isinstance(own, Scalar) else prefix + str(entry.key.value)
        found[asset] = (str(version.value) if isinstance(version, Scalar) else "1", name)
    return found


@rule(Level.WARNING)
def monitor_data_differs(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """A signal reads a data asset of the watched deployment that its collections do not make.

    The assets are called ENDPOINT-DEPLOYMENT-COLLECTION, version 1, unless the collection's `data` says otherwise.

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

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                input_data:
                  type: uri_folder
                  path: azureml:my-endpoint-blue-inputs:1

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
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                input_data:
                  type: uri_folder
                  path: azureml:my-endpoint-blue-model_inputs:1
    """
    found = targets(monitor, project)
    known = {name: asset for each in found for name, asset in _assets(each).items()}
    prefixes = tuple(f"{each.text('endpoint_name')}-{each.name}-" for each in found if each.collections is not None)
    for _, path in _inputs(monitor):
        parts = asset_name(path)
        if parts is None or not prefixes:
            continue
        name, version = parts
        if name not in known and name.startswith(prefixes):
            hint = did_you_mean(name, known) or f"; it makes {listed(known, 'and')}"
            yield Problem(path.span, f"no collection of the deployment makes {name!r}{hint}")
        elif name in known and version not in ("latest", known[name][0]) and "@" not in str(path.value):
            yield Problem(
                path.span, f"the deployment makes version {known[name][0]} of {name!r}, not {version or 'none'}"
            )


@rule(Level.WARNING)
def monitor_reads_payload(monitor: Monitor, project: Project) -> Iterator[Problem]:
    """A signal reads payload logging, which is no table, without a preprocessing component.

    `request` and `response` hold the bodies as they came. Monitoring needs rows and columns: name a
    `pre_processing_component` that makes them, or collect `model_inputs` and `model_outputs` in the scoring script
    (page "Collect production data").

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            request:
              enabled: 'true'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                input_data:
                  type: uri_folder
                  path: azureml:my-endpoint-blue-request:1

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        data_collector:
          collections:
            request:
              enabled: 'true'

        # monitor.yml
        create_monitor:
          monitoring_target:
            endpoint_deployment_id: azureml:my-endpoint:blue
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                input_data:
                  type: uri_folder
                  path: azureml:my-endpoint-blue-request:1
                pre_processing_component: azureml:make-table:1
    """
    known = {name: asset for each in targets(monitor, project) for name, asset in _assets(each).items()}
    for data, path in _inputs(monitor):
        parts = asset_name(path)
        collection = known[parts[0]][1] if parts is not None and parts[0] in known else ""
        if collection in PAYLOAD and data.get("pre_processing_component") is None:
            yield Problem(path.span, f"{collection!r} is not tabular; it needs a pre_processing_component")

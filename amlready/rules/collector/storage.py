"""Where collected data goes: data assets, hour folders, and the identity that writes there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Entry, Mapping, Scalar
from ...monitoring import is_watched
from ...specs import Deployment, Project
from .. import rule
from .collections import MONITORED, collections, enabled
from .paths import DEFAULT_STORE, own_paths, store_and_path


@rule(Level.ERROR)
def data_reference(deployment: Deployment) -> Iterator[Problem]:
    """A collection's `data` is a reference to an asset, where azure-ai-ml needs name, version and path.

    The schema takes the text, but `create` fails with `'str' object has no attribute 'name'`, before anything is
    deployed (SDK 1.35.2). Without `data` the asset gets a name of its own.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data: azureml:my-inputs:1

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                version: '1'
    """
    for entry in deployment.collections or ():
        at = entry.value.get("data")
        if not isinstance(at, Scalar) or not isinstance(at.value, str):
            continue
        found = re.fullmatch(r"azureml:([^:@/\s]+):([^:@/\s]+)", at.value)
        remedy = "write name, version and path below it"
        yield Problem(at.span, f"create cannot use a reference here; {remedy}", fix=tuple(_spelled_out(at, found)))


def _spelled_out(node: Scalar, found: re.Match[str] | None) -> Iterator[Edit]:
    """The same asset as a mapping, where the reference stands alone on its key's line."""
    source = node.source
    line, column = source.position(node.start)
    before = source.line(line)[: column - 1]
    key = re.fullmatch(r"( *)data: ", before)
    if found is not None and key is not None:
        indent = "\n" + key[1] + "  "
        start = node.start - 1
        yield Edit(source.span(start, node.end), f"{indent}name: {found[1]}{indent}version: '{found[2]}'")


@rule(Level.WARNING)
def shared_data_asset(deployment: Deployment) -> Iterator[Problem]:
    """Two collections name the same data asset and version.

    `create` registers the first one; for the second it finds that the asset `already exists` and uses it, path and
    all: both collections end up in one folder (read in SDK 1.35.2).

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: collected
            model_outputs:
              enabled: 'true'
              data:
                name: collected

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: collected-inputs
            model_outputs:
              enabled: 'true'
              data:
                name: collected-outputs
    """
    seen: dict[tuple[str, str], Entry] = {}
    for entry in deployment.collections or ():
        data = entry.value.get("data")
        name = data.get("name") if isinstance(data, Mapping) else None
        if not isinstance(name, Scalar) or not isinstance(data, Mapping):
            continue
        version = data.get("version")
        key = (str(name.value), str(version.value) if version is not None else "1")
        first = seen.setdefault(key, entry)
        if first is not entry:
            related = (Related(first.key.span, "of this collection"),)
            yield Problem(name.span, f"this is the data asset of {str(first.key.value)!r} too", related)


@rule(Level.NOTE)
def rolling_rate_not_monitored(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """Collected data is not rolled into hour folders, which are the only ones that model monitoring reads.

    Its reader expects `PATH/yyyy/MM/dd/HH/*.jsonl` (read in Azure's monitoring components) and finds no data
    otherwise. Not reported for collections that monitoring does not look for, nor where a monitor is among the files:
    then it is a finding about the monitor.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          rolling_rate: day

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          rolling_rate: hour
    """
    node = rolling_rate(deployment)
    monitored = any(enabled(entry) for name, entry in collections(deployment).items() if name in MONITORED)
    if node is not None and monitored and not is_watched(deployment, project):
        yield Problem(node.span, "model monitoring reads hour folders only; write 'hour' if a monitor is to come")


def rolling_rate(deployment: Deployment) -> Scalar | None:
    """The rolling rate, if monitoring cannot read what it makes."""
    node = deployment.get("data_collector", "rolling_rate")
    is_other = isinstance(node, Scalar) and str(node.value).lower() in ("minute", "day")
    return node if is_other and isinstance(node, Scalar) else None


@rule(Level.NOTE)
def storage_needs_role(deployment: Deployment) -> Iterator[Problem]:
    """Data goes to a datastore of your own, and nothing shows that the endpoint may write there.

    The endpoint's identity needs the role Storage Blob Data Contributor on that container, or nothing is stored (page
    "Collect production data"). Which identity that is, `identity` in the endpoint's file says; without it Azure makes
    one with the endpoint.

    Bad::

        # endpoint.yml
        name: my-endpoint

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: azureml://datastores/inference/paths/blue/model_inputs

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: system_assigned

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
              data:
                name: my-inputs
                path: azureml://datastores/inference/paths/blue/model_inputs
    """
    endpoint = deployment.endpoint
    if endpoint is None or endpoint.find("identity") is not None:
        return
    for _, node in own_paths(deployment):
        found = store_and_path(str(node.value))
        if found is not None and found[0].lower() != DEFAULT_STORE:
            at = endpoint.find("name")
            related = (Related(at.key.span, "it has no 'identity' here"),) if at else ()
            message = f"the endpoint's identity needs Storage Blob Data Contributor on the container of {found[0]!r}"
            yield Problem(node.span, message, related)
            return

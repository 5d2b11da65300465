"""The management API of a workspace that nobody has seen: what is put is there, and what a file only refers to is too.

The names that only the real workspace knows are placeholders in capitals, the same ones that `--curl` makes into shell
variables. Whatever is taken for granted is said in the answer's `assumed`, for the reader of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

from .exchange import Answered, Asked, refusal

SUBSCRIPTION, GROUP, WORKSPACE = "AML_SUBSCRIPTION", "AML_RESOURCE_GROUP", "AML_WORKSPACE"
LOCATION = "AML_LOCATION"
STORAGE_ACCOUNT = "amlstorageaccount"  # a host name has no capitals
CONTAINER, CODE_CONTAINER = "AML_CONTAINER", "AML_CODE_CONTAINER"
CODE_NAME = "AML_CODE_NAME"  # in the place of one that the SDK draws at random
LATEST = "AML_LATEST_VERSION"
PLACEHOLDERS = (
    SUBSCRIPTION,
    GROUP,
    WORKSPACE,
    LOCATION,
    STORAGE_ACCOUNT,
    CONTAINER,
    CODE_CONTAINER,
    CODE_NAME,
    LATEST,
)

MANAGEMENT = "management.azure.com"
PROVIDER = "Microsoft.MachineLearningServices"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{PROVIDER}/workspaces/{WORKSPACE}"
PROGRESS = f"/subscriptions/{SUBSCRIPTION}/providers/{PROVIDER}/locations/{LOCATION}/mfeOperationsStatus/oe"
STORAGE = f"{STORAGE_ACCOUNT}.blob.core.windows.net"

_STAMP = {
    "createdAt": "2000-01-01T00:00:00Z",
    "createdBy": "somebody",
    "createdByType": "User",
    "lastModifiedAt": "2000-01-01T00:00:00Z",
}
_ENDPOINT, _DEPLOYMENT = "onlineEndpoints", "deployments"
_VERSIONED = ("data", "models", "environments", "codes")
_SINGULAR = {"models": "model", "environments": "environment", "data": "data asset", "codes": "code"}


class Workspace:
    """Answers requests to the management API; what is put into it, by them or by `put`, is there from then on."""

    def __init__(self) -> None:
        self._resources: dict[str, Any] = {}
        self.referenced: Mapping[str, Collection[str]] = {}
        """Names of assets, by kind (`models`, ...), that exist because the present command refers to them."""
        self.creates_endpoint = False
        """Whether the present command creates an endpoint, which then is not there unless it was put."""

    def answer(self, asked: Asked) -> Answered:
        path = asked.path
        if not path.lower().startswith(SCOPE.lower()):
            return Answered(body={"status": "Succeeded"}) if path == PROGRESS else _unknown(asked)
        segments = [each for each in path[len(SCOPE) :].split("/") if each]
        match asked.method, segments:
            case "GET", []:
                return Answered(body=_WORKSPACE)
            case "PUT", [kind, *_]:
                resource = self.put(segments, asked.body)
                return _begun(resource) if kind == "onlineEndpoints" else Answered(body=resource)
            case "GET", [*parts]:
                return self._get(parts) or _missing(path)
            case "POST", ["datastores", _, "listSecrets"]:
                return Answered(body=_SECRET)
            case "POST", ["codes", _, "versions", _, "startPendingUpload"]:
                return Answered(body=_PENDING_UPLOAD)
            case _:
                return _unknown(asked)

    def put(self, parts: list[str], body: Any) -> Any:
        """Keep a resource and return it as Azure does, with what the SDK needs to read it back."""
        resource = dict(body or {})
        properties = {**(resource.get("properties") or {}), "provisioningState": "Succeeded"}
        complete = _COMPLETED.get(parts[-2] if len(parts) > 1 else "")
        if complete is not None:
            complete(properties)
        path = "/".join([SCOPE, *parts])
        kept = {**resource, "id": path, "name": parts[-1], "properties": properties}
        if parts[0] in _VERSIONED:
            kept["systemData"] = _STAMP
        self._resources[_key(path)] = kept
        return kept

    def _get(self, parts: list[str]) -> Answered | None:
        known = self._resources.get(_key("/".join([SCOPE, *parts])))
        if known is not None:
            return Answered(body=known)
        match parts:
            case ["datastores"]:
                return Answered(body={"value": [_datastore("workspaceblobstore")]})
            case ["datastores", name]:
                return Answered(body=_datastore(name))
            case ["onlineEndpoints", name] if not self.creates_endpoint:
                return Answered(body=self.put(parts, _assumed_endpoint()), assumed=f"endpoint {name}")
            case ["onlineEndpoints", _, "deployments"]:
                return Answered(body={"value": self._below(parts)})
            case [kind, name, *rest] if kind in _VERSIONED:
                return self._asset(kind, name, rest)
            case _:
                return None

    def _asset(self, kind: str, name: str, rest: list[str]) -> Answered | None:
        """An asset that was not put: there if it is referred to."""
        referenced = name in self.referenced.get(kind, ())
        match rest:
            case ["versions"]:
                stored = self._below([kind, name, *rest])
                if stored or not referenced:
                    return Answered(body={"value": stored})
                return Answered(body={"value": [_version(kind, name, LATEST)]}, assumed=asset(kind, name, LATEST))
            case ["versions", version] if referenced:
                return Answered(body=_version(kind, name, version), assumed=asset(kind, name, version))
            case [] if referenced:
                return Answered(body=_container(kind, name), assumed=asset(kind, name, LATEST))
            case _:
                return None

    def _below(self, parts: list[str]) -> list[Any]:
        prefix = _key("/".join([SCOPE, *parts])) + "/"
        return [each for path, each in self._resources.items() if path.startswith(prefix)]


def _begun(resource: Any) -> Answered:
    """What takes minutes in Azure: the SDK is told where to ask how it goes and, unlike there, to ask at once."""
    properties = {**resource["properties"], "provisioningState": "Creating"}
    headers = {"Azure-AsyncOperation": f"https://{MANAGEMENT}{PROGRESS}", "retry-after-ms": "1"}
    return Answered(HTTPStatus.CREATED, {**resource, "properties": properties}, headers)


def _key(path: str) -> str:
    return path.lower()


def _unknown(asked: Asked) -> Answered:
    return refusal(HTTPStatus.NOT_FOUND, "NotFound", f"amlready plan does not know {asked.method} {asked.path}")


def _missing(path: str) -> Answered:
    return refusal(HTTPStatus.NOT_FOUND, "NotFound", f"{path} does not exist")


def asset(kind: str, name: str, version: str) -> str:
    """What an asset is called in a sentence; `kind` is its part of a path."""
    which = f"{name} in its latest version" if version == LATEST else f"{name}:{version}"
    return f"{_SINGULAR.get(kind, kind)} {which}"


def _container(kind: str, name: str) -> Any:
    """All versions of an asset as one thing, which knows the latest and the next."""
    return {
        "id": f"{SCOPE}/{kind}/{name}",
        "name": name,
        "systemData": _STAMP,
        "properties": {"latestVersion": LATEST, "nextVersion": LATEST},
    }


def _version(kind: str, name: str, version: str) -> Any:
    properties: dict[str, Any] = {"provisioningState": "Succeeded", "properties": {}, "tags": {}}
    _COMPLETED["versions"](properties)
    if kind == "data":
        properties |= {"dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/"}
    path = f"{SCOPE}/{kind}/{name}/versions/{version}"
    return {"id": path, "name": version, "systemData": _STAMP, "properties": properties}


def _complete_endpoint(properties: dict[str, Any]) -> None:
    properties.setdefault("properties", {})
    properties.setdefault("traffic", {})
    properties.setdefault("mirrorTraffic", {})


def _complete_deployment(properties: dict[str, Any]) -> None:
    kind = properties.get("endpointComputeType")
    usual = {"scaleType": "Default"} if kind == "Managed" else {"scaleType": "TargetUtilization"}
    properties.setdefault("scaleSettings", usual)
    properties.setdefault("properties", {})
    if kind != "Managed":
        properties.setdefault("containerResourceRequirements", {})
    collector = properties.get("dataCollector")
    if collector:  # the SDK sends these words in small letters and reads them back in Azure's
        collections = {
            name: {**each, "dataCollectionMode": str(each.get("dataCollectionMode")).capitalize()}
            for name, each in collector.get("collections", {}).items()
        }
        properties["dataCollector"] = {**collector, "collections": collections}


def _complete_version(properties: dict[str, Any]) -> None:
    properties.setdefault("flavors", {})


_COMPLETED: dict[str, Callable[[dict[str, Any]], None]] = {
    _ENDPOINT: _complete_endpoint,
    _DEPLOYMENT: _complete_deployment,
    "versions": _complete_version,
}


def _assumed_endpoint() -> Any:
    return {
        "location": LOCATION,
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "publicNetworkAccess": "Enabled"},
    }


def _datastore(name: str) -> Any:
    return {
        "id": f"{SCOPE}/datastores/{name}",
        "name": name,
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": STORAGE_ACCOUNT,
            "containerName": CONTAINER,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "isDefault": True,
            "credentials": {"credentialsType": "Sas"},
        },
    }


_SECRET = {"secretsType": "Sas", "sasToken": "sv=2022-11-02&sr=c&sig=none"}
_PENDING_UPLOAD = {
    "pendingUploadId": "00000000-0000-0000-0000-000000000000",
    "pendingUploadType": "TemporaryBlobReference",
    "blobReferenceForConsumption": {
        "blobUri": f"https://{STORAGE}/{CODE_CONTAINER}",
        "storageAccountArmId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage"
        f"/storageAccounts/{STORAGE_ACCOUNT}",
        "credential": {
            "credentialType": "SAS",
            "sasUri": f"https://{STORAGE}/{CODE_CONTAINER}?sv=2022-11-02&sr=c&sig=none",
        },
    },
}
_WORKSPACE = {
    "id": SCOPE,
    "name": WORKSPACE,
    "type": f"{PROVIDER}/workspaces",
    "location": LOCATION,
    "tags": {},
    "identity": {"type": "SystemAssigned"},
    "properties": {"friendlyName": WORKSPACE, "workspaceId": "00000000-0000-0000-0000-000000000000"},
}


def placeholders(text: str, replace: Callable[[str], str]) -> str:
    """A text with every placeholder replaced."""
    return re.sub("|".join(PLACEHOLDERS), lambda found: replace(found[0]), text)

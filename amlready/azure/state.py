"""What is in Azure now, as the show commands of `az ml` print it: endpoints, deployments, models and environments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..misuse import Misuse

_WANTED = "the output of `az ml online-endpoint show --output json`, of other show commands, or a list of them"
_AUTH = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}


@dataclass(frozen=True)
class Existing:
    """An endpoint, or with `deployment` a deployment, as it is printed. Names are in lower case, as Azure has them."""

    endpoint: str
    deployment: str
    printed: Mapping[str, Any]

    @property
    def resource(self) -> dict[str, Any]:
        """As much of it as the SDK reads back: `path` in the workspace and `body`, as the management API has them."""
        path = ["onlineEndpoints", self.endpoint]
        if self.deployment:
            return {"path": [*path, "deployments", self.deployment], "body": _deployment(self.printed)}
        return {"path": path, "body": _endpoint(self.printed)}

    def shares(self, key: str) -> dict[str, int]:
        """`traffic` or `mirror_traffic` in percent by deployment, without zeros."""
        given = self.printed.get(key)
        return {str(name): share for name, share in given.items() if share} if isinstance(given, Mapping) else {}


@dataclass(frozen=True)
class Registered:
    """A version of a model or environment; `kind` is its part of a path in the management API."""

    kind: str
    name: str
    version: str

    @property
    def resource(self) -> dict[str, Any]:
        return {"path": [self.kind, self.name, "versions", self.version], "body": {}}


@dataclass(frozen=True)
class State:
    """Everything that a state file tells."""

    existing: tuple[Existing, ...] = ()
    registered: frozenset[Registered] = frozenset()

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [*(each.resource for each in self.existing), *(each.resource for each in self.registered)]

    def has(self, kind: str, name: str, version: str = "") -> bool:
        """Whether this version is registered; any, where none is said."""
        return any((each.kind, each.name) == (kind, name) and version in ("", each.version) for each in self.registered)

    def find(self, endpoint: str, deployment: str = "") -> Existing | None:
        wanted = endpoint.lower(), deployment.lower()
        return next((each for each in self.existing if (each.endpoint, each.deployment) == wanted), None)


def read(path: Path) -> State:
    """The state in a file. Raises Misuse."""
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Misuse(f"{path} is not JSON ({error}); it should be {_WANTED}") from None
    found = list(_things(path, given if isinstance(given, list) else [given]))
    return State(
        tuple(each for each in found if isinstance(each, Existing)),
        frozenset(each for each in found if isinstance(each, Registered)),
    )


def _things(path: Path, given: list[Any]) -> Iterator[Existing | Registered]:
    for each in given:
        match each:
            case {"id": str(place)} if found := re.search(r"/(models|environments)/([^/]+)/versions/([^/]+)$", place):
                yield Registered(*found.groups())
            case {"name": str(name), "endpoint_name": str(endpoint)}:
                yield Existing(endpoint.lower(), name.lower(), each)
            case {"name": str(name), "id": str(place)} if found := re.search(
                r"/onlineEndpoints/([^/]+)/deployments/[^/]+$", place, re.IGNORECASE
            ):
                yield Existing(found[1].lower(), name.lower(), each)
            case {"name": str(name), "auth_mode": str()}:
                yield Existing(name.lower(), "", each)
            case _:
                raise Misuse(
                    f"{path} holds what is no endpoint, deployment, model or environment; it should be {_WANTED}"
                )


def _endpoint(printed: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "authMode": _AUTH.get(str(printed["auth_mode"]).lower(), printed["auth_mode"]),
        "description": printed.get("description"),
        "properties": _texts(printed.get("properties")),
        "traffic": printed.get("traffic") or {},
        "mirrorTraffic": printed.get("mirror_traffic") or {},
        "compute": printed.get("compute"),
        "publicNetworkAccess": str(printed.get("public_network_access") or "enabled").capitalize(),
    }
    return {
        "location": printed.get("location"),
        "tags": _texts(printed.get("tags")),
        "identity": _identity(printed.get("identity")),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _identity(printed: object) -> dict[str, Any]:
    match printed:
        case {"type": str(kind), "user_assigned_identities": list(assigned)} if "user" in kind.lower():
            identities: dict[str, Any] = {
                str(each.get("resource_id")): {} for each in assigned if isinstance(each, Mapping)
            }
            return {"type": "UserAssigned", "userAssignedIdentities": identities}
        case _:
            return {"type": "SystemAssigned"}


def _deployment(printed: Mapping[str, Any]) -> dict[str, Any]:
    kubernetes = str(printed.get("type", "managed")).lower() == "kubernetes"
    return {
        "location": printed.get("location"),
        "sku": {"name": "Default", "capacity": printed.get("instance_count") or 1},
        "properties": {
            "endpointComputeType": "Kubernetes" if kubernetes else "Managed",
            "instanceType": printed.get("instance_type"),
        },
    }


def _texts(given: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}

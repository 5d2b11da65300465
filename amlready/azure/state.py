"""What is in Azure now, as `az ml online-endpoint show` and `az ml online-deployment show` print it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..misuse import Misuse

_WANTED = "the output of `az ml online-endpoint show --output json`, `az ml online-deployment show`, or a list of them"
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
class State:
    """Everything that a state file tells."""

    existing: tuple[Existing, ...] = ()

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
    return State(tuple(_existing(path, given)))


def _existing(path: Path, given: Any) -> Iterator[Existing]:
    for each in given if isinstance(given, list) else [given]:
        match each:
            case {"name": str(name), "endpoint_name": str(endpoint)}:
                yield Existing(endpoint.lower(), name.lower(), each)
            case {"name": str(name), "id": str(place)} if found := re.search(
                r"/onlineEndpoints/([^/]+)/deployments/[^/]+$", place, re.IGNORECASE
            ):
                yield Existing(found[1].lower(), name.lower(), each)
            case {"name": str(name), "auth_mode": str()}:
                yield Existing(name.lower(), "", each)
            case _:
                raise Misuse(f"{path} holds what is neither an endpoint nor a deployment; it should be {_WANTED}")


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

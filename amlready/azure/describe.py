"""Requests in words: what they are about, and what of their bodies a reader wants to know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from .session import Request
from .workspace import LATEST, SCOPE, asset

_ASSET = re.compile(r"(?:azureml:)?/subscriptions/[^/]+/resource[gG]roups/[^/]+/providers/[^/]+/workspaces/[^/]+/(.+)")
_DURATION = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?")


@dataclass(frozen=True)
class Described:
    """`what` names the resource; `details` are its interesting fields, the most interesting first."""

    verb: str
    what: str
    details: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.verb == "GET"


def describe(request: Request) -> Described:
    """A request in words."""
    parts = urlsplit(request.url)
    path = unquote(parts.path)
    if not path.startswith(SCOPE):
        return Described(request.method, f"{parts.netloc}{path}")
    segments = [each for each in path[len(SCOPE) :].split("/") if each]
    body = request.body if isinstance(request.body, Mapping) else {}
    details = tuple(_details(segments, body)) if request.method == "PUT" else ()
    return Described(request.method, _what(segments), details)


def _what(segments: list[str]) -> str:
    match segments:
        case []:
            return "workspace"
        case ["onlineEndpoints", *rest]:
            return _serving(rest)
        case ["codes", *rest]:
            return _of_code(rest)
        case ["datastores", name, "listSecrets"]:
            return f"access to datastore {name} (listSecrets)"
        case ["datastores", name]:
            return f"datastore {name}"
        case [kind, name, "versions", version]:
            return asset(kind, brief(name), brief(version))
        case [kind, name, *_]:
            return asset(kind, brief(name), LATEST)
        case _:
            return "/".join(segments)


def _serving(rest: list[str]) -> str:
    match rest:
        case [name]:
            return f"endpoint {name}"
        case [endpoint, "deployments"]:
            return f"deployments of {endpoint}"
        case _:
            return f"deployment {rest[-1]}"


def _of_code(rest: list[str]) -> str:
    match rest:
        case [_, "versions"]:
            return "code of the same content"
        case [*_, "startPendingUpload"]:
            return "a place for the code (startPendingUpload)"
        case _:
            return "code"


def _details(segments: list[str], body: Mapping[str, Any]) -> Iterator[str]:
    kind = segments[2] if segments[2:3] == ["deployments"] else segments[0] if segments else ""
    tell = _TELLERS.get(kind)
    if tell is not None:
        yield from (each for each in tell(body, body.get("properties") or {}) if each)
    tags = body.get("tags") or (body.get("properties") or {}).get("tags")
    if tags:
        yield f"tags {_pairs(tags)}"


def _endpoint(body: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    yield f"auth {_AUTH.get(properties.get('authMode', ''), properties.get('authMode', ''))}"
    identity = body.get("identity") or {}
    names = ", ".join(each.rpartition("/")[2] for each in identity.get("userAssignedIdentities") or ())
    yield f"identity {_kebab(identity.get('type', 'none'))}{f' ({names})' if names else ''}"
    if properties.get("compute"):
        yield f"compute {short(properties['compute'])}"
    if properties.get("publicNetworkAccess") == "Disabled":
        yield "no public access"
    yield f"traffic {_pairs(properties['traffic'], '%')}" if properties.get("traffic") else "no traffic"
    if properties.get("mirrorTraffic"):
        yield f"mirrored {_pairs(properties['mirrorTraffic'], '%')}"


def _deployment(body: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    yield f"model {short(properties['model'])}" if properties.get("model") else "no model"
    yield f"environment {short(properties['environmentId'])}" if properties.get("environmentId") else "no environment"
    code = properties.get("codeConfiguration") or {}
    yield f"script {code['scoringScript']}" if code.get("scoringScript") else "no scoring script"
    yield _size(body, properties)
    yield from _collector(properties.get("dataCollector") or {})
    yield from _limits(properties)
    variables = list(properties.get("environmentVariables") or ())
    yield from (f"{'' if number else 'variables '}{name}" for number, name in enumerate(variables))


def _size(body: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    count = (body.get("sku") or {}).get("capacity")
    kind = properties.get("instanceType") or "the default instance type"
    scale = properties.get("scaleSettings") or {}
    if scale.get("scaleType") == "TargetUtilization":
        return f"{scale.get('minInstances', 1)} to {scale.get('maxInstances', 1)} x {kind}"
    return f"{count if count is not None else 'one'} x {kind}"


def _collector(collector: Mapping[str, Any]) -> Iterator[str]:
    collections: Mapping[str, Any] = collector.get("collections") or {}
    on = {name: each for name, each in collections.items() if each.get("dataCollectionMode") == "enabled"}
    if not on:
        yield "collects nothing"
        return
    rates = {each.get("samplingRate", 1.0) for each in on.values()}
    rate = " and ".join(f"{100 * each:g} %" for each in sorted(rates))
    rolling = str(collector.get("rollingRate") or "hour").lower()
    yield f"collects {', '.join(on)} ({rate}, a folder each {rolling})"


def _limits(properties: Mapping[str, Any]) -> Iterator[str]:
    settings = properties.get("requestSettings") or {}
    if "maxConcurrentRequestsPerInstance" in settings:
        yield f"{plural(settings['maxConcurrentRequestsPerInstance'], 'request')} at a time"
    if "requestTimeout" in settings:
        yield f"timeout {_seconds(settings['requestTimeout'])}"
    if properties.get("egressPublicNetworkAccess") == "Disabled":
        yield "no public egress"
    if properties.get("appInsightsEnabled"):
        yield "Application Insights"


def _data(_: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    yield str(properties.get("dataUri", ""))


def _environment(_: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    yield f"image {properties['image']}" if properties.get("image") else ""
    build = properties.get("build")
    yield f"build of {build.get('dockerfilePath', 'Dockerfile')}" if build else ""
    packages = _packages(properties.get("condaFile"))
    yield f"conda with {plural(packages, 'package')}" if packages else ""


def _model(_: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    yield str(properties.get("modelType", ""))
    uri = str(properties.get("modelUri", ""))
    if "/LocalUpload/" not in uri:
        yield uri


def _code(_: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    digest = (properties.get("properties") or {}).get("hash_sha256")
    yield f"content {digest[:12]}" if digest else ""


_Teller = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]]
_TELLERS: dict[str, _Teller] = {
    "onlineEndpoints": _endpoint,
    "deployments": _deployment,
    "data": _data,
    "environments": _environment,
    "models": _model,
    "codes": _code,
}
_AUTH = {"Key": "key", "AMLToken": "aml_token", "AADToken": "aad_token"}


def short(identifier: object) -> str:
    """`name:version` or `name@latest` of an asset's ARM id in any workspace, the name of another resource's.

    Anything else as it is.
    """
    found = _ASSET.fullmatch(str(identifier))
    if found is None:
        return str(identifier).removeprefix("azureml:")
    match found[1].split("/"):
        case [_, name, "versions", version]:
            return f"{brief(name)}@latest" if version == LATEST else f"{brief(name)}:{brief(version)}"
        case [*_, name]:
            return name
    return found[1]


def brief(name: str) -> str:
    """A name or version, or the beginning of one that was made from content."""
    return f"{name[:12]}..." if re.fullmatch(r"[0-9a-f]{32,64}", name) else name


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _pairs(pairs: Mapping[str, Any], unit: str = "") -> str:
    return " ".join(f"{name}={value}{unit}" for name, value in pairs.items())


def _kebab(name: str) -> str:
    """SystemAssigned as system-assigned."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _seconds(duration: str) -> str:
    """An ISO 8601 duration in seconds; what is none, as it is."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        return duration
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return f"{((days * 24 + hours) * 60 + minutes) * 60 + seconds:g} s"


def _packages(conda: object) -> int:
    """How many packages a conda file asks for, those of pip included."""
    try:
        given = yaml.safe_load(conda) if isinstance(conda, str) else conda
    except yaml.YAMLError:
        return 0
    listed = given.get("dependencies") if isinstance(given, Mapping) else None
    entries = listed if isinstance(listed, list) else []
    return sum(len(each.get("pip") or ()) if isinstance(each, Mapping) else 1 for each in entries)

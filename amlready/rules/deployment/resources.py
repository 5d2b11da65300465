"""What a Kubernetes deployment asks its cluster for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Mapping
from ...specs import Deployment
from .. import rule
from .names import is_template

GPU = "nvidia.com/gpu"

_SCALE = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "m": -3, "u": -6, "n": -9}
_POWER: dict[str, int] = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(text: str) -> float | None:
    """A quantity as Kubernetes writes it (`500m`, `2`, `1.5Gi`, `1e3`), or None when it is none."""
    found = re.fullmatch(r"([+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20}))(?:[eE]([+-]?\d{1,2})|([numkKMGTPE]i?)?)", text)
    if found is None:
        return None
    suffix = found[3] or ""
    if suffix in _POWER:
        return float(found[1]) * float(1024 ** _POWER[suffix])
    power = int(found[2]) if found[2] else _SCALE.get(suffix)
    return float(f"{found[1]}e{power}") if power is not None else None


def _quantities(deployment: Deployment) -> Iterator[tuple[Entry, str, str]]:
    """Entry, kind of resource and text of every quantity that is given."""
    for side in ("requests", "limits"):
        node = deployment.get("resources", side)
        for entry in node if isinstance(node, Mapping) and deployment.is_kubernetes else ():
            text = entry.value.value
            if isinstance(text, str) and not is_template(text):
                yield entry, str(entry.key.value), text


@rule(Level.ERROR)
def invalid_quantity(deployment: Deployment) -> Iterator[Problem]:
    """A resource is not a quantity that Kubernetes can read.

    A number with one of the suffixes m, k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei; GPUs come whole. azure-ai-ml
    sends any text (SDK 1.35.2), and the cluster refuses it: there is no `GB` and no `MB`.

    Bad::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            cpu: "0.5"
            memory: 1GB

    Good::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            cpu: "0.5"
            memory: 1Gi
    """
    for entry, kind, text in _quantities(deployment):
        amount = quantity(text)
        if amount is None:
            yield Problem(entry.value.span, f"{text!r} is not a quantity{_better(text)}")
        elif amount < 0:
            yield Problem(entry.value.span, f"{text!r} is below zero")
        elif kind == GPU and not amount.is_integer():
            yield Problem(entry.value.span, f"{text!r} is a part of a GPU; they come whole")


def _better(text: str) -> str:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT])(?:i?[bB])?\s*", text)
    if found:
        return f"; write '{found[1]}{found[2].upper()}i'"
    return "; write a number, with a suffix such as 'm', 'Mi' or 'Gi'"


@rule(Level.WARNING)
def implausible_quantity(deployment: Deployment) -> Iterator[Problem]:
    """A resource is a quantity that cannot be meant: bytes instead of mebibytes, or a million cores.

    Memory without a suffix counts bytes, and `m` means a thousandth: `512m` is half a byte. For CPU, `500M` is 500
    million cores where `500m` is half of one. The cluster takes the request and never finds room for the pod, or
    kills it at once.

    Bad::

        # deployment.yml
        type: kubernetes
        resources:
          limits:
            memory: 512m

    Good::

        # deployment.yml
        type: kubernetes
        resources:
          limits:
            memory: 512Mi
    """
    for entry, kind, text in _quantities(deployment):
        amount = quantity(text)
        if amount is None or amount < 0:
            continue
        if kind == "memory" and amount < 2**20:
            number = re.match(r"[\d.]*", text)
            yield Problem(entry.value.span, f"{text!r} is less than a mebibyte; is '{number and number[0]}Mi' meant?")
        elif kind == "cpu" and amount > 1000:
            yield Problem(entry.value.span, f"{text!r} is more than 1000 cores; a thousandth of a core is 'm'")


@rule(Level.ERROR)
def request_above_limit(deployment: Deployment) -> Iterator[Problem]:
    """A resource is requested beyond its own limit.

    Azure refuses it with `BadArgument: Resource requests greater than limits` ("Troubleshoot online endpoints");
    azure-ai-ml does not compare the two.

    Bad::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            memory: 2Gi
          limits:
            memory: 512Mi

    Good::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            memory: 512Mi
          limits:
            memory: 2Gi
    """
    for request, limit in _pairs(deployment):
        asked, most = quantity(str(request.value.value)), quantity(str(limit.value.value))
        if asked is not None and most is not None and asked > most:
            related = (Related(limit.value.span, "this is the limit"),)
            message = f"{request.key.value} is requested beyond its limit of {limit.value.value}"
            yield Problem(request.value.span, message, related)


def _pairs(deployment: Deployment) -> Iterator[tuple[Entry, Entry]]:
    """The resources that have both a request and a limit."""
    if not deployment.is_kubernetes:
        return
    requests = deployment.get("resources", "requests")
    for request in requests if isinstance(requests, Mapping) else ():
        limit = deployment.find("resources", "limits", str(request.key.value))
        if limit is not None:
            yield request, limit


@rule(Level.ERROR)
def gpu_request_differs(deployment: Deployment) -> Iterator[Problem]:
    """Fewer GPUs are requested than the limit allows.

    Kubernetes cannot share GPUs, so request and limit must be the same number, or the request left out ("Schedule
    GPUs" in the Kubernetes documentation).

    Bad::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            nvidia.com/gpu: "1"
          limits:
            nvidia.com/gpu: "2"

    Good::

        # deployment.yml
        type: kubernetes
        resources:
          requests:
            nvidia.com/gpu: "2"
          limits:
            nvidia.com/gpu: "2"
    """
    for request, limit in _pairs(deployment):
        asked, most = quantity(str(request.value.value)), quantity(str(limit.value.value))
        if request.key.value == GPU and asked is not None and most is not None and asked < most:
            related = (Related(limit.value.span, "this is the limit"),)
            yield Problem(request.value.span, "the number of GPUs must be the same in requests and limits", related)


@rule(Level.WARNING)
def vm_size_on_kubernetes(deployment: Deployment) -> Iterator[Problem]:
    """A Kubernetes deployment names something that cannot be an instance type of its cluster.

    Instance types are objects in the cluster ("Create and select Kubernetes instance types"), so their names are
    small letters, digits, dots and dashes; VM sizes such as `Standard_DS3_v2` belong to managed endpoints. Left out,
    the cluster's default instance type is taken.

    Bad::

        # deployment.yml
        type: kubernetes
        instance_type: Standard_DS3_v2

    Good::

        # deployment.yml
        type: kubernetes
        instance_type: gpu-large
    """
    entry, name = deployment.find("instance_type"), deployment.text("instance_type")
    if not entry or not name or not deployment.is_kubernetes or is_template(name):
        return
    if re.match(r"standard_", name, re.IGNORECASE):
        message = f"{name!r} is a VM size; on Kubernetes name an instance type of the cluster, or leave it out"
        yield Problem(entry.value.span, message)

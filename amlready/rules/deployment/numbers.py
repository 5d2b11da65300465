"""Numbers as azure-ai-ml reads them, and those that it, or YAML before it, turns into others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Entry, Node, Scalar
from ...specs import Deployment, Endpoint
from .. import rule

PROBES = ("liveness_probe", "readiness_probe")

WHOLE = (
    ("instance_count",),
    ("request_settings", "request_timeout_ms"),
    ("request_settings", "max_concurrent_requests_per_instance"),
    ("request_settings", "max_queue_wait_ms"),
    *(
        (probe, key)
        for probe in PROBES
        for key in ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold")
    ),
    ("scale_settings", "min_instances"),
    ("scale_settings", "max_instances"),
    ("scale_settings", "polling_interval"),
    ("scale_settings", "target_utilization_percentage"),
)
"""Where a deployment has whole numbers."""


def integer(node: Node | None) -> int | None:
    """The number that azure-ai-ml makes of a value; None for what it refuses. Text of digits counts, and a fraction is
    cut off."""
    match node.value if isinstance(node, Scalar) else None:
        case bool():
            return None
        case int() | float() as number if abs(number) < _ENDLESS:  # neither not-a-number nor infinite
            return int(number)
        case str() as text if len(text) < 40:
            try:
                return int(text)
            except ValueError:
                return None
    return None


_ENDLESS = 10**40
"""Larger numbers are not printed; Python would even refuse to."""


def setting(spec: Deployment | Endpoint, *path: str) -> tuple[Entry, int] | None:
    """The entry at a path and its number, or None when there is no such entry, or no number."""
    entry = spec.find(*path)
    number = integer(entry.value) if entry else None
    return (entry, number) if entry and number is not None else None


def alteration(node: Node) -> str | None:
    """How a number that is read differs from the one that is written, in words; None when it does not."""
    number = integer(node)
    if number is None or not isinstance(node, Scalar):
        return None
    match node.value:
        case int() if ":" in node.text:
            return f"YAML reads {node.text!r} as base 60, like a time: {number}"
        case int() if re.fullmatch(r"[-+]?0[0-7_]+", node.text) and number != int(node.text.replace("_", "")):
            return f"YAML reads {node.text!r}, with its leading zero, as octal: {number}"
        case float() as written if written != number:
            return f"azure-ai-ml cuts {node.text!r} down to {number}"
    return None


@rule(Level.WARNING)
def altered_number(deployment: Deployment) -> Iterator[Problem]:
    """A number is not the one that is written.

    YAML 1.1, which azure-ai-ml reads, takes a leading zero for octal (`010` is 8) and colons for base 60 (`1:30` is
    90). azure-ai-ml cuts fractions off whole numbers without a word (`2.7` is 2). All three seen in the request that
    SDK 1.35.2 makes.

    Bad::

        # deployment.yml
        instance_count: 010

    Good::

        # deployment.yml
        instance_count: 10
    """
    for path in WHOLE:
        entry = deployment.find(*path)
        words = alteration(entry.value) if entry else None
        if entry and words:
            yield Problem(entry.value.span, f"{words}; write the whole number that is meant")


_TIMES = {
    ("request_settings", "request_timeout_ms"): "5000",
    ("request_settings", "max_queue_wait_ms"): "500",
    **{
        (probe, key): default
        for probe in PROBES
        for key, default in (("initial_delay", "10"), ("period", "10"), ("timeout", "2"))
    },
    ("scale_settings", "polling_interval"): "1",
}
"""Times, and what Azure takes when the request has none (the YAML reference of managed and Kubernetes deployments)."""


@rule(Level.WARNING)
def dropped_zero(deployment: Deployment) -> Iterator[Problem]:
    """A time of 0 is not sent, so Azure's default applies instead.

    azure-ai-ml turns times into ISO 8601 durations and makes none of 0: the key is missing from the request, seen
    with SDK 1.35.2 for `request_timeout_ms`, `max_queue_wait_ms`, `initial_delay`, `period`, `timeout` and
    `polling_interval`. A delay of 0 becomes 10 seconds, not none.

    Bad::

        # deployment.yml
        readiness_probe:
          initial_delay: 0

    Good::

        # deployment.yml
        readiness_probe:
          initial_delay: 1
    """
    for path, default in _TIMES.items():
        found = setting(deployment, *path)
        if found and found[1] == 0:
            message = f"{path[-1]} of 0 is not sent, and the default {default} applies; write at least 1"
            yield Problem(found[0].value.span, message)

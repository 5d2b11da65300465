"""Request settings: how long a request may take, and how many an instance gets at once."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Mapping
from ...specs import Deployment
from .. import rule
from .numbers import setting

MANAGED_TIMEOUT = 180_000
"""Longest request timeout of a managed endpoint in milliseconds."""

LONG_TIMEOUT = 300_000
"""Longest one on Kubernetes, and of prompt flows."""

_PROBED_TIMEOUT = 150_000


def is_flow(deployment: Deployment) -> bool:
    """Whether a prompt flow is deployed: its variables, properties or image say so."""
    variables, properties = deployment.get("environment_variables"), deployment.get("properties")
    keys = [
        str(entry.key.value).lower() for node in (variables, properties) if isinstance(node, Mapping) for entry in node
    ]
    image = deployment.environment.text("image") if deployment.environment else None
    texts = [*keys, (image or "").lower(), (deployment.text("environment") or "").lower()]
    return any("promptflow" in each or each.startswith("prt_") for each in texts)


@rule(Level.ERROR)
def request_timeout_too_long(deployment: Deployment) -> Iterator[Problem]:
    """A request may take longer than Azure lets it.

    180000 ms is the most on a managed endpoint, 300000 on Kubernetes and for prompt flows ("Manage resources and
    quotas", YAML reference). azure-ai-ml sends any number; callers that wait longer get 408.

    Bad::

        # deployment.yml
        request_settings:
          request_timeout_ms: 900000

    Good::

        # deployment.yml
        request_settings:
          request_timeout_ms: 180000
    """
    found = setting(deployment, "request_settings", "request_timeout_ms")
    most = LONG_TIMEOUT if deployment.is_kubernetes or is_flow(deployment) else MANAGED_TIMEOUT
    if found and found[1] > most:
        message = f"request_timeout_ms is {found[1]}; the most is {most} (milliseconds)"
        yield Problem(found[0].value.span, message)


@rule(Level.WARNING)
def request_timeout_breaks_probe(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, a request timeout above 150 seconds makes a probe that the cluster refuses.

    The deployment ends with `Invalid value provided for Timeout Seconds for Probe`; Microsoft's advice was to stay at
    150 s or below (Azure/azure-sdk-for-python issue 33660), although the documented limit is 300.

    Bad::

        # deployment.yml
        type: kubernetes
        request_settings:
          request_timeout_ms: 200000

    Good::

        # deployment.yml
        type: kubernetes
        request_settings:
          request_timeout_ms: 150000
    """
    found = setting(deployment, "request_settings", "request_timeout_ms")
    if found and deployment.is_kubernetes and _PROBED_TIMEOUT < found[1] <= LONG_TIMEOUT:
        message = (
            f"request_timeout_ms is {found[1]}; above {_PROBED_TIMEOUT} the cluster may refuse the probe made of it"
        )
        yield Problem(found[0].value.span, message)


@rule(Level.ERROR)
def request_setting_too_low(deployment: Deployment) -> Iterator[Problem]:
    """A request setting is below what it can mean.

    A timeout below zero is sent as a negative duration (`-PT0.001S`), and 0 requests at once as 0 (SDK 1.35.2); an
    instance that may serve no request serves none. A timeout of 0 is another fault: it is not sent at all.

    Bad::

        # deployment.yml
        request_settings:
          max_concurrent_requests_per_instance: 0

    Good::

        # deployment.yml
        request_settings:
          max_concurrent_requests_per_instance: 1
    """
    for key, least in (
        ("request_timeout_ms", 0),
        ("max_queue_wait_ms", 0),
        ("max_concurrent_requests_per_instance", 1),
    ):
        found = setting(deployment, "request_settings", key)
        if found and found[1] < least:
            yield Problem(found[0].value.span, f"{key} is {found[1]}; it is at least 1")


@rule(Level.NOTE)
def deprecated_queue_wait(deployment: Deployment) -> Iterator[Problem]:
    """A managed deployment sets `max_queue_wait_ms`, which is deprecated.

    The YAML reference says so and advises to make `request_timeout_ms` long enough for waiting and serving together.

    Bad::

        # deployment.yml
        request_settings:
          request_timeout_ms: 5000
          max_queue_wait_ms: 1000

    Good::

        # deployment.yml
        request_settings:
          request_timeout_ms: 6000
    """
    entry = deployment.find("request_settings", "max_queue_wait_ms")
    if entry and not deployment.is_kubernetes:
        yield Problem(entry.key.span, "max_queue_wait_ms is deprecated; add the wait to request_timeout_ms")


@rule(Level.NOTE)
def kubernetes_concurrency(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, the number of requests that an instance gets at once is changed.

    The YAML reference of Kubernetes deployments says to leave `max_concurrent_requests_per_instance` at 1 unless
    Microsoft's support says otherwise: more instances are the way to more throughput.

    Bad::

        # deployment.yml
        type: kubernetes
        request_settings:
          max_concurrent_requests_per_instance: 4

    Good::

        # deployment.yml
        type: kubernetes
        instance_count: 4
    """
    found = setting(deployment, "request_settings", "max_concurrent_requests_per_instance")
    if found and deployment.is_kubernetes and found[1] > 1:
        message = "on Kubernetes leave max_concurrent_requests_per_instance at 1, unless support says otherwise"
        yield Problem(found[0].value.span, message)

"""Tags, properties, and keys that only Azure writes."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Mapping, Scalar
from ...specs import Deployment, Endpoint
from .. import rule
from .variables import place, sent


def changed_texts(spec: Deployment | Endpoint) -> Iterator[Problem]:
    """Tags and properties whose text is not sent as it is written."""
    for key in ("tags", "properties"):
        node = spec.get(key)
        for entry in node if isinstance(node, Mapping) else ():
            text = sent(entry.value) if isinstance(entry.value, Scalar) else None
            if text is not None and isinstance(entry.value, Scalar) and text != entry.value.text:
                at = place(entry)
                yield Problem(
                    at.span, f"{entry.value.text or 'nothing'} is sent as {text}; quote what is meant", fix=at.fix
                )


@rule(Level.WARNING)
def changed_tag(deployment: Deployment) -> Iterator[Problem]:
    """A tag or property of a deployment is sent as something else than is written.

    Both are text in Azure. azure-ai-ml sends what YAML made of a value without quotes (SDK 1.35.2): `1.10` as 1.1,
    `yes` as true, `010` as 8, nothing as null.

    Bad::

        # deployment.yml
        tags:
          release: 1.10

    Good::

        # deployment.yml
        tags:
          release: "1.10"
    """
    yield from changed_texts(deployment)


@rule(Level.NOTE)
def read_only_key(deployment: Deployment) -> Iterator[Problem]:
    """A deployment's file has keys that only Azure writes.

    They come from `az ml online-deployment show`. azure-ai-ml loads them and sends none (SDK 1.35.2), so what they
    say has no effect.

    Bad::

        # deployment.yml
        instance_count: 3
        provisioning_state: Succeeded

    Good::

        # deployment.yml
        instance_count: 3
    """
    yield from without_effect(deployment, ("id", "provisioning_state", "creation_context"))


def without_effect(spec: Deployment | Endpoint, keys: tuple[str, ...]) -> Iterator[Problem]:
    """Each of the keys that a file has."""
    for key in keys:
        entry = spec.find(key)
        if entry:
            yield Problem(entry.key.span, f"{key!r} is Azure's to say and has no effect here; delete it")

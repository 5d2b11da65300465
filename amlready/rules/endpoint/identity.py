"""The identity that an endpoint's deployments act under."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Mapping, Scalar, Sequence
from ...specs import Endpoint
from .. import rule
from ..deployment.assets import subscription_fault
from ..deployment.names import is_template

_FLAG = "enforce_access_to_default_secret_stores"


def kind(endpoint: Endpoint) -> tuple[Entry, str] | None:
    """`identity.type` and `systemassigned`, `userassigned` or `none`, in whatever way it is spelled."""
    entry = endpoint.find("identity", "type")
    if entry is None or not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
        return None
    return entry, entry.value.value.lower().replace("_", "")


@rule(Level.ERROR)
def user_identity_missing(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint is to use an identity of one's own, but does not say which.

    With `type: user_assigned`, `user_assigned_identities` is a list with one entry that has a `resource_id`
    (azure-ai-ml refuses the plain id that the documentation shows). Without it, or under another key, azure-ai-ml
    sends no id, or one called `null` (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scoring
    """  # noqa: E501 - an id cannot be broken
    found = kind(endpoint)
    if found is None or found[1] != "userassigned":
        return
    entry = endpoint.find("identity", "user_assigned_identities")
    if entry is None:
        yield Problem(found[0].value.span, "user_assigned_identities is missing: a list of one resource_id")
        return
    node = entry.value
    if not isinstance(node, Sequence):
        return  # which azure-ai-ml refuses itself
    if not node.items:
        yield Problem(entry.key.span, "the list is empty; it needs one entry with a resource_id")
    for item in node.items:
        if isinstance(item, Mapping) and not item.get("resource_id"):
            at = next(iter(item), entry)
            yield Problem(at.key.span, "this entry has no resource_id, the one key that is sent")


@rule(Level.ERROR)
def malformed_identity(endpoint: Endpoint) -> Iterator[Problem]:
    """The id of a user-assigned identity cannot be one.

    It is the full id of the resource: `/subscriptions/GUID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/
    userAssignedIdentities/NAME`, as `az identity show --query id` prints it. azure-ai-ml sends any text as the name
    of an identity; Azure Resource Manager cannot resolve it.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: scoring

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scoring
    """  # noqa: E501 - an id cannot be broken
    node = endpoint.get("identity", "user_assigned_identities")
    for item in node.items if isinstance(node, Sequence) else ():
        identity = item.get("resource_id")
        if isinstance(identity, Scalar) and isinstance(identity.value, str) and not is_template(identity.value):
            reason = _malformed(identity.value)
            if reason:
                yield Problem(identity.span, f"this is not the id of an identity: {reason}")


def _malformed(text: str) -> str | None:
    form = (
        r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.managedidentity/userassignedidentities/[^/]+/?"
    )
    if not re.fullmatch(form, text, re.IGNORECASE):
        return "it is /subscriptions/.../providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME"
    return subscription_fault(text)


@rule(Level.WARNING)
def identity_not_used(endpoint: Endpoint) -> Iterator[Problem]:
    """An identity is listed, but the endpoint's type is not `user_assigned`.

    azure-ai-ml sends the list along with the type, and the type decides (SDK 1.35.2): the endpoint acts under the
    identity that Azure makes for it, or under none. The identity of an endpoint cannot be changed after creation.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: system_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scoring

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: system_assigned
    """  # noqa: E501 - an id cannot be broken
    found, entry = kind(endpoint), endpoint.find("identity", "user_assigned_identities")
    if found and entry and found[1] != "userassigned" and isinstance(entry.value, Sequence) and entry.value.items:
        related = (Related(found[0].value.span, "this type decides"),)
        yield Problem(
            entry.key.span, "these identities are for type: user_assigned; with this type delete them", related
        )


@rule(Level.WARNING)
def identity_none(endpoint: Endpoint) -> Iterator[Problem]:
    """An endpoint is to have no identity.

    Azure pulls the image and mounts model and code under the endpoint's identity ("Troubleshoot online endpoints").
    The YAML reference knows `system_assigned`, the default, and `user_assigned`; azure-ai-ml accepts `none` and sends
    it.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: none

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: system_assigned
    """
    found = kind(endpoint)
    if found and found[1] == "none":
        message = "an endpoint without identity cannot fetch its image and model; write system_assigned"
        yield Problem(found[0].value.span, message)


@rule(Level.ERROR)
def secret_stores_with_user_identity(endpoint: Endpoint) -> Iterator[Problem]:
    """Access to the default secret stores is enforced for an identity of one's own.

    The flag gives the identity that Azure makes the right to read the workspace's connections; with a user-assigned
    identity it is not allowed ("Access secrets from online deployment using secret injection"). That identity gets
    the role from whoever owns it.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scoring
        properties:
          enforce_access_to_default_secret_stores: enabled

    Good::

        # endpoint.yml
        name: my-endpoint
        properties:
          enforce_access_to_default_secret_stores: enabled
    """  # noqa: E501 - an id cannot be broken
    found, entry = kind(endpoint), endpoint.find("properties", _FLAG)
    on = entry is not None and str(entry.value.value).lower() == "enabled"
    if found and entry and on and found[1] == "userassigned":
        related = (Related(found[0].value.span, "the identity is user-assigned"),)
        yield Problem(entry.key.span, "this is for system-assigned identities; give yours the role by hand", related)


@rule(Level.WARNING)
def secret_stores_value(endpoint: Endpoint) -> Iterator[Problem]:
    """The flag `enforce_access_to_default_secret_stores` is neither `enabled` nor `disabled`.

    These are the two words of the documentation ("Access secrets from online deployment using secret injection").
    azure-ai-ml sends properties as they are, a truth value as a truth value (SDK 1.35.2).

    Bad::

        # endpoint.yml
        name: my-endpoint
        properties:
          enforce_access_to_default_secret_stores: true

    Good::

        # endpoint.yml
        name: my-endpoint
        properties:
          enforce_access_to_default_secret_stores: enabled
    """
    entry = endpoint.find("properties", _FLAG)
    if entry and str(entry.value.value).lower() not in ("enabled", "disabled"):
        yield Problem(entry.value.span, "this is none of the two words that it can be: enabled, disabled")

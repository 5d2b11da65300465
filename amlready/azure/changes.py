"""What a plan would change in what is there, key by key, and what of that Azure does not change in place.

Both sides are what `az ml` prints: the state as `show` printed it, the plan as the command would. A key that the plan
does not send gets Azure's default, so that a state which spells its defaults out does not differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .commands import Kind
from .describe import short
from .session import Outcome
from .state import Existing, State

Path = tuple[str, ...]

_IDENTIFYING = ("id", "name", "endpoint_name", "resourceGroup", "resource_group")
_AZURES_OWN = ("provisioning_state", "scoring_uri", "openapi_uri", "kind", "location", "creation_context", "$schema")
_OF_IDENTITY = ("principal_id", "tenant_id", "client_id")
_PROBE = {"initial_delay": 10, "period": 10, "timeout": 2, "success_threshold": 1, "failure_threshold": 30}
_DEFAULTS: Mapping[Path, object] = {
    ("type",): "managed",
    ("auth_mode",): "key",
    ("identity", "type"): "system_assigned",
    ("public_network_access",): "enabled",
    ("egress_public_network_access",): "enabled",
    ("app_insights_enabled",): False,
    ("private_network_connection",): False,
    ("instance_count",): 1,
    ("scale_settings", "type"): "default",
    ("request_settings", "max_concurrent_requests_per_instance"): 1,
    ("request_settings", "max_queue_wait_ms"): 500,
    ("request_settings", "request_timeout_ms"): 5000,
    **{(probe, key): value for probe in ("liveness_probe", "readiness_probe") for key, value in _PROBE.items()},
    ("data_collector", "rolling_rate"): "hour",
    ("data_collector", "sampling_rate"): 1.0,
}
"""What Azure takes for a key that is not sent (the YAML references of endpoints and deployments)."""

_FIXED: Mapping[tuple[str, str], str] = {
    # how-to-authenticate-online-endpoint and the YAML reference.
    ("endpoint", "identity"): "an endpoint keeps the identity it was created with; make another endpoint",
    # The SDK's entity counts neither among its mutable fields.
    ("endpoint", "compute"): "an endpoint stays where it was created; make another endpoint",
    # Declared create-only in the management API; so said by its maintainers (AML-Kubernetes issue 247).
    ("deployment", "instance_type"): "a deployment keeps its instance type; make a second one and move the traffic",
    ("deployment", "type"): "a deployment stays managed or on Kubernetes; make another endpoint",
    # "Properties can be added, but not removed or altered": the management API.
    ("endpoint", "properties"): "properties can be added but not altered",
    ("deployment", "properties"): "properties can be added but not altered",
}
_CODE: Path = ("code_configuration", "code")


@dataclass(frozen=True)
class Change:
    """One key that would change; None where it is not set.

    Not `possible`: it does not change in place. `note` says why and what to do, or what else happens.
    """

    kind: str
    name: str
    key: str
    before: object
    after: object
    note: str = ""
    possible: bool = True

    @property
    def sign(self) -> str:
        if not self.possible:
            return "!"
        return "+" if self.before is None else "-" if self.after is None else "~"


@dataclass(frozen=True)
class Compared:
    """A resource of the plan beside what is there. `existing` is None where it is new."""

    kind: str
    name: str
    existing: Existing | None
    changes: tuple[Change, ...] = ()
    uploads_code: bool = False
    """Code goes with it, and whether that is the same as before cannot be told from a state."""


def compare(outcomes: Sequence[Outcome], state: State) -> list[Compared]:
    """Each endpoint and deployment of a plan beside its state."""
    return [_compared(each, each.result, state) for each in outcomes if each.result and each.command.kind in _KINDS]


def is_idle(outcome: Outcome, compared: Sequence[Compared]) -> bool:
    """Whether a command is an update that would change nothing, and so is not needed."""
    if outcome.command.kind is not Kind.ENDPOINT_UPDATE or outcome.result is None:
        return False
    name = str(outcome.result.get("name"))
    return any(each.kind == "endpoint" and each.name == name and not each.changes for each in compared)


_KINDS = {
    Kind.ENDPOINT: "endpoint",
    Kind.ENDPOINT_UPDATE: "endpoint",
    Kind.DEPLOYMENT: "deployment",
    Kind.DEPLOYMENT_UPDATE: "deployment",
}


def _compared(outcome: Outcome, wanted: Mapping[str, Any], state: State) -> Compared:
    kind, name = _KINDS[outcome.command.kind], str(wanted.get("name"))
    owner = str(wanted.get("endpoint_name")) if kind == "deployment" else name
    existing = state.find(owner, name if kind == "deployment" else "")
    if existing is None:
        return Compared(kind, name, None)
    before, after = dict(_flat(existing.printed)), dict(_flat(wanted))
    # The SDK prints times in whole seconds; the file has them as they are sent.
    after |= {path: value for path, value in _flat(outcome.asked or {}) if path[-1].endswith("_ms")}
    uploads_code = _CODE in before and _CODE in after
    return Compared(kind, name, existing, tuple(_changes(kind, name, before, after)), uploads_code)


def _changes(kind: str, name: str, before: Mapping[Path, object], after: Mapping[Path, object]) -> Iterator[Change]:
    for path in sorted({*after, *before}):
        if not _comparable(path, before, after):
            continue
        default = _DEFAULTS.get(path)
        old, new = before.get(path, default), after.get(path, default)
        if _same(old, new):
            continue
        reason = "" if path[0] == "properties" and path not in before else _FIXED.get((kind, path[0]), "")
        note = reason or _consequence(path, old, new)
        yield Change(kind, name, ".".join(path), old, new, note, possible=not reason)


def _comparable(path: Path, before: Mapping[Path, object], after: Mapping[Path, object]) -> bool:
    """Whether both sides would say so if the key were different."""
    match path:
        case ("properties", *_):  # Azure writes its own there
            return path in after
        case ("tags", "amlready"):  # by which scripts/deploy.sh knows what it applied last
            return False
        case ("data_collector", "collections", _, "data", *_):  # the SDK prints an empty mapping, whatever it is
            return False
        case _:
            return not (path == _CODE and path in before and path in after)


def _consequence(path: Path, old: object, new: object) -> str:
    if path[0] == "auth_mode":
        return f"callers who sign in with {old} are refused from then on"
    if path[0] == "traffic" and not new:
        return "live traffic is taken away"
    if path[:2] == ("data_collector", "collections") and old == "true":
        return "it is collected no more"
    if path[-1].endswith("_ms") and isinstance(old, int) and isinstance(new, int) and new // 1000 * 1000 == old:
        return "or as it is: az prints whole seconds"
    return ""


def _flat(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Values by their path of keys; empty mappings and what only identifies or reports is left out."""
    if not isinstance(value, Mapping):
        if value is not None:
            yield path, _shown(value)
        return
    for key, inner in value.items():
        if key not in (_OF_IDENTITY if path == ("identity",) else () if path else (*_IDENTIFYING, *_AZURES_OWN)):
            yield from _flat(inner, (*path, str(key)))


def _shown(value: object) -> object:
    """A value as a reader knows it: assets by name and version, lists as JSON."""
    match value:
        case str():
            return short(value)
        case list():
            return ", ".join(sorted(map(_item, value)))
        case _:
            return value


def _item(value: object) -> str:
    """An element of a list; of an identity what names it."""
    match value:
        case {"resource_id": str(identifier)}:
            return identifier.rpartition("/")[2]
        case str():
            return value
        case _:
            return json.dumps(value, sort_keys=True, default=str)


def _same(one: object, other: object) -> bool:
    """Whether two values are the same to Azure: numbers by value, words whatever their case."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return _word(one) == _word(other)


def _word(value: object) -> str:
    return re.sub(r"[_ ]", "", str(value)).lower()


def lines(compared: Compared) -> Iterator[str]:
    """For people."""
    head = f"{compared.kind} {compared.name}"
    if compared.existing is None:
        yield f"{head}: new"
        return
    yield f"{head}: {'changes' if compared.changes else 'nothing to change'}"
    told: set[str] = set()
    for each in compared.changes:
        note = f"  ({each.note})" if each.note and each.note not in told else ""
        told.add(each.note)
        yield f"  {each.sign} {each.key}: {_moved(each)}{note}"
    if compared.uploads_code:
        yield "  ? code_configuration.code: sent again; Azure finds the same content by its hash"


def _moved(change: Change) -> str:
    if change.before is None:
        return _text(change.after)
    return _text(change.before) if change.after is None else f"{_text(change.before)} -> {_text(change.after)}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)

"""Which collections there are, which are on, and how much of them is kept."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Entry, Scalar, Sequence
from ...script import Script, literal
from ...specs import Deployment, Monitor, Project
from ...suggest import did_you_mean, listed
from .. import rule
from ..deployment.names import unfit_asset

PAYLOAD = frozenset(("request", "response"))
"""Collections that Azure fills from the traffic itself; no Collector is involved."""


MONITORED = ("model_inputs", "model_outputs")
"""The collections that model monitoring looks for, by these names."""


def enabled(entry: Entry) -> bool:
    """Whether a collection is switched on, in any letter case, as azure-ai-ml reads it."""
    node = entry.value.get("enabled")
    return isinstance(node, Scalar) and str(node.value).lower() == "true"


def collections(deployment: Deployment) -> dict[str, Entry]:
    """A deployment's collections by their names in lower case, as the Collector's configuration has them."""
    return {str(each.key.value).lower(): each for each in deployment.collections or ()}


@rule(Level.WARNING)
def collection_not_collected(deployment: Deployment, script: Script) -> Iterator[Problem]:
    """A collection is enabled, but the scoring script makes no Collector of that name.

    Azure registers a data asset for the collection and no data ever reaches it. The collections `request` and
    `response` are filled by Azure itself and need no Collector. Not reported when the script makes a Collector whose
    name is not a literal, or one for a collection of nearly this name that the deployment does not have.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)
    """
    names = [literal(call.module, call.argument(0, "name")) for call in script.collectors]
    if deployment.collections is None or None in names or any(call.has_star for call in script.collectors):
        return
    known = {str(name).lower() for name in names}
    elsewhere = known - {str(entry.key.value).lower() for entry in deployment.collections}
    for entry in deployment.collections:
        name = str(entry.key.value)
        if enabled(entry) and name.lower() not in PAYLOAD | known and not did_you_mean(name, elsewhere):
            at = script.collectors[0].name_span if script.collectors else script.source.top
            related = (Related(at, f"the script makes {len(names)} Collector(s), none of this name"),)
            yield Problem(
                entry.key.span,
                f"the scoring script makes no Collector named {name!r}, so nothing is collected",
                related,
            )


@rule(Level.WARNING)
def colliding_collections(deployment: Deployment) -> Iterator[Problem]:
    """Two collections have names that differ in letter case only, so one of them is lost.

    The Collector's configuration is read with all names in lower case; the later entry replaces the earlier one
    (azureml-ai-monitoring 1.0.0).

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            Model_Inputs:
              enabled: 'false'

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
    """
    seen: dict[str, Entry] = {}
    for entry in deployment.collections or ():
        name = str(entry.key.value)
        first = seen.setdefault(name.lower(), entry)
        if first is not entry:
            related = (Related(first.key.span, "the same name in another letter case"),)
            message = f"for the Collector {name!r} and {str(first.key.value)!r} are one collection, and this one counts"
            yield Problem(entry.key.span, message, related)


@rule(Level.WARNING)
def collection_name_characters(deployment: Deployment) -> Iterator[Problem]:
    """The name of a collection, or of its data asset, has characters that the name of a data asset cannot have.

    Each collection becomes a data asset, called `ENDPOINT-DEPLOYMENT-COLLECTION` unless `data` names it, and a folder.
    Azure's REST API documents letters, digits, dashes and underscores for the name of an asset; azure-ai-ml registers
    whatever is written, before it makes the deployment (SDK 1.35.2).

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model/inputs:
              enabled: 'true'

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
    """
    for entry in deployment.collections or ():
        own = entry.value.get("data", "name")
        named = own if isinstance(own, Scalar) else entry.key
        kind = "a data asset" if named is own else "a collection"
        reason = unfit_asset(named.value, kind) if isinstance(named.value, str) else None
        if reason:
            yield Problem(named.span, reason)


@rule(Level.NOTE)
def not_monitored(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """Data is collected, but under no name that model monitoring finds by itself.

    It looks for `model_inputs` and `model_outputs`; other collections have to be named in each signal of a monitor,
    with a preprocessing component if they are no tables. `request` and `response` hold the bodies as they came, which
    are no tables. Not reported where a monitor is among the files.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            request:
              enabled: 'true'
            response:
              enabled: 'true'

    Good::

        # deployment.yml
        data_collector:
          collections:
            request:
              enabled: 'true'
            response:
              enabled: 'true'
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
    """
    at = deployment.find("data_collector", "collections")
    on = [name for name, entry in collections(deployment).items() if enabled(entry)]
    if at is None or not on or set(on) & set(MONITORED) or project.of(Monitor):
        return
    why = "payload logging is not tabular" if set(on) <= PAYLOAD else f"it looks for {listed(MONITORED, 'and')}"
    yield Problem(at.key.span, f"model monitoring cannot read {listed(on, 'and')} by itself: {why}")


# --- how much --------------------------------------------------------------------------------------------------------


def _sampling_rate(deployment: Deployment) -> tuple[Scalar, float] | None:
    node = deployment.get("data_collector", "sampling_rate")
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    try:
        return node, float(str(node.value))
    except ValueError:
        return None


@rule(Level.WARNING)
def sampling_parts_pairs(deployment: Deployment) -> Iterator[Problem]:
    """Less than everything is sampled, from more than one collection, and each event is drawn by itself.

    The Collector draws a random number for every `collect()`: inputs and outputs of one request are kept or dropped
    independently of each other. At 0.3, 1,000 requests left 323 inputs, 286 outputs and 87 pairs (measured with
    azureml-ai-monitoring 1.0.0). Collect everything, or draw once for each request in the scoring script.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          sampling_rate: 0.3

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            model_outputs:
              enabled: 'true'
          sampling_rate: 1.0
    """
    found = _sampling_rate(deployment)
    drawn = [name for name, entry in collections(deployment).items() if enabled(entry) and name not in PAYLOAD]
    if found is None or len(drawn) < 2 or not 0 < found[1] < 1:
        return
    node, rate = found
    yield Problem(
        node.span,
        f"{listed(drawn, 'and')} are drawn independently: about {rate * rate:.2g} of the requests keep "
        f"{'both' if len(drawn) == 2 else 'any two'}, not {rate:g}",
    )


@rule(Level.WARNING)
def sampling_nothing(deployment: Deployment) -> Iterator[Problem]:
    """A sampling rate of 0 drops every event of an enabled collection.

    azure-ai-ml takes it; with 0 percent the Collector's draw never hits (read in azureml-ai-monitoring 1.0.0). To
    switch a collection off, say `enabled: 'false'`.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
          sampling_rate: 0

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
          sampling_rate: 1.0
    """
    found = _sampling_rate(deployment)
    if found is not None and found[1] == 0 and any(map(enabled, deployment.collections or ())):
        yield Problem(found[0].span, "0 drops everything, though collections are enabled; 1.0 keeps everything")


# --- payload logging -------------------------------------------------------------------------------------------------

_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key")


@rule(Level.WARNING)
def captured_secret(deployment: Deployment) -> Iterator[Problem]:
    """A request header with the caller's credentials is captured, and stored in plain text.

    `Authorization` holds the endpoint's key or a token: whoever may read the collected data can then call the
    endpoint.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            request:
              enabled: 'true'
          request_logging:
            capture_headers: [Content-Type, Authorization]

    Good::

        # deployment.yml
        data_collector:
          collections:
            request:
              enabled: 'true'
          request_logging:
            capture_headers: [Content-Type]
    """
    node = deployment.get("data_collector", "request_logging", "capture_headers")
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar) and str(item.value).lower() in _SECRET_HEADERS:
            yield Problem(item.span, f"{item.text!r} holds the caller's secret, and is stored as it is; leave it out")


@rule(Level.NOTE)
def unused_request_logging(deployment: Deployment) -> Iterator[Problem]:
    """Headers are to be captured, but the collection `request`, which holds them, is not enabled.

    `request_logging` adds headers to what payload logging stores; the collections that the scoring script fills have
    none.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
          request_logging:
            capture_headers: [x-request-id]

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
            request:
              enabled: 'true'
          request_logging:
            capture_headers: [x-request-id]
    """
    at = deployment.find("data_collector", "request_logging", "capture_headers")
    request = collections(deployment).get("request")
    if at is None or deployment.collections is None or (request is not None and enabled(request)):
        return
    if isinstance(at.value, Sequence) and at.value.items:
        yield Problem(at.key.span, "headers are captured with the collection 'request' only, and it is not enabled")

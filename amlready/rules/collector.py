"""Rules whose caret points at a deployment's `data_collector` block."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostic import Level, Problem, Related
from ..document import Entry, Scalar
from ..script import Script, literal
from ..specs import Deployment
from . import rule

PAYLOAD = frozenset(("request", "response"))
"""Collections that Azure fills from the traffic itself; no Collector is involved."""


def enabled(entry: Entry) -> bool:
    """Whether a collection is switched on, in any letter case, as azure-ai-ml reads it."""
    node = entry.value.get("enabled")
    return isinstance(node, Scalar) and str(node.value).lower() == "true"


@rule(Level.WARNING)
def collection_not_collected(deployment: Deployment, script: Script) -> Iterator[Problem]:
    """A collection is enabled, but the scoring script makes no Collector of that name.

    Azure registers a data asset for the collection and no data ever reaches it. The collections `request` and
    `response` are filled by Azure itself and need no Collector. Not reported when the script makes a Collector whose
    name is not a literal.

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
    for entry in deployment.collections:
        name = str(entry.key.value)
        if enabled(entry) and name.lower() not in PAYLOAD | known:
            at = script.collectors[0].name_span if script.collectors else script.source.top
            related = (Related(at, f"the script makes {len(names)} Collector(s), none of this name"),)
            yield Problem(
                entry.key.span,
                f"the scoring script makes no Collector named {name!r}, so nothing is collected",
                related,
            )

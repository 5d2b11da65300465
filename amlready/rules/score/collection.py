"""How the scoring script uses the Collector."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...script import Call, Script, literal
from ...specs import Deployment
from ...suggest import did_you_mean
from .. import rule
from ..collector import PAYLOAD, enabled


def _named(call: Call) -> tuple[ast.expr, str] | None:
    """The name a Collector is given and where, when it is a literal."""
    node = call.argument(0, "name")
    text = literal(call.module, node)
    return (node, text) if node is not None and text is not None else None


@rule(Level.ERROR)
def collector_not_enabled(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """The script makes a Collector for a collection that the deployment does not enable.

    `Collector(name=...)` raises in `init()` when its collection is missing or disabled (`collection X is not enabled,
    drop the data`), so the container never becomes ready. With `on_error` the exception goes there instead: the
    endpoint starts, and nothing is collected.

    Bad::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_input", on_error=print)

    Good::

        # deployment.yml
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)
    """
    declared = {str(each.key.value).lower(): each for each in deployment.collections or ()}
    on = {name for name, each in declared.items() if enabled(each) and name not in PAYLOAD}
    for call in script.collectors:
        named = _named(call)
        if named is None or named[1].lower() in on:
            continue
        node, name = named
        entry = declared.get(name.lower())
        effect = (
            "nothing is collected" if call.argument(1, "on_error") else "init() raises and the container never starts"
        )
        yield Problem(
            call.module.span(node),
            f"{_why_off(deployment, name, on, entry is not None)}: {effect}",
            tuple(_where_declared(deployment, name)),
        )


def _why_off(deployment: Deployment, name: str, on: set[str], is_declared: bool) -> str:
    if deployment.collections is None:
        return f"no collection {name!r} is enabled, because the deployment has no data_collector"
    if name.lower() in PAYLOAD:
        return f"the collection {name!r} is Azure's own and takes no Collector"
    if is_declared:
        return f"the collection {name!r} is not enabled in the deployment; it needs enabled: 'true'"
    return f"the deployment declares no collection {name!r}{did_you_mean(name, on)}"


def _where_declared(deployment: Deployment, name: str) -> Iterator[Related]:
    block = deployment.find("data_collector", "collections")
    entry = next((each for each in deployment.collections or () if str(each.key.value).lower() == name.lower()), None)
    if entry is not None:
        yield Related(entry.key.span, "it is declared here")
    elif block is not None:
        yield Related(block.key.span, "collections are declared here")
    elif (at := deployment.find("name")) is not None:
        yield Related(at.key.span, "this is the deployment")


@rule(Level.ERROR)
def collector_name_case(script: Script) -> Iterator[Problem]:
    """A Collector's name has a capital letter, so it never matches a collection.

    The names of the collections are lower-cased when the Collector's configuration is read; the name given to
    `Collector(name=...)` is not. `Model_Inputs` in the YAML with `model_inputs` in the script works; a capital letter
    in the script never does, whatever the YAML says.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="Model_Inputs", on_error=print)

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)
    """
    for call in script.collectors:
        named = _named(call)
        if named is None or named[1] == named[1].lower():
            continue
        node, name = named
        span = call.module.span(node)
        fix = (Edit(span, span.text.lower()),) if isinstance(node, ast.Constant) and name in span.text else ()
        yield Problem(span, f"a Collector's name must be lower case: write {name.lower()!r}", fix=fix)


@rule(Level.ERROR)
def collector_name_positional(script: Script) -> Iterator[Problem]:
    """A Collector is given its name by position, which raises a TypeError.

    `name` and `on_error` are keyword-only: `Collector("model_inputs")` fails in `init()` with `takes 1 positional
    argument but 2 were given`.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector("model_inputs", on_error=print)

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)
    """
    for call in script.collectors:
        if call.node.args and not isinstance(call.node.args[0], ast.Starred):
            span = call.module.span(call.node.args[0])
            one = len(call.node.args) == 1
            fix = (Edit(call.module.source.span(span.start, span.start), "name="),) if one else ()
            yield Problem(span, "a Collector takes keyword arguments only: write name=...", fix=fix)


@rule(Level.WARNING)
def no_on_error(script: Script) -> Iterator[Problem]:
    """A Collector is made without `on_error`, so a collection fault becomes an endpoint fault.

    Without it the Collector raises: in `init()` when its collection is not enabled, and in `run()` when its queue of
    1,500 events is full, so that callers get a 500 because of data collection. With `on_error` the exception goes to
    that function.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs")

    Good::

        # src/score.py
        import logging

        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=logging.error)
    """
    for call in script.collectors:
        if call.argument(1, "on_error") is None and not call.has_star:
            yield Problem(
                call.name_span,
                "this Collector has no on_error: a full queue makes run() fail; pass a function "
                "that takes the exception and logs it",
            )


@rule(Level.ERROR)
def shared_context(script: Script) -> Iterator[Problem]:
    """One correlation context serves every request, so inputs and outputs cannot be joined.

    A `BasicCorrelationContext` made in `init()` or at module level has one id and one time, frozen when it was made.
    Every event of every request carries them, and joining inputs to outputs gives each input every output.

    Bad::

        # src/score.py
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global context
            context = BasicCorrelationContext(id="my-id")

        def run(data):
            return inputs.collect(data, context)

    Good::

        # src/score.py
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            pass

        def run(data):
            context = BasicCorrelationContext(id="my-id")
            return inputs.collect(data, context)
    """
    for call in script.contexts:
        outer = call.functions[0].name if call.functions else None
        if outer is None and not _in_class(call):
            yield Problem(call.span, "this context is made once and shared by every request; make it in run()")
        elif outer == "init" and len(call.functions) == 1:
            yield Problem(
                call.span, "this context is made once, in init(), and shared by every request; make it in run()"
            )


def _in_class(call: Call) -> bool:
    """Whether a call stands in a class body or a lambda, where it may run at any time."""
    inner = (ast.ClassDef, ast.Lambda)
    return any(
        isinstance(node, inner) and node.lineno <= call.node.lineno <= (node.end_lineno or node.lineno)
        for node, _ in call.module.nodes
    )

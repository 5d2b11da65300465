"""The correlation context: what joins a request's inputs to its outputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...collecting import Event, are_exclusive, collects, events, parting, resolve
from ...diagnostic import Edit, Level, Problem, Related
from ...kinds import Kind, kind
from ...script import Script
from ...syntax import Call, Module
from ...values import Parameter, is_certain, literal, source
from .. import rule


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
            context = BasicCorrelationContext()
            return inputs.collect(data, context)
    """
    for call in script.contexts:
        outer = call.functions[0].name if call.functions else None
        if outer is None and not _in_class(call):
            yield Problem(call.span, "this context is made once and shared by every request; make it in run()")
        elif _in_init(call):
            yield Problem(
                call.span, "this context is made once, in init(), and shared by every request; make it in run()"
            )


@rule(Level.WARNING)
def constant_correlation_id(script: Script) -> Iterator[Problem]:
    """Every request is collected with the same correlation id, so inputs and outputs cannot be joined.

    The id in the documentation's example is a fixed text, which shows where an id goes and no more. Model monitoring
    joins outputs to inputs by this id: with one id for all requests, each input gets every output. Leave it out, and
    each context gets a fresh one (run with azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            pass

        def run(data):
            context = BasicCorrelationContext(id="my-id")
            return inputs.collect(data, context)

    Good::

        # src/score.py
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            pass

        def run(data):
            context = BasicCorrelationContext()
            return inputs.collect(data, context)
    """
    for call in script.contexts:
        node = call.argument(0, "id")
        if node is not None and literal(call.module, node) and call.functions and not _in_init(call):
            yield Problem(
                call.module.span(node),
                "every request gets this one id, and its outputs join every other's inputs; leave it out",
            )


def _in_init(call: Call) -> bool:
    """Whether a call stands in init() itself, and so is made once."""
    return len(call.functions) == 1 and call.functions[0].name == "init"


def _in_class(call: Call) -> bool:
    """Whether a call stands in a class body or a lambda, where it may run at any time."""
    return any(isinstance(above, ast.ClassDef | ast.Lambda) for above in call.module.ancestors(call.node))


@rule(Level.ERROR)
def context_type(script: Script) -> Iterator[Problem]:
    """A plain value is passed to `collect()` where it takes a correlation context.

    Its `get_id()` is called: with a string, a UUID or a dict `collect()` raises an AttributeError, past `on_error`, and
    the caller gets a 500 (run with azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data, request_headers):
            inputs.collect(pd.DataFrame({"length": [len(data)]}), f"{len(data)}")
            return len(data)

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data, request_headers):
            inputs.collect(pd.DataFrame({"length": [len(data)]}), BasicCorrelationContext(id=f"{len(data)}"))
            return len(data)
    """
    for event in collects(script):
        node = event.given_context
        found = resolve(event.frame, node) if node is not None else None
        what = kind(found[0].module, found[1]) if found is not None else None
        if node is not None and what is not None and what not in (Kind.CONTEXT, Kind.NONE, Kind.PREDICTION):
            yield Problem(
                event.frame.module.span(node),
                f"this is {what}, and collect() takes a correlation context: BasicCorrelationContext(id=...)",
            )


@rule(Level.ERROR)
def collect_argument(script: Script) -> Iterator[Problem]:
    """An argument is passed to `collect()` that it does not have, which raises a TypeError in every request.

    It takes the DataFrame as `data` and the context as `correlation_context` (run with azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"length": [len(data)]}))
            outputs.collect(pd.DataFrame({"prediction": [1]}), context=context)
            return 1

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"length": [len(data)]}))
            outputs.collect(pd.DataFrame({"prediction": [1]}), correlation_context=context)
            return 1
    """
    for event in collects(script):
        module = event.frame.module
        for keyword in event.call.keywords:
            if keyword.arg not in (None, "data", "correlation_context"):
                span = module.argument_span(keyword)
                fix = (Edit(span, "correlation_context"),) if keyword.arg == "context" else ()
                message = f"collect() has no {keyword.arg!r}; it takes data and correlation_context"
                yield Problem(span, message, fix=fix)
        if len(event.call.args) > 2:
            yield Problem(
                module.span(event.call.args[2]), "collect() takes two arguments: the DataFrame and the context"
            )


@rule(Level.WARNING)
def context_not_passed(script: Script) -> Iterator[Problem]:
    """The inputs and the outputs of a request are collected with different contexts, so they cannot be joined.

    Without a context each `collect()` takes a fresh correlation id. The first one returns its context: pass it to the
    second one, or make one context for each request and pass it to both. Followed through functions and methods of the
    script and of modules beside it, as far as that is certain.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"length": [len(data)]}))
            outputs.collect(pd.DataFrame({"prediction": [1]}))
            return 1

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"length": [len(data)]}))
            outputs.collect(pd.DataFrame({"prediction": [1]}), context)
            return 1
    """
    found = events(script)
    reported: set[ast.Call] = set()
    for position, later in enumerate(found):
        for earlier in found[:position]:
            if not _should_join(earlier, later):
                continue
            module, first, second = parting(earlier, later)
            if second in reported:
                continue
            reported.add(second)
            related = (Related(module.span(first), f"{earlier.collection!r} is collected here"),)
            place = later.given_context if second is later.call and later.given_context else second
            yield Problem(module.span(place), _unjoined(later), related, tuple(_pass_on(earlier, later)))


def _should_join(earlier: Event, later: Event) -> bool:
    return (
        {_role(earlier), _role(later)} == {"inputs", "outputs"}
        and earlier.context is not None
        and later.context is not None
        and earlier.context != later.context
        and not are_exclusive(earlier, later)
    )


def _role(event: Event) -> str:
    """Whether a collection is meant as inputs or as outputs, going by its name."""
    name = (event.collection or "").lower()
    if "input" in name:
        return "" if "output" in name else "inputs"
    return "outputs" if "output" in name or "prediction" in name else ""


def _unjoined(event: Event) -> str:
    given = event.given_context is not None
    what = "this is another context" if given else "without a context this gets an id of its own"
    return f"{what}: inputs and outputs cannot be joined; pass what the first collect() returns"


def _pass_on(earlier: Event, later: Event) -> Iterator[Edit]:
    """Pass the context on where it stands ready in a variable."""
    module, kept = earlier.frame.module, earlier.frame.module.parent(earlier.call)
    same = earlier.frame.path == later.frame.path == () and later.given_context is None
    if not same or not isinstance(kept, ast.Assign) or len(later.call.args) != 1 or later.call.keywords:
        return
    match kept.targets:
        case [ast.Name(id=name)]:
            bindings = module.scope(earlier.frame.function).bindings.get(name, [])
            if len(bindings) == 1 and is_certain(module, kept, later.call):
                end = module.span(later.call.args[0]).end
                yield Edit(module.source.span(end, end), f", {name}")


@rule(Level.ERROR)
def correlation_id_type(script: Script) -> Iterator[Problem]:
    """A correlation id is not text, so every event with it is dropped.

    It is sent as an HTTP header. With a number or a `uuid.UUID` the Collector's thread refuses to send, and only a log
    line tells (run with azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        import uuid

        from azureml.ai.monitoring.context import BasicCorrelationContext

        def run(data):
            return inputs.collect(data, BasicCorrelationContext(id=uuid.uuid4()))

    Good::

        # src/score.py
        import uuid

        from azureml.ai.monitoring.context import BasicCorrelationContext

        def run(data):
            return inputs.collect(data, BasicCorrelationContext(id=str(uuid.uuid4())))
    """
    for call in script.contexts:
        node = call.argument(0, "id")
        what = kind(call.module, node)
        if node is not None and what in (Kind.UUID, Kind.NUMBER, Kind.NUMPY_NUMBER, Kind.TIME, Kind.LIST, Kind.DICT):
            span = call.module.span(node)
            message = f"this is {what}, and a correlation id must be text, or nothing is collected: wrap it in str()"
            yield Problem(span, message, fix=(Edit(span, f"str({span.text})"),))


@rule(Level.NOTE)
def correlation_id_from_body(script: Script) -> Iterator[Problem]:
    """A correlation id is taken from the request's body as it is.

    It is sent as an HTTP header, in Latin-1: an id with any other letter ends the Collector's only thread without a
    word, nothing is collected from then on, and 1,500 events later `collect()` fails in run() (run with
    azureml-ai-monitoring 1.0.0). An id that is not text, or holds a line break, drops its event. Make it safe first.

    Bad::

        # src/score.py
        import json

        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            pass

        def run(data):
            body = json.loads(data)
            return inputs.collect(body, BasicCorrelationContext(id=body["id"]))

    Good::

        # src/score.py
        import json
        import re

        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            pass

        def run(data):
            body = json.loads(data)
            safe = re.sub(r"[^A-Za-z0-9_-]", "-", str(body["id"]))
            return inputs.collect(body, BasicCorrelationContext(id=safe))
    """
    for call in script.contexts:
        node = call.argument(0, "id")
        if node is not None and _is_from_body(call.module, node):
            yield Problem(
                call.module.span(node),
                "one letter outside of Latin-1 in this ends all collection; replace what is not a letter or digit",
            )


def _is_from_body(module: Module, node: ast.expr) -> bool:
    match source(module, node):
        case ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value, attr="get")):
            found = source(module, value)
            is_parsed = isinstance(found, ast.expr) and kind(module, found) is Kind.PARSED
            return is_parsed and not isinstance(found, Parameter)
    return False

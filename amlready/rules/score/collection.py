"""How the scoring script uses the Collector."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...kinds import Kind, kind
from ...script import Script
from ...specs import Deployment
from ...suggest import did_you_mean
from ...syntax import Call, Module
from ...values import is_none, literal, source
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
    endpoint starts, and nothing is collected. Either the name is a slip, or the deployment lacks the collection.

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
    if deployment.find("data_collector") and deployment.collections is None:
        return  # azure-ai-ml refuses such a file
    declared = {str(each.key.value).lower(): each for each in deployment.collections or ()}
    on = {name for name, each in declared.items() if enabled(each) and name not in PAYLOAD}
    taken = {named[1].lower() for each in script.collectors if (named := _named(each))}
    for call in script.collectors:
        named = _named(call)
        if named is None or named[1].lower() in on:
            continue
        node, name = named
        entry = declared.get(name.lower())
        effect = (
            "nothing is collected" if call.argument(1, "on_error") else "init() raises and the container never starts"
        )
        why, remedy = _why_off(deployment, name, on - taken, entry is not None)
        related = tuple(_where_declared(deployment, name))
        yield Problem(call.module.span(node), f"{why}: {effect}{remedy}", related)


def _why_off(deployment: Deployment, name: str, free: set[str], is_declared: bool) -> tuple[str, str]:
    """Why a collection is not enabled, and what to do; `free` are those that are, and that no Collector uses."""
    if deployment.collections is None:
        return f"no collection {name!r} is enabled, because the deployment has no data_collector", ""
    if name.lower() in PAYLOAD:
        return f"the collection {name!r} is Azure's own and takes no Collector", ""
    if is_declared:
        return f"the collection {name!r} is not enabled in the deployment", "; it needs enabled: 'true'"
    hint = did_you_mean(name, free) or f"; add `{name}: {{enabled: 'true'}}` to its collections, or drop this Collector"
    return f"the deployment declares no collection {name!r}", hint


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
    that function. Reported at the first such Collector.

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
    bare = [each for each in script.collectors if not each.has_star and _is_bare(each)]
    if bare:
        related = tuple(Related(each.name_span, "nor has this one") for each in bare[1:])
        message = "this Collector has no on_error: a full queue makes run() fail"
        remedy = "pass a function that takes the exception and logs it"
        yield Problem(bare[0].name_span, f"{message}; {remedy}", related)


def _is_bare(call: Call) -> bool:
    given = call.argument(1, "on_error")
    return given is None or is_none(given)


@rule(Level.WARNING)
def on_error_arguments(script: Script) -> Iterator[Problem]:
    """What is given as `on_error` cannot be called with the exception.

    The Collector calls it with one argument. A function that takes none, or needs more, raises a TypeError where the
    first error happened: in `init()`, or in `run()`, whose caller then gets a 500 (run with azureml-ai-monitoring
    1.0.0). A call such as `print("failed")` runs once, when the Collector is made, and gives it None.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=lambda: print("not collected"))

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=lambda error: print("not collected", error))
    """
    for call in script.collectors:
        given = call.argument(1, "on_error")
        fault = _unfit_for_error(script, call.module, given) if given is not None else ""
        if given is not None and fault:
            yield Problem(
                call.module.span(given), f"{fault}; on_error is called with the exception as its one argument"
            )


_GIVE_NOTHING = ("print", "logging.error", "logging.warning", "logging.info", "logging.exception", "logging.debug")


def _unfit_for_error(script: Script, module: Module, given: ast.expr) -> str:
    if isinstance(given, ast.Call) and module.qualified(given.func) in _GIVE_NOTHING:
        return "this is called here and now, and gives None"
    if kind(module, given) in (Kind.TEXT, Kind.NUMBER, Kind.LIST, Kind.DICT):
        return f"this is {kind(module, given)}, not a function"
    target = script.function(module, given) if isinstance(given, ast.Name | ast.Attribute) else None
    function = target[1] if target else source(module, given)
    if not isinstance(function, ast.Lambda | ast.FunctionDef):
        return ""
    positional = [*function.args.posonlyargs, *function.args.args]
    required = len(positional) - len(function.args.defaults) + sum(each is None for each in function.args.kw_defaults)
    if not positional and function.args.vararg is None:
        return "this takes no argument"
    return f"this needs {required} arguments" if required > 1 else ""


@rule(Level.ERROR)
def collector_argument(script: Script) -> Iterator[Problem]:
    """A Collector is made with an argument that it does not have, which raises a TypeError.

    It takes `name` and `on_error`, nothing else; the container never becomes ready (run with azureml-ai-monitoring
    1.0.0). Sampling, paths and rolling belong in the deployment's `data_collector`.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(collection_name="model_inputs", on_error=print)

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)
    """
    for call in script.collectors:
        for keyword in call.node.keywords:
            if keyword.arg not in (None, "name", "on_error"):
                yield Problem(
                    call.module.argument_span(keyword),
                    f"a Collector has no {keyword.arg!r}; it takes name and on_error",
                )
        if not call.node.args and not call.node.keywords:
            yield Problem(call.span, "a Collector needs the name of its collection: name=...")


@rule(Level.WARNING)
def unused_collector(script: Script) -> Iterator[Problem]:
    """A Collector is made, and nothing ever uses it.

    Its collection is enabled, its data asset is registered, and no data reaches it. Call `collect()` in run(), or drop
    both the Collector and its collection.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            inputs.collect(data)
            return data

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(data)
            return data
    """
    if script.run is None or not script.collectors or any(module.has_star_import for module in script.modules):
        return
    used = {node.id for module in script.modules for node in module.of(ast.Name) if isinstance(node.ctx, ast.Load)}
    used |= {node.attr for module in script.modules for node in module.of(ast.Attribute)}
    used |= {each.name for module in script.modules for node in module.of(ast.ImportFrom) for each in node.names}
    used |= {node.value for module in script.modules for node in module.of(ast.Constant) if isinstance(node.value, str)}
    for call in script.collectors:
        parent = call.module.parent(call.node)
        match parent:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name not in used:
                yield Problem(call.module.span(parent), f"{name!r} is never used: nothing is collected through it")
            case ast.Expr():
                yield Problem(call.span, "this Collector is made and dropped: nothing is collected through it")


@rule(Level.WARNING)
def too_many_collectors(script: Script) -> Iterator[Problem]:
    """The script makes more than five Collectors.

    Five is the documented maximum for one deployment (how-to-collect-production-data). The Collector itself does not
    count (eight work with azureml-ai-monitoring 1.0.0); what Azure does with the sixth is not documented.

    Bad::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global collectors
            collectors = [
                Collector(name="raw", on_error=print),
                Collector(name="clean", on_error=print),
                Collector(name="features", on_error=print),
                Collector(name="model_inputs", on_error=print),
                Collector(name="model_outputs", on_error=print),
                Collector(name="explanations", on_error=print),
            ]

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global collectors
            collectors = [
                Collector(name="raw", on_error=print),
                Collector(name="features", on_error=print),
                Collector(name="model_inputs", on_error=print),
                Collector(name="model_outputs", on_error=print),
                Collector(name="explanations", on_error=print),
            ]
    """
    first: dict[str, Call] = {}
    for call in script.collectors:
        named = _named(call)
        if named is not None:
            first.setdefault(named[1], call)
    if len(first) > MOST_COLLECTORS:
        sixth = list(first.values())[MOST_COLLECTORS]
        yield Problem(sixth.span, f"these are {len(first)} Collectors, and Azure documents {MOST_COLLECTORS} at most")


MOST_COLLECTORS = 5

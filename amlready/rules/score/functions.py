"""The functions that the inference server calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...scopes import Function
from ...script import HEADERS, Script
from ...source import Span
from ...syntax import Module
from ...values import position
from .. import rule


@rule(Level.ERROR)
def missing_function(script: Script) -> Iterator[Problem]:
    """The scoring script has no module-level `init` or `run`.

    The inference server imports the script, calls `init()` once and `run(data)` for each request. Without one of them
    the worker exits with `User script ... does not have a init() function defined`, and the container never becomes
    ready. A function inside a class, or under `if __name__ == "__main__":`, is not found.

    Bad::

        # src/score.py
        def init():
            pass

        class Model:
            def run(self, data):
                return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return data
    """
    main = script.main
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in main.tree.body):
        return
    nowhere = []
    for name in ("init", "run"):
        if name in main.names:
            continue
        inner = next((node for node, _ in main.nodes if isinstance(node, ast.FunctionDef) and node.name == name), None)
        if inner is None:
            nowhere.append(repr(name))
            continue
        message = f"there is no module-level function {name!r}; the server cannot start"
        yield Problem(main.name_span(inner), message + "; move this one to the module's top level")
    if nowhere:
        named = "is no module-level function " if len(nowhere) == 1 else "are no module-level functions "
        yield Problem(main.source.top, f"there {named}{' and '.join(nowhere)}; the server cannot start")


@rule(Level.ERROR)
def init_takes_argument(script: Script) -> Iterator[Problem]:
    """An argument that the server does not give is required by init().

    The inference server calls `init()` with nothing. The TypeError ends the worker, and the container never becomes
    ready (run on azmlinfsrv 1.5.1). A parameter with a default value is fine.

    Bad::

        # src/score.py
        def init(model_name):
            pass

        def run(data):
            return data

    Good::

        # src/score.py
        def init(model_name="model.pkl"):
            pass

        def run(data):
            return data
    """
    init = script.init
    if init is None or init.decorator_list:
        return
    given = init.args
    required = [*given.posonlyargs, *given.args][: len(given.posonlyargs) + len(given.args) - len(given.defaults)]
    required += [each for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None]
    if required:
        yield Problem(
            script.main.span(required[0]),
            f"the server calls init() without arguments, but {required[0].arg!r} is required; give it a default "
            "value or read it from an environment variable",
        )


@rule(Level.ERROR)
def run_parameter_kind(script: Script) -> Iterator[Problem]:
    """The server refuses a run() with `*args`, `**kwargs` or positional-only parameters.

    It looks at the signature before it starts and stops with `run() cannot accept positional-only arguments, *args,
    or **kwargs.` (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        def init():
            pass

        def run(data, **kwargs):
            return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data, request_headers):
            return data
    """
    entry = script.entry
    if entry is None:
        return
    given = entry.run.args
    refused = [(each, "*") for each in [given.vararg] if each] + [(each, "**") for each in [given.kwarg] if each]
    refused += [(each, "") for each in given.posonlyargs]
    for each, stars in refused:
        what = f"{stars}{each.arg}" if stars else f"the positional-only parameter {each.arg!r}"
        yield Problem(
            _starred(script.main, each, stars),
            f"the server cannot start with {what}: run() takes plain parameters only",
        )


def _starred(module: Module, parameter: ast.arg, stars: str) -> Span:
    span = module.span(parameter)
    begins = span.source.text[: span.start].endswith(stars)
    return Span(span.source, span.start - len(stars), span.end) if begins else span


@rule(Level.ERROR)
def run_without_input(script: Script) -> Iterator[Problem]:
    """No parameter of run() takes the request's body.

    The server stops at start with `run() needs to accept an argument for input data.` The parameter
    `request_headers` gets the headers and does not count (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        def init():
            pass

        def run(request_headers):
            return "ok"

    Good::

        # src/score.py
        def init():
            pass

        def run(data, request_headers):
            return "ok"
    """
    entry = script.entry
    if entry is None or entry.inputs or entry.run.args.vararg or entry.run.args.kwarg:
        return
    only = f"{HEADERS!r} gets the headers only" if entry.run.args.args else "it has none"
    yield Problem(
        script.main.name_span(entry.run), f"run() needs a parameter for the request's body, and {only}: write run(data)"
    )


@rule(Level.ERROR)
def run_second_input(script: Script) -> Iterator[Problem]:
    """A second parameter is required by run(), and the server does not give it.

    Undecorated, run() gets the body as its first parameter (and the headers as `request_headers`); every request ends
    in a TypeError and a 500, which Azure passes on as 424 (run on azmlinfsrv 1.5.1). With `@input_schema` each
    parameter gets the value of its own key in the body.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data, headers):
            return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data, request_headers):
            return data
    """
    entry = script.entry
    if entry is None or entry.input is None:
        return
    for each in entry.inputs:
        if each.arg in entry.required and each.arg != entry.input:
            yield Problem(
                script.main.span(each),
                f"the server gives run() the body as {entry.input!r} and nothing for {each.arg!r}: every request "
                f"fails; give it a default value, or call it {HEADERS!r} if it is the headers",
            )


@rule(Level.ERROR)
def async_function(script: Script) -> Iterator[Problem]:
    """The server does not await an init() or run() that is `async`.

    The body of an `async def init()` never runs: the container becomes ready without a model. What an `async def
    run()` returns is a coroutine, which is not JSON: every request gets a 500 (both run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        def init():
            pass

        async def run(data):
            return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return data
    """
    for function in (script.init, script.run):
        if isinstance(function, ast.AsyncFunctionDef) and not function.decorator_list:
            effect = "its body never runs" if function.name == "init" else "every request fails"
            yield Problem(
                script.main.name_span(function),
                f"the server does not await {function.name}(), so {effect}; make it a plain function (asyncio.run() "
                "inside it runs coroutines)",
                fix=tuple(_without_async(script.main, function)),
            )


def _without_async(module: Module, function: ast.AsyncFunctionDef) -> Iterator[Edit]:
    """Delete the word, where the body does without it."""
    waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
    inner = (node for statement in function.body for node in ast.walk(statement))
    if any(isinstance(node, waits) or getattr(node, "is_async", 0) for node in inner):
        return
    start = module.span(function).start
    end = module.source.text.find("def", start)
    yield Edit(module.source.span(start, end), "")


@rule(Level.ERROR)
def generator_function(script: Script) -> Iterator[Problem]:
    """A `yield` in init() or run() makes it a generator, which the server does not iterate.

    The server does not iterate: the body of such an init() never runs, and what such a run() returns is not JSON, so
    that every request gets a 500 (both run on azmlinfsrv 1.5.1). An endpoint cannot stream through the scoring script.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            for word in data.split():
                yield word

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return [word for word in data.split()]
    """
    for function in (script.init, script.run):
        if not isinstance(function, ast.FunctionDef) or function.decorator_list:
            continue
        found = _first_yield(script.main, function)
        if found is not None:
            effect = "its body never runs" if function.name == "init" else "every request fails"
            yield Problem(
                script.main.span(found),
                f"this makes {function.name}() a generator, which the server does not iterate: {effect}",
                (Related(script.main.name_span(function), "of this function"),),
            )


def _first_yield(module: Module, function: Function) -> ast.AST | None:
    found = [*module.of_inside(ast.Yield, function), *module.of_inside(ast.YieldFrom, function)]
    return min(found, key=position, default=None)

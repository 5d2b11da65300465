"""Errors in run() that reach nobody: returned as an answer, or dropped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...kinds import Kind, kind
from ...scopes import Binding
from ...script import Script
from ...syntax import Module
from ...values import ends, is_none, position, source
from .. import rule
from .returns import returned


@rule(Level.WARNING)
def error_as_answer(script: Script) -> Iterator[Problem]:
    """An exception is caught in run() and returned as an answer, so the caller gets status 200.

    Clients, retries, alerts and Azure's own metrics go by the status: a deployment that fails every request looks
    healthy. Let the exception go (500 from the container, 424 from the endpoint), or return an `AMLResponse` with the
    status that fits.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            try:
                return sum(json.loads(data)["data"])
            except Exception as error:
                return {"error": str(error)}

    Good::

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            try:
                return sum(json.loads(data)["data"])
            except Exception as error:
                return AMLResponse({"error": str(error)}, 400, json_str=True)
    """
    module = script.main
    for handler, told in failures(script):
        head = module.span(handler)
        related = (Related(module.source.span(head.start, head.start + 6), "the exception is caught here"),)
        message = "the caller gets this with status 200; raise, or return an AMLResponse"
        yield Problem(module.span(told), message, related)


def failures(script: Script) -> Iterator[tuple[ast.ExceptHandler, ast.expr]]:
    """Each `except` of run() that catches everything, and the answer in which it tells the caller of the exception."""
    for statement, value in returned(script):
        for handler, told in _told(script.main, statement, value):
            if _catches_all(script.main, handler) and _tells_error(script.main, handler, told):
                yield handler, told


def _told(module: Module, statement: ast.stmt, value: ast.expr) -> Iterator[tuple[ast.ExceptHandler, ast.expr]]:
    """What a `return` in an `except` returns; what an `except` leaves in the variable that is returned later."""
    handler = _handler(module, statement)
    if handler is not None:
        yield handler, value
    elif isinstance(value, ast.Name):
        left = _last_binding(module, value)
        within = _handler(module, left.node) if left is not None else None
        if left is not None and left.value is not None and within is not None and not ends(within.body):
            yield within, left.value


def _last_binding(module: Module, name: ast.Name) -> Binding | None:
    bindings = module.scope(module.function_of(name)).bindings.get(name.id, [])
    earlier = (each for each in bindings if position(each.node) < position(name))
    return max(earlier, key=lambda each: position(each.node), default=None)


def _handler(module: Module, node: ast.AST) -> ast.ExceptHandler | None:
    """The innermost `except` that a node stands in."""
    return next((each for each in module.ancestors(node) if isinstance(each, ast.ExceptHandler)), None)


def _catches_all(module: Module, handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(each is None or module.qualified(each) in ("Exception", "BaseException") for each in caught)


def _tells_error(module: Module, handler: ast.ExceptHandler, value: ast.expr) -> bool:
    """Whether an answer is about the exception: it says the exception, its trace, or a key such as `error`."""
    found = source(module, value)
    if not isinstance(found, ast.expr) or kind(module, found) not in _ANSWERS:
        return False
    for node in ast.walk(found):
        if isinstance(node, ast.Name) and node.id == handler.name:
            return True
        if isinstance(node, ast.Call) and module.qualified(node.func) == "traceback.format_exc":
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _sounds_like_error(node.value):
            return True
    return False


_ANSWERS = (Kind.TEXT, Kind.JSON, Kind.DICT, Kind.LIST)


def _sounds_like_error(text: str) -> bool:
    return any(word in text.lower() for word in ("error", "exception", "failed", "failure", "invalid"))


@rule(Level.WARNING)
def error_as_nothing(script: Script) -> Iterator[Problem]:
    """An exception is caught in run(), nothing is returned then, and the caller gets status 200 with `{}`.

    The server answers None with an empty object (run on azmlinfsrv 1.5.1): neither the caller nor Azure's metrics see
    that anything failed. Raise again, or return an `AMLResponse` with the status that fits.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            try:
                return sum(json.loads(data)["data"])
            except Exception as error:
                print(error)

    Good::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            try:
                return sum(json.loads(data)["data"])
            except Exception as error:
                print(error)
                raise
    """
    run, module = script.run, script.main
    if run is None or not any(True for _ in returned(script)):
        return
    for node in _last_statements(run.body[-1]):
        if not isinstance(node, ast.Try) or any(isinstance(each, ast.Return) for each in node.finalbody):
            continue
        for handler in node.handlers:
            if _catches_all(module, handler) and _falls_through(module, handler.body) and ends(node.body):
                head = module.span(handler)
                yield Problem(
                    module.source.span(head.start, head.start + len(head.text.partition(":")[0])),
                    "after this run() returns nothing, and the caller gets {} with status 200; raise, or return an "
                    "AMLResponse",
                )


def _last_statements(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement, and those at the end of the `with` blocks and branches that it is."""
    yield statement
    match statement:
        case ast.With(body=body):
            yield from _last_statements(body[-1])
        case ast.If(body=body, orelse=orelse):
            for block in (body, orelse):
                if block:
                    yield from _last_statements(block[-1])


def _falls_through(module: Module, block: list[ast.stmt]) -> bool:
    """Whether a block returns nothing for certain: no `return value`, `raise` or exit is anywhere in it."""
    for statement in block:
        for node in ast.walk(statement):
            if isinstance(node, ast.Raise) or (isinstance(node, ast.Return) and not is_none(node.value) and node.value):
                return False
            if isinstance(node, ast.Call) and module.qualified(node.func) in _ABORTS:
                return False
    return True


_ABORTS = ("sys.exit", "exit", "quit", "os._exit", "os.abort", "flask.abort")


@rule(Level.WARNING)
def run_returns_nothing(script: Script) -> Iterator[Problem]:
    """No path through run() returns a value, so every caller gets `{}`.

    The server answers None with status 200 and an empty object (run on azmlinfsrv 1.5.1). Most often a `return` was
    forgotten.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            answer = len(data)

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            answer = len(data)
            return answer
    """
    run, module = script.run, script.main
    if run is None or script.entry is None or isinstance(run, ast.AsyncFunctionDef):
        return
    if any(module.of_inside(kind, run) for kind in (ast.Yield, ast.YieldFrom, ast.Raise)):
        return
    if any(node.value is not None for node in module.of_inside(ast.Return, run)):
        return
    yield Problem(module.name_span(run), "run() returns nothing: every caller gets {} with status 200")

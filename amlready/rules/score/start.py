"""What happens before the first request: init(), and what it leaves for run()."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...scopes import LOOPS, Function
from ...script import COLLECTOR, Script
from ...source import Span
from ...specs import Deployment, Endpoint
from ...syntax import Module, argument
from ...values import ends, is_inner, is_none
from .. import rule


@rule(Level.ERROR)
def missing_global(script: Script) -> Iterator[Problem]:
    """A variable that run() uses is set in init() without `global`, so it is init()'s own.

    The server starts, and run() raises a NameError, or finds the None that the module set, on every request: a 500,
    which Azure passes on as 424 (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        import joblib

        def init():
            model = joblib.load("/model.pkl")

        def run(data):
            return model.predict(data)

    Good::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("/model.pkl")

        def run(data):
            return model.predict(data)
    """
    module, init, run = script.main, script.init, script.run
    if init is None or run is None or module.has_star_import or _writes_globals(module):
        return
    scope = module.scope(init)
    needed = {name for function in _followed(module, run) for name in _globals_read(module, function)}
    for name, bindings in scope.bindings.items():
        if name in scope.elsewhere or name not in needed or hasattr(builtins, name):
            continue
        known = module.global_bindings(name)
        if any(not is_none(each.value) for each in known):
            continue
        found = "finds None" if known else "raises a NameError"
        use = _first_read(module, run, name)
        related = (Related(module.span(use), f"run() {found} here"),) if use else ()
        yield Problem(
            module.span(bindings[0].node),
            f"{name!r} is a local variable of init(), so every request {found}; write 'global {name}' first",
            related,
        )


def _writes_globals(module: Module) -> bool:
    return any(node.id in ("globals", "exec", "setattr") for node in module.of(ast.Name))


def _followed(module: Module, run: Function) -> list[Function]:
    """run() and the module's own functions that it calls by name."""
    found = [run]
    for function in found:
        for node in module.of_inside(ast.Call, function):
            if isinstance(node.func, ast.Name):
                called = module.only_function(node.func.id)
                if called is not None and called not in found:
                    found.append(called)
    return found


def _globals_read(module: Module, function: Function) -> Iterator[str]:
    """The names that a function reads and does not bind, nor anything around them."""
    scope = module.scope(function)
    for node in module.of_inside(ast.Name, function):
        if isinstance(node.ctx, ast.Load) and not scope.has(node.id) and not is_inner(module, node):
            yield node.id


def _first_read(module: Module, function: Function, name: str) -> ast.Name | None:
    names = [node for node in module.of_inside(ast.Name, function) if node.id == name]
    return next((node for node in names if isinstance(node.ctx, ast.Load)), None)


@rule(Level.WARNING)
def swallowed_init_error(script: Script) -> Iterator[Problem]:
    """The exception that says why init() could not load the model is caught, and it goes on without one.

    The container then becomes ready, the deployment succeeds and takes traffic, and every request fails. An exception
    that leaves init() stops the deployment with the reason in its log. Not reported where the handler raises, exits or
    sets the variable to something else.

    Bad::

        # src/score.py
        import joblib

        def init():
            global model
            try:
                model = joblib.load("/model.pkl")
            except Exception as error:
                print(error)

        def run(data):
            return model.predict(data)

    Good::

        # src/score.py
        import joblib

        def init():
            global model
            try:
                model = joblib.load("/model.pkl")
            except Exception as error:
                print(error)
                raise

        def run(data):
            return model.predict(data)
    """
    module, init = script.main, script.init
    if init is None or script.run is None:
        return
    needed = {name for function in _followed(module, script.run) for name in _globals_read(module, function)}
    for node in module.of_inside(ast.Try, init):
        if any(isinstance(above, LOOPS) for above in module.ancestors(node)):
            continue  # in a loop, another turn may do it
        for name in _set_globals(module, init, node.body) & needed:
            for handler in node.handlers:
                if not _recovers(module, init, handler, name) and not _is_set_after(module, init, node, name):
                    yield Problem(
                        _head(module, handler),
                        f"without {name!r} the endpoint starts and every request fails; raise again, so that the "
                        "deployment fails with the reason in its log",
                        (Related(module.name_span(init), "init() goes on after this"),),
                    )
                    return


def _head(module: Module, handler: ast.ExceptHandler) -> Span:
    span = module.span(handler)
    return module.source.span(span.start, span.start + len(span.text.partition(":")[0]))


def _set_globals(module: Module, init: Function, body: list[ast.stmt]) -> set[str]:
    """The global variables that a block sets to anything but a Collector."""
    scope = module.scope(init)
    inside = {node for statement in body for node in ast.walk(statement)}
    return {
        name
        for name, bindings in scope.bindings.items()
        if name in scope.elsewhere
        for each in bindings
        if each.node in inside and not _is_collector(module, each.value)
    }


def _is_collector(module: Module, value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and module.qualified(value.func) in COLLECTOR


def _recovers(module: Module, init: Function, handler: ast.ExceptHandler, name: str) -> bool:
    """Whether a handler raises, exits, or gives the variable another value."""
    inside = {node for statement in handler.body for node in ast.walk(statement)}
    if any(isinstance(node, ast.Raise) for node in inside) or (ends(handler.body) and not _returns(handler)):
        return True
    exits = (node for node in inside if isinstance(node, ast.Call))
    if any(module.qualified(call.func) in _EXITS for call in exits):
        return True
    bindings = module.scope(init).bindings.get(name, [])
    return any(each.node in inside and not is_none(each.value) for each in bindings)


def _returns(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Return)


def _is_set_after(module: Module, init: Function, node: ast.Try, name: str) -> bool:
    """Whether init() sets the variable once more, or looks at it, behind the `try`."""
    end = node.end_lineno or 0
    return any(each.id == name and each.lineno > end for each in module.of_inside(ast.Name, init))


_EXITS = ("sys.exit", "exit", "quit", "os._exit", "os.abort")


@rule(Level.ERROR)
def start_ends_in_exit(script: Script) -> Iterator[Problem]:
    """The script, or its init(), raises or exits whatever happens.

    The worker ends with code 3 and the container never becomes ready; `sys.exit(0)` is no exception (run on azmlinfsrv
    1.5.1). Reported for a statement that nothing guards, such as the `raise NotImplementedError` of a template.

    Bad::

        # src/score.py
        def init():
            raise NotImplementedError("load the model here")

        def run(data):
            return data

    Good::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("/model.pkl")

        def run(data):
            return data
    """
    module, init = script.main, script.init
    own = init.body if init is not None and not init.decorator_list and isinstance(init, ast.FunctionDef) else []
    for block, where in ((module.tree.body, "the script"), (own, "init()")):
        ends_here = (each for each in block if isinstance(each, ast.Raise) or _is_exit(module, each))
        statement = next(ends_here, None)
        if statement is not None and not _may_be_left(block[: block.index(statement)]):
            yield Problem(module.span(statement), f"{where} always ends here, so the container never becomes ready")


def _may_be_left(block: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Return) for statement in block for node in ast.walk(statement))


def _is_exit(module: Module, statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and module.qualified(call.func) in _EXITS


@rule(Level.WARNING)
def exit_in_run(script: Script) -> Iterator[Problem]:
    """Calling `sys.exit()` in run() ends the worker process instead of the request.

    The server catches exceptions, not SystemExit: the caller's connection breaks, the other requests of this worker
    are lost, and a new worker runs init() again. Raise an exception, or return an `AMLResponse` with a status.

    Bad::

        # src/score.py
        import sys

        def init():
            pass

        def run(data):
            if not data:
                sys.exit("no data")
            return data

    Good::

        # src/score.py
        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            if not data:
                return AMLResponse("no data", 400)
            return data
    """
    module, run = script.main, script.run
    for node in module.of_inside(ast.Call, run) if run is not None else ():
        if module.qualified(node.func) in _EXITS:
            yield Problem(module.span(node), "this ends the worker process, not just the request; raise an exception")


_CREDENTIALS = {
    "azure.identity.DefaultAzureCredential": "managed_identity_client_id",
    "azure.identity.ManagedIdentityCredential": "client_id",
}


@rule(Level.WARNING)
def credential_without_client(script: Script, endpoint: Endpoint, deployment: Deployment) -> Iterator[Problem]:
    """A credential does not say which identity it is for, and the endpoint's is user-assigned.

    Without a client id a managed-identity credential asks for the system-assigned identity, which such an endpoint
    does not have: users report `ManagedIdentityCredential authentication unavailable` in init(). The documentation's
    sample passes the id in the variable `UAI_CLIENT_ID`; DefaultAzureCredential reads `AZURE_CLIENT_ID` itself.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/s/resourceGroups/g/.../userAssignedIdentities/i

        # src/score.py
        from azure.identity import ManagedIdentityCredential

        def init():
            global credential
            credential = ManagedIdentityCredential()

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/s/resourceGroups/g/.../userAssignedIdentities/i

        # src/score.py
        import os

        from azure.identity import ManagedIdentityCredential

        def init():
            global credential
            credential = ManagedIdentityCredential(client_id=os.environ["UAI_CLIENT_ID"])
    """
    if (endpoint.text("identity", "type") or "").lower().replace("_", "") != "userassigned":
        return
    if deployment.find("environment_variables", "AZURE_CLIENT_ID") is not None:
        return
    at = endpoint.find("identity")
    for call in script.calls_to(*_CREDENTIALS):
        keyword = _CREDENTIALS[call.module.qualified(call.node.func)]
        if not call.has_star and argument(call.node, -1, keyword) is None:
            related = (Related(at.key.span, "the endpoint's identity is user-assigned"),) if at else ()
            yield Problem(call.span, f"this does not say which identity to use: pass {keyword}=...", related)

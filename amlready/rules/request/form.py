"""The keys of a sample request, against what run() takes out of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from ...diagnostic import Level, Problem, Related
from ...frozen import once
from ...jsonplaces import place
from ...script import Body, Entry, Script
from ...specs import Deployment, Project, Request
from ...suggest import did_you_mean, listed
from ...syntax import Module
from ...values import Parameter, ends, literal, source
from .. import rule
from ..deployment.container import is_no_code_mlflow

Fits = Callable[[Deployment, Request], bool]


def is_for_other(request: Request, deployment: Deployment, project: Project, fits: Fits) -> bool:
    """Whether a sample that does not fit a deployment is plainly meant for another one: one that it fits, or another
    sample beside it fits this one."""
    if any(fits(deployment, each) for each in deployment.requests if each is not request):
        return True
    others = (each for each in project.deployments if each is not deployment)
    return any(fits(each, request) for each in others if request.source in [own.source for own in each.requests])


@rule(Level.ERROR)
def request_not_json(request: Request) -> Iterator[Problem]:
    """The sample request is not JSON.

    `az ml online-endpoint invoke --request-file` parses the file before it sends it, and stops with a JSONDecodeError;
    sent by other means, the scoring script fails to read it, and the caller gets a 424.

    Bad::

        # sample-request.json
        {"data": [[1, 2, 3],]}

    Good::

        # sample-request.json
        {"data": [[1, 2, 3]]}
    """
    if request.fault is not None:
        yield request.fault


# --- @input_schema ---------------------------------------------------------------------------------------------------


@rule(Level.ERROR)
def request_parameter_missing(
    request: Request, deployment: Deployment, script: Script, project: Project
) -> Iterator[Problem]:
    """The sample request lacks the key of a parameter of run().

    With `@input_schema` the server takes each parameter from the key of its name, and answers 400: `A value is not
    provided for the 'data' parameter`, or `POST body should be a JSON dictionary` (run on azmlinfsrv 1.5.1).

    Bad::

        # sample-request.json
        {"input": [[1.0, 2.0]]}

        # src/score.py
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("data", StandardPythonParameterType([[1.0, 2.0]]))
        def run(data):
            return data

    Good::

        # sample-request.json
        {"data": [[1.0, 2.0]]}

        # src/score.py
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("data", StandardPythonParameterType([[1.0, 2.0]]))
        def run(data):
            return data
    """
    entry = script.entry
    lacking = _lacking(deployment, request)
    if entry is None or not lacking or is_for_other(request, deployment, project, lambda *pair: not _lacking(*pair)):
        return
    related = (Related(script.main.name_span(entry.run), "run() takes them from the body"),)
    if isinstance(request.value, dict):
        hint = did_you_mean(lacking[0], [key for key in request.value if key not in _parameters(entry)])
        message = f"the key {listed(lacking, 'and')} is missing, and the server answers 400{hint}"
    else:
        message = f"the body must be an object with {listed(lacking, 'and')}; the server answers 400"
    yield Problem(place(request.source), message, related)


def _parameters(entry: Entry) -> list[str]:
    return [each.arg for each in entry.inputs]


def _lacking(deployment: Deployment, request: Request) -> list[str]:
    """The parameters of a decorated run() that a request does not give."""
    entry = deployment.script.entry if deployment.script else None
    if entry is None or entry.body is not Body.VALUES or request.fault is not None:
        return []
    given = request.value if isinstance(request.value, dict) else {}
    return [name for name in _parameters(entry) if name in entry.required and name not in given]


# --- MLflow ----------------------------------------------------------------------------------------------------------


@rule(Level.ERROR)
def request_input_data_missing(request: Request, deployment: Deployment, project: Project) -> Iterator[Problem]:
    """The sample request of an MLflow model has no `input_data`.

    The scoring script that Azure makes for an MLflow model takes its input from the key `input_data`; `inputs`,
    `instances` and `dataframe_split` are those of MLflow's own server (page "Deploy MLflow models to online
    endpoints"). The answer is 400.

    Bad::

        # model.yml
        name: my-model
        version: 1
        type: mlflow_model
        path: model

        # deployment.yml
        model: azureml:my-model:1
        code_configuration:

        # sample-request.json
        {"inputs": [[1.0, 2.0]]}

    Good::

        # model.yml
        name: my-model
        version: 1
        type: mlflow_model
        path: model

        # deployment.yml
        model: azureml:my-model:1
        code_configuration:

        # sample-request.json
        {"input_data": [[1.0, 2.0]]}
    """
    if not _fits_mlflow(deployment, request) and not is_for_other(request, deployment, project, _fits_mlflow):
        message = "an MLflow model without a scoring script takes its input from the key 'input_data'"
        yield Problem(place(request.source), message)


def _fits_mlflow(deployment: Deployment, request: Request) -> bool:
    """Whether a request fits an MLflow model without a script; any may fit what is none."""
    if request.fault is not None or not is_no_code_mlflow(deployment):
        return True
    return isinstance(request.value, dict) and "input_data" in request.value


# --- json.loads ------------------------------------------------------------------------------------------------------


@rule(Level.ERROR)
def request_key_missing(
    request: Request, deployment: Deployment, script: Script, project: Project
) -> Iterator[Problem]:
    """The sample request lacks a key that run() takes out of every request.

    `json.loads(data)["data"]` raises a KeyError, or a TypeError when the body is a list: the server answers 500, and
    Azure passes it on as 424. Reported for keys that run() reads whatever the request is.

    Bad::

        # sample-request.json
        {"input_data": [[1.0, 2.0]]}

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return json.loads(data)["data"]

    Good::

        # sample-request.json
        {"data": [[1.0, 2.0]]}

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return json.loads(data)["data"]
    """
    missing = _missing(deployment, request)
    if missing is None or is_for_other(request, deployment, project, lambda *pair: _missing(*pair) is None):
        return
    node, key = missing
    related = (Related(script.main.span(node), "run() reads it here"),)
    if isinstance(request.value, dict):
        message = f"the key {key!r} is missing, and run() fails{did_you_mean(key, map(str, request.value))}"
    else:
        message = f"run() takes the key {key!r} from an object, and this is none"
    yield Problem(place(request.source), message, related)


def _missing(deployment: Deployment, request: Request) -> tuple[ast.Subscript, str] | None:
    if deployment.script is None or request.fault is not None:
        return None
    keys = request.value if isinstance(request.value, dict) else {}
    return next((pair for pair in _keys(deployment.script) if pair[1] not in keys), None)


@once
def _keys(script: Script) -> Iterator[tuple[ast.Subscript, str]]:
    """The keys that run() takes out of the parsed body in any case, and where."""
    entry, module = script.entry, script.main
    if entry is None or entry.body is not Body.TEXT:
        return
    for node in module.of_inside(ast.Subscript, entry.run):
        if not isinstance(node.ctx, ast.Load):
            continue
        key = literal(module, node.slice)
        if key is not None and is_body(script, source(module, node.value)) and _runs_always(module, node, entry):
            yield node, key


def is_body(script: Script, node: ast.expr | Parameter | None) -> bool:
    """Whether an expression is `json.loads()` of the body that run() is handed."""
    entry, module = script.entry, script.main
    if not isinstance(node, ast.Call) or module.qualified(node.func) != "json.loads" or len(node.args) != 1:
        return False
    given = source(module, node.args[0])
    if not isinstance(given, Parameter) or entry is None:
        return False
    return given.function is entry.run and given.name == entry.input


def _runs_always(module: Module, node: ast.AST, entry: Entry) -> bool:
    """Whether every request reaches a node, and fails when it fails."""
    below: ast.AST = node
    for above in module.ancestors(node):
        if above is entry.run:
            return _is_first(entry, below)
        match above:
            case ast.Try(body=body, handlers=handlers):
                if below not in body or not all(ends(each.body) for each in handlers):
                    return False
            case ast.With() | ast.stmt() | ast.expr() | ast.keyword() if not isinstance(above, _BRANCHES):
                pass
            case _:
                return False
        below = above
    return False


_BRANCHES = (
    *(ast.If, ast.IfExp, ast.BoolOp, ast.For, ast.AsyncFor, ast.While, ast.Match, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)


def _is_first(entry: Entry, statement: ast.AST) -> bool:
    """Whether no statement of run() that may return early stands before one of its own."""
    for each in entry.run.body:
        if each is statement:
            return True
        if any(isinstance(node, ast.Return) for node in ast.walk(each)):
            return False
    return False

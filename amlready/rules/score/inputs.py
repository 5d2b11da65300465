"""What run() does with what it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...script import INPUT_SCHEMA, OUTPUT_SCHEMA, Body, Entry, Script
from ...suggest import did_you_mean, listed
from ...syntax import Module, argument
from ...values import Parameter, definition, is_none, literal
from .. import rule

_DICT_METHODS = ("get", "keys", "values", "items", "pop", "setdefault", "update")
_REQUEST_METHODS = ("get_json", "get_data", "json", "form", "files", "args", "headers", "method")
_FRAMES = ("pandas.DataFrame", "pandas.DataFrame.from_dict", "pandas.DataFrame.from_records", "pandas.json_normalize")


@rule(Level.ERROR)
def input_not_parsed(script: Script) -> Iterator[Problem]:
    """The request's body is used as an object, but run() gets it as text.

    Undecorated, run() is handed the body as a string, whatever its content type. `data["data"]` raises a TypeError,
    `data.get(...)` an AttributeError, `pd.DataFrame(data)` a ValueError: every request gets a 500, which Azure passes
    on as 424 (each run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            return sum(data["data"])

    Good::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return sum(json.loads(data)["data"])
    """
    entry = script.entry
    if entry is None or entry.body is not Body.TEXT or _looks_at_type(script.main, entry):
        return
    for node, use in _uses(script.main, entry):
        message = _misuse_of_text(script.main, node, use)
        if message:
            related = (Related(script.main.name_span(entry.run), "the server hands the body to this as text"),)
            place = node if isinstance(use, ast.Call) or use is None else use
            yield Problem(script.main.span(place), message, related)
            return


def _misuse_of_text(module: Module, name: ast.Name, use: ast.AST | None) -> str:
    match use:
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if value is name:
            return f"{name.id!r} is text and has no key {key!r}; parse it first: json.loads({name.id})[{key!r}]"
        case ast.Attribute(attr=attribute) if attribute in _DICT_METHODS:
            return f"{name.id!r} is text and has no {attribute}(); parse it first: json.loads({name.id})"
        case ast.Attribute(attr=attribute) if attribute in _REQUEST_METHODS:
            return f"{name.id!r} is text and has no {attribute!r}; run() gets the HTTP request only with @rawhttp"
        case ast.Call(func=func, args=[first, *_]) if first is name and module.qualified(func) in _FRAMES:
            return f"{name.id!r} is text, and pandas makes no DataFrame of it; parse it first: json.loads({name.id})"
    return ""


def _uses(module: Module, entry: Entry) -> Iterator[tuple[ast.Name, ast.AST | None]]:
    """Where run() certainly still has the body in its parameter, and what the parameter is part of there."""
    if entry.input is None or entry.input in module.scope(entry.run).bindings:
        return
    for node in module.of_inside(ast.Name, entry.run):
        if node.id == entry.input and isinstance(definition(module, node), Parameter):
            yield node, module.parent(node)


def _looks_at_type(module: Module, entry: Entry) -> bool:
    """Whether run() tells text from objects itself (`isinstance`, `type`), as scripts do that also run in tests."""
    return any(
        isinstance(call.func, ast.Name)
        and call.func.id in ("isinstance", "type", "hasattr")
        and any(isinstance(each, ast.Name) and each.id == entry.input for each in call.args)
        for call in module.of_inside(ast.Call, entry.run)
    )


@rule(Level.ERROR)
def input_already_parsed(script: Script) -> Iterator[Problem]:
    """The script parses what is not text: with `@rawhttp` or `@input_schema` run() gets an object.

    With `@rawhttp` the parameter is Flask's request, with `@input_schema` the value of the body's key, converted to
    the sample's type. `json.loads()` of either raises a TypeError, so every request gets a 500 (each run on azmlinfsrv
    1.5.1).

    Bad::

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_request import rawhttp

        def init():
            pass

        @rawhttp
        def run(request):
            return json.loads(request)["data"]

    Good::

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_request import rawhttp

        def init():
            pass

        @rawhttp
        def run(request):
            return json.loads(request.get_data())["data"]
    """
    entry = script.entry
    if entry is None or entry.body is Body.TEXT or _looks_at_type(script.main, entry):
        return
    module = script.main
    objects = {entry.input} if entry.body is Body.REQUEST else _sampled(module, entry)
    for node in module.of_inside(ast.Call, entry.run):
        if module.qualified(node.func) != "json.loads" or not node.args:
            continue
        first = node.args[0]
        found = definition(module, first) if isinstance(first, ast.Name) else None
        if isinstance(found, Parameter) and found.name in objects:
            what = (
                "the HTTP request: write json.loads({0}.get_data())" if found.name == entry.input else "parsed already"
            )
            yield Problem(module.span(node), f"{found.name!r} is {what.format(found.name)}")


_OBJECT_TYPES = ("NumpyParameterType", "PandasParameterType", "SparkParameterType")


def _sampled(module: Module, entry: Entry) -> set[str | None]:
    """The parameters that `@input_schema` turns into an array, a DataFrame, a list or a dict."""
    return {
        literal(module, argument(call, 0, "param_name"))
        for call in _schemas(module, entry)
        if _is_object(module, argument(call, 1, "param_type"))
    }


def _is_object(module: Module, sample: ast.expr | None) -> bool:
    if not isinstance(sample, ast.Call):
        return False
    kind = module.qualified(sample.func).rpartition(".")[2]
    given = argument(sample, 0, "sample_input")
    is_container = isinstance(given, ast.List | ast.Dict | ast.Tuple)
    return kind in _OBJECT_TYPES or (kind == "StandardPythonParameterType" and is_container)


def _schemas(module: Module, entry: Entry) -> list[ast.Call]:
    """The `@input_schema(...)` of run()."""
    decorators = [each for each in entry.run.decorator_list if isinstance(each, ast.Call)]
    return [each for each in decorators if module.qualified(each.func) == INPUT_SCHEMA]


@rule(Level.ERROR)
def input_schema_name(script: Script) -> Iterator[Problem]:
    """The decorator `@input_schema` names a parameter that run() does not have.

    The first argument is the parameter whose sample it gives, and the key that callers send. When run() has none of
    that name, every request ends in `Error, provided param_name ... is not in the decorated function` and a 500 (run
    on azmlinfsrv 1.5.1 with inference-schema 1.8).

    Bad::

        # src/score.py
        import numpy as np
        from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("input", NumpyParameterType(np.array([[1.0]])))
        def run(data):
            return data.tolist()

    Good::

        # src/score.py
        import numpy as np
        from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("data", NumpyParameterType(np.array([[1.0]])))
        def run(data):
            return data.tolist()
    """
    entry = script.entry
    if entry is None:
        return
    names = [each.arg for each in entry.inputs]
    for call in _schemas(script.main, entry):
        node = argument(call, 0, "param_name")
        name = literal(script.main, node)
        lenient = (
            any(each.arg in ("optional", "convert_to_provided_type") for each in call.keywords) or len(call.args) > 2
        )
        if node is None or name is None or name in names or lenient:
            continue
        hint = did_you_mean(name, names) or (f"; its parameters are {listed(names, 'and')}" if names else "")
        related = (Related(script.main.name_span(entry.run), "this is the function"),)
        yield Problem(script.main.span(node), f"run() has no parameter {name!r}: every request fails{hint}", related)


@rule(Level.ERROR)
def raw_http_with_schema(script: Script) -> Iterator[Problem]:
    """The script has both `@rawhttp` and a schema on run(), and the server takes one or the other.

    It stops at start with `run() cannot be decorated with both @rawhttp and @input_schema`. `@rawhttp` counts on
    whatever function it stands (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        from azureml_inference_server_http.api.aml_request import rawhttp
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @rawhttp
        @input_schema("data", StandardPythonParameterType([1.0]))
        def run(data):
            return data

    Good::

        # src/score.py
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("data", StandardPythonParameterType([1.0]))
        def run(data):
            return data
    """
    entry = script.entry
    if entry is None or entry.body is not Body.REQUEST:
        return
    for each in entry.run.decorator_list:
        target = each.func if isinstance(each, ast.Call) else each
        if script.main.qualified(target) in (INPUT_SCHEMA, OUTPUT_SCHEMA):
            yield Problem(
                script.main.span(each), "the server cannot start with both a schema and @rawhttp; keep one of them"
            )
            return


@rule(Level.ERROR)
def input_schema_sample(script: Script) -> Iterator[Problem]:
    """The decorator `@input_schema` is given a plain value where it takes a parameter type.

    The second argument is a `NumpyParameterType`, `PandasParameterType` or `StandardPythonParameterType` around the
    sample. A bare sample raises while the script is imported, and the container never becomes ready (run with
    inference-schema 1.8).

    Bad::

        # src/score.py
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("data", [[1.0, 2.0]])
        def run(data):
            return data

    Good::

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
    for call in _schemas(script.main, entry) if entry else ():
        sample = argument(call, 1, "param_type")
        if isinstance(sample, ast.List | ast.Dict | ast.Tuple | ast.Constant) and not is_none(sample):
            yield Problem(
                script.main.span(sample),
                "@input_schema takes a parameter type: wrap the sample in StandardPythonParameterType(...)",
            )

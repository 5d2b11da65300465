"""What run() returns, and what the server makes of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem
from ...frozen import once
from ...kinds import NOT_JSON, Kind, kind
from ...script import Script
from ...syntax import Call, Module, has_star
from ...values import position, source
from .. import rule

AML_RESPONSE = (
    "azureml_inference_server_http.api.aml_response.AMLResponse",
    "azureml.contrib.services.aml_response.AMLResponse",
)


@once
def returned(script: Script) -> Iterator[tuple[ast.Return, ast.expr]]:
    """Every `return value` of run(), unless run() or a decorator does something else with it."""
    run, module = script.run, script.main
    if run is None or script.entry is None or isinstance(run, ast.AsyncFunctionDef):
        return
    nodes = module.inside(run)
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes):
        return
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            yield node, node.value


@rule(Level.ERROR)
def return_not_json(script: Script) -> Iterator[Problem]:
    """What run() returns cannot be written as JSON, so the caller gets a 500.

    The server calls `json.dumps` on the answer. Arrays, DataFrames, numpy integers, bytes, sets, datetimes, generators
    and exceptions make it fail outside of the script, with `An unexpected internal error occurred` (each one run on
    azmlinfsrv 1.5.1). A `numpy.float64` is fine, being a float. Reported where the type shows in the text.

    Bad::

        # src/score.py
        import numpy as np

        def init():
            pass

        def run(data):
            answers = np.array([len(data)])
            return {"answers": answers}

    Good::

        # src/score.py
        import numpy as np

        def init():
            pass

        def run(data):
            answers = np.array([len(data)])
            return {"answers": answers.tolist()}
    """
    for _, value in returned(script):
        for node, found in _parts(script.main, value):
            if found in NOT_JSON:
                message = f"this is {found}, and the server cannot write it as JSON{_REMEDY.get(found, '')}"
                yield Problem(script.main.span(node), message)


_TOLIST = "; return its .tolist()"
_REMEDY = {
    Kind.ARRAY: _TOLIST,
    Kind.TENSOR: _TOLIST,
    Kind.SERIES: _TOLIST,
    Kind.INDEX: _TOLIST,
    Kind.NUMPY_NUMBER: "; wrap it in int() or float()",
    Kind.FRAME: "; return its .to_dict(orient='records')",
    Kind.BYTES: "; decode it, or return an AMLResponse",
    Kind.SET: "; make a list of it",
    Kind.ITERATOR: "; make a list of it",
    Kind.TIME: "; return its .isoformat()",
    Kind.UUID: "; wrap it in str()",
    Kind.DECIMAL: "; wrap it in float() or str()",
    Kind.PATH: "; wrap it in str()",
    Kind.EXCEPTION: "; wrap it in str()",
}


def _parts(module: Module, node: ast.expr) -> Iterator[tuple[ast.expr, Kind]]:
    """A value and what lists and dicts written out in it hold, with their kinds."""
    found = kind(module, node)
    if found is not None:
        yield node, found
    inner = source(module, node)
    match inner:
        case ast.Dict(values=values):
            parts = values
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            pass
        case ast.ListComp(elt=element):
            parts = [element]
        case _:
            return
    for part in parts:
        yield from _parts(module, part)


@rule(Level.NOTE)
def return_prediction(script: Script) -> Iterator[Problem]:
    """What a model's predict() gives is returned as it is; for most libraries that is an array.

    Arrays are not JSON: scikit-learn's, XGBoost's and LightGBM's predictions need `.tolist()`, or every request gets a
    500 (seen on azmlinfsrv 1.5.1). A model of your own may return a list: then this note does not concern you.

    Bad::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("/model.pkl")

        def run(data):
            return {"predictions": model.predict(data)}

    Good::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("/model.pkl")

        def run(data):
            return {"predictions": model.predict(data).tolist()}
    """
    for _, value in returned(script):
        for node, found in _parts(script.main, value):
            if found is Kind.PREDICTION:
                yield Problem(
                    script.main.span(node), "this is most likely an array, which is not JSON; return its .tolist()"
                )


@rule(Level.WARNING)
def return_json_text(script: Script) -> Iterator[Problem]:
    """JSON text is returned by run(), and the server encodes it once more.

    Callers get a string with JSON in it, and have to parse the answer twice (run on azmlinfsrv 1.5.1). Return the
    object itself; for text of your own return `AMLResponse(text, 200)`.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return json.dumps({"length": len(data)})

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"length": len(data)}
    """
    for _, value in returned(script):
        if kind(script.main, value) is Kind.JSON:
            yield Problem(
                script.main.span(value), "the server encodes this text again: callers get a string; return the object"
            )


@rule(Level.WARNING)
def return_status(script: Script) -> Iterator[Problem]:
    """A body and a status are returned as a tuple, as Flask has it, and the status becomes part of the body.

    The server answers 200 with a JSON list of the two (run on azmlinfsrv 1.5.1). The status of an answer is set with
    `AMLResponse(body, status, json_str=True)`. A tuple with a response in it is not JSON, and ends in a 500.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            if not data:
                return {"error": "no data"}, 400
            return len(data)

    Good::

        # src/score.py
        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            if not data:
                return AMLResponse({"error": "no data"}, 400, json_str=True)
            return len(data)
    """
    for _, value in returned(script):
        match value:
            case ast.Tuple(elts=[_, ast.Constant(value=int(status)), *rest]) if _is_status(status) and len(rest) < 2:
                yield Problem(
                    script.main.span(value),
                    f"the caller gets 200 and a list of these; for status {status} return "
                    f"AMLResponse(body, {status}, json_str=True)",
                )


def _is_status(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 100 <= number < 600


@rule(Level.WARNING)
def response_body(script: Script) -> Iterator[Problem]:
    """An `AMLResponse` is given an object without `json_str=True`, so it is not written as JSON.

    A dict becomes the bare names of its keys, a list of numbers ends in a 500 (both run on azmlinfsrv 1.5.1). Without
    `json_str` the first argument is text or bytes, sent as it is.

    Bad::

        # src/score.py
        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            return AMLResponse({"error": "no data"}, 400)

    Good::

        # src/score.py
        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            return AMLResponse({"error": "no data"}, 400, json_str=True)
    """
    for call in script.calls_to(*AML_RESPONSE):
        body = call.argument(0, "message")
        found = kind(call.module, body)
        if has_star(call.node) or body is None or found not in (Kind.DICT, Kind.LIST, Kind.TUPLE, Kind.PARSED):
            continue
        encoded = call.argument(3, "json_str")
        if encoded is None or (isinstance(encoded, ast.Constant) and encoded.value is False):
            message = f"this is {found}, which is sent as JSON only with json_str=True"
            yield Problem(call.module.span(body), message, fix=() if encoded else tuple(_encode(call)))


def _encode(call: Call) -> Iterator[Edit]:
    if len(call.node.args) < 4:
        last = max([*call.node.args, *(each.value for each in call.node.keywords)], key=position)
        end = call.module.span(last).end
        yield Edit(call.module.source.span(end, end), ", json_str=True")

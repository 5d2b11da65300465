"""What type of value an expression of a scoring script has, where the text makes it certain.

Only what numpy, pandas and the standard library document is in these tables; everything else has no kind.
"""

from __future__ import annotations

import ast
from enum import StrEnum

from .syntax import Module, argument
from .values import MAX_STEPS, Parameter, definition, is_none, source


class Kind(StrEnum):
    """A type of value, in the words of a message."""

    ARRAY = "an array"
    NUMPY_NUMBER = "a numpy number"
    TENSOR = "a tensor"
    FRAME = "a DataFrame"
    SERIES = "a Series"
    INDEX = "an Index"
    BYTES = "bytes"
    SET = "a set"
    TIME = "a datetime"
    ITERATOR = "an iterator"
    UUID = "a UUID"
    DECIMAL = "a Decimal"
    PATH = "a Path"
    EXCEPTION = "an exception"
    COMPLEX = "a complex number"
    LIST = "a list"
    DICT = "a dict"
    TUPLE = "a tuple"
    TEXT = "text"
    JSON = "JSON text"
    NUMBER = "a number"
    NONE = "None"
    PARSED = "parsed JSON"
    RESPONSE = "a response"
    CONTEXT = "a correlation context"
    PREDICTION = "a prediction"
    """What the predict() of an unpickled model returns: an array, for nearly every library."""


NOT_JSON = frozenset(
    (
        Kind.ARRAY,
        Kind.NUMPY_NUMBER,
        Kind.TENSOR,
        Kind.FRAME,
        Kind.SERIES,
        Kind.INDEX,
        Kind.BYTES,
        Kind.SET,
        Kind.TIME,
        Kind.ITERATOR,
        Kind.UUID,
        Kind.DECIMAL,
        Kind.PATH,
        Kind.EXCEPTION,
        Kind.COMPLEX,
    )
)
"""What the server's `json.dumps` cannot write: the caller gets a 500 (each one run on azmlinfsrv 1.5.1)."""


def _all(kind: Kind, names: str, prefix: str = "") -> dict[str, Kind]:
    """A table of one kind for names that are given in one text."""
    return {prefix + name: kind for name in names.split()}


_CALLS: dict[str, Kind] = {
    **_all(Kind.ARRAY, "array asarray asanyarray ascontiguousarray atleast_1d atleast_2d eye", "numpy."),
    **_all(Kind.ARRAY, "zeros ones full empty zeros_like ones_like full_like arange linspace", "numpy."),
    **_all(Kind.ARRAY, "concatenate stack vstack hstack column_stack dstack expand_dims argsort repeat", "numpy."),
    **_all(Kind.ARRAY, "tile frombuffer fromiter", "numpy."),
    **_all(Kind.NUMPY_NUMBER, "int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp", "numpy."),
    **_all(Kind.NUMPY_NUMBER, "float16 float32 bool_ argmax argmin", "numpy."),
    **_all(Kind.TENSOR, "tensor as_tensor from_numpy stack cat zeros ones softmax argmax", "torch."),
    **_all(Kind.FRAME, "DataFrame json_normalize read_csv read_parquet get_dummies", "pandas."),
    "pandas.DataFrame.from_dict": Kind.FRAME,
    "pandas.DataFrame.from_records": Kind.FRAME,
    "pandas.Series": Kind.SERIES,
    "pandas.Index": Kind.INDEX,
    "pandas.Timestamp": Kind.TIME,
    "datetime.datetime": Kind.TIME,
    "datetime.datetime.now": Kind.TIME,
    "datetime.datetime.utcnow": Kind.TIME,
    "datetime.datetime.today": Kind.TIME,
    "datetime.datetime.fromtimestamp": Kind.TIME,
    "datetime.datetime.fromisoformat": Kind.TIME,
    "datetime.date.today": Kind.TIME,
    "datetime.timedelta": Kind.TIME,
    "uuid.uuid1": Kind.UUID,
    "uuid.uuid4": Kind.UUID,
    "uuid.UUID": Kind.UUID,
    "decimal.Decimal": Kind.DECIMAL,
    "pathlib.Path": Kind.PATH,
    "base64.b64encode": Kind.BYTES,
    "base64.b64decode": Kind.BYTES,
    "pickle.dumps": Kind.BYTES,
    "json.dumps": Kind.JSON,
    "json.loads": Kind.PARSED,
    "json.load": Kind.PARSED,
    "time.time": Kind.NUMBER,
    "traceback.format_exc": Kind.TEXT,
    "flask.Response": Kind.RESPONSE,
    "flask.jsonify": Kind.RESPONSE,
    "flask.make_response": Kind.RESPONSE,
    "azureml_inference_server_http.api.aml_response.AMLResponse": Kind.RESPONSE,
    "azureml.contrib.services.aml_response.AMLResponse": Kind.RESPONSE,
    "azureml.ai.monitoring.context.BasicCorrelationContext": Kind.CONTEXT,
    "azureml.ai.monitoring.context.context.BasicCorrelationContext": Kind.CONTEXT,
    "azureml.ai.monitoring.context.get_context": Kind.CONTEXT,
}
_BUILTINS: dict[str, Kind] = {
    "list": Kind.LIST,
    "sorted": Kind.LIST,
    "dict": Kind.DICT,
    "set": Kind.SET,
    "frozenset": Kind.SET,
    "tuple": Kind.TUPLE,
    "map": Kind.ITERATOR,
    "filter": Kind.ITERATOR,
    "zip": Kind.ITERATOR,
    "enumerate": Kind.ITERATOR,
    "reversed": Kind.ITERATOR,
    "range": Kind.ITERATOR,
    "iter": Kind.ITERATOR,
    "bytes": Kind.BYTES,
    "bytearray": Kind.BYTES,
    "complex": Kind.COMPLEX,
    "str": Kind.TEXT,
    "repr": Kind.TEXT,
    "int": Kind.NUMBER,
    "float": Kind.NUMBER,
    "len": Kind.NUMBER,
    "bool": Kind.NUMBER,
}
_SAME = "copy drop fillna rename astype head tail sort_values dropna replace round"
_FRAME_ONLY = "reset_index set_index assign"
_METHODS: dict[Kind, dict[str, Kind]] = {
    Kind.ARRAY: {
        **_all(Kind.ARRAY, "reshape astype flatten ravel copy squeeze transpose round clip"),
        "tolist": Kind.LIST,
        "tobytes": Kind.BYTES,
    },
    Kind.NUMPY_NUMBER: {"tolist": Kind.LIST, "item": Kind.NUMBER},
    Kind.TENSOR: {
        **_all(Kind.TENSOR, "detach cpu to squeeze reshape view float softmax argmax"),
        "numpy": Kind.ARRAY,
        "tolist": Kind.LIST,
    },
    Kind.PREDICTION: {"tolist": Kind.LIST, **_all(Kind.ARRAY, "reshape flatten ravel")},
    Kind.FRAME: {
        **_all(Kind.FRAME, _SAME),
        **_all(Kind.FRAME, _FRAME_ONLY),
        "to_numpy": Kind.ARRAY,
        "to_dict": Kind.DICT,
    },
    Kind.SERIES: {
        **_all(Kind.SERIES, _SAME),
        "to_numpy": Kind.ARRAY,
        "tolist": Kind.LIST,
        "to_list": Kind.LIST,
        "to_dict": Kind.DICT,
        "to_frame": Kind.FRAME,
    },
    Kind.INDEX: {"tolist": Kind.LIST, "to_list": Kind.LIST},
    Kind.DICT: {"values": Kind.ITERATOR, "keys": Kind.ITERATOR, "items": Kind.ITERATOR, "copy": Kind.DICT},
    Kind.TEXT: {
        "encode": Kind.BYTES,
        **_all(Kind.TEXT, "strip lower upper format replace join title removeprefix removesuffix"),
        "split": Kind.LIST,
    },
    Kind.JSON: {"encode": Kind.BYTES},
    Kind.BYTES: {"decode": Kind.TEXT, "hex": Kind.TEXT},
    Kind.TIME: {"isoformat": Kind.TEXT, "strftime": Kind.TEXT, "timestamp": Kind.NUMBER, "date": Kind.TIME},
    Kind.SET: {"union": Kind.SET, "copy": Kind.SET},
}
_ATTRIBUTES: dict[tuple[Kind, str], Kind] = {
    (Kind.FRAME, "values"): Kind.ARRAY,
    (Kind.FRAME, "T"): Kind.FRAME,
    (Kind.FRAME, "columns"): Kind.INDEX,
    (Kind.FRAME, "index"): Kind.INDEX,
    (Kind.SERIES, "values"): Kind.ARRAY,
    (Kind.ARRAY, "T"): Kind.ARRAY,
    (Kind.UUID, "hex"): Kind.TEXT,
    (Kind.PATH, "name"): Kind.TEXT,
    (Kind.PATH, "parent"): Kind.PATH,
}
_NODES: dict[type[ast.expr], Kind] = {
    ast.JoinedStr: Kind.TEXT,
    ast.List: Kind.LIST,
    ast.ListComp: Kind.LIST,
    ast.Dict: Kind.DICT,
    ast.DictComp: Kind.DICT,
    ast.Set: Kind.SET,
    ast.SetComp: Kind.SET,
    ast.GeneratorExp: Kind.ITERATOR,
    ast.Tuple: Kind.TUPLE,
}
_CONSTANTS: dict[type, Kind] = {
    str: Kind.TEXT,
    bytes: Kind.BYTES,
    bool: Kind.NUMBER,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    complex: Kind.COMPLEX,
    type(None): Kind.NONE,
}

LOADERS = frozenset(
    (
        "joblib.load",
        "sklearn.externals.joblib.load",
        "pickle.load",
        "pickle.loads",
        "cloudpickle.load",
        "cloudpickle.loads",
        "dill.load",
        "skops.io.load",
    )
)
"""What loads a model whose library cannot be told from the text; scikit-learn's, nearly always."""
_ARRAY_LOADERS = frozenset(
    (
        "mlflow.sklearn.load_model",
        "tensorflow.keras.models.load_model",
        "keras.models.load_model",
        "keras.saving.load_model",
        "lightgbm.Booster",
    )
)
_PREDICTS = frozenset(("predict", "predict_proba", "predict_log_proba", "decision_function"))


def kind(module: Module, node: ast.expr | None, steps: int = MAX_STEPS) -> Kind | None:
    """The type of an expression's value, or None when it is not certain."""
    if node is None or steps <= 0:
        return None
    match node:
        case ast.Constant(value=value):
            return _CONSTANTS.get(type(value))
        case ast.Name():
            return _name(module, node, steps)
        case ast.Call():
            return _call(module, node, steps)
        case ast.Attribute() | ast.Subscript() | ast.IfExp() | ast.BinOp():
            return _part(module, node, steps - 1)
    return _NODES.get(type(node))


def _part(module: Module, node: ast.expr, steps: int) -> Kind | None:
    match node:
        case ast.Attribute(value=inner, attr=attribute):
            base = kind(module, inner, steps)
            return _ATTRIBUTES.get((base, attribute)) if base else None
        case ast.Subscript():
            return _item(module, node, steps)
        case ast.IfExp(body=body, orelse=other):
            one = kind(module, body, steps)
            return one if one == kind(module, other, steps) else None
        case ast.BinOp(left=left, right=right):
            return _operation(kind(module, left, steps), kind(module, right, steps))
    return None


def _name(module: Module, node: ast.Name, steps: int) -> Kind | None:
    found = definition(module, node)
    if isinstance(found, Parameter) or found is None:
        return None
    if isinstance(found.node, ast.ExceptHandler):
        return Kind.EXCEPTION
    return kind(module, found.value, steps - 1)


def _operation(left: Kind | None, right: Kind | None) -> Kind | None:
    for wide in (Kind.FRAME, Kind.SERIES, Kind.ARRAY):
        if wide in (left, right) and {left, right} <= {wide, Kind.NUMBER, Kind.ARRAY}:
            return wide
    return Kind.TEXT if left is Kind.TEXT else None


def _item(module: Module, node: ast.Subscript, steps: int) -> Kind | None:
    base = kind(module, node.value, steps)
    match base, node.slice:
        case Kind.FRAME, ast.Constant(value=str()):
            return Kind.SERIES
        case Kind.FRAME, ast.List():
            return Kind.FRAME
        case ((Kind.ARRAY | Kind.LIST | Kind.FRAME | Kind.SERIES | Kind.TEXT), ast.Slice()):
            return base
        case Kind.PARSED, _:
            return Kind.PARSED
    return None


def _call(module: Module, node: ast.Call, steps: int) -> Kind | None:
    name = module.qualified(node.func)
    if isinstance(node.func, ast.Name) and node.func.id not in module.imports:
        is_own = module.scope(None).has(name) or module.has_star_import
        return None if is_own else _BUILTINS.get(name)
    if name in _CALLS:
        return None if argument(node, -1, "chunksize") else _CALLS[name]
    if not isinstance(node.func, ast.Attribute):
        return None
    return _method(module, node, node.func, steps)


def _method(module: Module, node: ast.Call, func: ast.Attribute, steps: int) -> Kind | None:
    if func.attr in _PREDICTS:
        return _prediction(module, func.value, steps - 1)
    base = kind(module, func.value, steps - 1)
    if func.attr == "to_json" and (base in (Kind.FRAME, Kind.SERIES) or argument(node, -1, "orient")):
        return Kind.JSON if not node.args and argument(node, -1, "path_or_buf") is None else Kind.NONE
    if argument(node, -1, "inplace") is not None:
        return None
    if base is None:
        return {"tolist": Kind.LIST, "isoformat": Kind.TEXT}.get(func.attr)
    return _METHODS.get(base, {}).get(func.attr)


def _prediction(module: Module, model: ast.expr, steps: int) -> Kind | None:
    """What a model's predict() returns, going by how the model was loaded."""
    made = source(module, model)
    if not isinstance(made, ast.Call) or steps <= 0:
        return None
    loader = module.qualified(made.func)
    if loader in LOADERS or loader in _ARRAY_LOADERS:
        return Kind.PREDICTION if loader in LOADERS else Kind.ARRAY
    found = {_prediction(module, each, steps - 1) for each in _results(module, made)}
    return found.pop() if len(found) == 1 else None


def _results(module: Module, call: ast.Call) -> list[ast.expr]:
    """What a call of a plain function of this module may give, if it is one; None aside."""
    here = module.function_of(call)
    name = call.func.id if isinstance(call.func, ast.Name) else None
    if name is None or (here is not None and module.scope(here).has(name)):
        return []
    function = module.only_function(name)
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return []
    if any(module.of_inside(kind, function) for kind in (ast.Yield, ast.YieldFrom)):
        return []
    return [each.value for each in module.of_inside(ast.Return, function) if each.value and not is_none(each.value)]

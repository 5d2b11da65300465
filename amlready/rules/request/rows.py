"""The rows of a sample request, against the model's features."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from ...artifact import PICKLES
from ...diagnostic import Level, Problem, Related
from ...jsonplaces import place
from ...script import Script
from ...specs import Deployment, MLmodel, Project, Request
from ...suggest import listed
from ...syntax import Module, argument
from ...values import literal, literals, source
from .. import rule
from ..deployment.container import is_no_code_mlflow
from .form import is_body, is_for_other

_WRAPPERS = ("numpy.array", "numpy.asarray", "pandas.DataFrame")
_PREDICTS = ("predict", "predict_proba", "decision_function")


@rule(Level.ERROR)
def request_features(request: Request, deployment: Deployment, script: Script, project: Project) -> Iterator[Problem]:
    """A row of the sample request has not as many values as the model has features.

    The number is read from the local model's pickle (`n_features_in_`), without loading it. scikit-learn raises `X has
    9 features, but Ridge is expecting 10 features as input`, and the caller gets a 424. Reported where run() hands the
    rows to `predict()` as they are.

    Bad::

        # model.yml
        name: my-model
        version: 1
        path: model

        # model/model.pkl
        \\x80\\x02c__main__\\x0aRidge\\x0aq\\x00)\\x81q\\x01}q\\x02X\\x0e\\x00\\x00\\x00n_features_in_q\\x03K\\x02sb.

        # deployment.yml
        model: azureml:my-model:1

        # sample-request.json
        {"data": [[59, 32.1, 101]]}

        # src/score.py
        import json

        import joblib
        import numpy as np

        def init():
            global model
            model = joblib.load("model.pkl")

        def run(data):
            return model.predict(np.array(json.loads(data)["data"])).tolist()

    Good::

        # model.yml
        name: my-model
        version: 1
        path: model

        # model/model.pkl
        \\x80\\x02c__main__\\x0aRidge\\x0aq\\x00)\\x81q\\x01}q\\x02X\\x0e\\x00\\x00\\x00n_features_in_q\\x03K\\x02sb.

        # deployment.yml
        model: azureml:my-model:1

        # sample-request.json
        {"data": [[59, 32.1]]}

        # src/score.py
        import json

        import joblib
        import numpy as np

        def init():
            global model
            model = joblib.load("model.pkl")

        def run(data):
            return model.predict(np.array(json.loads(data)["data"])).tolist()
    """
    fault = _row_fault(deployment, request)
    if fault is None or is_for_other(request, deployment, project, lambda *pair: _row_fault(*pair) is None):
        return
    keys, number, length, features = fault
    related = (Related(script.source.top, "run() hands the rows to predict() as they are"),)
    message = f"this row has {length} values, and the model takes {features}"
    yield Problem(place(request.source, *keys, number), message, related)


def _row_fault(deployment: Deployment, request: Request) -> tuple[tuple[str, ...], int, int, int] | None:
    keys = _predicted(deployment.script) if deployment.script is not None else None
    rows = _rows(request, keys) if keys is not None else []
    features = _features(deployment) if rows else None
    for number, row in enumerate(rows):
        if keys is not None and features is not None and isinstance(row, list) and len(row) != features:
            return keys, number, len(row), features
    return None


def _features(deployment: Deployment) -> int | None:
    """The number of features of the one pickle of the local model."""
    from ...features import count  # only where a request goes straight to a model

    artifact = deployment.model.artifact if deployment.model is not None else None
    files = [each for each in artifact.files if each.lower().endswith(PICKLES)] if artifact is not None else []
    return count(artifact.path(files[0])) if artifact is not None and len(files) == 1 else None


def _rows(request: Request, keys: tuple[str, ...]) -> list[object]:
    value = request.value
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def _predicted(script: Script) -> tuple[str, ...] | None:
    """The keys to the rows that run() hands to a global model's predict() as they are; None if it does not."""
    entry, module = script.entry, script.main
    if entry is None:
        return None
    for node in module.of_inside(ast.Call, entry.run):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(), attr=attribute), args=[rows]) if attribute in _PREDICTS:
                return rows_of(script, module, rows)
    return None


def rows_of(script: Script, module: Module, node: ast.expr) -> tuple[str, ...] | None:
    """The keys from the parsed body to an expression, perhaps wrapped in an array or a DataFrame."""
    found = source(module, node)
    if isinstance(found, ast.Call) and module.qualified(found.func) in _WRAPPERS and found.args:
        found = source(module, found.args[0])
    keys: list[str] = []
    while isinstance(found, ast.Subscript):
        key = literal(module, found.slice)
        if key is None:
            return None
        keys.insert(0, key)
        found = source(module, found.value)
    return tuple(keys) if is_body(script, found) else None


@rule(Level.ERROR)
def request_columns(request: Request, deployment: Deployment, script: Script, project: Project) -> Iterator[Problem]:
    """A row of the sample request has not as many values as run() has names for its columns.

    `pd.DataFrame(rows, columns=FEATURES)` raises `10 columns passed, passed data had 9 columns`, and the caller gets a
    424.

    Bad::

        # sample-request.json
        {"data": [[59, 32.1, 101]]}

        # src/score.py
        import json

        import pandas as pd

        FEATURES = ["age", "bmi"]

        def init():
            pass

        def run(data):
            frame = pd.DataFrame(json.loads(data)["data"], columns=FEATURES)
            return len(frame)

    Good::

        # sample-request.json
        {"data": [[59, 32.1]]}

        # src/score.py
        import json

        import pandas as pd

        FEATURES = ["age", "bmi"]

        def init():
            pass

        def run(data):
            frame = pd.DataFrame(json.loads(data)["data"], columns=FEATURES)
            return len(frame)
    """
    fault = _columns_fault(script, request)
    if fault is None or is_for_other(request, deployment, project, _columns_fit):
        return
    keys, number, length, node, names = fault
    related = (Related(script.main.span(node), "the columns are named here"),)
    message = f"this row has {length} values, and run() names {names} columns"
    yield Problem(place(request.source, *keys, number), message, related)


def _columns_fault(script: Script, request: Request) -> tuple[tuple[str, ...], int, int, ast.expr, int] | None:
    entry, module = script.entry, script.main
    for node in module.of_inside(ast.Call, entry.run) if entry is not None else ():
        if module.qualified(node.func) != "pandas.DataFrame" or not node.args:
            continue
        named = argument(node, 2, "columns")
        columns = literals(module, named)
        keys = rows_of(script, module, node.args[0])
        if named is None or columns is None or keys is None:
            continue
        for number, row in enumerate(_rows(request, keys)):
            if isinstance(row, list) and row and len(row) != len(columns):
                return keys, number, len(row), named, len(columns)
    return None


def _columns_fit(deployment: Deployment, request: Request) -> bool:
    return deployment.script is not None and _columns_fault(deployment.script, request) is None


@rule(Level.ERROR)
def request_signature(request: Request, deployment: Deployment) -> Iterator[Problem]:
    """The sample request of an MLflow model lacks columns of the model's signature.

    MLflow checks the input against the signature in `MLmodel`, and refuses it: `Model is missing inputs [...]`. The
    caller gets a 424.

    Bad::

        # model.yml
        name: my-model
        version: 1
        type: mlflow_model
        path: model

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
        signature:
          inputs: '[{"name": "age", "type": "double"}, {"name": "bmi", "type": "double"}]'

        # deployment.yml
        model: azureml:my-model:1
        code_configuration:

        # sample-request.json
        {"input_data": {"columns": ["age"], "index": [0], "data": [[59]]}}

    Good::

        # model.yml
        name: my-model
        version: 1
        type: mlflow_model
        path: model

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
        signature:
          inputs: '[{"name": "age", "type": "double"}, {"name": "bmi", "type": "double"}]'

        # deployment.yml
        model: azureml:my-model:1
        code_configuration:

        # sample-request.json
        {"input_data": {"columns": ["age", "bmi"], "index": [0], "data": [[59, 32.1]]}}
    """
    model = deployment.model
    needed = signature(model.mlmodel) if model is not None and model.mlmodel is not None else []
    if not needed or not is_no_code_mlflow(deployment) or not isinstance(request.value, dict):
        return
    body = request.value.get("input_data")
    columns = body.get("columns") if isinstance(body, dict) else None
    if not isinstance(columns, list):
        return
    missing = [name for name in needed if name not in columns]
    if missing:
        at = place(request.source, "input_data", "columns")
        yield Problem(at, f"the model's signature also has {listed(missing, 'and')}")


def signature(mlmodel: MLmodel) -> list[str]:
    """The names of the columns that an MLflow model requires."""
    text = mlmodel.text("signature", "inputs")
    try:
        inputs = json.loads(text) if text else []
    except ValueError:
        return []
    columns = [each for each in inputs if isinstance(each, dict)] if isinstance(inputs, list) else []
    return [str(each["name"]) for each in columns if "name" in each and each.get("required", True)]

"""What is collected: a DataFrame, and one that stays as it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...collecting import Event, collects, data_kind, exclusive
from ...diagnostic import Level, Problem, Related
from ...kinds import Kind
from ...scopes import Function
from ...script import Script
from ...syntax import Module, argument
from ...values import Parameter, definition, position
from .. import rule


@rule(Level.ERROR)
def collect_not_frame(script: Script) -> Iterator[Problem]:
    """Something other than a DataFrame is passed to `collect()`, which takes nothing else.

    An array, list, dict or Series gives `data type (ndarray) not supported, supported types: pandas.DataFrame`: without
    `on_error` every request fails, with it nothing is collected (run with azureml-ai-monitoring 1.0.0). Reported where
    the type shows in the text.

    Bad::

        # src/score.py
        import json

        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            rows = json.loads(data)["data"]
            inputs.collect(rows)
            return len(rows)

    Good::

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            rows = json.loads(data)["data"]
            inputs.collect(pd.DataFrame(rows, columns=["age", "bmi"]))
            return len(rows)
    """
    for event in collects(script):
        what = data_kind(event)
        if event.data is not None and what not in (None, Kind.FRAME, Kind.PREDICTION):
            yield Problem(
                event.frame.module.span(event.data),
                f"this is {what}, and collect() takes a DataFrame only: pandas.DataFrame(..., columns=[...])",
            )


@rule(Level.NOTE)
def collect_prediction(script: Script) -> Iterator[Problem]:
    """What a model's predict() gives is collected as it is; for most libraries that is an array.

    `collect()` takes a DataFrame only. The example in the documentation collects the result of `model.predict()`, but
    there the model returns a DataFrame; scikit-learn's, for one, return arrays, which are refused (run with
    azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        import joblib
        from azureml.ai.monitoring import Collector

        def init():
            global outputs, model
            model = joblib.load("/model.pkl")
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            answer = model.predict([[1.0]])
            outputs.collect(answer)
            return answer.tolist()

    Good::

        # src/score.py
        import joblib
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global outputs, model
            model = joblib.load("/model.pkl")
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            answer = model.predict([[1.0]])
            outputs.collect(pd.DataFrame({"prediction": answer}))
            return answer.tolist()
    """
    for event in collects(script):
        if event.data is not None and data_kind(event) is Kind.PREDICTION:
            yield Problem(
                event.frame.module.span(event.data),
                "this is most likely an array, and collect() takes a DataFrame: pandas.DataFrame({'prediction': ...})",
            )


@rule(Level.WARNING)
def changed_after_collect(script: Script) -> Iterator[Problem]:
    """A DataFrame is changed after it was collected, and the changed values are what is stored.

    `collect()` keeps a reference; the frame is written as JSON later, in the Collector's thread. A column that is added
    or overwritten in between shows up in the collected data (seen with azureml-ai-monitoring 1.0.0: 1 collected, 99
    stored). Collect a `.copy()`.

    Bad::

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            frame = pd.DataFrame(json.loads(data))
            inputs.collect(frame)
            frame["age"] = frame["age"] / 100
            return frame["age"].tolist()

    Good::

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            frame = pd.DataFrame(json.loads(data))
            inputs.collect(frame.copy())
            frame["age"] = frame["age"] / 100
            return frame["age"].tolist()
    """
    reported: set[ast.AST] = set()
    for event in collects(script):
        for module, function, site, name in _bearers(event):
            change = _change(module, function, site, name)
            if change is not None and change not in reported:
                reported.add(change)
                related = (Related(module.span(site), "it was collected here; collect a .copy()"),)
                yield Problem(module.span(change), f"this changes {name!r}, and with it what is stored", related)


def _bearers(event: Event) -> Iterator[tuple[Module, Function, ast.Call, str]]:
    """The variables that hold the very object that is collected, from collect() up to run()."""
    frame, site, node = event.frame, event.call, event.data
    while isinstance(node, ast.Name):
        yield frame.module, frame.function, site, node.id
        found = definition(frame.module, node)
        given = frame.given(found.name) if isinstance(found, Parameter) and found.function is frame.function else None
        if given is None or given[0] is not frame.caller or frame.call is None:
            return
        site = frame.call
        frame, node = given


def _change(module: Module, function: Function, site: ast.Call, name: str) -> ast.AST | None:
    """The first change of a variable's object after a place, unless the variable gets another object before."""
    bindings = module.scope(function).bindings.get(name, [])
    start = position(site)
    for node in module.inside(function):
        if type(node) not in _CHANGERS or position(node) <= start:
            continue
        if not _changes(node, name) or exclusive(module, site, node):
            continue
        between = (position(each.node) for each in bindings if each.node is not node)
        return None if any(start <= at < position(node) for at in between) else node
    return None


_CHANGERS = frozenset((ast.Subscript, ast.Attribute, ast.AugAssign, ast.Call))
_PLACES = ("loc", "iloc", "at", "iat")
_CHANGES = ("insert", "pop", "update")


def _changes(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Subscript(value=ast.Name(id=base), ctx=ast.Store() | ast.Del()):
            return base == name
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=base), attr=attribute), ctx=ast.Store()):
            return base == name and attribute in _PLACES
        case ast.Attribute(value=ast.Name(id=base), ctx=ast.Store()) | ast.AugAssign(target=ast.Name(id=base)):
            return base == name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=base), attr=attribute)):
            inplace = argument(node, -1, "inplace")
            is_true = isinstance(inplace, ast.Constant) and inplace.value is True
            return base == name and (attribute in _CHANGES or is_true)
    return False

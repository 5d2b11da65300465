"""The columns of what is collected: names, each its own, and none that monitoring takes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...collecting import Event, Frame, collects, resolve
from ...diagnostic import Level, Problem, Related
from ...frozen import once
from ...kinds import Kind, kind
from ...script import Script
from ...specs import Deployment, Request
from ...syntax import argument
from ...values import Parameter, is_none, literal, literals, source
from .. import rule


@once
def _frames(script: Script) -> Iterator[tuple[Event, Frame, ast.Call]]:
    """The events whose DataFrame is made by `pandas.DataFrame(...)`, and where."""
    for event in collects(script):
        home, made = (resolve(event.frame, event.data) if event.data is not None else None) or (event.frame, None)
        if isinstance(made, ast.Call) and home.module.qualified(made.func) == "pandas.DataFrame":
            yield event, home, made


def _columns(home: Frame, made: ast.Call) -> list[ast.expr] | None:
    """The columns that a DataFrame is made with, when they are written out."""
    given = argument(made, 2, "columns")
    found = resolve(home, given) if given is not None else None
    if found is None or given is None:
        return None
    return literals(home.module, given) if found[0] is home else literals(found[0].module, found[1])


@rule(Level.ERROR)
def duplicate_columns(script: Script) -> Iterator[Problem]:
    """Two columns of a collected DataFrame have one name, which ends all collection without a word.

    pandas cannot write such a frame as records. The ValueError ends the Collector's only thread: nothing is sent from
    then on, by any Collector of the process, and 1,500 events later `collect()` fails in run() (run with
    azureml-ai-monitoring 1.0.0).

    Bad::

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        FEATURES = ["age", "bmi", "age"]

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame(json.loads(data), columns=FEATURES))

    Good::

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        FEATURES = ["age", "bmi", "bp"]

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame(json.loads(data), columns=FEATURES))
    """
    reported: set[ast.expr] = set()
    for event, home, made in _frames(script):
        seen: dict[object, ast.expr] = {}
        for node in _columns(home, made) or ():
            name = node.value if isinstance(node, ast.Constant) else node
            if name in seen and node not in reported:
                reported.add(node)
                related = (Related(event.frame.module.span(event.call), "it is collected here"),)
                yield Problem(
                    home.module.span(node), f"a second column is called {name!r}: it ends collection", related
                )
            seen[name] = node


@rule(Level.WARNING)
def unnamed_columns(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """A collected DataFrame has no column names, so they are stored as "0", "1", "2".

    Monitoring compares columns by name with its reference data and finds none in common. Give the names of the
    features with `columns=[...]`. Reported where the frame is made of an array, or of what the sample request shows to
    be rows without names.

    Bad::

        # sample-request.json
        {"data": [[59, 32.1], [48, 21.6]]}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame(json.loads(data)["data"]))
            return "ok"

    Good::

        # sample-request.json
        {"data": [[59, 32.1], [48, 21.6]]}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame(json.loads(data)["data"], columns=["age", "bmi"]))
            return "ok"
    """
    reported: set[ast.expr] = set()
    for event, home, made in _frames(script):
        given = argument(made, 2, "columns")
        if (given is not None and not is_none(given)) or made in reported or _names_later(event, home):
            continue
        if _has_no_names(home, argument(made, 0, "data"), deployment.requests):
            reported.add(made)
            related = (Related(event.frame.module.span(event.call), "it is collected here"),)
            yield Problem(home.module.span(made), "the columns of this have no names; add columns=[...]", related)


def _names_later(event: Event, home: Frame) -> bool:
    """Whether `.columns = ...` stands in one of the functions that the frame passes."""
    frames = [home, event.frame]
    while frames[-1].caller is not None:
        frames.append(frames[-1].caller)
    return any(
        node.attr == "columns" and isinstance(node.ctx, ast.Store)
        for frame in frames
        for node in frame.module.of_inside(ast.Attribute, frame.function)
    )


def _has_no_names(home: Frame, data: ast.expr | None, requests: tuple[Request, ...]) -> bool:
    found = resolve(home, data) if data is not None else None
    if found is None:
        return False
    frame, node = found
    if kind(frame.module, node) in (Kind.ARRAY, Kind.PREDICTION):
        return True
    if isinstance(node, ast.List):
        return bool(node.elts) and all(isinstance(each, ast.List | ast.Tuple | ast.Constant) for each in node.elts)
    samples = [value for request in requests if (value := _sample(frame, node, request)) is not None]
    return bool(samples) and all(isinstance(value, list) and value and _is_plain(value) for value in samples)


def _is_plain(rows: list[object]) -> bool:
    return all(isinstance(row, list | int | float) for row in rows)


def _sample(frame: Frame, node: ast.expr, request: Request) -> object | None:
    """What an expression over the parsed body is for a sample request: `json.loads(data)["data"]`."""
    keys: list[str] = []
    found: ast.expr | Parameter | None = node
    while isinstance(found, ast.Subscript):
        key = literal(frame.module, found.slice)
        if key is None:
            return None
        keys.insert(0, key)
        found = source(frame.module, found.value)
    run = frame.script.run
    if run is None or not isinstance(found, ast.Call) or frame.module.qualified(found.func) != "json.loads":
        return None
    body = source(frame.module, found.args[0]) if found.args else None
    if not isinstance(body, Parameter) or body.function is not run:
        return None
    value = request.value
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


@rule(Level.WARNING)
def correlationid_column(script: Script) -> Iterator[Problem]:
    """A collected column is called `correlationid`, which monitoring overwrites.

    When the collected data is read for monitoring, each row gets a column of this name, made of the event's own
    correlation id and the row's number. An id of your own survives under another name, such as `request_id`.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"correlationid": ["a"], "length": [len(data)]}))
            return "ok"

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"request_id": ["a"], "length": [len(data)]}))
            return "ok"
    """
    for _, home, made in _frames(script):
        found = resolve(home, made.args[0]) if made.args else None
        keys = found[1].keys if found is not None and isinstance(found[1], ast.Dict) else []
        for node in [*(_columns(home, made) or ()), *keys]:
            if isinstance(node, ast.Constant) and node.value == "correlationid":
                message = "monitoring overwrites a column of this name; call your own id 'request_id'"
                yield Problem(home.module.span(node), message)

"""Rules about the columns and the size of what a trial collected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem, Related
from .. import rule
from .telling import innermost, listed, once

if TYPE_CHECKING:
    from ...local.evidence import Event, Trial

REFERENCED = 4 * 1024 * 1024
"""Bytes of data above which the record in Blob Storage holds only a reference, says Azure's documentation of 2025."""

LARGE = 256 * 1024
"""The same, says Azure's documentation of 2023."""


@rule(Level.WARNING)
def column_without_name(trial: Trial) -> Iterator[Problem]:
    """A collected frame has columns without names.

    `pd.DataFrame(rows)` numbers its columns; they are stored as "0", "1" and so on. A monitor that compares them
    with the training data finds no column in common.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]]))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]], columns=["bmi", "bp"]))
            return []
    """
    yield from once(
        Problem(
            innermost(event.at, trial.run),
            f"this frame's columns have no names and are stored in {event.collection!r} as {listed(unnamed)}: "
            "give it columns=[...]",
        )
        for event in trial.arrived
        if (unnamed := [name for name in event.columns if name.isdigit()])
    )


@rule(Level.WARNING)
def column_type_changes(trial: Trial) -> Iterator[Problem]:
    """A column has values of different types, in one request or from one to the next.

    The monitor's Spark job infers a type and fails with `Can not merge type` when the next file has another: text
    among numbers, or whole numbers (1) among others (1.0). `pd.DataFrame(json)` takes the types of whatever was
    sent; give `dtype` or `astype()`. Missing values (null) have no type.

    Bad::

        # sample-request.json
        {"data": [1.5, 2]}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            for value in json.loads(data)["data"]:
                inputs.collect(pd.DataFrame({"bmi": [value]}))
            return []

    Good::

        # sample-request.json
        {"data": [1.5, 2]}

        # src/score.py
        import json

        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            for value in json.loads(data)["data"]:
                inputs.collect(pd.DataFrame({"bmi": [value]}, dtype="float64"))
            return []
    """
    for collection in dict.fromkeys(each.collection for each in trial.arrived):
        events = [each for each in trial.arrived if each.collection == collection]
        changing = {name: kinds for name, kinds in _types(events).items() if len(kinds) > 1}
        if changing:
            (name, kinds), *_ = changing.items()
            more = f" (and so do {listed(list(changing)[1:])})" if len(changing) > 1 else ""
            (one, _), (other, at), *_ = kinds.items()
            yield Problem(
                innermost(at.at, trial.run),
                f"column {name!r} of {collection!r} holds {one} and {other}{more}; monitoring cannot merge the types: "
                "set a dtype",
            )


def _types(events: Iterable[Event]) -> dict[str, dict[str, Event]]:
    """For each column the types of its values, each with the event where it came first."""
    found: dict[str, dict[str, Event]] = {}
    for event in events:
        for row in event.rows:
            for name, value in row.items():
                if value is not None:
                    found.setdefault(name, {}).setdefault(_type(value), event)
    return found


def _type(value: object) -> str:
    names = {bool: "true or false", int: "whole numbers", float: "decimal numbers", str: "text", list: "lists"}
    return names.get(type(value), "objects")


@rule(Level.WARNING)
def columns_not_the_models(trial: Trial) -> Iterator[Problem]:
    """The columns of `model_inputs` are not the features that the model was trained on.

    A monitor compares collected columns with the training data by name. Reported only when the script holds a
    fitted estimator with `feature_names_in_`, columns are missing, and either the numbers agree or most names do:
    raw inputs that the script turns into features are fine, and so are columns that come on top.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        class Model:
            feature_names_in_ = ["bmi", "bp"]

            def predict(self, rows):
                return [sum(row) for row in rows]

        def init():
            global model, inputs
            model = Model()
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]], columns=["bmi", "pressure"]))
            return model.predict([[1.5, 2.5]])

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        class Model:
            feature_names_in_ = ["bmi", "bp"]

            def predict(self, rows):
                return [sum(row) for row in rows]

        def init():
            global model, inputs
            model = Model()
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame([[1.5, 2.5]], columns=model.feature_names_in_))
            return model.predict([[1.5, 2.5]])
    """
    yield from once(
        Problem(innermost(event.at, trial.run), message)
        for event in trial.arrived
        if event.collection == "model_inputs" and (message := _misfit(frozenset(event.columns), trial.features))
    )


def _misfit(columns: frozenset[str], known: Iterable[frozenset[str]]) -> str:
    """What is wrong with columns, going by the estimator whose features they resemble most."""
    nearest = max(known, key=lambda each: len(each & columns), default=frozenset[str]())
    missing = nearest - columns
    alike = len(nearest) == len(columns) or 2 * len(nearest & columns) > len(nearest)
    if not missing or not alike or not columns or all(name.isdigit() for name in columns):
        return ""
    instead = f" and have {listed(sorted(columns - nearest))} instead" if columns - nearest else ""
    return f"these columns lack the model's {listed(sorted(missing))}{instead}: use the names it was trained with"


@rule(Level.WARNING)
def column_overwritten(trial: Trial) -> Iterator[Problem]:
    """A collected column is called `correlationid`.

    Model monitoring puts its own column of that name, made of the event's id and the row's number, in its place.
    Call your own id something else.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5], "correlationid": ["a-17"]}))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5], "request_id": ["a-17"]}))
            return []
    """
    yield from once(
        Problem(
            innermost(event.at, trial.run),
            "model monitoring overwrites a column called 'correlationid'; call it 'request_id'",
        )
        for event in trial.arrived
        if "correlationid" in event.columns
    )


@rule(Level.NOTE)
def date_as_number(trial: Trial) -> Iterator[Problem]:
    """A column of dates is stored as numbers.

    The Collector writes a frame with pandas' defaults: dates become milliseconds since 1970, durations
    milliseconds. Nothing that reads them later can tell. Format them as text if they are to be dates.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"admitted": pd.to_datetime(["2024-05-01"])}))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            admitted = pd.to_datetime(["2024-05-01"])
            inputs.collect(pd.DataFrame({"admitted": admitted.strftime("%Y-%m-%d")}))
            return []
    """
    yield from once(
        Problem(
            innermost(event.at, trial.run),
            f"column {name!r} of {event.collection!r} ({dtype}) is stored as a number, milliseconds; format it as text",
        )
        for event in trial.arrived
        for name, dtype in event.dtypes
        if dtype.startswith(("datetime64", "timedelta64"))
    )


@rule(Level.WARNING)
def event_by_reference(trial: Trial) -> Iterator[Problem]:
    """An event is so large that its data is not in its record.

    Above 4 MB the record in Blob Storage has a reference, and the data lies in a file of its own: who reads the
    JSON Lines finds no rows there. Collect fewer rows or columns at once, or only their summary.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            image = "f" * 5_000_000
            inputs.collect(pd.DataFrame({"image": [image]}))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            image = "f" * 5_000_000
            inputs.collect(pd.DataFrame({"image_size": [len(image)]}))
            return []
    """
    yield from _sized(trial, "over 4 MB Azure stores a reference in its place: collect less at once", REFERENCED)


@rule(Level.NOTE)
def event_large(trial: Trial) -> Iterator[Problem]:
    """An event is larger than 256 kB.

    Azure keeps the data of large events out of their records. The limit was 256 kB in the documentation of 2023
    and is 4 MB in that of 2025; in between it depends on what your region runs.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"text": ["f" * 300_000]}))
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"text": ["f" * 300]}))
            return []
    """
    yield from _sized(trial, "some regions may store a reference in its place (256 kB, or 4 MB)", LARGE, REFERENCED)


def _sized(trial: Trial, consequence: str, above: int, up_to: float = float("inf")) -> Iterator[Problem]:
    """The largest event of each collection, if its size is in a range."""
    for collection in dict.fromkeys(each.collection for each in trial.arrived):
        events = [each for each in trial.arrived if each.collection == collection]
        largest = max(events, key=lambda each: len(each.body or b""))
        size = len(largest.body or b"")
        if above < size <= up_to:
            yield Problem(
                innermost(largest.at, trial.run),
                f"this event for {collection!r} has {size:,} bytes; {consequence}",
                tuple(Related(frame.span, "called from here") for frame in largest.at[-2:-1]),
            )

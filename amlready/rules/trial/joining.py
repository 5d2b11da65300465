"""Rules about whether the inputs and outputs that a trial collected can be joined, as model monitoring does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem, Related
from ...script import Script
from ...source import Span
from ...specs import Deployment
from .. import rule
from .telling import innermost, once, sent

if TYPE_CHECKING:
    from ...local.evidence import Answer, Event, Trial

INPUTS, OUTPUTS = "model_inputs", "model_outputs"
"""The collections that Azure ML model monitoring joins."""


@rule(Level.ERROR)
def correlation_id_differs(trial: Trial) -> Iterator[Problem]:
    """The inputs and outputs of one request have different correlation ids.

    Model monitoring joins `model_inputs` and `model_outputs` by correlation id and row. Without a context
    `collect()` makes a fresh id each time; pass the context that the first call returned to the second.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            outputs.collect(pd.DataFrame({"prediction": [1.5]}))
            return [1.5]

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            outputs.collect(pd.DataFrame({"prediction": [1.5]}), context)
            return [1.5]
    """
    yield from once(
        Problem(
            innermost(outputs[0].at, trial.run),
            f"{OUTPUTS!r} has another correlation id than {INPUTS!r}, so they cannot be joined: pass the context that "
            "the first collect() returned",
            (Related(innermost(inputs[0].at, trial.run), f"{INPUTS!r} is collected here"), *sent([answer.request])),
        )
        for answer, inputs, outputs in _pairs(trial)
        if not {each.correlation_id for each in inputs} & {each.correlation_id for each in outputs}
    )


def _pairs(trial: Trial) -> Iterator[tuple[Answer, list[Event], list[Event]]]:
    """Each answer with the inputs and outputs that were collected for it, where there are both."""
    for position, answer in enumerate(trial.answers):
        mine = trial.collected.get(position, [])
        inputs = [each for each in mine if each.collection == INPUTS]
        outputs = [each for each in mine if each.collection == OUTPUTS]
        if inputs and outputs:
            yield answer, inputs, outputs


@rule(Level.ERROR)
def correlation_id_repeats(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """Different requests have one correlation id.

    A context that is made once, in `init()` or at module level, has one id and one time for all requests, and so
    has an id that is written in the script. Joining inputs to outputs then gives each input every output. Make a
    context for each request.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs, context
            inputs = Collector(name="model_inputs", on_error=print)
            context = BasicCorrelationContext()

        def run(data):
            inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)
            return []

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)

        def run(data):
            context = BasicCorrelationContext()
            inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)
            return []
    """
    events = sorted((each for each in trial.events if each.answer is not None), key=lambda each: each.correlation_id)
    for _, same in groupby(events, key=lambda each: each.correlation_id):
        group = sorted(same, key=lambda each: each.answer or 0)
        if _is_constant(group, trial, deployment.script):
            span = innermost(group[-1].at, trial.run)
            yield Problem(
                span,
                f"this correlation id, {group[0].correlation_id}, is the same for different requests, so inputs and "
                "outputs cannot be joined: make a context in run()",
                tuple(_contexts(deployment.script, span)),
            )
            return


def _is_constant(group: list[Event], trial: Trial, script: Script | None) -> bool:
    """Whether one id serves different requests; the same request may have the same id twice, made from its body."""
    answers = {each.answer for each in group}
    if len(answers) < 2:
        return False
    numbers = {trial.answers[each].number for each in answers if each is not None and each < len(trial.answers)}
    shared = any(one.context == other.context and one.answer != other.answer for one in group for other in group[:50])
    written = script is not None and any(
        group[0].correlation_id in _quoted(each.source.text) for each in script.modules
    )
    return shared or written or len(numbers) > 1


def _quoted(text: str) -> str:
    return text.replace('"', "'")


def _contexts(script: Script | None, span: Span) -> Iterator[Related]:
    for call in script.contexts if script else ():
        if call.span != span:
            yield Related(call.span, "a context is made here")


@rule(Level.WARNING)
def row_counts_differ(trial: Trial) -> Iterator[Problem]:
    """The inputs and outputs of one request have different numbers of rows.

    Model monitoring joins row by row, by correlation id and position: what has no partner is left out, and
    everything after a missing row is joined to the wrong one.

    Bad::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"bmi": [1.5, 2.5]}))
            outputs.collect(pd.DataFrame({"mean": [2.0]}), context)
            return [2.0]

    Good::

        # src/score.py
        import pandas as pd
        from azureml.ai.monitoring import Collector

        def init():
            global inputs, outputs
            inputs = Collector(name="model_inputs", on_error=print)
            outputs = Collector(name="model_outputs", on_error=print)

        def run(data):
            context = inputs.collect(pd.DataFrame({"bmi": [1.5, 2.5]}))
            outputs.collect(pd.DataFrame({"prediction": [1.5, 2.5]}), context)
            return [1.5, 2.5]
    """
    yield from once(
        Problem(
            innermost(outputs[-1].at, trial.run),
            f"{_rows(inputs)} rows of {INPUTS!r} and {_rows(outputs)} of {OUTPUTS!r} have the same correlation id, so "
            "they cannot be joined row by row",
            (Related(innermost(inputs[-1].at, trial.run), f"{INPUTS!r} is collected here"), *sent([answer.request])),
        )
        for answer, inputs, outputs in _pairs(trial)
        if {each.correlation_id for each in inputs} == {each.correlation_id for each in outputs}
        and all(each.body is not None for each in (*inputs, *outputs))
        and _rows(inputs) != _rows(outputs)
    )


def _rows(events: Iterable[Event]) -> int:
    return sum(len(each.rows) for each in events)

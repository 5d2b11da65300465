"""Rules about the answers of a trial: what run() returned, and what the caller would get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem
from ...source import Span
from ...specs import Deployment
from .. import rule
from .telling import asked, caller_gets, once, sent

if TYPE_CHECKING:
    from ...local.evidence import Answer, Caught, Trial


LARGE = 16 * 1024 * 1024
"""Bytes of an answer that are read, and already too many."""

_WRITABLE = {
    "numpy.ndarray": "return .tolist()",
    "pandas.DataFrame": 'return .to_dict(orient="records")',
    "pandas.core.frame.DataFrame": 'return .to_dict(orient="records")',
    "pandas.Series": "return .tolist()",
    "pandas.core.series.Series": "return .tolist()",
    "bytes": "return text, or an AMLResponse for anything that is not JSON",
    "coroutine": "define run() without async",
    "generator": "return a list",
    "set": "return a list",
    "datetime.datetime": "return .isoformat()",
    "datetime.date": "return .isoformat()",
}


@rule(Level.ERROR)
def answer_not_serialisable(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """What `run()` returns cannot be written as JSON.

    The server passes what `run()` returns to `json.dumps`. Arrays, numpy's integers and 32-bit floats, frames,
    bytes, sets, dates, generators and coroutines are none of its types, so every request ends with 500 and the
    message `An unexpected internal error occurred`.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"classes": {1, 2, 3}}

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"classes": [1, 2, 3]}
    """
    yield from once(
        Problem(
            _returned(answer, trial),
            f"run() returns {_what(answer)}: {answer.unwritable}; {_remedy(answer)}; {caller_gets(deployment, 500)}",
            tuple(sent([answer.request])),
        )
        for answer in trial.first
        if answer.unwritable
    )


def _what(answer: Answer) -> str:
    return f"a {answer.output}"


def _remedy(answer: Answer) -> str:
    if answer.output.startswith("numpy.") and answer.output != "numpy.ndarray":
        return "return .item()"
    return _WRITABLE.get(answer.output, "use Python's own numbers, text, lists and dicts")


def _returned(answer: Answer, trial: Trial) -> Span:
    """Where run() returned the answer: seen, or else the only place where it can."""
    if answer.returned is not None:
        return answer.returned
    again = [each.returned for each in trial.answers if each.number == answer.number and each.returned]
    return again[0] if again else trial.run


@rule(Level.ERROR)
def answer_not_200(trial: Trial, deployment: Deployment) -> Iterator[Problem]:
    """A sample request is not answered with 200.

    Whatever status the container gives, a managed endpoint's caller gets 424 with the status in the header
    `ms-azureml-model-error-statuscode`. A 4xx says that the request is not what `run()` expects, so either of
    them is wrong: the server itself answers 400 where `@input_schema` names a parameter that the request lacks.

    Bad::

        # sample-request.json
        {"rows": [[1.5, 2.5]]}

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            request = json.loads(data)
            if "data" not in request:
                return AMLResponse({"message": "there is no data"}, 400, json_str=True)
            return request["data"]

    Good::

        # sample-request.json
        {"data": [[1.5, 2.5]]}

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            request = json.loads(data)
            if "data" not in request:
                return AMLResponse({"message": "there is no data"}, 400, json_str=True)
            return request["data"]
    """
    for answer in asked(trial):
        status = answer.status
        if status is None or answer.ok or answer.raised or answer.unwritable:
            continue
        span = answer.request.top if status < 500 else trial.run
        said = f", {answer.said}" if answer.body else ""
        yield Problem(span, f"this request is answered with {status}{said}; {caller_gets(deployment, status)}")


@rule(Level.ERROR)
def answer_not_json(trial: Trial) -> Iterator[Problem]:
    """The answer says that it is JSON, and is not.

    Python writes NaN and infinity as `NaN` and `Infinity`, which JSON does not know: the endpoint answers 200,
    and most clients (JavaScript, .NET, Java, PowerShell) fail to read it.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"predictions": [1.5, float("nan")]}

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"predictions": [1.5, None]}
    """
    yield from once(
        Problem(_returned(answer, trial), fault, tuple(sent([answer.request])))
        for answer in trial.first
        if answer.ok and answer.is_json and answer.is_whole and (fault := _not_json(answer))
    )


def _not_json(answer: Answer) -> str:
    try:
        value = answer.value
        json.loads(answer.body, parse_constant=_refuse)
    except ValueError as error:
        if str(error) in ("NaN", "Infinity", "-Infinity"):
            place = next(_constants(value, ""), "")
            return f"the answer has {error}{f' at {place}' if place else ''}, which is not JSON; return None instead"
        return f"the answer is declared as JSON and is not: {error}"
    return ""


def _refuse(name: str) -> object:
    raise ValueError(name)


def _constants(value: object, path: str) -> Iterator[str]:
    """Where a value has NaN or infinity in it."""
    match value:
        case dict():
            for key, each in value.items():
                yield from _constants(each, f"{path}.{key}" if path else str(key))
        case list():
            for position, each in enumerate(value):
                yield from _constants(each, f"{path}[{position}]")
        case float() if value != value or value in (float("inf"), float("-inf")):
            yield path


@rule(Level.WARNING)
def answer_too_large(trial: Trial) -> Iterator[Problem]:
    """An answer is larger than 16 MB, or has no end.

    All traffic of a managed endpoint shares 5 MB a second, so one such answer keeps it busy for more than three
    seconds, and the caller waits for it. Return less, or a place where the rest is. The trial reads 16 MB and no
    more.

    Bad::

        # src/score.py
        def init():
            pass

        def run(data):
            return "pixel " * 3_000_000

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return "https://example.org/images/1.png"
    """
    message = "this request is answered with more than 16 MB; all traffic of an endpoint shares 5 MB a second"
    for answer in trial.first:
        if answer.size > LARGE:
            yield Problem(_returned(answer, trial), message, tuple(sent([answer.request])))


@rule(Level.WARNING)
def answer_encoded_twice(trial: Trial) -> Iterator[Problem]:
    """The answer is a JSON string with JSON in it.

    The server writes what `run()` returns as JSON. If that is the text of `json.dumps()` or `df.to_json()`
    already, callers get a string and have to decode twice.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            return json.dumps({"predictions": [1.5]})

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return {"predictions": [1.5]}
    """
    message = (
        "run() returns JSON as text, and the server encodes it once more: callers get a string; return the value itself"
    )
    yield from once(
        Problem(_returned(answer, trial), message, tuple(sent([answer.request])))
        for answer in trial.first
        if answer.ok and answer.is_json and answer.is_whole and _is_encoded_twice(answer)
    )


def _is_encoded_twice(answer: Answer) -> bool:
    try:
        inner = answer.value
        return isinstance(inner, str) and isinstance(json.loads(inner), list | dict)
    except (ValueError, RecursionError):
        return False


@rule(Level.WARNING)
def error_with_200(trial: Trial) -> Iterator[Problem]:
    """A request fails, and is answered with 200 all the same.

    `except Exception as error: return str(error)` hides the failure from the caller, from Azure's metrics and
    alerts, and from retries. Raise, or return an `AMLResponse` with a status of 400 or above. Reported when an
    exception's own message is in the answer, when `run()` returns nothing after an exception, or when the answer
    is only an `error`.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            try:
                return json.loads(data)["rows"][0]
            except Exception as error:
                return {"error": f"failed: {error!r}"}

    Good::

        # src/score.py
        import json

        from azureml_inference_server_http.api.aml_response import AMLResponse

        def init():
            pass

        def run(data):
            try:
                return json.loads(data)["data"][0]
            except KeyError as error:
                return AMLResponse({"message": f"failed: {error!r}"}, 400, json_str=True)
    """
    yield from once(
        Problem(_returned(answer, trial), fault, tuple(sent([answer.request])))
        for answer in trial.first
        if answer.ok and (fault := _failure(answer, trial))
    )


def _failure(answer: Answer, trial: Trial) -> str:
    texts = list(_texts(answer))
    again = [each for each in trial.answers if each.turn == "again" and each.number == answer.number]
    for caught in (caught for each in again for caught in each.seen):
        message = caught.error.message.strip()
        if len(message) >= 4 and any(message in text for text in texts):
            return f"{_caught(caught)} and its message is returned with status 200; raise, or return an AMLResponse"
        if caught.in_run and answer.output == "NoneType":
            return f"{_caught(caught)} and run() returns nothing: the caller gets 200 and {{}}; raise instead"
    if _is_only_an_error(answer):
        return f"the answer is an error with status 200: {answer.said}; raise, or return an AMLResponse"
    return ""


def _caught(caught: Caught) -> str:
    at = caught.error.at
    return f"{caught.error}{f' is caught (line {at.line})' if at else ' is caught'}"


def _texts(answer: Answer) -> Iterator[str]:
    """Every text in an answer."""
    try:
        waiting = [answer.value]
    except ValueError:
        waiting = [answer.body.decode(errors="replace")]
    while waiting:
        value = waiting.pop()
        match value:
            case str():
                yield value
            case list():
                waiting += value
            case dict():
                waiting += value.values()


_ERROR = {"error", "errors", "exception", "traceback"}
_BESIDE = {"code", "detail", "details", "message", "status", "status_code", "statuscode", "success", "trace", "type"}


def _is_only_an_error(answer: Answer) -> bool:
    try:
        value = answer.value
    except ValueError:
        return False
    if not isinstance(value, dict) or not value:
        return False
    keys = {str(key).lower(): each for key, each in value.items()}
    errors = [each for key, each in keys.items() if key in _ERROR]
    return keys.keys() <= _ERROR | _BESIDE and any(isinstance(each, str | dict) and each for each in errors)


@rule(Level.WARNING)
def answer_empty(trial: Trial) -> Iterator[Problem]:
    """A request is answered with nothing, because `run()` returns None.

    The server turns None into 200 and an empty object, `{}`, which no caller can tell from an answer. Mostly a
    `return` is missing on the way that this request takes.

    Bad::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            rows = json.loads(data)["data"]
            [sum(row) for row in rows]

    Good::

        # src/score.py
        import json

        def init():
            pass

        def run(data):
            rows = json.loads(data)["data"]
            return [sum(row) for row in rows]
    """
    yield from once(
        Problem(
            _returned(answer, trial),
            "run() returns None, and the caller gets 200 and {}; return the answer",
            tuple(sent([answer.request])),
        )
        for answer in trial.first
        if answer.ok and answer.output == "NoneType" and not _failure(answer, trial)
    )

"""The child process of a trial: runs a scoring script as a worker of the inference server does, and tells what it saw.

The server's own application object and the real Collector do the work. But for this module and `trial_watch`, which
import nothing of amlready, the process holds what a worker in Azure holds.

What was seen goes, a line of JSON each, into a file that is opened anew for every line, because a scoring script may
close whatever it likes. `trial_report` reads it.
"""

from __future__ import annotations

import base64
import faulthandler
import inspect
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FrameType, ModuleType
from typing import Any

from .trial_watch import EXCEPTIONS, Code, Collecting, Report, place, said, sending_threads, type_name, wrap

READ = 16 * 1024 * 1024  # bytes of an answer that are read
BODY = 1024 * 1024  # bytes of an answer that are written down


# --- the server -------------------------------------------------------------------------------------------------------


class Tracer:
    """Watches the user's own functions for one request: exceptions that pass through them, and where run() returns."""

    def __init__(self, code: Code, run: CodeType | None) -> None:
        self._code = code
        self._run = run
        self.returned: dict[str, object] | None = None
        self.seen: list[dict[str, object]] = []

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> Any:
        if not self._code.owns(frame.f_code.co_filename):
            return None
        frame.f_trace_lines = False
        return self._inside

    def _inside(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "exception" and len(self.seen) < EXCEPTIONS:
            kind, error, _ = argument
            message = said(error) if isinstance(error, BaseException) else str(error)
            at = place(frame.f_code, frame.f_lasti, frame.f_lineno)
            self.seen.append({"type": type_name(kind), "message": message, "frames": [at], "run": self._is_run(frame)})
        elif event == "return" and self._is_run(frame):
            self.returned = place(frame.f_code, frame.f_lasti, frame.f_lineno)
        return self._inside

    def _is_run(self, frame: FrameType) -> bool:
        return frame.f_code is self._run


class Trial:
    """The steps of a trial, each announced before it begins: whoever waits for it then knows what does not end."""

    def __init__(self, instructions: Mapping[str, Any]) -> None:
        self._told = instructions
        self._limit: float = instructions["timeout"]
        self._stacks = open(instructions["stacks"], "wb")  # noqa: SIM115 - for as long as the process lives
        self.report = Report(instructions["report"])
        self.code = Code(instructions["code"])
        self.collecting = Collecting(self.report, self.code)
        self._raised: dict[str, object] | None = None
        self._output: dict[str, object] = {}
        self._result: object = None
        self._tracer: Tracer | None = None

    def run(self) -> None:
        self.report.write("step", name="start")
        try:
            application = self._create()
        except BaseException as error:  # the server ends the process with sys.exit(3), whatever the reason
            self.report.write("refused", error=self.code.told(error))
            return
        script = application.azml_blueprint.user_script
        self.report.write("ready", **self.collecting.end())
        self._rounds(application.test_client(), script)
        self.report.write("step", name="look")
        self.report.write("model", features=list(features(_globals(script))))
        self.report.write("done")

    def _create(self) -> Any:
        _configure_logging()
        from azureml_inference_server_http.server import create_app, user_script

        if self._told["collector"]:
            self.collecting.watch()
        for name, step in (("load_script", "load"), ("invoke_init", "init")):
            wrap(user_script.UserScript, name, self._step(step))
        wrap(user_script.UserScript, "invoke_run", self._invoke)
        return create_app.create()

    def _step(self, name: str) -> Callable[..., Any]:
        def around(real: Callable[..., Any], *positional: Any, **named: Any) -> Any:
            started = time.perf_counter()
            self._begin(name)
            try:
                return real(*positional, **named)
            except BaseException as error:
                self.report.write("raised", step=name, error=self.code.told(_users(error)))
                raise
            finally:
                faulthandler.cancel_dump_traceback_later()
                self.report.write("took", step=name, seconds=time.perf_counter() - started)

        return around

    def _begin(self, name: str, **more: object) -> None:
        """Announce a step; if it takes too long, all stacks are written down before the process is ended."""
        self.report.write("step", name=name, **more)
        faulthandler.dump_traceback_later(self._limit, file=self._stacks)

    def _rounds(self, client: Any, script: Any) -> None:
        """Every request once, timed. Then again if that was quick, traced; and once more as if the queue were full."""
        requests = list(enumerate(self._told["requests"]))
        started = time.perf_counter()
        answered = [number for number, each in requests if self._request(client, number, each, "first") == 200]
        quick = time.perf_counter() - started < self._told["again_within"]
        if quick and len(answered) == len(requests):
            for number, each in requests:
                self._tracer = Tracer(self.code, _code(script._user_run)) if sys.gettrace() is None else None
                self._request(client, number, each, "again")
            self._tracer = None
        if quick and answered and sending_threads():
            self._request(client, answered[0], requests[answered[0]][1], "full")

    def _request(self, client: Any, number: int, request: Mapping[str, str], turn: str) -> int | None:
        with open(request["path"], "rb") as file:
            body = file.read()
        self._begin("request", number=number, turn=turn)
        self._raised, self._output, self._result = None, {}, None
        self.collecting.begin(full=turn == "full")
        started = time.perf_counter()
        try:
            answer = self._post(client, body, request["content_type"])
        except BaseException as error:  # SystemExit and the like pass through the server and end its worker
            answer = {"escaped": self.code.told(error)}
        seconds = time.perf_counter() - started - self.collecting.overhead
        faulthandler.cancel_dump_traceback_later()
        if not self.report.is_mine:
            os._exit(0)  # the scoring script forked, and this is the copy
        if answer.get("status") == 500 and self._output:
            answer["unwritable"] = unwritable(self._result)
        self.report.write("step", name="drain")
        is_whole = answer.get("status") == 200 and turn != "full"
        collecting = self.collecting.end(self._told["enabled"] if is_whole else ())
        self.report.write(
            "answer",
            number=number,
            turn=turn,
            seconds=seconds,
            raised=self._raised,
            **answer,
            **self._output,
            **collecting,
        )
        return answer.get("status")

    def _post(self, client: Any, body: bytes, content_type: str) -> dict[str, Any]:
        headers = {"x-request-id": str(uuid.uuid4())}  # Azure gives every request one
        response = client.post("/score", data=body, content_type=content_type, headers=headers)
        try:
            content = _read(response.iter_encoded())
        finally:
            response.close()
        return {
            "status": response.status_code,
            "content_type": response.content_type,
            "body": base64.b64encode(content[:BODY]).decode(),
            "size": len(content),
        }

    def _invoke(self, real: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        tracer = self._tracer
        try:
            if tracer:
                sys.settrace(tracer)
            try:
                result = real(*positional, **named)
            finally:
                if tracer:
                    sys.settrace(None)
        except BaseException as error:
            if hasattr(error, "user_ex"):
                self._raised = self.code.told(_users(error))
            raise
        self._result = result.output
        self._output = {"output": type_name(type(result.output))}
        if tracer:
            self._output |= {"returned": tracer.returned, "seen": tracer.seen}
        return result


def _configure_logging() -> None:
    """As the server's command does before it starts its workers."""
    with suppress(ImportError):
        from azureml_inference_server_http.constants import PACKAGE_ROOT
        from azureml_inference_server_http.log_config import load_logging_config

        load_logging_config(PACKAGE_ROOT)


def _read(blocks: Iterator[bytes]) -> bytes:
    """An answer's body, or so much of one without end that it is clear that it is too long."""
    content = bytearray()
    for block in blocks:
        content += block
        if len(content) > READ:
            break
    return bytes(content)


def unwritable(value: object) -> str | None:
    """Why `json` cannot write what run() returned."""
    try:
        json.dumps(value)
    except Exception as error:
        return said(error)
    return None


def _users(error: BaseException) -> BaseException:
    """The scoring script's exception, without the one that the server puts around it."""
    users = getattr(error, "user_ex", None)
    return users if isinstance(users, BaseException) else error


def _code(function: Any) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


# --- the model --------------------------------------------------------------------------------------------------------


def _globals(script: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for function in (getattr(script, "_user_init", None), getattr(script, "_user_run", None)):
        found |= getattr(inspect.unwrap(function), "__globals__", {}) if function is not None else {}
    return found


def features(values: Mapping[str, object]) -> Iterator[list[str]]:
    """`feature_names_in_` of every fitted estimator among values and one level into their attributes."""
    for value in list(values.values()):
        if isinstance(value, ModuleType | type) or callable(value):
            continue
        inner = getattr(value, "__dict__", None)
        for each in (value, *(list(inner.values()) if isinstance(inner, dict) else ())):
            names = _names(each)
            if names:
                yield names


def _names(value: object) -> list[str]:
    if not hasattr(type(value), "predict"):
        return []
    try:
        return [name for name in getattr(value, "feature_names_in_", ()) if isinstance(name, str)]
    except Exception:
        return []


def main(instructions: str) -> None:
    """Try the scoring script that a file of instructions describes. Ends the process."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if memory runs out, it is this process that has to go
    with open(instructions, encoding="utf-8") as file:
        trial = Trial(json.load(file))
    try:
        trial.run()
    except BaseException as error:
        trial.report.write("broken", error=trial.code.told(error))
    # Not sys.exit: threads and exit functions of the scoring script have no part in the trial.
    os._exit(0)

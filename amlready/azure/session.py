"""Carrying out commands against the control plane, and what came of it, as values."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..local import supervise
from ..misuse import Misuse
from .commands import Command
from .workspace import CODE_NAME, PROGRESS

_HERE = Path(__file__).resolve().parents[2]
_PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from amlready.azure.child import main
sys.path.pop()
main(sys.argv.pop())
"""
_START = 120.0  # seconds for Python and azure-ai-ml to start; a cold disk is slow
_RANDOM = re.compile(r"/codes/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/versions")
_ELSEWHERE = re.compile(r"(?i:.*_proxy)$|AZUREML_|ARM_|AZURE_|APPLICATIONINSIGHTS_|OTEL_|MLFLOW_")


class CannotPlan(Misuse):
    """There is no azure-ai-ml here, or it cannot be started; `str()` says what to do."""


@dataclass(frozen=True)
class Request:
    """A request as it was sent. `body` is None where there is none; `assumed` is what its answer takes for granted."""

    method: str
    url: str
    body: Any
    assumed: str = ""


@dataclass(frozen=True)
class Files:
    """Files by name, relative to the upload's source, with their size in bytes; at most a thousand are listed."""

    count: int
    bytes: int
    listed: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Upload:
    """Files that go to Blob Storage, and those that an ignore file keeps here. Not `read`: too large, counted only."""

    source: Path
    container: str
    ignore: str | None
    sent: Files
    kept: Files
    read: bool


@dataclass(frozen=True)
class Warned:
    """Something that the SDK warns of; or, with `contact`, an address that it tried to reach and could not."""

    message: str
    contact: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a command failed: the exception's type and text, as the SDK has them."""

    type: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What a command sent and returned.

    `result` is what `az ml` prints with `--output json`; `asked`, of an update, what its file asks for. Not `reached`:
    a command before it failed.
    """

    command: Command
    events: tuple[Request | Upload | Warned, ...] = ()
    result: Mapping[str, Any] | None = None
    asked: Mapping[str, Any] | None = None
    failure: Failure | None = None
    reached: bool = True


def carry_out(
    commands: Sequence[Command],
    resources: Sequence[Mapping[str, Any]] = (),
    *,
    seconds: float,
    go_on: bool = False,
) -> list[Outcome]:
    """Carry out commands in order, each within `seconds`, up to the first that fails or, to `go_on`, all of them.

    `resources` are there already: `path` in the workspace and `body`, as the management API has it. Raises CannotPlan.
    """
    require()
    with tempfile.TemporaryDirectory(prefix="amlready-plan-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        instructions = {
            "report": str(folder / "report"),
            "resources": list(resources),
            "go_on": go_on,
            "commands": [each.instructions for each in commands],
        }
        (folder / "instructions").write_text(json.dumps(instructions), encoding="utf-8")
        ended = supervise.run(
            [sys.executable, "-P", "-c", _PROGRAM, str(_HERE), str(folder / "instructions")],
            environment=_environment(folder),
            folder=Path.cwd(),
            report=folder / "report",
            limit=lambda step: seconds if step.isdigit() else _START,
            mark=str(folder),
        )
    return _outcomes(commands, ended, seconds)


def require() -> None:
    """Raise CannotPlan where azure-ai-ml is missing."""
    try:
        found = importlib.util.find_spec("azure.ai.ml") is not None
    except ModuleNotFoundError:  # the package around it
        found = False
    if not found:
        raise CannotPlan(
            f"azure-ai-ml, which sends what `az ml` sends, is not installed for {sys.executable}: "
            "pip install 'amlready[azure]'"
        )


def _environment(folder: Path) -> dict[str, str]:
    """This environment without what would send the SDK elsewhere: proxies, another cloud, telemetry, stored logins."""
    kept = {name: value for name, value in os.environ.items() if not _ELSEWHERE.match(name)}
    return {**kept, "NO_PROXY": "*", "NETRC": os.devnull, "AMLREADY_PLAN": str(folder)}


def _outcomes(commands: Sequence[Command], ended: supervise.Ended, seconds: float) -> list[Outcome]:
    lines = list(_by_step(_repeatable(ended.report)))
    if not lines:
        last = ended.output.strip().splitlines()[-1:] or ["it said nothing"]
        raise CannotPlan(f"azure-ai-ml cannot be started with {sys.executable}: {last[0]}")
    outcomes = [_outcome(command, each) for command, each in zip(commands, lines, strict=False)]
    if outcomes and outcomes[-1].result is None and outcomes[-1].failure is None:
        outcomes[-1] = _broken(outcomes[-1], ended, seconds)
    return outcomes + [Outcome(command, reached=False) for command in commands[len(outcomes) :]]


def _repeatable(report: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The report with one name in the place of each that the SDK draws at random, so that two plans can be compared."""
    text = json.dumps(report)
    for name in dict.fromkeys(_RANDOM.findall(text)):
        text = text.replace(name, CODE_NAME)
    lines: list[Mapping[str, Any]] = json.loads(text)
    return lines


def _by_step(report: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The report's lines, for each command that was begun."""
    lines: list[Mapping[str, Any]] | None = None
    for line in report:
        if line["kind"] == "step":
            if lines is not None:
                yield lines
            lines = []
        elif lines is not None:
            lines.append(line)
    if lines is not None and report[-1] != {"kind": "step", "name": "end"}:
        yield lines


def _outcome(command: Command, lines: Sequence[Mapping[str, Any]]) -> Outcome:
    results = [line for line in lines if line["kind"] == "result"]
    failures = [Failure(line["type"], line["message"]) for line in lines if line["kind"] == "failure"]
    return Outcome(
        command,
        events=tuple(_events(lines)),
        result=results[0]["entity"] if results else None,
        asked=results[0]["asked"] if results else None,
        failure=failures[0] if failures else None,
    )


def _broken(outcome: Outcome, ended: supervise.Ended, seconds: float) -> Outcome:
    if ended.overdue:
        failure = Failure("TimeoutError", f"it did not come to an end within {seconds:g} seconds")
    else:
        last = ended.output.strip().splitlines()[-1:] or [""]
        failure = Failure("SystemExit", f"its process ended with status {ended.status}. {last[0]}".strip())
    return Outcome(outcome.command, outcome.events, failure=failure)


def _events(lines: Sequence[Mapping[str, Any]]) -> Iterator[Request | Upload | Warned]:
    """The report's lines as values, without the requests that an upload consists of and those that ask for progress."""
    for line in lines:
        match line["kind"]:
            case "request" if not _is_passed_over(urlsplit(line["url"])):
                yield Request(line["method"], line["url"], line["body"], line["assumed"])
            case "upload":
                yield _upload(line)
            case "warning":
                yield Warned(line["message"])
            case "contact":
                yield Warned(line["address"], contact=True)


def _is_passed_over(url: SplitResult) -> bool:
    return ".blob." in url.netloc or url.path == PROGRESS


def _upload(line: Mapping[str, Any]) -> Upload:
    sent, kept = _files(line["sent"]), _files(line["kept"])
    return Upload(Path(line["source"]), line["container"], line["ignore"], sent, kept, line["read"])


def _files(given: Mapping[str, Any]) -> Files:
    return Files(given["count"], given["bytes"], tuple((each["name"], each["bytes"]) for each in given["files"]))

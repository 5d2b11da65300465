"""The scoring script's unit test: init() once, run() for each request, and what was collected.

A child process (`trial_child`) does it, laid out as Azure lays out the container, through the inference server's own
application object and the real Collector, which posts to a real agent with a store that is thrown away. What it showed
(`evidence`) is judged by the rules in `rules/trial`.

Three things differ from Azure on purpose. Nothing is sampled: every event is collected, whatever `sampling_rate`
says, so that what is missing was lost. Each request is sent twice, if all are answered within five seconds, to see
what changes from one to the next, and one of them a third time as if the Collector's queue were full. And the
working directory is a folder of links to what lies beside the scoring script: files are found there as usual, and
what the script writes there is thrown away.
"""

from __future__ import annotations

import importlib.util
import json
import mimetypes
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .. import rules
from ..diagnostic import Diagnostic
from ..source import Source, Unreadable, read
from ..specs import Deployment
from . import supervise
from .agent import Agent, event_of
from .evidence import Trial
from .layout import Container, LayoutError, LocalDeployment, lay_out, remarks
from .resolve import Unresolved
from .supervise import Ended
from .trial_report import Files, assemble, definition

AGAIN_WITHIN = 5.0
"""Seconds within which all requests must have been answered for them to be sent again."""

_SERVER, _MONITORING = "azureml_inference_server_http", "azureml.ai.monitoring"
_HERE = Path(__file__).resolve().parents[2]
_PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from amlready.local.trial_child import main
sys.path.pop()
main(sys.argv.pop())
"""
_START = 60.0  # seconds for Python and the inference server to start
_REST = 20.0  # seconds for a step that is ours
_LATE = 1.5  # more than the child gives itself: by then even a busy machine has written down where it is


def score(
    deployment: Deployment, local: LocalDeployment, requests: Sequence[Path], *, timeout: float
) -> list[Diagnostic]:
    """Try the scoring script and return what is wrong with it, sorted by place, ignore comments obeyed.

    Importing the script, init() and each request may take `timeout` seconds each. Raises Unresolved where this
    interpreter lacks the inference server or the Collector, or the container cannot be laid out.
    """
    return rules.judge(attempt(deployment, local, requests, timeout), deployment)


def attempt(deployment: Deployment, local: LocalDeployment, requests: Sequence[Path], timeout: float) -> Trial:
    """Run the child and return what it showed."""
    script = deployment.script
    imports_collector = script is not None and script.imported(_MONITORING) is not None
    watched = imports_collector or bool(local.enabled())
    _require([_SERVER, _MONITORING] if watched else [_SERVER])
    with tempfile.TemporaryDirectory(prefix="amlready-trial-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        with _Agent(_unsampled(local), folder / "collected") as agent:
            container = _lay_out(agent, folder)
            _instruct(folder, local, requests, timeout, watched)
            ended = _run(container, folder, timeout)
        stacks = _text(folder / "stacks")
    blank = _blank(deployment, local, requests, timeout)
    files = Files(script, blank.script, local.code or local.scoring_script.parent)
    return assemble(blank, ended, files, agent.bodies, stacks)


def _require(modules: Sequence[str]) -> None:
    missing = [name for name in modules if not _is_installed(name)]
    if missing:
        raise Unresolved(
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed for {sys.executable}, "
            "and without it no scoring script can be tried: pip install 'amlready[local]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


class _Agent(Agent):
    """An agent that also keeps what it stored, by event id."""

    def __init__(self, deployment: LocalDeployment, root: Path) -> None:
        super().__init__(deployment, root)
        self.bodies: dict[str, bytes] = {}

    def receive(self, headers: Mapping[str, str], body: bytes) -> None:
        super().receive(headers, body)
        self.bodies[event_of(headers, body).id] = body


def _unsampled(local: LocalDeployment) -> LocalDeployment:
    """Collects everything, into folders whose names nobody chose."""
    collections = tuple(
        replace(each, sampling_rate=1.0, datastore="trial", path=str(number))
        for number, each in enumerate(local.collections)
    )
    return replace(local, collections=collections)


def _lay_out(agent: Agent, folder: Path) -> Container:
    try:
        container = lay_out(agent.deployment, folder / "container", agent.address)
    except LayoutError as error:
        raise Unresolved(str(error)) from error
    working = folder / "working"
    working.mkdir()
    for each in container.app_root.iterdir():
        with suppress(OSError):
            (working / each.name).symlink_to(each)
    return container


def _instruct(folder: Path, local: LocalDeployment, requests: Sequence[Path], timeout: float, watched: bool) -> None:
    """Write down what the child is to do."""
    instructions = {
        "report": str(folder / "report"),
        "stacks": str(folder / "stacks"),
        "code": str(local.code or local.scoring_script.parent),
        "timeout": timeout,
        "again_within": AGAIN_WITHIN,
        "collector": watched,
        "enabled": list(local.enabled()),
        "requests": [{"path": str(each.absolute()), "content_type": _content_type(each)} for each in requests],
    }
    (folder / "instructions").write_text(json.dumps(instructions), encoding="utf-8")


def _content_type(path: Path) -> str:
    """JSON, as `az ml` always sends, unless the file's name says something else."""
    return mimetypes.guess_type(path.name)[0] or "application/json"


def _run(container: Container, folder: Path, timeout: float) -> Ended:
    limits = {"": _START, "start": _START, "drain": _REST, "look": _REST}
    return supervise.run(
        [sys.executable, "-P", "-c", _PROGRAM, str(_HERE), str(folder / "instructions")],
        # No telemetry from a trial, whatever the deployment says.
        environment={**container.environment, "AML_APP_INSIGHTS_ENABLED": "false"},
        folder=folder / "working",
        report=folder / "report",
        limit=lambda step: limits.get(step, timeout + _LATE),
        mark=str(folder),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _blank(deployment: Deployment, local: LocalDeployment, requests: Sequence[Path], timeout: float) -> Trial:
    """The trial before it has begun: what is tried, and where that is defined."""
    main = deployment.script.main if deployment.script else None
    written = deployment.scoring_script
    script = main.source if main else _source(written.path if written else local.scoring_script, deployment)
    return Trial(
        script=script,
        init=definition(main, "init", script),
        run=definition(main, "run", script),
        requests=tuple(_source(path, deployment) for path in requests),
        timeout=timeout,
        request_timeout_ms=local.request_timeout_ms,
        enabled=tuple(local.enabled()),
        remarks=tuple(remarks(local)),
    )


def _source(path: Path, deployment: Deployment) -> Source:
    """A file's text where it has one; findings about any other point at its top."""
    known = {each.source.path: each.source for each in deployment.requests}
    if path in known:
        return known[path]
    try:
        return read(path)
    except Unreadable:
        return Source(path, "")

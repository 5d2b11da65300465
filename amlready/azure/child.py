"""The child process: azure-ai-ml, driven as `az ml` drives it, in a process that has no network but a control plane.

Everything goes into the report, one JSON object a line: steps as they begin, requests as they are answered, uploads,
what the SDK warns of, what a command returns, and why one failed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from . import storage
from .certificates import Authority
from .confine import confine
from .control_plane import ControlPlane
from .exchange import Answered, Asked
from .workspace import GROUP, SUBSCRIPTION, WORKSPACE, Workspace

_HOUR = 3600
_Command = Mapping[str, Any]


class Report:
    """Lines of JSON, complete at any time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def __call__(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()


class _Token(NamedTuple):
    """The two fields of azure.core's AccessToken that are read."""

    token: str
    expires_on: int


class _Credential:
    """Signs in to nowhere."""

    def get_token(self, *_: str, **__: object) -> _Token:
        return _Token("none", int(time.time()) + _HOUR)


class CliException(Exception):
    """What `az` itself refuses, before it comes to the SDK."""


class _Warnings(logging.Handler):
    """What the SDK warns of, without its remarks about being experimental."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "experimental" not in message:
            self._report({"kind": "warning", "message": message})


def main(instructions: str) -> None:
    """Carry out the commands of an instructions file, in order, up to the first that fails or, if so told, all."""
    given = json.loads(Path(instructions).read_text(encoding="utf-8"))
    report = Report(Path(given["report"]))
    authority, workspace = Authority(), Workspace()
    trusted = Path(given["report"]).with_name("authority.pem")
    trusted.write_bytes(authority.pem)
    os.environ["REQUESTS_CA_BUNDLE"] = str(trusted)
    for each in given["resources"]:
        workspace.put(each["path"], each["body"])

    def answer(asked: Asked) -> Answered:
        return storage.answer(asked) if ".blob." in asked.host else workspace.answer(asked)

    with ControlPlane(authority, answer, _noting(report)) as control_plane:
        confine(control_plane.port, lambda address: report({"kind": "contact", "address": address}))
        client = _client(report)
        for number, command in enumerate(given["commands"]):
            report({"kind": "step", "name": str(number)})
            workspace.referenced = command["referenced"]
            workspace.creates_endpoint = command["kind"] == "endpoint"
            if not _carried_out(client, command, report) and not given["go_on"]:
                break
        report({"kind": "step", "name": "end"})


def _noting(report: Report) -> Callable[[Asked, Answered], None]:
    def note(asked: Asked, answered: Answered) -> None:
        line = {"kind": "request", "method": asked.method, "url": asked.url, "body": asked.body, "bytes": asked.size}
        report({**line, "status": int(answered.status), "assumed": answered.assumed})

    return note


def _client(report: Report) -> Any:
    from . import uploads

    logging.getLogger("azure.ai.ml").addHandler(_Warnings(report))
    uploads.observe(report)
    uploads.bound()
    return _sdk().MLClient(_Credential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False)


def _sdk() -> Any:
    """Imported only when the process is confined."""
    return import_module("azure.ai.ml")


def _carried_out(client: Any, command: _Command, report: Report) -> bool:
    """Whether a command came to its end. What it returns goes into the report as `az ml` would print it."""
    try:
        _COMMANDS[command["kind"]](client, command, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever it is, az ml would stop with it
        report({"kind": "failure", "type": type(error).__name__, "message": _message(error)})
        return False
    return True


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # some of the SDK's own cannot be printed
        return ""


def _load(command: _Command, what: str) -> Any:
    """A command's file as the SDK's entity, as `az ml` loads it."""
    return getattr(_sdk(), f"load_{what}")(command["file"], params_override=command["settings"])


def _printed(report: Report, entity: Any, asked: Mapping[str, Any] | None = None) -> None:
    """What a command returns and, for an update, what the file asks for."""
    report({"kind": "result", "entity": entity._to_dict(), "asked": asked})


def _absent(get: Callable[..., Any], *names: str) -> None:
    """The look with which `az ml` makes sure that what it is to create is not there."""
    with suppress(_sdk_error("ResourceNotFoundError")):
        get(*names)


def _sdk_error(name: str) -> type[Exception]:
    error: type[Exception] = getattr(import_module("azure.core.exceptions"), name)
    return error


def _endpoint(client: Any, command: _Command, report: Report) -> None:
    endpoint = _load(command, "online_endpoint")
    _absent(client.online_endpoints.get, endpoint.name)
    _printed(report, client.online_endpoints.begin_create_or_update(endpoint).result())


def _endpoint_update(client: Any, command: _Command, report: Report) -> None:
    """What the file says, with the traffic of the command line, takes the place of what is there."""
    endpoint = _load(command, "online_endpoint")
    client.online_endpoints.get(endpoint.name)
    _printed(report, client.online_endpoints.begin_create_or_update(endpoint).result())


def _traffic(client: Any, command: _Command, report: Report) -> None:
    endpoint = client.online_endpoints.get(command["name"])
    endpoint.traffic = dict(command["traffic"])
    _printed(report, client.online_endpoints.begin_create_or_update(endpoint).result())


def _deployment(client: Any, command: _Command, report: Report) -> None:
    deployment = _load(command, "online_deployment")
    _absent(client.online_deployments.get, deployment.name, deployment.endpoint_name)
    _printed(report, client.online_deployments.begin_create_or_update(deployment).result())


def _deployment_update(client: Any, command: _Command, report: Report) -> None:
    """What the file says takes the place of what is there, after being written out and read again."""
    for each in (key for setting in command["settings"] for key in setting):
        if re.search(r"[.\[]", each):
            raise CliException(
                f"with a file, an update takes no --set within {re.split(r'[.[]', each)[0]}; write it there"
            )
    asked = _load(command, "online_deployment")._to_dict()
    kind = import_module("azure.ai.ml.entities").OnlineDeployment
    deployment = kind._load(data=asked, yaml_path=command["file"])
    client.online_deployments.get(deployment.name, deployment.endpoint_name)
    _printed(report, client.online_deployments.begin_create_or_update(deployment).result(), asked)


def _environment(client: Any, command: _Command, report: Report) -> None:
    _printed(report, client.environments.create_or_update(_load(command, "environment")))


def _model(client: Any, command: _Command, report: Report) -> None:
    _printed(report, client.models.create_or_update(_load(command, "model")))


def _data(client: Any, command: _Command, report: Report) -> None:
    _printed(report, client.data.create_or_update(_load(command, "data")))


_COMMANDS: dict[str, Callable[[Any, _Command, Report], None]] = {
    "endpoint": _endpoint,
    "endpoint-update": _endpoint_update,
    "traffic": _traffic,
    "deployment": _deployment,
    "deployment-update": _deployment_update,
    "environment": _environment,
    "model": _model,
    "data": _data,
}

if __name__ == "__main__":
    main(sys.argv[1])

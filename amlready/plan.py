"""The plan command: what `az ml` would send for these files, found out by letting it (see `amlready.azure`)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import overrides
from .azure import changes, curl, refusal, session, tree
from .azure.changes import Compared
from .azure.describe import plural
from .azure.road import Road, Wish, road
from .azure.session import Outcome, Request, Upload, Warned
from .azure.state import State, read
from .diagnostic import Diagnostic
from .formats import get as get_format
from .formats.json import record

SECONDS = 60.0
"""Most time for one command. Those of a usual repository take less than a second."""

_OK, _PROBLEMS = 0, 1
_WIDTH = 100  # columns where there is no terminal


def plan(
    file: Path | None = None,
    *,
    settings: Sequence[str] = (),
    name: str | None = None,
    endpoint_name: str | None = None,
    format: str = "tree",
    as_curl: bool = False,
    against: Path | None = None,
) -> int:
    """Print what `az ml` would send, in order, and return the exit status.

    `file` is a spec, for its own `create` or `update` command, or a folder (None: this one), for the whole road to its
    deployment; then `settings` (`--set`) and `name` are for the deployment. `format` is `tree` or `json`. `against` is
    a file of what is there, as `az ml online-endpoint show`, `az ml online-deployment show`, `az ml model show` and
    `az ml environment show` print it in JSON.

    Exit status: 0 it would work as far as the SDK can tell · 1 a command fails, or asks for what does not change in
    place. Raises Misuse where there is nothing to plan, or nothing to plan with.
    """
    session.require()
    given = [overrides.override(each) for each in settings]
    given += [overrides.named("--name", "name", name)] if name is not None else []
    state = read(against) if against else State()
    way = road(Wish(file, Path("."), tuple(given), endpoint_name), state)
    found = _find(way, state)
    if as_curl:
        _write(curl.lines(found.outcomes))
    elif format == "json":
        print(json.dumps(_json(found), indent=2, ensure_ascii=False))
    else:
        _write(_tree(found, against))
    sys.stdout.flush()
    print(_summary(found), file=sys.stderr)
    return _PROBLEMS if found.failed or found.impossible else _OK


@dataclass(frozen=True)
class _Plan:
    """What came of the commands: `said` is what check finds in the files of the one that failed."""

    outcomes: list[Outcome]
    assumed: tuple[str, ...]
    compared: list[Compared] = field(default_factory=list)
    said: list[Diagnostic] = field(default_factory=list)

    @property
    def failed(self) -> Outcome | None:
        return next((each for each in self.outcomes if each.failure), None)

    @property
    def impossible(self) -> int:
        return sum(not change.possible for each in self.compared for change in each.changes)


def _find(way: Road, state: State) -> _Plan:
    outcomes = session.carry_out(way.commands, state.resources, seconds=SECONDS)
    compared = changes.compare(outcomes, state) if state.existing else []
    outcomes = [each for each in outcomes if not changes.is_idle(each, compared)]
    failed = next((each for each in outcomes if each.failure), None)
    assumed = dict.fromkeys((*way.assumed, *_assumed(outcomes)))
    return _Plan(outcomes, tuple(assumed), compared, refusal.findings(failed.command) if failed else [])


def _assumed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for event in outcome.events:
            if isinstance(event, Request) and event.assumed:
                yield event.assumed


def _write(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)


def _tree(found: _Plan, against: Path | None) -> Iterator[str]:
    width = shutil.get_terminal_size((_WIDTH, 0)).columns if sys.stdout.isatty() else _WIDTH
    for number, outcome in enumerate(found.outcomes):
        if number:
            yield ""
        yield from tree.lines(outcome, width)
        if outcome.failure:
            yield f"  REFUSED {refusal.sentence(outcome.failure)}"
            yield from _said(found.said)
    if found.compared:
        yield ""
        yield f"against {against}:"
        for each in found.compared:
            yield from changes.lines(each)
    if found.assumed:
        yield ""
        yield f"taken for granted: {', '.join(found.assumed)}"


def _said(said: Sequence[Diagnostic]) -> Iterator[str]:
    if not said:
        yield "          no rule of `amlready check` says this beforehand"
        return
    yield "          what `amlready check` says of these files, without any of this:"
    for line in get_format("text")(said).splitlines():
        yield f"          {line}"


def _json(found: _Plan) -> dict[str, Any]:
    return {
        "commands": [_command(each, found.said) for each in found.outcomes],
        "assumed": list(found.assumed),
        "changes": [_change(change) for each in found.compared for change in each.changes],
    }


def _command(outcome: Outcome, said: Sequence[Diagnostic]) -> dict[str, Any]:
    failure = None
    if outcome.failure:
        failure = {
            "message": refusal.sentence(outcome.failure),
            "type": outcome.failure.type,
            "findings": [record(each) for each in said],
        }
    return {
        "command": outcome.command.line,
        "kind": str(outcome.command.kind),
        "file": str(outcome.command.file) if outcome.command.file else None,
        "reached": outcome.reached,
        "sent": [_event(each) for each in outcome.events],
        "failure": failure,
    }


def _event(event: Request | Upload | Warned) -> dict[str, Any]:
    match event:
        case Request(method, url, body):
            return {"kind": "request", "method": method, "url": url, "body": body}
        case Upload():
            return {
                "kind": "upload",
                "from": str(event.source),
                "to": event.container,
                "ignore_file": event.ignore,
                "sent": _files(event.sent),
                "left_out": _files(event.kept),
                "read": event.read,
            }
        case Warned(message, contact):
            return {"kind": "contact" if contact else "warning", "message": message}


def _files(files: session.Files) -> dict[str, Any]:
    listed = [{"name": name, "bytes": size} for name, size in files.listed]
    return {"count": files.count, "bytes": files.bytes, "files": listed}


def _change(change: changes.Change) -> dict[str, Any]:
    return {
        "resource": change.kind,
        "name": change.name,
        "key": change.key,
        "before": change.before,
        "after": change.after,
        "in_place": change.possible,
        "note": change.note,
    }


def _summary(found: _Plan) -> str:
    events = [event for each in found.outcomes for event in each.events]
    requests = sum(isinstance(event, Request) for event in events)
    uploads = sum(isinstance(event, Upload) for event in events)
    counted = f"{plural(len(found.outcomes), 'command')}, {plural(requests, 'request')}, {plural(uploads, 'upload')}"
    counted = f"{counted}; nothing has left this machine"
    if found.failed:
        return f"{counted}; `{found.failed.command.line}` fails"
    return f"{counted}; {plural(found.impossible, 'change')} not possible in place" if found.impossible else counted

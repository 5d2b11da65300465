"""From the lines that the child of a trial wrote to the values that rules read."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from ..script import Module, Script
from ..source import Source, Span, Unreadable, read
from .evidence import Answer, Caught, Complaint, Event, Frame, Raised, Stopped, Trial
from .supervise import Ended
from .trial_watch import Code

Line: TypeAlias = Mapping[str, Any]

_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')
_SERVERS = re.compile(r'azureml_inference_server_http/server/user_script\.py", line \d+ in (load_script|invoke_\w+)')
_FATAL = "Fatal Python error: "


class Files:
    """The user's files, by whatever path the child knows them."""

    def __init__(self, script: Script | None, main: Source, code: Path) -> None:
        modules = script.modules if script else ()
        known = [main, *(module.source for module in modules)]
        self._sources: dict[str, Source | None] = {os.path.realpath(each.path): each for each in known}
        self._code = Code(str(code))

    def frame(self, place: Line) -> Frame | None:
        source = self._source(str(place.get("file")))
        return Frame(_span(source, place), str(place.get("function"))) if source else None

    def frames(self, places: Sequence[Line] | None) -> tuple[Frame, ...]:
        return tuple(frame for place in places or () if (frame := self.frame(place)))

    def _source(self, file: str) -> Source | None:
        if not self._code.owns(file):
            return None
        path = os.path.realpath(file)
        if path not in self._sources:
            try:
                self._sources[path] = read(Path(os.path.relpath(path)))
            except Unreadable:
                self._sources[path] = None
        return self._sources[path]

    def stack(self, dump: str) -> tuple[Frame, ...]:
        """The user's frames, outermost first, in what faulthandler wrote: of the thread that serves requests."""
        threads = re.split(r"^(?:Current thread|Thread) 0x.*$", dump, flags=re.MULTILINE)
        stacks = [(text, self.frames([_dumped(each) for each in _FRAME.finditer(text)][::-1])) for text in threads]
        users = [(text, frames) for text, frames in stacks if frames]
        serving = [frames for text, frames in users if _SERVERS.search(text)]
        return (serving or [frames for _, frames in users] or [()])[-1]


def _dumped(found: re.Match[str]) -> Line:
    file = found["file"]
    if "\\" in file:  # faulthandler writes ASCII only
        file = file.encode().decode("unicode_escape", "replace")
    return {"file": file, "line": int(found["line"]), "function": found["function"]}


def _span(source: Source, place: Line) -> Span:
    """A place as the child tells it: lines from 1, columns in UTF-8 bytes from 0; without columns, the line's text."""
    first = _start(source, int(place.get("line") or 1))
    if "column" not in place:
        text = source.line(source.position(first)[0])
        return source.span(first + len(text) - len(text.lstrip()), first + len(text.rstrip()))
    last = _start(source, int(place["end_line"]))
    start, end = _offset(source, first, int(place["column"])), _offset(source, last, int(place["end_column"]))
    return source.span(start, max(start, end))


def _start(source: Source, line: int) -> int:
    return source.starts[min(max(line, 1), len(source.starts)) - 1]


def _offset(source: Source, start: int, column: int) -> int:
    line = source.line(source.position(start)[0])
    return start + len(line.encode()[:column].decode("utf-8", "ignore"))


def definition(module: Module | None, name: str, fallback: Source) -> Span:
    """Where a function is defined, by its name; the top of the script where that cannot be seen."""
    node = module.functions.get(name) if module else None
    return module.name_span(node) if module and node else fallback.top


@dataclass
class _Reader:
    """What was read so far, in the order in which it happened."""

    files: Files
    requests: Sequence[Source]
    bodies: Mapping[str, bytes]
    step: str = "start"
    request: Source | None = None
    current: int | None = None
    answers: list[Answer] = field(default_factory=list)
    events: dict[str, Event] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: str | None = None
    raised: Raised | None = None
    refused: bool = False
    done: bool = False
    features: list[frozenset[str]] = field(default_factory=list)

    def read(self, lines: Sequence[Line]) -> None:
        for line in lines:
            method = getattr(self, f"on_{line.get('kind')}", None)
            if method:
                method(line)

    def error(self, told: Line | None) -> Raised | None:
        if told is None:
            return None
        frames = self.files.frames(told.get("frames"))
        return Raised(
            str(told["type"]),
            str(told["message"]),
            frames,
            told.get("origin"),
            told.get("module"),
            self.error(told.get("cause")),
        )

    def on_step(self, line: Line) -> None:
        self.step = str(line["name"])
        if self.step == "request":
            self.request = self.requests[line["number"]]
            self.current = len(self.answers)

    def on_raised(self, line: Line) -> None:
        self.failed, self.raised = str(line["step"]), self.error(line["error"])

    def on_took(self, line: Line) -> None:
        self.seconds[str(line["step"])] = float(line["seconds"])

    def on_refused(self, _line: Line) -> None:
        self.refused, self.done = True, True

    def on_done(self, _line: Line) -> None:
        self.done = True

    def on_broken(self, line: Line) -> None:
        raise RuntimeError(f"the trial broke: {self.error(line['error'])} ({line['error'].get('origin')})")

    def on_model(self, line: Line) -> None:
        self.features = [frozenset(names) for names in line["features"]]

    def on_collected(self, line: Line) -> None:
        self.events[line["id"]] = Event(
            id=line["id"],
            collection=line["collection"],
            answer=self.current,
            context=line["context"],
            at=self.files.frames(line["at"]),
            correlation_id=line["correlation_id"],
            dtypes=tuple((str(name), str(kind)) for name, kind in line["dtypes"]),
            digest=line.get("digest"),
            text=line.get("text"),
            body=self.bodies.get(line["id"]),
        )

    def on_lost(self, line: Line) -> None:
        event = self.events.get(line["id"])
        if event:
            self.events[line["id"]] = replace(event, refusal=str(line["message"]), error=self.error(line.get("error")))

    def on_failed(self, line: Line) -> None:
        error = self.error(line["error"])
        assert error is not None
        at = self.files.frames(line["at"]) or error.frames
        self.complaints.append(Complaint(str(line["collection"]), error, at, self.current))

    def on_answer(self, line: Line) -> None:
        returned = self.files.frame(line["returned"]) if line.get("returned") else None
        self.answers.append(
            Answer(
                number=line["number"],
                turn=line["turn"],
                request=self.requests[line["number"]],
                seconds=line["seconds"],
                status=line.get("status"),
                content_type=line.get("content_type") or "",
                body=base64.b64decode(line.get("body", "")),
                size=int(line.get("size", 0)),
                raised=self.error(line.get("raised")),
                escaped=self.error(line.get("escaped")),
                output=line.get("output", ""),
                unwritable=line.get("unwritable"),
                returned=returned.span if returned else None,
                seen=tuple(self._caught(line)),
                alive=line["alive"],
                waiting=line["waiting"],
            )
        )

    def _caught(self, line: Line) -> Iterator[Caught]:
        for each in line.get("seen", ()):
            error = self.error(each)
            if error is not None:
                yield Caught(error, bool(each["run"]))

    def stopped(self, ended: Ended, stacks: str) -> Stopped | None:
        """How the child ended, unless it came to its end."""
        if self.done and not ended.overdue:
            return None
        dump = stacks or ended.output[ended.output.rfind(_FATAL) :] if _FATAL in ended.output else stacks
        request = self.request if self.step in ("request", "drain") else None
        return Stopped(self.step, ended.overdue, ended.status, self.files.stack(dump), request)


def assemble(blank: Trial, ended: Ended, files: Files, bodies: Mapping[str, bytes], stacks: str) -> Trial:
    """The trial, from a blank one that says what was to be tried. `bodies` are what the agent received, by event id."""
    reader = _Reader(files, blank.requests, bodies)
    reader.read(ended.report)
    return replace(
        blank,
        answers=tuple(reader.answers),
        events=tuple(reader.events.values()),
        complaints=tuple(reader.complaints),
        seconds=reader.seconds,
        failed=reader.failed,
        raised=reader.raised,
        refused=reader.refused,
        stopped=reader.stopped(ended, stacks),
        features=tuple(reader.features),
        output=ended.output,
    )

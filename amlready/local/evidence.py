"""What a trial of a scoring script showed, as values: the subject of the rules in `rules/trial`.

Every place is a `Span` already, so that rules look at no file. A trial has up to three turns: every request is
sent for the `first` time and timed; `again`, to see what changes between requests; and one as if the Collector's
queue were `full`.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..source import Source, Span

_LOGGED = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (?:[A-Z] \[\d+\] azmlinfsrv(?:\.print - (?P<printed>.*)|.*)|\| mdc\S* \|.*)"
)
"""What the server (print() included) and the Collector log."""

_SERVERS = ("Initializing logger", "Extra keys = ")


@dataclass(frozen=True, eq=False)
class Frame:
    """A place in the user's code, and the name of the function it is in."""

    span: Span
    function: str


@dataclass(frozen=True, eq=False)
class Raised:
    """An exception. `frames` are the user's, outermost first; `origin` is the place outside, if it was raised there.

    `module` is the name of the module that a ModuleNotFoundError is about.
    """

    kind: str
    message: str
    frames: tuple[Frame, ...] = ()
    origin: str | None = None
    module: str | None = None
    cause: Raised | None = None

    @property
    def at(self) -> Span | None:
        """The deepest of the user's places."""
        return self.frames[-1].span if self.frames else None

    def __str__(self) -> str:
        text = " ".join(self.message.split())
        short = text if len(text) <= 300 else f"{text[:297]}..."
        return f"{self.kind}: {short}" if short else self.kind


@dataclass(frozen=True, eq=False)
class Caught:
    """An exception that passed through a function of the user's; `in_run` says whether that was run()."""

    error: Raised
    in_run: bool


@dataclass(frozen=True, eq=False)
class Answer:
    """What one request led to.

    `status` is None where the server gave no answer because of `escaped`, an exception that it does not catch.
    `raised` is what run() raised, `output` the type of what it returned, `returned` the place where, and
    `unwritable` why that cannot be written as JSON. `seconds` are wall time. `alive` tells whether the
    Collector's thread lives (None: there is none), `waiting` how many events it had not sent.
    """

    number: int
    turn: str
    request: Source
    seconds: float
    status: int | None = None
    content_type: str = ""
    body: bytes = b""
    size: int = 0
    raised: Raised | None = None
    escaped: Raised | None = None
    output: str = ""
    unwritable: str | None = None
    returned: Span | None = None
    seen: tuple[Caught, ...] = ()
    alive: bool | None = None
    waiting: int = 0

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def is_whole(self) -> bool:
        """Whether `body` is all of it: of more than a megabyte it is only the beginning."""
        return len(self.body) == self.size

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        media_type = self.content_type.partition(";")[0].strip().lower()
        return media_type == "application/json" or media_type.endswith("+json")

    @cached_property
    def value(self) -> object:
        """The body as Python reads JSON, which lets NaN pass. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    @property
    def said(self) -> str:
        """What an answer that is no success says, in one line."""
        try:
            value = self.value
        except ValueError:
            value = self.body.decode(errors="replace")
        text = value["message"] if isinstance(value, dict) and set(value) == {"message"} else value
        line = " ".join((text if isinstance(text, str) else json.dumps(text)).split()).rstrip(".")
        return line if len(line) <= 200 else f"{line[:197]}..."


@dataclass(frozen=True, eq=False)
class Event:
    """One frame that was handed to a Collector, and what became of it.

    `answer` is the position of the request's answer among the trial's, None in init(). `context` tells contexts
    apart: the same number, the same object. `digest` and `text` are of the records when collect() was called
    (`text` only where they are short), `body` is what the agent received.
    """

    id: str
    collection: str
    answer: int | None
    context: int
    at: tuple[Frame, ...]
    correlation_id: str
    dtypes: tuple[tuple[str, str], ...] = ()
    digest: str | None = None
    text: str | None = None
    refusal: str | None = None
    error: Raised | None = None
    body: bytes | None = None

    @cached_property
    def is_changed(self) -> bool:
        """Whether something else arrived than was collected."""
        known = self.body is not None and self.digest is not None
        return known and hashlib.sha256(self.body or b"").hexdigest() != self.digest

    @cached_property
    def rows(self) -> list[Mapping[str, object]]:
        """The records that arrived."""
        data = json.loads(self.body) if self.body is not None else []
        return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True, eq=False)
class Complaint:
    """An exception that a Collector raised or gave to `on_error`, and where it was used."""

    collection: str
    error: Raised
    at: tuple[Frame, ...]
    answer: int | None


@dataclass(frozen=True, eq=False)
class Stopped:
    """The child ended early: in a step (`start`, `load`, `init`, `request`, `drain`, `look`), by itself or made to.

    `status` is an exit status or minus a signal's number. `frames` are the user's places at that time, as far as
    known.
    """

    step: str
    overdue: bool
    status: int
    frames: tuple[Frame, ...] = ()
    request: Source | None = None

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it."""
        try:
            return signal.Signals(-self.status).name if self.status < 0 else None
        except ValueError:
            return f"signal {-self.status}"


@dataclass(frozen=True, eq=False)
class Trial:
    """A scoring script's trial.

    `init` and `run` are where these functions are defined, or the top of the script. `raised` is what importing
    the script or init() raised, in the step `failed`. `seconds` are by step. `features` are the feature names of
    each fitted estimator that the script holds. `output` is the end of what was printed and logged.
    """

    script: Source
    init: Span
    run: Span
    requests: tuple[Source, ...]
    timeout: float
    request_timeout_ms: int
    enabled: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    events: tuple[Event, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    failed: str | None = None
    raised: Raised | None = None
    refused: bool = False
    stopped: Stopped | None = None
    features: tuple[frozenset[str], ...] = ()
    remarks: tuple[str, ...] = ()
    output: str = ""

    @cached_property
    def first(self) -> tuple[Answer, ...]:
        return tuple(each for each in self.answers if each.turn == "first")

    @cached_property
    def collected(self) -> Mapping[int | None, list[Event]]:
        """The events by the position of their request's answer."""
        found: dict[int | None, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.answer, []).append(event)
        return found

    @cached_property
    def arrived(self) -> tuple[Event, ...]:
        return tuple(each for each in self.events if each.body is not None)

    @property
    def last_line(self) -> str:
        """The last line that was printed, not counting what the server and Python write about themselves."""
        printed = self.output.partition("Fatal Python error: ")[0]
        lines = (_LOGGED.sub(r"\g<printed>", line).strip() for line in printed.splitlines())
        return next((line[:200] for line in reversed(list(lines)) if line and not line.startswith(_SERVERS)), "")

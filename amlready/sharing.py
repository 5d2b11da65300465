"""The specs of a large project shared between processes.

A share is checked in a process that is forked when everything but the scripts has been read, so that nothing is sent to
it; what it found comes back as plain values and is tied to this process's files. A process that fails for whatever
reason sends nothing usable, and its share is checked here instead: nothing is lost, and a fault in a rule shows as it
does without processes.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .diagnostic import Diagnostic, Edit, Level, Problem, Related
from .source import Source, Span

_T = TypeVar("_T")

LEAST = 100
"""Fewest specs for a process of its own; forking and sending take some 10 ms, checking a deployment 1 to 3."""
MAX_PROCESSES = 8

Findings = tuple[set[Diagnostic], frozenset[str]]
"""What was found, and the names of the subjects that were there."""
Sources = dict[Path, Source]
_IGNORE = "amlready:"


def shares(specs: Sequence[_T]) -> list[Sequence[_T]]:
    """Specs in as many parts as it pays to have processes. Neighbours stay together: they may share a script."""
    count = max(1, min(_processes(), len(specs) // LEAST))
    if count == 1:
        return [specs]
    kinds: dict[type, list[_T]] = {}
    for each in specs:
        kinds.setdefault(type(each), []).append(each)
    return [
        [each for same in kinds.values() for each in same[len(same) * at // count : len(same) * (at + 1) // count]]
        for at in range(count)
    ]


def _processes() -> int:
    """How many may run at a time; one where there is no fork, or where other threads make it unsafe."""
    threads = sys.modules.get("threading")
    if not hasattr(os, "fork") or (threads is not None and threads.active_count() > 1):
        return 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_PROCESSES)


def run_shared(parts: Sequence[_T], check: Callable[[_T], Findings], sources: Sources) -> Findings:
    """Check the first part here and each other one in a process; files that a process read join `sources`."""
    workers: list[_Worker] = []
    try:
        for part in parts[1:]:
            workers.append(_Worker(partial(_share, check, part, sources)))
        found, present = check(parts[0])
        for worker, part in zip(workers, parts[1:], strict=True):
            sent = worker.result()
            more = check(part) if sent is None else _unpacked(sent, found, sources)
            found, present = found | more[0], present | more[1]
    finally:
        for worker in workers:
            worker.end()
    return found, present


def _share(check: Callable[[_T], Findings], part: _T, sources: Sources) -> Any:
    return _packed(check(part), sources)


class _Worker:
    """A forked process that sends one value back."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.pipe, sending = os.pipe()
        self.process = os.fork()
        if not self.process:
            _work(work, sending)
        os.close(sending)

    def result(self) -> Any:
        """What it sent, once it has ended; None when it failed."""
        with open(self.pipe, "rb", closefd=False) as pipe:
            data = pipe.read()
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return marshal.loads(data) if data and not status else None

    def end(self) -> None:
        """Leave neither a process nor a pipe behind, also when this one was interrupted."""
        os.close(self.pipe)
        if self.process:
            import signal

            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)


def _work(work: Callable[[], Any], sending: int) -> None:
    """The process's whole life: it shares buffers and exit handlers with its parent, so it ends without either."""
    status = 1
    try:
        data = marshal.dumps(work())
        with open(sending, "wb") as pipe:
            pipe.write(data)
        status = 0
    except BaseException:
        pass  # the parent checks this share itself, and meets the same
    finally:
        os._exit(status)


# --- findings as plain values ---


def _packed(findings: Findings, sources: Sources) -> Any:
    found, present = findings
    files: dict[Source, int] = {}

    def place(span: Span) -> tuple[int, int, int]:
        return files.setdefault(span.source, len(files)), span.start, span.end

    packed = [
        (
            *(each.rule, str(each.level), place(each.problem.span), each.problem.message),
            [(place(other.span), other.message) for other in each.problem.related],
            [(place(edit.span), edit.text) for edit in each.problem.fix],
        )
        for each in found
    ]
    for source in sources.values():
        if _IGNORE in source.text:
            files.setdefault(source, len(files))
    read = [(str(each.path), each.text, each.bom, sources.get(each.path) is each) for each in files]
    return packed, tuple(present), read


def _unpacked(sent: Any, found: Iterable[Diagnostic], sources: Sources) -> Findings:
    """What another process found, in the files as this one knows them: from `sources`, or from what it found itself."""
    packed, present, files = sent
    known = {(each.path, each.text): each for each in sources.values()}
    known |= {(each.path, each.text): each for diagnostic in found for each in _mentioned(diagnostic.problem)}
    read = []
    for name, text, bom, is_file in files:
        path = Path(name)
        source = known.get((path, text)) or Source(path, text, bom)
        if is_file:
            sources.setdefault(path, source)
        read.append(source)
    return {_diagnostic(each, read) for each in packed}, frozenset(present)


def _mentioned(problem: Problem) -> Iterator[Source]:
    yield problem.span.source
    yield from (each.span.source for each in problem.related)
    yield from (each.span.source for each in problem.fix)


def _diagnostic(packed: Any, read: Sequence[Source]) -> Diagnostic:
    rule, level, span, message, related, fix = packed

    def place(each: tuple[int, int, int]) -> Span:
        return Span(read[each[0]], each[1], each[2])

    others = tuple(Related(place(where), text) for where, text in related)
    edits = tuple(Edit(place(where), text) for where, text in fix)
    return Diagnostic(rule, Level(level), Problem(place(span), message, others, edits))

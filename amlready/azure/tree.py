"""A plan for people: the commands, and below each what it sends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from .describe import Described, describe, plural
from .session import Files, Outcome, Request, Upload, Warned

_VERB = 8  # columns for the verb and the gap after it
_FILES = 6  # names of files that are shown


def lines(outcome: Outcome, width: int) -> Iterator[str]:
    """A command's lines, at most `width` columns wide where that can be done."""
    yield outcome.command.line
    if not outcome.reached:
        yield "  not reached"
        return
    described = [describe(each) if isinstance(each, Request) else each for each in outcome.events]
    for reads, events in groupby(described, key=lambda each: isinstance(each, Described) and each.reads):
        if reads:
            names = dict.fromkeys(each.what for each in events if isinstance(each, Described))
            yield from _entry("GET", "", list(names), width)
        else:
            for each in events:
                yield from _event(each, width)


def _event(event: Described | Upload | Warned | Request, width: int) -> Iterator[str]:
    match event:
        case Described(verb, what, details):
            yield from _entry(verb, what, details, width)
        case Upload():
            slash = "/" if event.source.is_dir() else ""
            yield from _entry("upload", f"{event.source.name}{slash}", list(_sent(event)), width)
        case Warned(message, contact):
            text = f"tried to reach {message}, and was kept from it" if contact else " ".join(message.split())
            margin = f"  {'':<{_VERB}}"
            first = f"  {'warning':<{_VERB}}"
            yield from textwrap.wrap(text, width, initial_indent=first, subsequent_indent=margin)


def _sent(upload: Upload) -> Iterator[str]:
    yield from _listed("", upload.sent)
    if upload.ignore is not None:
        yield from _listed(f"{upload.ignore} leaves out ", upload.kept)
    if not upload.read:
        yield "too large to be read here: names made from its content are not those that Azure will see"


def _listed(head: str, files: Files) -> Iterator[str]:
    """`2 files, 1.5 kB (one, two)` in pieces between which a line may be broken."""
    if not files.count:
        yield f"{head}nothing"
        return
    names = [name for name, _ in files.listed[:_FILES]]
    more = files.count - len(names)
    last = f"{names.pop()}{f' and {more} more' if more else ''})"
    pieces = [*names, last]
    pieces[0] = f"{head}{plural(files.count, 'file')}, {_size(files.bytes)} ({pieces[0]}"
    yield from pieces


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _entry(verb: str, what: str, details: Sequence[str], width: int) -> Iterator[str]:
    """`verb  what  details`: on one line where they fit, else the details below, wrapped."""
    head = f"  {verb:<{_VERB}}{what}".rstrip()
    text = ", ".join(details)
    gap = "  " if what else ""
    start = head if what else f"  {verb:<{_VERB}}"
    if not text or len(start) + len(gap) + len(text) <= width:
        yield f"{start}{gap}{text}".rstrip()
        return
    if what:
        yield head
    margin = " " * (_VERB + (4 if what else 2))
    yield from _wrapped(details, margin if what else start, margin, width)


def _wrapped(details: Sequence[str], first: str, margin: str, width: int) -> Iterator[str]:
    """Details on as few lines as there can be with none of them broken."""
    line, empty = first, True
    for number, each in enumerate(details):
        piece = each if number == len(details) - 1 else f"{each},"
        if not empty and len(line) + 1 + len(piece) > width:
            yield line
            line, empty = margin, True
        line += piece if empty else f" {piece}"
        empty = False
    yield line

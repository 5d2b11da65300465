"""Where a value stands in JSON text that is known to be well formed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .source import Source, Span

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


def place(source: Source, *path: str | int) -> Span:
    """The value at a path of keys and positions, or its innermost surrounding that is there; for a whole object or
    list its first character."""
    start = _skip(source.text, 0)
    for step in path:
        found = dict(_members(source.text, start))
        if step not in found:
            break
        start = found[step]
    end = start + 1 if source.text[start : start + 1] in "{[" else _decode(source.text, start)[1]
    return source.span(start, min(end, len(source.text)))


def _members(text: str, start: int) -> Iterator[tuple[str | int, int]]:
    """The keys or positions of an object or list, and where their values start."""
    opened = text[start : start + 1]
    at = _skip(text, start + 1)
    number = 0
    while opened in ("{", "[") and text[at : at + 1] not in ("}", "]", ""):
        step: str | int = number
        if opened == "{":
            step, at = _decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        yield step, at
        number += 1
        at = _skip(text, _decode(text, at)[1])
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at

"""Fixes as splices: each replaces exactly the text it names, and every other byte stays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from . import document, script
from .diagnostic import Diagnostic, Edit, Problem
from .source import BOM, Source

MAX_ROUNDS = 10
"""Most times that a check follows a fix; one fix seldom uncovers another, and none goes in circles."""


def edits(found: Iterable[Diagnostic]) -> list[Edit]:
    """What would mend the findings that have one right answer, in files (a value from the command line is in none)."""
    return [edit for each in found for edit in each.problem.fix if edit.span.source.path.suffix]


def apply(edits: Iterable[Edit]) -> dict[str, str]:
    """The new text of every file that is edited, by path. Of edits that overlap the first in the file is made."""
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(str(edit.span.source.path), []).append(edit)
    return {path: _spliced(each) for path, each in by_path.items()}


def _spliced(edits: list[Edit]) -> str:
    """Edits are made from the end of the file backwards, so that the offsets before them stay right."""
    text = edits[0].span.source.text
    chosen: list[Edit] = []
    for edit in sorted(set(edits), key=lambda each: (each.span.start, each.span.end)):
        if not chosen or edit.span.start >= chosen[-1].span.end:
            chosen.append(edit)
    for edit in reversed(chosen):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def mend(check: Callable[[], list[Diagnostic]]) -> list[Diagnostic]:
    """Check and write fixes until there is nothing left to fix; the findings that remain."""
    found = check()
    for _ in range(MAX_ROUNDS):
        changed = [_write(source, text) for source, text in _changes(found)]
        if not any(changed):
            break
        found = check()
    return found


def diff(found: Iterable[Diagnostic]) -> str:
    """What fixing would change, as a unified diff."""
    from difflib import unified_diff

    pieces: list[str] = []
    for source, text in _changes(found):
        name = source.path.as_posix()
        before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
        pieces += [
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
            for line in unified_diff(before, after, f"a/{name}", f"b/{name}")
        ]
    return "".join(pieces)


def _changes(found: Iterable[Diagnostic]) -> Iterator[tuple[Source, str]]:
    """The files that fixes change, and their new texts; a text that could no longer be parsed is not among them."""
    wanted = edits(found)
    sources = {str(each.span.source.path): each.span.source for each in wanted}
    for path, text in apply(wanted).items():
        source = sources[path]
        if text != source.text and _parses(Source(source.path, text)):
            yield source, text


def _parses(source: Source) -> bool:
    python = source.path.suffix == ".py"
    return not isinstance(script.parse(source) if python else document.parse(source), Problem)


def _write(source: Source, text: str) -> bool:
    """Replace a file in one step, with its permissions and its byte order mark; False when it has changed meanwhile."""
    data = ((BOM if source.bom else "") + text).encode()
    path = Path(os.path.realpath(source.path))
    if path.read_bytes() != ((BOM if source.bom else "") + source.text).encode():
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(name, path.stat().st_mode & 0o7777)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return True

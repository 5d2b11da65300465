"""Fixes as splices: each replaces exactly the text it names, and every other byte stays."""

from __future__ import annotations

from collections.abc import Iterable

from .diagnostic import Edit


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

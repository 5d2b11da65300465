"""`path:line:column: level: message [rule]`, the source line with a caret, and related places the same way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..diagnostic import Diagnostic
from ..source import Span

MAX_WIDTH = 160
"""Longest piece of a source line that is quoted, in characters."""


def render(found: Sequence[Diagnostic]) -> str:
    return "".join(line + "\n" for diagnostic in found for line in _lines(diagnostic))


def _lines(diagnostic: Diagnostic) -> Iterator[str]:
    problem = diagnostic.problem
    yield f"{place(problem.span)}: {diagnostic.level}: {problem.message} [{diagnostic.rule}]"
    yield from _quote(problem.span)
    for related in problem.related:
        yield f"  {place(related.span)}: {related.message}"
        yield from _quote(related.span)


def place(span: Span) -> str:
    return f"{span.source.path}:{span.line}:{span.column}"


def _quote(span: Span) -> Iterator[str]:
    """The line and a caret below it; nothing for an empty line or a file that was not read."""
    line, column = span.line, span.column
    text = span.source.line(line)
    if not text.strip():
        return
    skipped = max(column - MAX_WIDTH // 2, 0) if len(text) > MAX_WIDTH else 0
    shown = _printable(text[skipped : skipped + MAX_WIDTH])
    width = max((span.end_column if span.end_line == line else len(text) + 1) - column, 1)
    before = shown[: column - 1 - skipped]
    caret = "^" * max(min(width, len(shown) - len(before)), 1)
    yield f"{line:>5} | {shown}"
    # Tabs are kept in the margin, so that the caret stands below its text however wide a tab is.
    yield f"      | {''.join(each if each == chr(9) else ' ' for each in before)}{caret}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in text)

"""`path:line:column: level: message [rule]`, the source line with a caret, and related places the same way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..diagnostic import Diagnostic, Level
from ..source import Span

MAX_WIDTH = 160
"""Longest piece of a source line that is quoted, in characters."""


BOLD, FAINT, RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
COLOURS = {Level.ERROR: "\x1b[31m", Level.WARNING: "\x1b[33m", Level.NOTE: "\x1b[36m"}


def render(found: Sequence[Diagnostic], colour: bool = False) -> str:
    return "".join(line + "\n" for diagnostic in found for line in _lines(diagnostic, colour))


def coloured(found: Sequence[Diagnostic]) -> str:
    return render(found, colour=True)


def _lines(diagnostic: Diagnostic, colour: bool) -> Iterator[str]:
    problem, level = diagnostic.problem, str(diagnostic.level)
    where, rule = place(problem.span), f"[{diagnostic.rule}]"
    tint = COLOURS[diagnostic.level] if colour else ""
    if colour:
        where, level, rule = f"{BOLD}{where}{RESET}", f"{tint}{level}{RESET}", f"{FAINT}{rule}{RESET}"
    yield f"{where}: {level}: {problem.message} {rule}"
    yield from _quote(problem.span, tint)
    for related in problem.related:
        yield f"  {place(related.span)}: {related.message}"
        yield from _quote(related.span, FAINT if colour else "")


def place(span: Span) -> str:
    return f"{span.source.path}:{span.line}:{span.column}"


def _quote(span: Span, tint: str) -> Iterator[str]:
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
    margin = "".join(each if each == "\t" else " " for each in before)
    yield f"      | {margin}{tint}{caret}{RESET if tint else ''}"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in text)

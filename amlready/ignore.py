"""`# amlready: ignore[rule] reason`: on the line of a finding, or alone on the line above it.

A reason is required, and an ignore that names no rule or hides nothing is itself a finding, so that none outlives its
cause.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator

from .diagnostic import Diagnostic
from .frozen import frozen
from .source import Source, Span

_COMMENT = r"#[ \t]*amlready:[ \t]*ignore\b[ \t]*(?:\[([^\]\n]*)\])?[ \t]*([^\n]*)"


@frozen
class Ignore:
    """One comment: the rules it names, its reason, and the lines it speaks for."""

    span: Span
    rules: tuple[str, ...]
    reason: str
    lines: frozenset[int]

    def hides(self, diagnostic: Diagnostic) -> bool:
        span = diagnostic.problem.span
        same = span.source is self.span.source and span.line in self.lines
        return same and bool(self.reason) and diagnostic.rule in self.rules


@frozen
class Ignores:
    """What the ignore comments did: the findings that are left, and the comments that are wrong."""

    kept: frozenset[Diagnostic]
    unused: tuple[tuple[Ignore, str], ...] = ()
    unknown: tuple[tuple[Ignore, str], ...] = ()
    incomplete: tuple[Ignore, ...] = ()


def collect(sources: Iterable[Source]) -> Iterator[Ignore]:
    """The ignore comments in files."""
    for source in sources:
        if "amlready:" not in source.text:
            continue
        for found in re.finditer(_COMMENT, source.text):
            span = source.span(found.start(), found.start() + len(found.group().rstrip()))
            names = tuple(name.strip() for name in (found[1] or "").split(",") if name.strip())
            yield Ignore(span, names, found[2].strip(), _lines(source, span.line))


def _lines(source: Source, number: int) -> frozenset[int]:
    """The comment's own line and, when it stands alone, the next one that is not a comment."""
    covered = {number}
    if source.line(number).lstrip().startswith("#"):
        following = number + 1
        while following < len(source.starts) and source.line(following).lstrip().startswith("#"):
            following += 1
        covered.add(following)
    return frozenset(covered)


def suppress(
    ignores: Iterable[Ignore],
    found: Iterable[Diagnostic],
    active: Container[str],
    known: Callable[[], Container[str]],
) -> Ignores:
    """Take out what is ignored. Only rules that ran (`active`) can prove an ignore useless; `known` gives all rules."""
    kept = set(found)
    unused, unknown, incomplete = [], [], []
    for each in ignores:
        if not each.rules or not each.reason:
            incomplete.append(each)
            continue
        hidden = {diagnostic for diagnostic in kept if each.hides(diagnostic)}
        kept -= hidden
        used = {diagnostic.rule for diagnostic in hidden}
        unknown += [(each, name) for name in each.rules if name not in known()]
        unused += [(each, name) for name in each.rules if name in active and name not in used]
    return Ignores(frozenset(kept), tuple(unused), tuple(unknown), tuple(incomplete))

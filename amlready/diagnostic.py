"""What the tool says: a rule yields a `Problem`, the engine stamps rule and level on it and makes it a `Diagnostic`.

The two are different types so that a rule cannot sign for another one.
"""

from __future__ import annotations

from enum import StrEnum

from .frozen import frozen
from .source import Span


class Level(StrEnum):
    """error: Azure or the SDK refuses it, or the endpoint or its collection cannot work.
    warning: it deploys, but does not do what was meant. note: better exists."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Level).index(self)


@frozen
class Edit:
    """Replace the text at `span` by `text`."""

    span: Span
    text: str


@frozen
class Related:
    """Another place that a problem is about, and what is there."""

    span: Span
    message: str


@frozen
class Problem:
    """One fault at one place: the message names the offender, what was expected and the remedy."""

    span: Span
    message: str
    related: tuple[Related, ...] = ()
    fix: tuple[Edit, ...] = ()


@frozen
class Diagnostic:
    """A problem under the name and at the level of the rule that found it."""

    rule: str
    level: Level
    problem: Problem

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sort key: by file, place, rule."""
        span = self.problem.span
        return str(span.source.path), span.start, span.end, self.rule, self.problem.message

"""Workflow commands that GitHub Actions turns into annotations on the changed lines."""

from __future__ import annotations

from collections.abc import Sequence

from ..diagnostic import Diagnostic, Level
from .text import place

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(found: Sequence[Diagnostic]) -> str:
    return "".join(_command(each) + "\n" for each in found)


def _command(diagnostic: Diagnostic) -> str:
    span = diagnostic.problem.span
    properties = {
        "file": str(span.source.path),
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column,
        "endColumn": span.end_column,
        "title": diagnostic.rule,
    }
    if span.end_line != span.line:  # GitHub takes columns only for places within one line
        del properties["col"], properties["endColumn"]
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    related = "".join(f"\n{place(each.span)}: {each.message}" for each in diagnostic.problem.related)
    return f"::{_COMMANDS[diagnostic.level]} {listed}::{_data(diagnostic.problem.message + related)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""One JSON array of findings, `[]` when there are none; paths relative to the working directory, as they were read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..diagnostic import Diagnostic, Edit
from ..source import Span


def render(found: Sequence[Diagnostic]) -> str:
    return json.dumps([record(each) for each in found], indent=2, ensure_ascii=False) + "\n"


def record(diagnostic: Diagnostic) -> dict[str, object]:
    """A finding as the values that every machine-readable format is made of."""
    problem = diagnostic.problem
    return {
        **_place(problem.span),
        "level": str(diagnostic.level),
        "rule": diagnostic.rule,
        "message": problem.message,
        "related": [_start(each.span) | {"message": each.message} for each in problem.related],
        "fix": [_edit(each) for each in problem.fix],
    }


def _start(span: Span) -> dict[str, object]:
    return {"path": str(span.source.path), "line": span.line, "column": span.column}


def _place(span: Span) -> dict[str, object]:
    return _start(span) | {"end_line": span.end_line, "end_column": span.end_column}


def _edit(edit: Edit) -> dict[str, object]:
    return _place(edit.span) | {"text": edit.text}

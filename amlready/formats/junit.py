"""JUnit XML: a test suite a file, a failing test case a finding; notes are passing cases with their text as output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from ..diagnostic import Diagnostic, Level
from . import text

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""


def render(found: Sequence[Diagnostic]) -> str:
    suites = "".join(
        _suite(path, list(group)) for path, group in groupby(found, lambda each: str(each.problem.span.source.path))
    )
    counts = _counts(found)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="amlready" {counts}>\n{suites}</testsuites>\n'


def _counts(found: Sequence[Diagnostic]) -> str:
    failures = sum(each.level is not Level.NOTE for each in found)
    return f'tests="{len(found)}" failures="{failures}" errors="0"'


def _suite(path: str, found: Sequence[Diagnostic]) -> str:
    cases = "".join(map(_case, found))
    return f"  <testsuite name={_attribute(path)} {_counts(found)}>\n{cases}  </testsuite>\n"


def _case(diagnostic: Diagnostic) -> str:
    span = diagnostic.problem.span
    name = _attribute(f"{diagnostic.rule}:{span.line}:{span.column}")
    body = escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text.render([diagnostic])))
    if diagnostic.level is Level.NOTE:
        content = f"<system-out>{body}</system-out>"
    else:
        message = _attribute(diagnostic.problem.message)
        content = f'<failure type="{diagnostic.level}" message={message}>{body}</failure>'
    return f"    <testcase classname={_attribute(str(span.source.path))} name={name}>{content}</testcase>\n"


def _attribute(value: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value))

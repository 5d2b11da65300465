"""SARIF 2.1.0, for code scanning: findings with their rule's manual page, related places and fixes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote

from .. import __version__
from ..diagnostic import Diagnostic, Edit, Related
from ..rules import Rule, rules
from ..source import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def render(found: Sequence[Diagnostic]) -> str:
    used = sorted({each.rule for each in found})
    run = {
        "tool": {
            "driver": {"name": "amlready", "semanticVersion": __version__, "rules": [_rule(name) for name in used]}
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, used.index(each.rule)) for each in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str) -> dict[str, object]:
    one: Rule = rules()[name]
    return {
        "id": name,
        "shortDescription": {"text": one.summary},
        "help": {"text": one.manual},
        "defaultConfiguration": {"level": str(one.level)},
    }


def _result(diagnostic: Diagnostic, index: int) -> dict[str, object]:
    problem = diagnostic.problem
    result: dict[str, object] = {
        "ruleId": diagnostic.rule,
        "ruleIndex": index,
        "level": str(diagnostic.level),
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": _place(problem.span)}],
    }
    if problem.related:
        result["relatedLocations"] = [_related(number, each) for number, each in enumerate(problem.related, 1)]
    if problem.fix:
        result["fixes"] = [{"artifactChanges": [_change(each) for each in problem.fix]}]
    return result


def _related(number: int, related: Related) -> dict[str, object]:
    return {"id": number, "physicalLocation": _place(related.span), "message": {"text": related.message}}


def _change(edit: Edit) -> dict[str, object]:
    replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
    return {"artifactLocation": _artifact(edit.span), "replacements": [replacement]}


def _place(span: Span) -> dict[str, object]:
    return {"artifactLocation": _artifact(span), "region": _region(span)}


def _artifact(span: Span) -> dict[str, str]:
    path = PurePath(span.source.path)
    return {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }

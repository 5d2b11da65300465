"""The same findings in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amlready import formats
from amlready.diagnostic import Diagnostic, Edit, Level, Problem, Related
from amlready.source import Source

SPEC = Source(Path("dép/deployment.yml"), "name: blue\n\tkey: 'é true' # %,:\nlast: 1\n")
OTHER = Source(Path("endpoint.yml"), "name: x\n")
EMPTY = Source(Path("empty.yml"), "")
FOUND = [
    Diagnostic(
        "first-rule",
        Level.ERROR,
        Problem(
            SPEC.span(17, 25),
            "100% wrong: a, b",
            (Related(OTHER.span(6, 7), "declared here"),),
            (Edit(SPEC.span(17, 25), "'true'"),),
        ),
    ),
    Diagnostic("second-rule", Level.WARNING, Problem(SPEC.span(0, len(SPEC.text)), "all of it")),
    Diagnostic("third-rule", Level.NOTE, Problem(EMPTY.top, "nothing in it")),
]


def test_text_shows_the_place_the_line_a_caret_and_related_places():
    assert formats.get("text")(FOUND) == (
        "dép/deployment.yml:2:7: error: 100% wrong: a, b [first-rule]\n"
        "    2 | \tkey: 'é true' # %,:\n"
        "      | \t     ^^^^^^^^\n"
        "  endpoint.yml:1:7: declared here\n"
        "    1 | name: x\n"
        "      |       ^\n"
        "dép/deployment.yml:1:1: warning: all of it [second-rule]\n"
        "    1 | name: blue\n"
        "      | ^^^^^^^^^^\n"
        "empty.yml:1:1: note: nothing in it [third-rule]\n"
    )


def test_text_quotes_a_piece_of_a_very_long_line_with_the_caret_below_its_place():
    source = Source(Path("x.yml"), "a: " + "x" * 5000 + "HERE" + "y" * 5000)
    at = source.text.index("HERE")
    rendered = formats.get("text")([Diagnostic("r", Level.ERROR, Problem(source.span(at, at + 4), "m"))])
    _, quoted, caret = rendered.splitlines()
    assert len(quoted) < 200
    assert quoted[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_text_prints_no_control_characters_of_the_file():
    source = Source(Path("x.yml"), "a: \x1b[31mred\x07\n")
    rendered = formats.get("text")([Diagnostic("r", Level.ERROR, Problem(source.span(3, 5), "m"))])
    assert "\x1b" not in rendered
    assert "\x07" not in rendered


def test_json_has_the_fields_that_are_promised():
    first, second, third = json.loads(formats.get("json")(FOUND))
    assert first == {
        "path": "dép/deployment.yml",
        "line": 2,
        "column": 7,
        "end_line": 2,
        "end_column": 15,
        "level": "error",
        "rule": "first-rule",
        "message": "100% wrong: a, b",
        "related": [{"path": "endpoint.yml", "line": 1, "column": 7, "message": "declared here"}],
        "fix": [
            {
                "path": "dép/deployment.yml",
                "line": 2,
                "column": 7,
                "end_line": 2,
                "end_column": 15,
                "text": "'true'",
            }
        ],
    }
    assert (second["end_line"], second["end_column"]) == (4, 1)
    assert (third["line"], third["column"], third["related"], third["fix"]) == (1, 1, [], [])


def test_json_of_nothing_is_an_empty_array():
    assert formats.get("json")([]) == "[]\n"


@pytest.mark.parametrize("name", formats.NAMES)
def test_every_format_takes_no_findings_at_all(name):
    assert isinstance(formats.get(name)([]), str)

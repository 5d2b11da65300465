"""The same findings in every format."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

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


def test_github_escapes_what_its_commands_are_made_of():
    first, second, third = formats.get("github")(FOUND).splitlines()
    assert first == (
        "::error file=dép/deployment.yml,line=2,endLine=2,col=7,endColumn=15,title=first-rule"
        "::100%25 wrong: a, b%0Aendpoint.yml:1:7: declared here"
    )
    assert second == "::warning file=dép/deployment.yml,line=1,endLine=4,title=second-rule::all of it"
    assert third.startswith("::notice file=empty.yml,line=1,")
    odd = Source(Path("a,b:c.yml"), "x")
    assert "file=a%2Cb%3Ac.yml," in formats.get("github")([Diagnostic("r", Level.ERROR, Problem(odd.top, "m"))])


KNOWN = [
    Diagnostic("no-on-error", each.level, each.problem)
    if each.rule == "first-rule"
    else Diagnostic("duplicate-key", each.level, each.problem)
    for each in FOUND
]


def test_sarif_validates_against_its_schema():
    from jsonschema import Draft4Validator

    schema = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0.json").read_text())
    for found in ([], KNOWN):
        errors = list(Draft4Validator(schema).iter_errors(json.loads(formats.get("sarif")(found))))
        assert errors == []


def test_sarif_carries_help_related_places_and_fixes():
    (run,) = json.loads(formats.get("sarif")(KNOWN))["runs"]
    first = run["results"][0]
    described = run["tool"]["driver"]["rules"][first["ruleIndex"]]
    assert described["id"] == first["ruleId"] == "no-on-error"
    assert "Good::" in described["help"]["text"]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "d%C3%A9p/deployment.yml"
    assert place["region"] == {"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 15}
    assert first["relatedLocations"][0]["message"]["text"] == "declared here"
    assert first["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"] == "'true'"


def test_junit_is_well_formed_whatever_the_file_holds():
    odd = Source(Path('a<&">.yml'), "a: \x1b\ud7ff]]> <x>&\n")
    found = [*FOUND, Diagnostic("r", Level.ERROR, Problem(odd.span(3, 4), 'm <&"> \x00'))]
    root = ElementTree.fromstring(formats.get("junit")(found))
    assert (root.get("tests"), root.get("failures")) == ("4", "3")
    assert [suite.get("name") for suite in root] == ["dép/deployment.yml", "empty.yml", 'a<&">.yml']
    assert root[0][0].get("name") == "first-rule:2:7"
    assert root[0][0][0].get("message") == "100% wrong: a, b"


class Terminal:
    def isatty(self):
        return True


def test_colour_is_for_terminals_only_and_changes_no_word():
    plain, coloured = formats.get("text")(FOUND), formats.usual(Terminal(), {})(FOUND)
    assert "\x1b[31merror\x1b[0m" in coloured
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == plain
    assert formats.usual(Terminal(), {"NO_COLOR": "1"})(FOUND) == plain
    assert formats.usual(io.StringIO(), {})(FOUND) == plain


def test_text_becomes_annotations_on_github_actions():
    assert formats.usual(io.StringIO(), {"GITHUB_ACTIONS": "true"}) is formats.get("github")

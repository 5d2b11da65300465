"""Placeholders in every syntax that is in use, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready.document import Document, parse
from amlready.source import Source
from amlready.template import markers


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("{{NAME}}", "NAME"),
        ("{{ NAME }}", "NAME"),
        ("'{{NAME}}'", "NAME"),
        ("${{ vars.NAME }}", "vars.NAME"),
        ("<NAME>", "NAME"),
        ("<your-endpoint-name>", "your-endpoint-name"),
        ("$NAME", "NAME"),
        ("${NAME}", "NAME"),
        ("#{NAME}#", "NAME"),
        ("${NAME:-default}", "NAME"),
        ("$(NAME)", "NAME"),
        ("__NAME__", "__NAME__"),
        ("<% NAME %>", "NAME"),
    ],
)
def test_a_placeholder_is_found_and_filled_in_its_place(written, name):
    text = f"name: x\nkey: {written}\nlast: 1\n"
    (found,) = markers(text)
    assert found.name == name
    unfilled = parse(Source(Path("x.yml"), text))
    assert isinstance(unfilled, Document)
    assert [each.name for each in unfilled.unfilled] == [name]
    assert unfilled.get("key").value == written.strip("'")
    filled = parse(Source(Path("x.yml"), text), {name: "my-endpoint"})
    assert filled.get("key").value == "my-endpoint"
    assert filled.unfilled == ()
    assert filled.get("key").span.text == written
    assert (filled.get("last").span.line, filled.get("last").value) == (3, 1)


def test_a_value_has_the_type_it_would_have_in_the_file():
    text = "count: {{N}}\nquoted: '{{N}}'\npart: azureml:m:{{N}}\n"
    found = parse(Source(Path("x.yml"), text), {"N": "2"})
    assert found.root.value == {"count": 2, "quoted": "2", "part": "azureml:m:2"}


def test_several_placeholders_in_one_value_are_filled_apart():
    found = parse(Source(Path("x.yml"), "image: {{ACR}}.azurecr.io/{{IMAGE}}:1\n"), {"ACR": "mine", "IMAGE": "score"})
    assert found.get("image").value == "mine.azurecr.io/score:1"


@pytest.mark.parametrize(
    "text",
    [
        "$schema: https://example.com/x.json\n",
        "# endpoint_name: {{NAME}}\na: 1\n",
        "a: 1  # or $NAME\n",
        "a: 1 #{NAME}# a comment\n",
        "a: x < y\nb: a<b\n",
        "a: ${{azureml://connections/c/credentials/k}}\nb: ${{keyvault:https://v.vault.azure.net/secrets/s/1}}\n",
        "a: __init__\nb: __main__.py\n",
        "a: costs 5$ or $5\n",
        "a: {b: {c: 1}}\n",
    ],
)
def test_what_only_looks_like_a_placeholder_is_none(text):
    assert markers(text) == []


@pytest.mark.parametrize(
    ("written", "items"),
    [
        ("[${x}]", ["${x}"]),
        ("[a, ${x}, '${y}', $[z]]", ["a", "${x}", "${y}", "$[z]"]),
        ("{a: ${x}}", {"a": "${x}"}),
        ("[[a], ${x:-b}]", [["a"], "${x:-b}"]),
    ],
)
def test_a_variable_in_a_list_of_one_line_is_a_placeholder_and_not_broken_yaml(written, items):
    found = parse(Source(Path("x.yml"), f"key: {written}\nlist:\n  - key: {written}\n  - {written}\n"))
    assert isinstance(found, Document), found
    assert found.root.value == {"key": items, "list": [{"key": items}, items]}
    filled = parse(Source(Path("x.yml"), "key: [${x}, ${y}]\n"), {"x": "1", "y": "b"})
    assert filled.root.value == {"key": [1, "b"]}


@pytest.mark.parametrize("text", ["key: see [${x}]\n", "key: '[${x}]'\n", "key: ${x}\n", "key: |\n  a [${x}]\n"])
def test_a_variable_in_text_stays_a_variable(text):
    assert [each.form for each in markers(text)] == ["variable"]


def test_an_expression_in_a_list_of_one_line_stays_an_expression():
    assert [each.form for each in markers("key: [${{ vars.A }}, ${b}]\n")] == ["expression", "flow"]

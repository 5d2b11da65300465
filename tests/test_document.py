"""YAML with places: values as safe_load gives them, every key and value where it stands, nothing that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from amlready.diagnostic import Problem
from amlready.document import MAX_DEPTH, Document, Mapping, parse
from amlready.source import Source


def document(text: str) -> Document:
    found = parse(Source(Path("x.yml"), text))
    assert isinstance(found, Document), found
    return found


def problem(text: str) -> Problem:
    found = parse(Source(Path("x.yml"), text))
    assert isinstance(found, Problem)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 010, 0x1f, 1_000, 0b11, 1:30, .5, 1e3, 1.0e+3, .inf, -.INF, 0o17]",
        "a: [yes, No, on, OFF, true, ~, null, '', nUll]",
        "a: [2024-01-01, 2024-01-01T10:00:00Z, '2024-01-01']",
        "base: &base {x: 1, y: 2}\na:\n  <<: *base\n  y: 3",
        "b: &b {x: 1}\nc: &c {x: 2, z: 3}\na: {<<: [*b, *c], q: 1}",
        "a: !!str 1\nb: !!int '2'\nc: !!binary aGk=\nd: !!set {x, y}",
        "a: 1\na: 2\n1: x\ntrue: y\n2024-01-01: z",
        "a: |\n  one\n  two\nb: >-\n  three\n  four\n",
        "%YAML 1.1\n---\na: 1\n...\n",
        "=: 1",
        "a: 1\n\ufeffb: 2\n",
    ],
)
def test_values_are_those_of_safe_load(text):
    found = document(text).root.value
    assert repr(found) == repr(yaml.safe_load(text))


def test_nan_is_read_as_safe_load_reads_it():
    assert repr(document("a: .nan").root.value) == "{'a': nan}"


def test_keys_and_values_know_their_places():
    entry = document("# é\nouter:\n  inner: 'two'\n").find("outer", "inner")
    assert entry is not None
    assert (entry.key.span.line, entry.key.span.column, entry.key.span.text) == (3, 3, "inner")
    assert (entry.value.span.line, entry.value.span.column, entry.value.span.text) == (3, 10, "'two'")


def test_paths_go_through_lists_and_end_where_nothing_is():
    found = document("a: [{b: 1}, {b: 2}]")
    assert found.get("a", 1, "b").value == 2
    assert found.get("a", 2, "b") is None
    assert found.get("a", "b") is None
    assert found.get("a", 0, "b", "c") is None


def test_duplicate_keys_are_kept_and_the_last_one_counts():
    found = document("a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert found.get("a").value == 2
    assert [(one.span.line, other.span.line) for one, other in found.duplicates] == [(2, 2), (1, 3)]


def test_a_merged_key_that_is_overridden_is_no_duplicate():
    assert document("x: &x {a: 1}\ny: {<<: *x, a: 2}").duplicates == []


def test_an_alias_gives_the_anchored_value():
    found = document("a: &a {x: 1}\nb: *a")
    assert isinstance(found.get("b"), Mapping)
    assert found.get("b", "x").value == 1


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("name: {[NAME]: x}", 1, 8, "a key cannot be"),
        ("a: 1\nb:\tc", 2, 3, "tab"),
        ("a: 1\nb: !ENV x", 2, 4, "tag '!ENV'"),
        ("a: !!python/object/apply:os.system [ls]", 1, 4, "tag"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("a: *x", 1, 4, "anchor"),
        ("a: b: c", 1, 5, "second ': '"),
        ("x: 1\na: 'b\nc: 1", 2, 4, "never closed"),
        ("a: 2024-13-45", 1, 4, "quote it"),
        ("a: !!int x", 1, 4, "quote it"),
        ("a: \x00", 1, 4, "U+0000"),
        ("", 1, 1, "empty"),
        ("# only a comment", 1, 1, "empty"),
        ("- a\n- b", 1, 1, "a list"),
        ("text", 1, 1, "single value 'text'"),
        ("a: &a [*a]", 1, 4, "contains itself"),
        ("<<: 5", 1, 5, "merges"),
        ("a: " + "9" * 5000, 1, 4, "quote it"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem_at_its_place(text, line, column, message):
    found = problem(text)
    assert message in found.message
    assert (found.span.line, found.span.column) == (line, column)


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "{a: " * 200_000])
def test_deep_nesting_is_a_problem_and_not_a_crash(text):
    assert f"more than {MAX_DEPTH} deep" in problem(text).message


def test_deep_blocks_are_a_problem_too():
    text = "\n".join(" " * depth + "a:" for depth in range(2000))
    assert "deep" in problem(text).message


def test_a_bomb_of_aliases_is_a_problem_and_not_a_hang():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "aliases expand" in problem("\n".join(lines)).message


def test_many_keys_and_long_lines_are_read():
    text = "".join(f"key{i}: {'x' * 300}\n" for i in range(2000))
    assert len(document(text).root.index) == 2000

"""Fixes are splices: what they name changes, every other byte stays."""

from __future__ import annotations

from pathlib import Path

from amlready.diagnostic import Edit
from amlready.fix import apply
from amlready.source import Source


def test_edits_are_made_at_their_places_and_nothing_else_changes():
    source = Source(Path("x.yml"), "a: true # keep\r\nb: 1\r\n")
    edits = [Edit(source.span(3, 7), "'true'"), Edit(source.span(19, 20), "'1'")]
    assert apply(edits) == {"x.yml": "a: 'true' # keep\r\nb: '1'\r\n"}


def test_of_edits_that_overlap_only_the_first_is_made():
    source = Source(Path("x.yml"), "abcdef")
    assert apply([Edit(source.span(0, 3), "X"), Edit(source.span(2, 5), "Y")]) == {"x.yml": "Xdef"}


def test_the_same_edit_twice_is_made_once():
    source = Source(Path("x.yml"), "abc")
    assert apply([Edit(source.span(1, 1), "-"), Edit(source.span(1, 1), "-")]) == {"x.yml": "a-bc"}


def test_files_are_edited_apart():
    one, two = Source(Path("1.yml"), "a"), Source(Path("2.yml"), "b")
    assert apply([Edit(one.span(0, 1), "x"), Edit(two.span(0, 1), "y")]) == {"1.yml": "x", "2.yml": "y"}

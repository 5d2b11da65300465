"""Dockerfiles as instructions with places."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from amlready.dockerfile import instructions
from amlready.source import Source


def read(text: str):
    return list(instructions(Source(Path("Dockerfile"), text)))


def test_names_words_and_places():
    base, copy = read("# a comment\nfrom mcr/x:1 AS base\n\n  COPY --from=base --chown=1 a.txt 'b c' /app/\n")

    assert (base.name, [word.text for word in base.words]) == ("FROM", ["mcr/x:1", "AS", "base"])
    assert (copy.span.line, copy.span.column, copy.span.text) == (4, 3, "COPY")
    assert copy.options == {"from": "base", "chown": "1"}
    assert [word.text for word in copy.arguments] == ["a.txt", "b c", "/app/"]
    assert [word.span.text for word in copy.arguments] == ["a.txt", "'b c'", "/app/"]


def test_continued_lines_are_one_instruction_with_comments_between():
    run, end = read("RUN apt-get install \\\n  # why\n\n  one \\\n  two\nUSER me\n")

    assert [word.text for word in run.words] == ["apt-get", "install", "one", "two"]
    assert [word.span.line for word in run.words] == [1, 1, 4, 5]
    assert end.name == "USER"


def test_the_list_form_gives_its_items():
    (copy,) = read('COPY ["a b.txt", "/app/"]\n')
    assert [word.text for word in copy.words] == ["a b.txt", "/app/"]


def test_here_documents_are_passed_over():
    names = [
        each.name for each in read("RUN <<EOF\nFROM nothing\nCOPY x y\nEOF\nCOPY <<-'END' /a\n  RUN b\nEND\nUSER me\n")
    ]
    assert names == ["RUN", "COPY", "USER"]


def test_another_escape_character_may_continue_lines():
    one, two = read("# escape=`\nRUN dir c:\\ `\n  more\nUSER me\n")
    assert [word.text for word in one.words][-1] == "more"
    assert two.name == "USER"


def test_windows_line_ends():
    base, copy = read("FROM a:1\r\nCOPY x \\\r\n  y\r\n")
    assert (base.words[0].span.text, [word.text for word in copy.words]) == ("a:1", ["x", "y"])


def test_variables_and_wildcards_are_not_fixed():
    (copy,) = read("COPY $A *.txt ${B}/c d?e plain.txt\n")
    assert [word.is_fixed for word in copy.words] == [False, False, False, False, True]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="FROM CPYRUN\\\n\"'[]<`#=-{}$\r\t", max_size=120))
def test_any_text_gives_instructions_whose_places_are_in_it(text):
    for each in read(text):
        for word in each.words:
            assert 0 <= word.span.start <= word.span.end <= len(text)

"""Text and places in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amlready.source import MAX_BYTES, Source, Unreadable, decode, read


def test_line_and_column_are_one_based_and_count_characters():
    source = Source(Path("x.yml"), "a: é\nbé: 2\n")
    span = source.span(5, 7)
    assert (span.line, span.column, span.end_line, span.end_column, span.text) == (2, 1, 2, 3, "bé")


def test_only_a_line_feed_ends_a_line():
    source = Source(Path("x.yml"), "a: '\u2028 \x85'\r\nb: 1")
    assert source.position(source.text.index("b")) == (2, 1)
    assert source.line(1) == "a: '\u2028 \x85'"


def test_a_place_at_the_very_end_has_a_line():
    source = Source(Path("x.yml"), "a: 1\n")
    assert source.position(len(source.text)) == (2, 1)


def test_a_byte_order_mark_is_taken_off_and_remembered():
    source = decode(Path("x.yml"), b"\xef\xbb\xbfname: a\r\n")
    assert (source.text, source.bom) == ("name: a\r\n", True)


def test_bytes_that_are_not_utf8_are_named_with_their_line():
    with pytest.raises(Unreadable, match="byte 0xe9 on line 2"):
        decode(Path("x.yml"), b"name: a\ndescription: caf\xe9\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yml")
    with pytest.raises(Unreadable, match="not a regular file"):
        read(tmp_path / "pipe.yml")


def test_a_folder_a_missing_file_and_a_huge_file_are_refused(tmp_path):
    huge = tmp_path / "huge.yml"
    with open(huge, "wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    for path, reason in [(tmp_path, "not a regular file"), (tmp_path / "x", "No such file"), (huge, "not read")]:
        with pytest.raises(Unreadable, match=reason):
            read(path)

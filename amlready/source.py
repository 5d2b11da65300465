"""Text as it was read, and places in it.

Positions are character offsets everywhere; line and column are derived here and nowhere else, so a caret and a fix
can never disagree.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from functools import cached_property
from pathlib import Path

from .frozen import frozen

MAX_BYTES = 4 * 1024 * 1024
"""Largest file that is read; specs and scoring scripts have a few kilobytes."""

_PORTION = 64 * 1024

BOM = "\ufeff"


class Unreadable(Exception):
    """A file that cannot be read as UTF-8 text; `str()` says why and what to do."""


@frozen(eq=False)
class Source:
    """One file: where it is, its text without a byte order mark, and whether it had one."""

    path: Path
    text: str
    bom: bool = False

    @cached_property
    def starts(self) -> list[int]:
        """Offset of the first character of every line. Only a line feed ends a line, as in editors and in Python."""
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both one-based, in characters."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (one-based), without its line end."""
        start = self.starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)

    @property
    def top(self) -> Span:
        """An empty place at the beginning, for findings about the file as a whole."""
        return Span(self, 0, 0)


@frozen
class Span:
    """A place in a file: `start` and `end` are character offsets, `end` exclusive."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.source.position(self.end)[0]

    @property
    def end_column(self) -> int:
        return self.source.position(self.end)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def overlaps(self, other: Span) -> bool:
        """Whether two places share a character."""
        return self.source is other.source and self.start < other.end and other.start < self.end


def decode(path: Path, data: bytes) -> Source:
    """Bytes of a file as a `Source`. Raises Unreadable when they are not UTF-8, which azure-ai-ml insists on too."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"is not UTF-8 (byte 0x{data[error.start]:02x} on line {line}); save it as UTF-8") from None
    return Source(path, text.removeprefix(BOM), text.startswith(BOM))


def read(path: Path) -> Source:
    """Read a regular file. Raises Unreadable, never OSError: a device or a huge file is a finding, not a hang."""
    try:
        # O_NONBLOCK: opening a FIFO that nobody writes to would otherwise wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unreadable(f"cannot be read: {reason}") from None
    try:
        return decode(path, _content(descriptor))
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is not a regular file")
    if status.st_size > MAX_BYTES:
        raise Unreadable(f"has {status.st_size:,} bytes; files over {MAX_BYTES:,} bytes are not read")
    data = os.read(descriptor, status.st_size + 1)  # no more, because room for it is made first
    while more := os.read(descriptor, min(_PORTION, MAX_BYTES + 1 - len(data))):
        data += more
    return data

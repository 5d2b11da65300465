"""Files read forward only, plain or compressed, within bounds.

Passing over bytes is as important as reading them: a model is mostly arrays. In a plain file that is free; a compressed
one has to be unpacked, so how much of it is read is bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

MAX_UNPACKED = 32 * 1024 * 1024
"""Most bytes that are unpacked of one compressed file."""


class Ends(Exception):
    """The file ends before what is read from it does."""


class Enough(Exception):
    """A limit is reached, or something is met that cannot be followed."""


class Broken(Exception):
    """These bytes are not what they should be; `str()` says why."""


class Reader(Protocol):
    def read(self, count: int) -> bytes: ...

    def skip(self, count: int) -> None: ...


class Plain:
    """A file as it is; skipping costs nothing."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size = stream, size

    def read(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise Ends
        return data

    def skip(self, count: int) -> None:
        if self.stream.tell() + count > self.size:
            raise Ends
        self.stream.seek(count, 1)


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...


class Packed:
    """A compressed file, unpacked in small steps up to the limit."""

    STEP = 65536

    def __init__(self, stream: BinaryIO, decompressor: _Decompressor, errors: tuple[type[Exception], ...]) -> None:
        self.stream, self.decompressor, self.errors = stream, decompressor, errors
        self.ready = b""
        self.at = self.unpacked = 0

    def read(self, count: int) -> bytes:
        if count > MAX_UNPACKED:
            raise Enough
        while len(self.ready) - self.at < count:
            self.ready = self.ready[self.at :] + self.more()
            self.at = 0
        self.at += count
        return self.ready[self.at - count : self.at]

    def skip(self, count: int) -> None:
        while count > 0:
            step = min(count, self.STEP)
            self.read(step)
            count -= step

    def more(self) -> bytes:
        if self.unpacked > MAX_UNPACKED:
            raise Enough
        try:
            data = self.unpack()
        except self.errors:
            raise Broken("its compressed bytes are damaged") from None
        self.unpacked += len(data)
        return data

    def unpack(self) -> bytes:
        waiting = getattr(self.decompressor, "unconsumed_tail", b"")
        while not self.decompressor.eof:
            data = self.decompressor.decompress(waiting, self.STEP)
            if data:
                return data
            waiting = getattr(self.decompressor, "unconsumed_tail", b"") or self.stream.read(self.STEP)
            if not waiting:
                break
        raise Ends


def _gzip(stream: BinaryIO) -> Reader:
    return Packed(stream, cast(_Decompressor, zlib.decompressobj(31)), (zlib.error,))


def _zlib(stream: BinaryIO) -> Reader:
    return Packed(stream, cast(_Decompressor, zlib.decompressobj()), (zlib.error,))


def _bz2(stream: BinaryIO) -> Reader:
    from bz2 import BZ2Decompressor

    return Packed(stream, BZ2Decompressor(), (OSError, ValueError))


def _lzma(stream: BinaryIO) -> Reader:
    from lzma import LZMADecompressor, LZMAError

    return Packed(stream, LZMADecompressor(memlimit=2 * MAX_UNPACKED), (LZMAError, ValueError))


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], Reader]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"\x78\x01", _zlib),
    (b"\x78\x5e", _zlib),
    (b"\x78\x9c", _zlib),
    (b"\x78\xda", _zlib),
    (b"BZh", _bz2),
    (b"\xfd7zXZ", _lzma),
    (b"\x5d\x00\x00", _lzma),
)
"""First bytes of what joblib's `compress` writes; `lz4` needs a package of its own and is not read."""


def reader(stream: BinaryIO, size: int) -> tuple[Reader, bool]:
    """A reader for a file of `size` bytes, from its start, and whether it is compressed."""
    head = stream.read(6)
    stream.seek(0)
    unpack = next((unpack for magic, unpack in _OPENERS if head.startswith(magic)), None)
    return (unpack(stream), True) if unpack else (Plain(stream, size), False)

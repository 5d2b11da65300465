"""`--set a.b[0].c=value`, as `az ml` has it: put into the parsed file before anything reads it.

Values are text, as they are for `az ml`; the SDK turns text into numbers where a number is wanted. A finding about such
a value points into the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .document import Document, Entry, Mapping, Node, Scalar, Sequence
from .frozen import frozen
from .misuse import Misuse
from .source import Source


@frozen
class Override:
    """One setting: its path of keys and list positions, its value, and the option it came from."""

    path: tuple[str | int, ...]
    value: str
    source: Source
    offset: int = 0

    @property
    def key(self) -> Scalar:
        written = self.source.text[: self.offset]
        return Scalar(self.source, 0, len(written), str(self.path[-1]), written, True)

    @property
    def node(self) -> Scalar:
        return Scalar(self.source, self.offset, len(self.source.text), self.value, self.value, False)


def override(setting: str) -> Override:
    """`a.b[0].c=value` as an Override. Raises Misuse when it is not of that form."""
    path, equals, value = setting.partition("=")
    parts = tuple(_parts(path))
    if not equals or not parts:
        raise Misuse(f"--set {setting!r} is not of the form key.key[0].key=value")
    return Override(parts, value, Source(Path("--set"), setting), len(path) + 1)


def named(option: str, key: str, value: str) -> Override:
    """An override of one key that has an option of its own (`--name`, `--endpoint-name`)."""
    return Override((key,), value, Source(Path(option), f"{option} {value}"), len(option) + 1)


def _parts(path: str) -> Iterator[str | int]:
    if not re.fullmatch(r"[^.\[\]=]+(?:\[\d+\])*(?:\.[^.\[\]=]+(?:\[\d+\])*)*", path):
        return
    for key, position in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        yield key or int(position)


def apply(doc: Document, settings: tuple[Override, ...]) -> None:
    """Put settings into a document, in order. Raises Misuse where a setting goes into a value that is text."""
    for each in settings:
        _set(doc.root, each.path, each)


def _set(node: Node, path: tuple[str | int, ...], setting: Override) -> None:
    first, *rest = path
    inner = node.get(first)
    if not rest:
        _put(node, first, setting.node, setting)
        return
    if isinstance(inner, Scalar) and isinstance(inner.value, str):
        raise Misuse(
            f"{setting.source.path} {setting.source.text}: {first!r} is the text {inner.value!r} and has no keys"
        )
    if inner is None or isinstance(inner, Scalar):
        span = setting.key
        inner = (Sequence if isinstance(rest[0], int) else Mapping)(span.source, span.start, span.end)
        _put(node, first, inner, setting)
    _set(inner, tuple(rest), setting)


def _put(node: Node, key: str | int, value: Node, setting: Override) -> None:
    match node:
        case Mapping():
            known = node.entry(key)
            if known is None:
                known = Entry(Scalar(*_place(setting), str(key), str(key), True), value)
                node.entries.append(known)
                node.index[key] = known
            known.value = value
        case Sequence() if isinstance(key, int) and key <= len(node.items):
            node.items[key : key + 1] = [value]
        case _:
            raise Misuse(f"{setting.source.path} {setting.source.text}: there is no {key!r} to set")


def _place(setting: Override) -> tuple[Source, int, int]:
    return setting.key.source, setting.key.start, setting.key.end

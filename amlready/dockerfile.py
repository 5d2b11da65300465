"""A Dockerfile as instructions with places; what they do is left to whoever asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .frozen import frozen
from .source import Source, Span

INSTRUCTIONS = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)


@frozen
class Word:
    """One argument: its text without quotes, and where it stands."""

    text: str
    span: Span

    @property
    def is_fixed(self) -> bool:
        """Whether the text is what is meant: no variables, no wildcards."""
        return not re.search(r"[$*?\[]", self.text)


@frozen
class Instruction:
    """One instruction: its name in capitals, its options (`--from=base`) and its other arguments."""

    name: str
    span: Span
    words: tuple[Word, ...]

    @property
    def options(self) -> dict[str, str]:
        pairs = (word.text[2:].partition("=") for word in self.words if word.text.startswith("--"))
        return {name: value for name, _, value in pairs}

    @property
    def arguments(self) -> tuple[Word, ...]:
        return tuple(word for word in self.words if not word.text.startswith("--"))


_HEREDOC = r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1"


def instructions(source: Source) -> Iterator[Instruction]:
    """The instructions, in order. Continued lines are one instruction; here-documents are passed over."""
    mark = _escape(source.text)
    lines = list(_lines(source.text))
    number = 0
    while number < len(lines):
        start, text = lines[number]
        number += 1
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        parts = [(start, text)]
        while text.rstrip().endswith(mark) and number < len(lines):
            start, text = lines[number]
            number += 1
            if text.lstrip().startswith("#") or not text.strip():
                text = mark  # a comment or an empty line between continued ones is no end
                continue
            parts.append((start, text))
        found = _instruction(source, parts, mark)
        if found is None:
            continue
        yield found
        for end in _heredocs(found, parts):
            while number < len(lines) and lines[number][1].strip() != end:
                number += 1
            number += 1


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, line.rstrip("\r\n")
        at += len(line)


def _escape(text: str) -> str:
    """The character that continues a line: a backslash, unless the first comments say otherwise."""
    found = re.match(r"(?:#[^\n]*\n)*?#\s*escape\s*=\s*(\S)", text, re.IGNORECASE)
    return found[1] if found else "\\"


def _heredocs(found: Instruction, parts: list[tuple[int, str]]) -> list[str]:
    if found.name not in ("RUN", "COPY", "ADD"):
        return []
    return [name for _, text in parts for _, name in re.findall(_HEREDOC, text)]


def _instruction(source: Source, parts: list[tuple[int, str]], mark: str) -> Instruction | None:
    start, text = parts[0]
    found = re.match(r"\s*(\S+)", text)
    if found is None:
        return None
    name = Span(source, start + found.start(1), start + found.end(1))
    rest = [(start + found.end(), text[found.end() :]), *parts[1:]]
    return Instruction(found[1].upper(), name, tuple(_words(source, rest, mark)))


_WORD = r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|((?:\\.|[^\s\"'\\])+)"


def _words(source: Source, parts: list[tuple[int, str]], mark: str) -> Iterator[Word]:
    for start, text in parts:
        body = text.rstrip().removesuffix(mark)
        as_list = _json(body)
        for found in re.finditer(_WORD, body):
            word = next(group for group in found.groups() if group is not None)
            if as_list and (found[1] is None or word not in as_list):
                continue
            yield Word(word, Span(source, start + found.start(), start + found.end()))


def _json(text: str) -> list[str]:
    """The items of the form `["a", "b"]`; empty for any other."""
    if not text.strip().startswith("["):
        return []
    try:
        items = json.loads(text)
    except ValueError:
        return []
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else []

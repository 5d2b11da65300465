"""Text tables of any length, aligned.

Rows are seen twice, first to measure and then to print, so that a table never has to be in memory. In a width that is
too narrow numbers lose digits first, then long texts their ends, then columns in the middle are left out: what a row
is called stands at its beginning, and what came of it at its end.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Key = tuple[str, str]
"""A column: what it belongs to ("" for what is common to all), and its name there."""

_GAP = "  "
_MORE = "…"
_DIGITS = 5
_LONGEST = 20  # characters of a shortened text


@dataclass
class _Column:
    key: Key
    title: str = ""
    full: int = 0
    short: int = 0
    numeric: bool = True

    def measure(self, value: object) -> None:
        if value is not None:
            self.full = max(self.full, width(cell(value)))
            self.short = max(self.short, width(_shortened(value)))
            self.numeric = self.numeric and isinstance(value, int | float) and not isinstance(value, bool)

    def entitle(self, title: str) -> None:
        self.title = cell(title)
        self.full = max(self.full, width(self.title))
        self.short = max(self.short, min(width(self.title), _LONGEST))


class Table:
    """`measure` every row, then `fit`, then print `head` and the `line` of every row."""

    def __init__(self) -> None:
        self._columns: dict[Key, _Column] = {}
        self._shown: list[_Column | None] = []  # None where columns are left out
        self._short = False

    def measure(self, row: Mapping[Key, object]) -> None:
        for key, value in row.items():
            if key not in self._columns:
                self._columns[key] = _Column(key)
            self._columns[key].measure(value)

    def fit(self, limit: int | None) -> int:
        """Choose what to show in `limit` characters, None for no limit; how many columns had to be left out."""
        for key, title in titles(self._columns).items():
            self._columns[key].entitle(title)
        columns = list(self._columns.values())
        self._shown = [*columns]
        self._short = limit is not None and _total(column.full for column in columns) > limit
        if limit is None or not self._short or _total(column.short for column in columns) <= limit:
            return 0
        first, last = _ends([column.short for column in columns], limit - len(_GAP) - len(_MORE))
        self._shown = [*columns[:first], None, *columns[len(columns) - last :]]
        return len(columns) - first - last

    def head(self) -> str:
        return self._aligned({column.key: column.title for column in self._columns.values()})

    def line(self, row: Mapping[Key, object]) -> str:
        text = _shortened if self._short else cell
        return self._aligned({key: text(value) for key, value in row.items()})

    def _aligned(self, texts: Mapping[Key, str]) -> str:
        return _GAP.join(self._cells(texts)).rstrip()

    def _cells(self, texts: Mapping[Key, str]) -> Iterator[str]:
        for column in self._shown:
            if column is None:
                yield _MORE
                continue
            space = column.short if self._short else column.full
            text = _cut(texts.get(column.key, ""), space)
            padding = " " * (space - width(text))
            yield f"{padding}{text}" if column.numeric else f"{text}{padding}"


def titles(keys: Iterable[Key]) -> dict[Key, str]:
    """A title for each column: its name, with what it belongs to before it where another column is named so too."""
    names: dict[str, list[Key]] = {}
    for key in keys:
        names.setdefault(key[1], []).append(key)
    return {
        key: f"{key[0]}.{name}" if key[0] and len(same) > 1 else name for name, same in names.items() for key in same
    }


def cell(value: object) -> str:
    """A value on one line, with nothing in it that would move the cursor."""
    match value:
        case None:
            return ""
        case str():
            return value if value.isprintable() else json.dumps(value)[1:-1]
        case float():
            return repr(value)
        case _:
            return json.dumps(value, separators=(",", ":"))


def width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _shortened(value: object) -> str:
    if isinstance(value, float):
        return min(repr(value), f"{value:.{_DIGITS}g}", key=len)
    return cell(value) if isinstance(value, int) else _cut(cell(value), _LONGEST)


def _cut(text: str, limit: int) -> str:
    if width(text) <= limit:
        return text
    while width(text) > limit - len(_MORE):
        text = text[:-1]
    return text + _MORE


def _total(widths: Iterable[int]) -> int:
    return sum(each + len(_GAP) for each in widths) - len(_GAP)


def _ends(widths: list[int], limit: int) -> tuple[int, int]:
    """How many of the first and of the last fit, taken in turn; at least one of the first."""
    first, last, used = 1, 0, widths[0]
    while first + last < len(widths):
        at_start = first <= last + 1
        used += len(_GAP) + widths[first if at_start else len(widths) - 1 - last]
        if used > limit:
            break
        first, last = (first + 1, last) if at_start else (first, last + 1)
    return first, last

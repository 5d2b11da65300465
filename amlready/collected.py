"""Collected data as tables: what there is, its rows, or inputs and outputs side by side.

Rows are joined as model monitoring joins them: by correlation id and by the row's number in its event. An id that
several events share therefore joins every one with every other; that is shown as it is, and said.

Nothing is held in memory but one record and, for a join, the place of each event of the second collection. The price
is reading twice: once to know all columns and their widths, once to print.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from .records import Place, Record, Row, Tree, Wanted, Where
from .table import Key, Table, cell, titles

JOINED = ("model_inputs", "model_outputs")

_AGO = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Misuse(Exception):
    """The command cannot be carried out as given."""


class Line(NamedTuple):
    """One line to show: where it is from, what it is called, and its columns by what they belong to."""

    place: Mapping[str, str]
    name: Mapping[str, object]
    parts: Mapping[str, Row]

    def cells(self) -> dict[Key, object]:
        of_parts = {(part, column): value for part, row in self.parts.items() for column, value in row.items()}
        return {("", column): value for column, value in self.name.items()} | of_parts


Lines = Callable[[], Iterable[Line]]
"""Lines that can be gone through again, the same each time."""


def show(
    root: Path,
    *,
    endpoint: str | None = None,
    deployment: str | None = None,
    collection: str | None = None,
    rows: bool = False,
    join: bool = False,
    since: str | None = None,
    until: str | None = None,
    format: str = "table",
    width: int | None = None,
) -> int:
    """Print what was collected under `root`: a summary, the rows (of a collection, or with `rows` of all), or a join.

    With `join`, `collection` may name two to join, `inputs,outputs`; else they are model_inputs and model_outputs.
    `since` and `until` (which itself is left out) are ISO 8601 (UTC unless it says otherwise) or how long ago: 30m, 2h,
    1d. `width` is for tables; None is the terminal's, and no limit where the output is not a terminal.

    Exit status: 0 something was shown · 1 there is nothing to show · 2 misuse.
    """
    try:
        names = _names(collection, join)
        wanted = Wanted(endpoint, deployment, frozenset(names) if names else None, _time(since), _time(until))
        if wanted.since and wanted.until and wanted.since >= wanted.until:
            raise Misuse(f"no time is from {since} on and before {until}")
        if not root.exists():
            raise Misuse(
                f"there is no {str(root)!r}; `amlready serve` collects into .amlready/collected what a deployment's "
                "data_collector enables"
            )
    except Misuse as misuse:
        _say(f"amlready: {misuse}")
        return 2
    tree = Tree(root, wanted)
    joined = Join(tree, names[0], names[1]) if join else None
    lines: Lines = joined.lines if joined else lambda: _rows(tree) if rows or names else _summary(tree)
    shown = _FORMATS[format](lines, width or _terminal())
    sys.stdout.flush()
    for remark in (*(joined.remarks() if joined else ()), *tree.faults.sentences()):
        _say(remark)
    if not shown:
        _say(f"nothing to show: {_what_there_is(root)}")
    return 0 if shown else 1


def _names(collection: str | None, join: bool) -> tuple[str, ...]:
    names = tuple(collection.split(",")) if collection else JOINED if join else ()
    if join and len(set(names)) != 2:
        raise Misuse(f"a join takes two collections, such as {','.join(JOINED)}, not {collection!r}")
    return names


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{text!r} is no time; write 2026-01-31, 2026-01-31T12:00 or, for how long ago, 2h") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _what_there_is(root: Path) -> str:
    there = sorted({record.place.collection for record in Tree(root).records()})
    return f"collected here are {', '.join(there)}" if there else f"nothing was collected in {root}"


# --- what to show ----------------------------------------------------------------------------------------------------


@dataclass
class _Total:
    events: int = 0
    rows: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, record: Record) -> None:
        self.events += 1
        self.rows += len(record.rows)
        self.bytes += record.size
        if record.time is not None:
            self.first = min(self.first or record.time, record.time)
            self.last = max(self.last or record.time, record.time)


def _summary(tree: Tree) -> Iterator[Line]:
    totals: dict[Place, _Total] = {}
    for record in tree.records():
        totals.setdefault(record.place, _Total()).add(record)
    for place, total in sorted(totals.items()):
        span = {"first": _text(total.first), "last": _text(total.last)}
        counts = {"events": total.events, "rows": total.rows, "bytes": total.bytes}
        yield Line({}, {**place._asdict(), **counts, **span}, {})


def _rows(tree: Tree) -> Iterator[Line]:
    for record in tree.records():
        for number, row in enumerate(record.rows):
            name = {"time": _text(record.time), "correlationid": record.correlation_id, "row": number}
            yield Line(record.place._asdict(), name, {"data": row})


@dataclass
class _Partner:
    """The events of the second collection that have one correlation id, and what the first has for them."""

    places: list[tuple[Where, int]]  # with their number of rows
    events: int = 0
    rows: int = 0  # most in one event


@dataclass
class _Side:
    """How many rows a collection has, and how many of them have no partner."""

    rows: int = 0
    alone: int = 0

    def add(self, rows: int, partners: int) -> None:
        self.rows += rows
        self.alone += max(0, rows - partners)


class Join:
    """The rows of two collections of a deployment, side by side."""

    def __init__(self, tree: Tree, left: str, right: str) -> None:
        self._tree = tree
        self._names = left, right
        self._left = _Side()
        self._partners: dict[tuple[str, str, str | None], _Partner] = {}

    def lines(self) -> Iterator[Line]:
        """Every pair of rows with one correlation id and one number; what has no partner is only counted."""
        if not self._partners:
            self._find_partners()
        self._left = _Side()
        for partner in self._partners.values():
            partner.events = partner.rows = 0
        for record in self._tree.records():
            if record.place.collection == self._names[0]:
                yield from self._pairs(record)

    def remarks(self) -> Iterator[str]:
        """What did not match, once the lines were gone through."""
        right = _Side()
        for partner in self._partners.values():
            for _, rows in partner.places:
                right.add(rows, partner.rows)
        left_name, right_name = self._names
        for name, other, side in ((left_name, right_name, self._left), (right_name, left_name, right)):
            if side.alone:
                yield f"{side.alone} of {side.rows} rows of {name} have no partner in {other}"
        if right.rows and not self._left.alone + right.alone:
            yield f"every row of {left_name} and {right_name} has its partner"
        if shared := sum(partner.events * len(partner.places) > 1 for partner in self._partners.values()):
            ids = "1 correlation id belongs" if shared == 1 else f"{shared} correlation ids belong"
            yield f"{ids} to several events: each is joined with every other, as model monitoring does"

    def _find_partners(self) -> None:
        for record in self._tree.records():
            if record.place.collection == self._names[1]:
                partner = self._partners.setdefault(_id(record), _Partner([]))
                partner.places.append((record.where, len(record.rows)))

    def _pairs(self, record: Record) -> Iterator[Line]:
        left, right = self._names
        mine = record.rows
        partner = self._partners.get(_id(record)) if record.correlation_id is not None else None
        self._left.add(len(mine), max((rows for _, rows in partner.places), default=0) if partner else 0)
        if partner is None:
            return
        partner.events += 1
        partner.rows = max(partner.rows, len(mine))
        place = {"endpoint": record.place.endpoint, "deployment": record.place.deployment}
        for where, _ in partner.places:
            for number, pair in enumerate(zip(mine, self._tree.at(where).rows, strict=False)):
                name = {"correlationid": record.correlation_id, "row": number}
                yield Line(place, name, {left: pair[0], right: pair[1]})


def _id(record: Record) -> tuple[str, str, str | None]:
    return record.place.endpoint, record.place.deployment, record.correlation_id


# --- how to show it --------------------------------------------------------------------------------------------------


def _as_table(lines: Lines, width: int | None) -> bool:
    """A table for each place, under its name."""
    tables: dict[str, Table] = {}
    for line in lines():
        tables.setdefault("/".join(line.place.values()), Table()).measure(line.cells())
    hidden = sum(table.fit(width) for table in tables.values())
    at = None
    for line in lines():
        place = "/".join(line.place.values())
        table = tables[place]
        if place != at:
            _put(*([""] if at is not None else []), *([cell(place)] if place else []), table.head())
            at = place
        _put(table.line(line.cells()))
    if hidden:
        sys.stdout.flush()
        columns = "1 column does" if hidden == 1 else f"{hidden} columns do"
        _say(f"{columns} not fit into {width} characters; --format csv has them all")
    return bool(tables)


def _as_csv(lines: Lines, _: int | None) -> bool:
    keys = dict.fromkeys(key for line in lines() for key in _flat(line))
    names = titles(keys)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if keys:
        writer.writerow([names[key] for key in keys])
    for line in lines():
        flat = _flat(line)
        writer.writerow([_plain(flat.get(key)) for key in keys])
    return bool(keys)


def _as_json(lines: Lines, _: int | None) -> bool:
    """One array, a line for each element."""
    before = "["
    for line in lines():
        _put(before + json.dumps({**line.place, **line.name, **line.parts}, ensure_ascii=False), end="")
        before = ",\n"
    _put("[]" if before == "[" else "]")
    return before != "["


_FORMATS = {"table": _as_table, "csv": _as_csv, "json": _as_json}


def _flat(line: Line) -> dict[Key, object]:
    return {("", name): value for name, value in line.place.items()} | line.cells()


def _plain(value: object) -> object:
    """A value for CSV: text as it is, the rest as JSON."""
    return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _terminal() -> int | None:
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None


def _put(*lines: str, end: str = "\n") -> None:
    for line in lines:
        sys.stdout.write(line + end)


def _say(line: str) -> None:
    print(line, file=sys.stderr)

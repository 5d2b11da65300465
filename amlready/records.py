"""Reading collected data: the records of a tree, whoever wrote it.

A record says itself which endpoint, deployment and collection it is of, so the folders it lies in do not matter: a
tree of `amlready serve`, one downloaded from Blob Storage and a single hour folder are read alike. Reading is a stream;
what cannot be read is counted, not fatal, because a live agent or a killed one may have left half a line at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, NoReturn
from urllib.parse import unquote, urlsplit

Row = Mapping[str, object]

_TYPE = "azureml.inference."
_SOURCE = re.compile(r"/onlineEndpoints/([^/]+)/deployments/([^/]+)")
_HOUR_FOLDER = re.compile(r"(\d{4})/(\d\d)/(\d\d)/(\d\d)/[^/]*$")


class Place(NamedTuple):
    """Where an event was collected."""

    endpoint: str
    deployment: str
    collection: str


class Where(NamedTuple):
    """Where a record lies: a line of a file, offset and length in bytes."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Record:
    """One event. `data` is as collected; where it lay in a file of its own that is not here or not JSON, its address.

    `size` is in bytes, such a file included. `time` is None where the record has none that can be read.
    """

    place: Place
    time: datetime | None
    correlation_id: str | None
    data: object
    size: int
    where: Where

    @property
    def rows(self) -> list[Row]:
        """The data as rows; what is not a record is a row with the one column `data`."""
        items = self.data if isinstance(self.data, list) else [self.data]
        return [item if isinstance(item, dict) else {"data": item} for item in items]


@dataclass(frozen=True)
class Wanted:
    """What to read; None is everything. `since` and `until` (which is left out) are aware, and compared with the
    events' own times."""

    endpoint: str | None = None
    deployment: str | None = None
    collections: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def has(self, record: Record) -> bool:
        place = record.place
        return (
            self.endpoint in (None, place.endpoint)
            and self.deployment in (None, place.deployment)
            and (self.collections is None or place.collection in self.collections)
            and (self.since is None or record.time is None or record.time >= self.since)
            and (self.until is None or record.time is None or record.time < self.until)
        )

    def may_be_in(self, path: Path) -> bool:
        """False if the hour folder says that everything in this file is too old, or too new."""
        hour = _HOUR_FOLDER.search(path.as_posix())
        if hour is None:
            return True
        try:
            start = datetime.strptime("".join(hour.groups()), "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return True
        is_old = self.since is not None and start + timedelta(hours=1) <= self.since
        return not is_old and (self.until is None or start < self.until)


@dataclass
class Faults:
    """What could not be read: places, as `path:line`; of torn last lines and missing data, paths."""

    torn: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        """One for each kind there is."""
        for places, what in (
            (self.torn, "ends in half a line (still being written, or cut off by a crash)"),
            (self.damaged, "is not JSON"),
            (self.foreign, "is not a record of collected data"),
            (self.missing, "holds data by reference, and the data is not here"),
        ):
            if places:
                more = f", and {len(places) - 1} more" if len(places) > 1 else ""
                yield f"skipped: {places[0]} {what}{more}"


class Tree:
    """The records in the `.jsonl` files under `root`, as far as these reached when the tree was made.

    It can be read several times and shows the same each time, whatever is appended meanwhile. `faults` is what the
    first reading could not read.
    """

    def __init__(self, root: Path, wanted: Wanted | None = None) -> None:
        self.faults = Faults()
        self._wanted = wanted or Wanted()
        self._top = root.parent if root.is_file() else root
        self._read = False
        paths = [root] if root.is_file() else sorted(root.rglob("*.jsonl"))
        self._files = [(path, path.stat().st_size) for path in paths if path.is_file()]

    def records(self) -> Iterator[Record]:
        """The wanted records, in the order of their files."""
        faults = Faults() if self._read else self.faults
        self._read = True
        for path, size in self._files:
            if self._wanted.may_be_in(path):
                with path.open("rb") as file:
                    yield from self._records_of(file, path, size, faults)

    def at(self, where: Where) -> Record:
        """The record that an earlier pass found there."""
        with where.path.open("rb") as file:
            file.seek(where.offset)
            record = self._record(_lenient(file.read(where.length)), where, Faults())
        assert record is not None, where
        return record

    def _records_of(self, file: BinaryIO, path: Path, size: int, faults: Faults) -> Iterator[Record]:
        for number, where, line in _lines(file, path, size):
            try:
                content = _lenient(line)
            except (ValueError, RecursionError):
                if line.endswith(b"\n"):
                    faults.damaged.append(f"{path}:{number}")
                else:
                    faults.torn.append(str(path))
                continue
            record = self._record(content, where, faults)
            if record is None:
                faults.foreign.append(f"{path}:{number}")
            elif self._wanted.has(record):
                yield record

    def _record(self, content: object, where: Where, faults: Faults) -> Record | None:
        match content:
            case {"type": str() as kind, **attributes} if kind.startswith(_TYPE):
                source = _SOURCE.search(str(attributes.get("source")))
                data, beside = self._data(attributes, where, faults)
            case _:
                return None
        correlation_id = attributes.get("correlationid")
        return Record(
            Place(source[1] if source else "", source[2] if source else "", kind.removeprefix(_TYPE)),
            _time(attributes.get("time")),
            None if correlation_id is None else str(correlation_id),
            data,
            where.length + beside,
            where,
        )

    def _data(self, attributes: Mapping[object, object], where: Where, faults: Faults) -> tuple[object, int]:
        """The data, and how many bytes of it lie in a file of their own."""
        match attributes:
            case {"dataref": str() as reference} | {"datainblob": "true" | "True" | True, "data": str() as reference}:
                path = self._find(reference, where.path.parent)
            case _:
                return attributes.get("data"), 0
        if path is None:
            faults.missing.append(str(where.path))
            return reference, 0
        try:
            return parse_json(path.read_bytes()), path.stat().st_size
        except ValueError:
            return reference, path.stat().st_size

    def _find(self, reference: str, hour: Path) -> Path | None:
        """The file a reference means, beside the record or anywhere on the way up to the root.

        Azure's is an address with account and container, ours a path in the datastore; and the tree may be a part of
        a datastore that was copied. So the longest end of the reference that exists here is taken.
        """
        parts = PurePosixPath(unquote(urlsplit(reference).path)).parts
        parts = parts[1:] if parts[:1] == ("/",) else parts
        if ".." in parts:
            return None
        above = [folder for folder in (hour, *hour.parents) if folder.is_relative_to(self._top)]
        found = (folder.joinpath(*parts[n:]) for n in range(len(parts)) for folder in above)
        return next((path for path in found if path.is_file()), None)


def _lines(file: BinaryIO, path: Path, size: int) -> Iterator[tuple[int, Where, bytes]]:
    """The first `size` bytes of a file, a line that is not blank at a time, with its number and place."""
    offset = 0
    for number, line in enumerate(file, 1):
        line = line[: size - offset]
        if line.strip():
            yield number, Where(path, offset, len(line)), line
        offset += len(line)
        if offset >= size:
            break


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def parse_json(text: bytes) -> object:
    """What RFC 8259 calls JSON: UTF-8, no NaN. Raises ValueError, also for what is nested too deeply to be read."""
    try:
        return _STRICT.decode(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _lenient(line: bytes) -> object:
    """A line of a file that others may have written: with a byte order mark, with NaN (read as null)."""
    return _LENIENT.decode(line.decode("utf-8-sig"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)
_LENIENT = json.JSONDecoder(parse_constant=lambda _: None)

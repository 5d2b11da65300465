"""Collected data on disk: the tree of JSON Lines that Azure's collector agent writes.

    <root>/<datastore>/<path>/<yyyy>/<MM>/<dd>/<HH>/<instance>.jsonl

A record is durable before `add` returns: one write of the whole line, then a flush to disk that concurrent senders
share (whoever comes first flushes for all who have written by then, so eight senders wait for about one flush).
Each store writes files of its own, named as Azure's are by an instance (32 hexadecimal digits) and a sequence
number, so that two processes never write to one file.

The hour folder is the hour of the *event* in UTC, not of its arrival: the inputs and outputs of one request carry
one time, so they always lie in the same hour, which is the unit that model monitoring reads.

A process killed in the middle of a write leaves a last line without its newline. Nobody was told that it was kept;
`mend` moves it into a file of the same name with `.torn` added, so that every line of a `.jsonl` file is a record.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO, NamedTuple

INLINE_LIMIT = 4 * 1024 * 1024
"""Bytes of data above which Azure keeps the data in a file of its own and only a reference in the record."""

_OPEN_FILES = 64
_BLOCK = 64 * 1024
_flush = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True)
class Event:
    """One thing that was collected.

    `body` is the data as it was sent, at least one byte: JSON text, unless `content_type` says otherwise. `time` is
    aware. `attributes` are further CloudEvents attributes, in the order they are to be written.
    """

    collection: str
    body: bytes
    time: datetime
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    correlation_id: str | None = None
    content_type: str = "application/json"
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        media_type = self.content_type.partition(";")[0].strip().lower()
        return media_type == "application/json" or media_type.endswith("+json")


def source(endpoint: str, deployment: str) -> str:
    """The resource id that Azure puts into `source`; its subscription and workspace stand for this machine."""
    subscription = "/subscriptions/00000000-0000-0000-0000-000000000000"
    workspace = "/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local"
    return f"{subscription}{workspace}/onlineEndpoints/{endpoint}/deployments/{deployment}"


def record(event: Event, source: str, reference: str | None = None) -> bytes:
    """One line of JSON: Azure's keys in Azure's order, `data` byte for byte as it was sent.

    With a `reference`, the data lies in a file of its own: `dataref` names it where it is JSON, as Azure's
    preprocessor reads it; other data has its address in `data` and `datainblob` beside it, as Azure's
    documentation shows.
    """
    before = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": f"azureml.inference.{event.collection}",
        "datacontenttype": event.content_type,
        "time": event.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    after = {"contentrange": f"bytes 0-{len(event.body) - 1}/{len(event.body)}"}
    if event.correlation_id is not None:
        after |= {"correlationid": event.correlation_id, "xrequestid": event.correlation_id}
    taken = {*before, *after, "data", "dataref", "datainblob"}
    after |= {key: value for key, value in event.attributes.items() if key not in taken}
    return b"%b,%b,%b\n" % (_compact(before)[:-1], _data(event, reference), _compact(after)[1:])


def _data(event: Event, reference: str | None) -> bytes:
    if reference is None:
        # Outside a string a line break is white space; inside one it cannot be, JSON would have escaped it.
        return b'"data":' + event.body.replace(b"\r", b" ").replace(b"\n", b" ")
    if event.is_json:
        return b'"dataref":' + _compact(reference)
    return b'"data":%b,"datainblob":"true"' % _compact(reference)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Store:
    """Appends events under `root`. Safe to call from many threads; raises OSError as the disk does."""

    def __init__(self, root: Path, source: str, inline_limit: int = INLINE_LIMIT) -> None:
        self.root = root
        self._source = source
        self._inline_limit = inline_limit
        self._instance = uuid.uuid4().hex
        self._sequence = 0
        self._files: OrderedDict[_Hour, _File] = OrderedDict()
        self._lock = Lock()

    def add(self, folder: str, event: Event) -> int:
        """Append `event` under `folder` (relative to the root) and return its size in bytes, once it is on disk.

        Raises ValueError where `folder` leads out of the root.
        """
        hour = _Hour(folder, int(event.time.timestamp()) // 3600)
        if event.is_json and len(event.body) <= self._inline_limit:
            return self._append(hour, record(event, self._source))
        return self._add_by_reference(hour, event)

    def close(self) -> None:
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _add_by_reference(self, hour: _Hour, event: Event) -> int:
        """Data first, then the record that names it, by its path in the datastore as an Azure address does."""
        folder = hour.under(self.root)
        _make_folder(folder, self.root)
        beside = folder / f"{uuid.uuid4().hex}.{'json' if event.is_json else 'bin'}"
        datastore = self.root / PurePosixPath(hour.folder).parts[0]
        try:
            _write_new(beside, event.body)
            line = record(event, self._source, beside.relative_to(datastore).as_posix())
            return self._append(hour, line) + len(event.body)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def _append(self, hour: _Hour, line: bytes) -> int:
        while not self._file(hour).append(line):
            pass  # it was closed between being found and being written to: find another
        return len(line)

    def _file(self, hour: _Hour) -> _File:
        with self._lock:
            file = self._files.pop(hour, None)
            if file is None or file.closed:
                file = self._open(hour, file)
            self._files[hour] = file
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            return file

    def _open(self, hour: _Hour, instead_of: _File | None) -> _File:
        if instead_of is not None:
            instead_of.close()
        folder = hour.under(self.root)
        _make_folder(folder, self.root)
        file = _File(folder / f"{self._instance}{self._sequence:06}.jsonl")
        self._sequence += 1
        _flush_folder(folder)
        return file


class _Hour(NamedTuple):
    """An hour of a collection: its folder relative to the root, and hours since 1970."""

    folder: str
    number: int

    def under(self, root: Path) -> Path:
        return inside(root, self.folder) / datetime.fromtimestamp(self.number * 3600, UTC).strftime("%Y/%m/%d/%H")


class _File:
    """One open file of records; `closed` as soon as it takes no more lines.

    Locks are taken in the order flushing, writing.
    """

    def __init__(self, path: Path) -> None:
        self.closed = False
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(self._fd, fcntl.LOCK_EX)  # tells `mend` that somebody is writing here
        self._written = 0
        self._flushed = 0
        self._unreliable = False
        self._writing = Lock()
        self._flushing = Lock()

    def append(self, line: bytes) -> bool:
        """Return True once the line is on disk, False if the file takes no more lines."""
        with self._writing:
            if self.closed:
                return False
            self._write(line)
            end = self._written
        with self._flushing:
            self._flush_to(end)
        return True

    def close(self) -> None:
        with self._flushing:
            with self._writing:
                self.closed = True
            if self._fd >= 0:
                with suppress(OSError):  # whoever waits for this flush learns of it in `append`
                    self._flush_to(self._written)
                os.close(self._fd)
                self._fd = -1

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._take_back()
            raise
        self._written += len(line)

    def _take_back(self) -> None:
        """Half a line is on disk and the rest does not fit: remove it, or never write to this file again."""
        try:
            os.ftruncate(self._fd, self._written)
        except OSError:
            self.closed = True

    def _flush_to(self, end: int) -> None:
        """Flush, unless another thread's flush has covered `end`. The caller holds `_flushing`."""
        if self._flushed >= end:
            return
        if self._unreliable:
            raise OSError(errno.EIO, "an earlier flush to disk failed")
        written = self._written
        try:
            _flush(self._fd)
        except OSError:
            # The system forgets what it could not write, and a second flush would report success.
            self._unreliable = self.closed = True
            raise
        self._flushed = written


def inside(root: Path, folder: str) -> Path:
    """`root / folder`, or ValueError where that could lie outside `root`."""
    path = PurePosixPath(folder)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in folder:
        raise ValueError(f"{folder!r} leads out of the folder for collected data")
    return root / path


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder that is still there after a power failure: each name in the path is flushed to disk."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for above in folder.parents:
        _flush_folder(above)
        if above == root:
            break


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_new(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _flush_folder(path.parent)


@dataclass(frozen=True)
class Torn:
    """A last line that was cut off: `size` bytes, moved from the end of `path` to `aside`."""

    path: Path
    aside: Path
    size: int


def mend(folder: Path) -> Iterator[Torn]:
    """Make every file under `folder` end with a whole line, and yield what had to be moved aside.

    A last record that is whole and lacks only its newline gets it. Left alone is what a live process writes, and what
    this one may not write.
    """
    for path in sorted(folder.rglob("*.jsonl")):
        with ExitStack() as opened:
            try:
                file = opened.enter_context(path.open("rb+"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (PermissionError, BlockingIOError):
                continue
            start, fragment = _after_last_newline(file)
            if _is_record(fragment):
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            elif fragment:
                yield _move_aside(path, file, start, fragment)


def _after_last_newline(file: BinaryIO) -> tuple[int, bytes]:
    """Offset and bytes of what follows the last newline; (size, b"") where the file is whole."""
    start, fragment = file.seek(0, os.SEEK_END), b""
    while start > 0:
        size = min(_BLOCK if fragment else 1, start)
        start = file.seek(start - size)
        head, newline, tail = file.read(size).rpartition(b"\n")
        fragment = tail + fragment
        if newline:
            return start + len(head) + 1, fragment
    return 0, fragment


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _move_aside(path: Path, file: BinaryIO, start: int, fragment: bytes) -> Torn:
    aside = path.with_name(f"{path.name}.torn")
    with aside.open("ab") as torn:
        torn.write(fragment + b"\n")
        torn.flush()
        os.fsync(torn.fileno())
    file.truncate(start)
    os.fsync(file.fileno())
    return Torn(path, aside, len(fragment))

"""A child process that may be hostile: watched step by step, and ended with everything it started.

The child announces each step in its report; a step that takes longer than its limit ends the child. It leads a process
group of its own, which gets TERM, then KILL; processes that left the group are found by their environment. What the
child prints is read for ever and only its end is kept, so that neither memory nor disk fills up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .keeper import Keeper

MAX_REPORT = 256 * 1024 * 1024
"""Bytes of a report after which the child is ended."""

_TAIL = 64 * 1024  # bytes of output that are kept
_POLL = 0.02
_GRACE = 1.0


@dataclass(frozen=True)
class Ended:
    """How a child ended. `overdue` is true where it was made to, in the step it announced last.

    `status` is its exit status, or minus the number of the signal that ended it. `output` is the end of what it
    printed; `report` the lines it wrote, those that are JSON objects.
    """

    status: int
    overdue: bool
    output: str
    report: tuple[Mapping[str, Any], ...]


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    report: Path,
    limit: Callable[[str], float],
    mark: str,
) -> Ended:
    """Run a child in `folder` to its end. `limit` gives the seconds for a step by its name ("" before the first).

    `mark` is text that only the environment of this child and of its own children contains. Raises OSError where the
    child cannot be started.
    """
    with _terminable():
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        tail = _Tail(process.stdout)
        reading = _Reading(report)
        with _ended(process, mark):
            overdue = _watch(process, reading, limit)
    reading.more()
    return Ended(process.returncode, overdue, tail.text(), tuple(reading.lines))


@contextmanager
def _terminable() -> Iterator[None]:
    """Inside, TERM and HUP raise SystemExit, so that the child does not outlive this process."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    ours: list[int] = []
    if threading.current_thread() is threading.main_thread():  # others cannot set handlers
        ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _ended(process: subprocess.Popen[bytes], mark: str) -> Iterator[None]:
    """Afterwards the child has ended, with what it started; also where this process is killed inside."""
    keeper = None
    try:
        keeper = Keeper(process.pid)
        yield
    finally:
        _end(process, mark)
        if keeper is not None:
            keeper.dismiss()


def _watch(process: subprocess.Popen[bytes], reading: _Reading, limit: Callable[[str], float]) -> bool:
    """Wait for the child's end, and return False; or, as soon as a step takes too long, True."""
    step, deadline = "", time.monotonic() + limit("")
    while True:
        try:
            process.wait(_POLL)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False
        for line in reading.more():
            if line.get("kind") == "step":
                step = str(line.get("name"))
                deadline = time.monotonic() + limit(step)
        if time.monotonic() > deadline or reading.size > MAX_REPORT:
            return True


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for pid in _marked(mark):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _marked(mark: str) -> list[int]:
    """Processes that left the group but kept the environment; only Linux shows it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


class _Tail:
    """The end of what a child prints, read in a thread of its own: a child must never wait for its reader."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        self._thread.join(_GRACE)
        if not self._thread.is_alive():
            self._stream.close()
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        while block := os.read(self._stream.fileno(), _TAIL):
            self._kept = (self._kept + block)[-_TAIL:]


class _Reading:
    """The lines of a report, as they come. A last line that is cut off is left alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = 0
        self.lines: list[Mapping[str, Any]] = []

    def more(self) -> list[Mapping[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self.size)
                whole, newline, _ = file.read(MAX_REPORT).rpartition(b"\n")
        except OSError:
            return []
        self.size += len(whole + newline)
        found = [line for text in whole.split(b"\n") if (line := _object(text)) is not None]
        self.lines += found
        return found


def _object(text: bytes) -> Mapping[str, Any] | None:
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        return value if isinstance(value, dict) else None
    return None

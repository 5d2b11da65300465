"""Waiting for what other processes do, and whether they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

Found = TypeVar("Found")


def until(happened: Callable[[], Found], seconds: float = 120) -> Found:
    """What `happened` returns once that is true. It fails where that takes longer than any machine needs for it."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def all_ended(processes: Iterable[psutil.Process | int]) -> bool:
    """A zombie has ended: whose child it is now may never ask for its status."""
    return not any(map(_runs, processes))


def _runs(process: psutil.Process | int) -> bool:
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

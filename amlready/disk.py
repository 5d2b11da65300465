"""Looks at the disk that a spec's paths need, relative to the folder that the spec is in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from . import document
from .frozen import frozen
from .source import Unreadable, read


@frozen
class Disk:
    """Files as a spec in `folder` sees them; `starts` are the folders that people write paths from by mistake."""

    folder: Path
    starts: tuple[Path, ...] = ()

    def exists(self, path: str) -> bool:
        """Whether a path is a file or a folder."""
        found = self.folder / path
        return os.path.isfile(found) or os.path.isdir(found)

    def read(self, path: str) -> object:
        """The value of a YAML file, as safe_load gives it. Raises ValueError, whose text says why there is none."""
        try:
            return document.value(read(self.folder / path))
        except Unreadable as reason:
            raise ValueError(str(reason)) from None

    def elsewhere(self, path: str) -> str | None:
        """What to write for a path that exists from the repository's root or the working directory, or None."""
        return elsewhere(self.folder, path, self.starts)


def elsewhere(folder: Path, written: str, starts: Iterable[Path]) -> str | None:
    """The path from `folder` to something that is not there as written, but is there from one of `starts`."""
    if os.path.isabs(written) or os.path.exists(folder / written):
        return None
    for start in starts:
        if os.path.exists(start / written):
            return os.path.relpath(start / written, folder.absolute()).replace(os.sep, "/")
    return None

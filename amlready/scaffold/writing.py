"""Putting files into a folder: all of them or none, and none over another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..misuse import Misuse

_IGNORE = ".gitignore"


def in_the_way(folder: Path, names: Iterable[str]) -> list[Path]:
    """What is there where something is to be written: the files themselves, and files in place of their folders."""
    blocked: dict[Path, None] = {}
    for name in names:
        path = folder / name
        above = (each for each in path.parents if each != folder and folder in each.parents)
        obstacles = [each for each in above if os.path.lexists(each) and not each.is_dir()]
        obstacles += [path] if not obstacles and os.path.lexists(path) else []
        blocked |= dict.fromkeys(obstacles)
    return list(blocked)


def write(folder: Path, texts: Mapping[str, str], copies: Mapping[str, Path], ignored: Sequence[str]) -> list[Path]:
    """Write texts and copies below a folder, and add lines to its .gitignore; the paths written to.

    When something fails, what was written is removed again. Raises Misuse.
    """
    made: list[Path] = []
    folders: list[Path] = []
    try:
        _make(folder, folders)
        for name, text in texts.items():
            _make((folder / name).parent, folders)
            with (folder / name).open("x", encoding="utf-8", newline="\n") as stream:
                made.append(folder / name)
                stream.write(text)
        for name, source in copies.items():
            _make((folder / name).parent, folders)
            with source.open("rb") as original, (folder / name).open("xb") as stream:
                made.append(folder / name)
                shutil.copyfileobj(original, stream)
        return made + _ignore(folder / _IGNORE, ignored)
    except BaseException as error:
        _undo(made, folders)
        if isinstance(error, OSError):
            raise Misuse(f"{error.filename or folder}: {error.strerror or error}; nothing was written") from None
        raise


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder with those above it, noting each that was not there."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)
    if not folder.is_dir():
        raise NotADirectoryError(20, "this is no folder", str(folder))


def _undo(made: Sequence[Path], folders: Sequence[Path]) -> None:
    for path in made:
        path.unlink(missing_ok=True)
    for each in reversed(folders):
        each.rmdir()


def _ignore(path: Path, wanted: Sequence[str]) -> list[Path]:
    """Add the lines that a .gitignore lacks; the file, if there were any."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    there = {line.strip().strip("/") for line in text.splitlines()}
    missing = [line for line in wanted if line.strip("/") not in there]
    if not missing:
        return []
    with path.open("a", encoding="utf-8", newline="") as stream:
        stream.write("\n" if text and not text.endswith("\n") else "")
        stream.writelines(f"{line}\n" for line in missing)
    return [path]

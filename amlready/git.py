"""What git ignores. git itself is asked, and started by hand: importing subprocess takes ten times as long as git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_AT_ONCE = 30_000
"""Bytes of paths for one question: what git is told, and what it says, each fit into a pipe, so that nobody waits."""


def ignored(folder: Path, paths: Iterable[Path]) -> set[Path]:
    """Those of the paths below a folder that git ignores there.

    None where there is no repository or no git, nor below a folder that is ignored itself: whoever names it means it.
    """
    if not hasattr(os, "posix_spawnp"):
        return set()
    found = {path for some in _portions([folder, *paths]) for path in _ask(folder, some)}
    return set() if folder in found else found


def _portions(paths: Iterable[Path]) -> Iterator[list[Path]]:
    portion: list[Path] = []
    size = 0
    for path in paths:
        size += len(os.fsencode(path.absolute())) + 1
        if size > _AT_ONCE and portion:
            yield portion
            portion, size = [], 0
        portion.append(path)
    if portion:
        yield portion


def _ask(folder: Path, paths: list[Path]) -> set[Path]:
    told = {os.fsencode(path.absolute()): path for path in paths}
    read_end, answer = os.pipe()
    question, write_end = os.pipe()
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        actions = [
            (os.POSIX_SPAWN_DUP2, question, 0),
            (os.POSIX_SPAWN_DUP2, answer, 1),
            (os.POSIX_SPAWN_DUP2, nothing, 2),
        ]
        command = ["git", "-C", str(folder), "check-ignore", "-z", "--stdin"]
        process = os.posix_spawnp("git", command, os.environ, file_actions=actions)
    except OSError:
        os.close(read_end)
        os.close(write_end)
        return set()
    finally:
        for each in (question, answer, nothing):
            os.close(each)
    with suppress(BrokenPipeError):  # not a repository: git has gone
        os.write(write_end, b"".join(path + b"\0" for path in told))
    os.close(write_end)
    said = b""
    while more := os.read(read_end, 65536):
        said += more
    os.close(read_end)
    os.waitpid(process, 0)
    return {told[each] for each in said.split(b"\0") if each in told}

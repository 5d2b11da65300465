"""Which files of a folder azure-ai-ml uploads: all, except those that the folder's own .amlignore or .gitignore names.

Only an ignore file in the folder itself counts, and .amlignore wins over .gitignore. Patterns are git's, but each is
held against the path of each file, so a folder's exclusion can be taken back for a file in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .frozen import frozen

MAX_FILES = 5_000
"""Most files that are listed of one folder; Azure takes 1,500 of a model."""

MAX_WILDCARDS = 6
"""Most wildcards of one pattern; matching more could take for ever, and nobody writes them."""

IGNORE_FILES = (".amlignore", ".gitignore")


@frozen
class Upload:
    """Paths of files, relative to the folder, with forward slashes. `whole` unless there are more than are listed.

    `excluded` are those that `ignore_file` keeps from being uploaded.
    """

    files: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    ignore_file: Path | None = None
    whole: bool = True


def upload(folder: Path) -> Upload:
    """The files that would be uploaded of a folder."""
    ignore_file = next((folder / name for name in IGNORE_FILES if os.path.isfile(folder / name)), None)
    patterns = list(_patterns(ignore_file)) if ignore_file else []
    kept: list[str] = []
    excluded: list[str] = []
    for count, name in enumerate(_files(folder)):
        if count == MAX_FILES:
            return Upload(tuple(kept), tuple(excluded), ignore_file, whole=False)
        (excluded if is_excluded(name, patterns) else kept).append(name)
    return Upload(tuple(kept), tuple(excluded), ignore_file)


def _files(folder: Path) -> Iterator[str]:
    """Links are followed, as the SDK does, but no folder is entered twice."""
    entered: set[str] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        start = os.path.relpath(base, folder)
        for name in sorted(names):
            yield (name if start == "." else os.path.join(start, name)).replace(os.sep, "/")


Pattern = tuple[bool, re.Pattern[str]]


def _patterns(path: Path) -> Iterator[Pattern]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        found = pattern(line.rstrip())
        if found is not None:
            yield found


def is_excluded(name: str, patterns: list[Pattern]) -> bool:
    """Whether a file is left out: the last pattern that it matches decides."""
    excluded = False
    for excludes, expression in patterns:
        if excluded != excludes and expression.fullmatch(name):
            excluded = excludes
    return excluded


def pattern(line: str) -> Pattern | None:
    """A line of an ignore file as (excludes, expression for whole paths); None for a comment or an empty line."""
    if not line or line.startswith("#"):
        return None
    excludes = not line.startswith("!")
    text = line if excludes else line[1:]
    is_folder = text.endswith("/")
    parts = [part for part in text.strip("/").split("/") if part]
    parts = [part for part, next_ in zip(parts, [*parts[1:], ""], strict=False) if not part == next_ == "**"]
    if not parts or len(re.findall(r"\*+", text)) > MAX_WILDCARDS:
        return None
    anchored = text.startswith("/") or len(parts) > 1
    try:
        return excludes, re.compile(_expression(parts, anchored, is_folder), re.DOTALL)
    except re.error:
        return None


def _expression(parts: list[str], anchored: bool, is_folder: bool) -> str:
    result = "" if anchored else "(?:.+/)?"
    *before, last = parts
    for part in before:
        result += "(?:.+/)?" if part == "**" else _glob(part) + "/"
    if last == "**":
        return result + (".+/.*" if is_folder else ".+")
    return result + _glob(last) + ("/.*" if is_folder else "(?:/.*)?")


_PIECE = r"\\(.)|\[([!^]?)((?:\]|\\.)?[^]]*)\]|(\*+)|(\?)|(.)"


def _glob(part: str) -> str:
    result = ""
    for escaped, negated, inside, stars, mark, other in re.findall(_PIECE, part, re.DOTALL):
        if stars:
            result += "[^/]*"
        elif mark:
            result += "[^/]"
        elif inside:
            result += f"[{'^' if negated else ''}{inside}]"
        else:
            result += re.escape(escaped or other)
    return result

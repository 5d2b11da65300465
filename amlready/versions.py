"""Versions and conditions on them, as pip reads them.

A condition becomes the stretch of versions that it lets through; holes (`!=`) do not matter for what is asked here: can
two conditions be met at once, and is anything from a given version on let through. What cannot be read is None, never a
guess.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypeAlias

from .frozen import frozen

_VERSION = (
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<phase>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<number>\d*))?"
    r"(?P<post>(?:-\d+)|[-_.]?(?:post|rev|r)[-_.]?\d*)?(?P<dev>[-_.]?dev[-_.]?\d*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?"
)
_PHASES = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_FINAL = 4

Key: TypeAlias = tuple[int, tuple[int, ...], int, int, int]
"""What versions are compared by: epoch, release without trailing zeros, phase, its number, after (1) or before (-1)."""


@cache
def key(version: str) -> Key | None:
    """What to compare a version by, or None when it is none."""
    if len(version) > 60:
        return None
    parts = version.strip().split(".")
    if all(map(str.isdecimal, parts)):
        return 0, _release(parts), _FINAL, 0, 0
    found = re.fullmatch(_VERSION, version.strip(), re.IGNORECASE)
    if found is None:
        return None
    phase, number = _FINAL, 0
    if found["phase"]:
        phase, number = _PHASES[found["phase"].lower()], int(found["number"] or 0)
    elif found["dev"] and not found["post"]:
        phase = 0
    after = 1 if found["post"] else -1 if found["dev"] else 0
    return int(found["epoch"] or 0), _release(found["release"].split(".")), phase, number, after


def _release(parts: list[str]) -> tuple[int, ...]:
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_before(version: str, other: str) -> bool:
    """Whether one version comes before another; False when either is none."""
    one, two = key(version), key(other)
    return one is not None and two is not None and one < two


def is_prerelease(version: str) -> bool:
    """Whether this is an alpha, a beta, a release candidate or a development version."""
    found = key(version)
    return found is not None and (found[2] < _FINAL or found[4] < 0)


Bound: TypeAlias = tuple[Key, int]
_LOWEST: Bound = ((-1, (), 0, 0, 0), 0)
_HIGHEST: Bound = ((1_000_000, (), 0, 0, 0), 0)


@frozen
class Stretch:
    """The versions between two bounds; a bound's second number is 0 right before its version and 1 right after."""

    first: Bound = _LOWEST
    last: Bound = _HIGHEST

    def admits(self, version: str) -> bool:
        found = key(version)
        return found is not None and self.first <= (found, 0) and (found, 1) <= self.last

    def meets(self, other: Stretch) -> bool:
        """Whether some version may lie in both."""
        return max(self.first, other.first) < min(self.last, other.last)

    def reaches(self, version: str) -> bool:
        """Whether some version from this one on lies in it."""
        found = key(version)
        return found is None or self.meets(Stretch((found, 0)))

    def both(self, other: Stretch) -> Stretch:
        return Stretch(max(self.first, other.first), min(self.last, other.last))


ANY = Stretch()
_CLAUSE = r"\s*(~=|===?|!=|<=|>=|<|>|=)?\s*([^\s,;]+?)(\.\*|\*)?\s*"


@cache
def stretch(condition: str, conda: bool = False) -> Stretch | None:
    """The versions that a condition lets through; None when it cannot be read, or has alternatives (`|`).

    With `conda`, a single `=` stands for everything that begins like the version.
    """
    result = ANY
    if condition.startswith("@"):
        return None
    for clause in condition.split(",") if condition.strip() else ():
        found = re.fullmatch(_CLAUSE, clause)
        if found is None:
            return None
        one = _clause(found[1] or "==", found[2].split("=")[0] if conda else found[2], bool(found[3]), conda)
        if one is None:
            return None
        result = result.both(one)
    return result


def _clause(operator: str, version: str, is_prefix: bool, conda: bool) -> Stretch | None:
    found = key(version)
    if found is None:
        return None
    match operator:
        case "!=":
            return ANY
        case "==" | "===" | "=":
            loose = is_prefix or (operator == "=" and conda)
            return _prefix(version, found) if loose else Stretch((found, 0), (found, 1))
        case "~=":
            shorter = version.rpartition(".")[0]
            start = key(shorter)
            return None if start is None else Stretch((found, 0), _prefix(shorter, start).last)
        case ">=" | ">":
            return Stretch((found, operator == ">"))
        case _:
            return Stretch(last=(found, operator == "<="))


def _prefix(version: str, found: Key) -> Stretch:
    """All versions that begin like this one."""
    numbers = [int(part) for part in re.findall(r"\d+", version.partition("!")[2] or version)[: version.count(".") + 1]]
    before = (found[0], found[1], 0, 0, -1)
    return Stretch((before, 0), ((found[0], (*numbers[:-1], numbers[-1] + 1), 0, 0, -1), 0))

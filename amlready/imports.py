"""Which distribution an import comes from, and which distributions another one brings with it.

The tables are for saying with certainty that an import will fail, so they lean to the other side: a distribution brings
whatever some version of it, from PyPI or from a conda channel, has depended on. About one that is not here nothing is
said; it may bring anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache, lru_cache

from .distributions import BRINGS, PROVIDERS
from .packages import Packages

EXTRAS = {
    ("inference-schema", "numpy-support"): ("numpy",),
    ("inference-schema", "pandas-support"): ("numpy", "pandas"),
    ("inference-schema", "all"): ("numpy", "pandas", "pyspark"),
    ("uvicorn", "standard"): ("pyyaml", "python-dotenv"),
}
"""What an extra adds; one that is not here may add anything."""


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """`name: one two` on a line and on indented ones after it; a name by itself stands for `name: name`."""
    lines = (line.partition(":") for line in text.strip().replace("\n ", " ").splitlines())
    return {name: tuple(rest.split()) if colon else (name,) for name, colon, rest in lines}


@cache
def _providers() -> dict[str, tuple[str, ...]]:
    return _table(PROVIDERS)


@cache
def _brings() -> dict[str, tuple[str, ...]]:
    return _table(BRINGS)


def is_standard(module: str) -> bool:
    """Whether a module, or the package it is in, is part of Python."""
    return module.partition(".")[0] in sys.stdlib_module_names


def providers(module: str) -> tuple[str, ...]:
    """The distributions that an import may come from, the usual one first; empty for a module that is not known.

    Names in shared packages (`azure`, `google`) are told by their longest known beginning.
    """
    table = _providers()
    while module:
        if module in table:
            return table[module]
        module = module.rpartition(".")[0]
    return ()


@lru_cache(maxsize=64)  # several rules ask about one conda file, one after the other
def installed(packages: Packages) -> frozenset[str] | None:
    """All distributions that a conda file may install; None when some cannot be seen, or are not known."""
    return None if packages.opaque else brought((each.name, each.extras) for each in packages.requirements)


def brought(distributions: Iterable[tuple[str, tuple[str, ...]]]) -> frozenset[str] | None:
    """All distributions that some (name, extras) may install, themselves included; None when one is not known."""
    found: set[str] = set()
    waiting: list[str] = []
    for name, extras in distributions:
        added = [EXTRAS.get((name, extra)) for extra in extras]
        if None in added:
            return None
        waiting += [name, *(each for more in added for each in more or ())]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        more = _brings().get(name)
        if more is None:
            return None
        found.add(name)
        waiting += more
    return frozenset(found)

"""VM sizes of managed online endpoints: cores, GPUs, whether 20 % is held back for upgrades, and retirement.

Sizes from the page "Managed online endpoints SKU list" (the rows of 10/18/2025), retirements from "Retired Azure VM
size series" and, for NCv2, its older editions. The list can lag behind the service, so a name that is not here is
never proof of a fault. Azure compares names without regard to letter case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from .frozen import frozen
from .suggest import near

DEFAULT_CORES = 24
"""The least that a subscription may have per region, all CPU families together ("Manage resources and quotas"); GPU
families start at 0."""


@frozen
class Family:
    """Sizes that share a quota. `reserves` when Azure holds 20 % more instances than are asked for. `goes` is the day
    that the series retires (ISO), and when it is `gone`, nobody can provision it any more."""

    name: str
    is_gpu: bool = False
    reserves: bool = True
    goes: str | None = None
    gone: bool = False


@frozen
class Size:
    """One VM size, in the spelling that Azure's own samples use."""

    name: str
    cores: int
    family: Family

    def quota(self, instances: int) -> int:
        """Cores of quota that a deployment of so many instances takes."""
        return self.cores * (-(-6 * instances // 5) if self.family.reserves else instances)


# family, name of its sizes ({} is the number in them), those numbers, and their cores where they are others
_TABLE: tuple[tuple[Family, str, tuple[int, ...], tuple[int, ...] | None], ...] = (
    (Family("Dasv4"), "D{}as_v4", (2, 4, 8, 16, 32, 48, 64, 96), None),
    (Family("Dav4"), "D{}a_v4", (2, 4, 8, 16, 32, 48, 64, 96), None),
    (Family("DSv2", goes="2028-05-01"), "DS{}_v2", (1, 2, 3, 4, 5), (1, 2, 4, 8, 16)),
    (Family("Esv3"), "E{}s_v3", (2, 4, 8, 16, 32, 48, 64), None),
    (Family("Fsv2", goes="2028-11-15"), "F{}s_v2", (2, 4, 8, 16, 32, 48, 64, 72), None),
    (Family("FXmds"), "FX{}mds", (4, 12, 24, 36, 48), None),
    (Family("Lasv3"), "L{}as_v3", (8, 16, 32, 48, 64, 80), None),
    (Family("Lsv2", goes="2028-11-15"), "L{}s_v2", (8, 16, 32, 48, 64, 80), None),
    (Family("Lsv3"), "L{}s_v3", (8, 16, 32, 48, 64, 80), None),
    (Family("NCadsA100v4", is_gpu=True, reserves=False), "NC{}ads_A100_v4", (24, 48, 96), None),
    (Family("NCasT4v3", is_gpu=True), "NC{}as_T4_v3", (4, 8, 16, 64), None),
    (Family("NCv2", is_gpu=True, goes="2023-09-06", gone=True), "NC{}s_v2", (6, 12, 24), None),
    (Family("NCv3", is_gpu=True, goes="2025-09-30", gone=True), "NC{}s_v3", (6, 12, 24), None),
    (Family("NCadsH100v5", is_gpu=True, reserves=False), "NC{}ads_H100_v5", (40,), None),
    (Family("NCadsH100v5", is_gpu=True, reserves=False), "NC{}adis_H100_v5", (80,), None),
    (Family("NDamsrA100v4", is_gpu=True, reserves=False), "ND{}amsr_A100_v4", (96,), None),
    (Family("NDasrA100v4", is_gpu=True, reserves=False), "ND{}asr_v4", (96,), None),
    (Family("NDv2", is_gpu=True, reserves=False), "ND{}rs_v2", (40,), None),
    (Family("NDH100v5", is_gpu=True, reserves=False), "ND{}is_H100_v5", (96,), None),
    (Family("NDH100v5", is_gpu=True, reserves=False), "ND{}isr_H100_v5", (96,), None),
    (Family("NVadsA10v5", is_gpu=True), "NV{}ads_A10_v5", (6, 12, 18, 36, 72), None),
    (Family("NVadsA10v5", is_gpu=True), "NV{}adms_A10_v5", (36,), None),
)

_GONE_UNLISTED = (("nc24rs_v2", "2023-09-06"), ("nc24rs_v3", "2025-09-30"), (r"nv\d+s_v3|nv\d+as_v4", "2026-09-30"))
"""Sizes that were never on the list, and the day they went."""


@cache
def sizes() -> dict[str, Size]:
    """Every size by its name in lower case."""
    return {size.name.lower(): size for size in _rows()}


def _rows() -> Iterator[Size]:
    for family, name, numbers, cores in _TABLE:
        for number, count in zip(numbers, cores or numbers, strict=True):
            yield Size(f"Standard_{name.format(number)}", count, family)


def find(name: str) -> Size | None:
    """The size of that name, in any letter case."""
    return sizes().get(name.lower())


def gone(name: str) -> str | None:
    """The day on which a size, listed or not, was retired; None for one that is still there, or unknown."""
    size = find(name)
    if size is not None:
        return size.family.goes if size.family.gone else None
    bare = name.lower().removeprefix("standard_")
    return next((day for pattern, day in _GONE_UNLISTED if re.fullmatch(pattern, bare)), None)


def alike(name: str) -> list[str]:
    """Names on the list that may be meant by one that is not: one for a slip, several for a size that exists in Azure
    but is not on the list, none when nothing is like it."""
    by_letters = {_letters(size.name): size.name for size in _available()}
    same = by_letters.get(_letters(name)) or by_letters.get("standard" + _letters(name))
    if same:
        return [same]
    if _named(name):
        return _relatives(name)
    close = near(name.strip(), [size.name for size in _available()])
    return [close] if close else []


def _available() -> list[Size]:
    return [size for size in sizes().values() if not size.family.gone]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_FORM = r"(?:standard_)?([a-z]+?)(\d+)(?:-\d+)?[a-z]*(?:_[a-z]\d+)?(?:_v\d+)?"


def _relatives(name: str) -> list[str]:
    """Listed sizes of the same series and number: for `Standard_D4s_v5` those that begin with `Standard_D4`. Where
    there are none, the series with premium storage: `Standard_D3_v2` finds `Standard_DS3_v2`."""
    series, number = _named(name) or ("", "")
    listed = {size.name: _named(size.name) for size in _available()}
    same = [each for each, parts in listed.items() if parts == (series, number)]
    return same or [each for each, parts in listed.items() if parts == (series + "s", number)]


def _named(name: str) -> tuple[str, str] | None:
    """Series and number in a well-formed name."""
    found = re.fullmatch(_FORM, name.lower())
    return (found[1], found[2]) if found else None

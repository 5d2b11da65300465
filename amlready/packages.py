"""What a conda file installs: its entries for conda and for pip, as names and version conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .document import Mapping, Scalar, Sequence
from .frozen import frozen


@frozen(eq=False)
class Requirement:
    """One entry: `name` normalised as package indexes do, `condition` as written (`==1.2`, `=3.11`, ``)."""

    node: Scalar
    name: str
    condition: str
    manager: str
    extras: tuple[str, ...] = ()

    @property
    def version(self) -> str | None:
        """The version, if exactly one is asked for; conda's `=3.11` stands for any 3.11."""
        found = re.fullmatch(r"={1,3}\s*([0-9][\w.!+-]*)(?:=\S+)?", self.condition)
        return found[1] if found else None

    @property
    def is_pinned(self) -> bool:
        """Whether the entry always gives the same version: `==` (or conda's `=`), or a direct reference."""
        return self.version is not None or self.condition.startswith("@")


@frozen(eq=False)
class Packages:
    """The entries of a conda file. `opaque` when some cannot be seen here (`-r requirements.txt`, a local folder)."""

    requirements: tuple[Requirement, ...]
    opaque: tuple[Scalar, ...] = ()

    def named(self, *names: str) -> list[Requirement]:
        return [each for each in self.requirements if each.name in names]


def normalise(name: str) -> str:
    """A distribution's name as package indexes compare it: lower case, runs of `-_.` as one dash."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(root: Mapping) -> Packages:
    """The entries of a conda file, in order."""
    found = list(_entries(root))
    return Packages(
        tuple(each for each in found if isinstance(each, Requirement)),
        tuple(each for each in found if isinstance(each, Scalar)),
    )


def _entries(root: Mapping) -> Iterator[Requirement | Scalar]:
    node = root.get("dependencies")
    for item in node.items if isinstance(node, Sequence) else ():
        match item:
            case Scalar():
                yield _conda(item)
            case Mapping():
                inner = item.get("pip")
                for each in inner.items if isinstance(inner, Sequence) else ():
                    if isinstance(each, Scalar):
                        yield _pip(each)


_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"


def _conda(node: Scalar) -> Requirement | Scalar:
    text = str(node.value).split(" #", 1)[0].strip()
    found = re.fullmatch(rf"(?:[\w./-]+::)?({_NAME})(?:\[[^\]]*\])?\s*(.*)", text)
    if found is None:
        return node
    condition = found[2]
    if condition and condition[0].isdigit():  # `numpy 1.26` means `numpy=1.26`
        condition = "=" + re.sub(r"\s+", "=", condition)
    return Requirement(node, normalise(found[1]), condition, "conda")


def _pip(node: Scalar) -> Requirement | Scalar:
    text = re.split(r"\s#", str(node.value), maxsplit=1)[0].partition(";")[0].strip()
    egg = re.search(rf"#egg=({_NAME})", text) if "#egg=" in text else None
    if egg:
        return Requirement(node, normalise(egg[1]), "@", "pip")
    wheel = re.search(rf"(?:^|/)({_NAME}?)-([0-9][^-/]*)-[^/]*\.whl", text) if ".whl" in text else None
    if wheel:
        return Requirement(node, normalise(wheel[1]), f"=={wheel[2]}", "pip")
    found = re.fullmatch(rf"({_NAME})\s*(?:\[([^\]]*)\])?\s*((?:[<>=!~@(].*)?)", text)
    if found is None:
        return node
    extras = tuple(normalise(each.strip()) for each in (found[2] or "").split(",") if each.strip())
    return Requirement(node, normalise(found[1]), found[3].strip("() "), "pip", extras)

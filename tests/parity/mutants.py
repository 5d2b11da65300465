"""Mutants: a valid spec after a few random changes, of the kinds that people make and of the kinds that break parsers.

A spec is kept as a tree whose leaves are pieces of YAML as written, so that a change can be anything that YAML can say.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TypeAlias

import yaml

Tree: TypeAlias = "str | Map | Seq"


class Map(list["list[str | Map | Seq]"]):
    """Pairs of a key as written and a tree."""


class Seq(list["str | Map | Seq"]):
    """Trees."""


def tree(text: str) -> Tree:
    return _tree(yaml.compose(text), text)


def _tree(node: yaml.Node, text: str) -> Tree:
    match node:
        case yaml.MappingNode():
            return Map([_tree(key, text), _tree(value, text)] for key, value in node.value)
        case yaml.SequenceNode():
            return Seq(_tree(item, text) for item in node.value)
    return text[node.start_mark.index : node.end_mark.index]


def written(node: Tree, indent: int = 0) -> str:
    """A tree as YAML: blocks, with the leaves as they are."""
    if not node or isinstance(node, str):
        return f" {node if isinstance(node, str) else '{}' if isinstance(node, Map) else '[]'}\n"
    pad = "\n" + " " * indent
    if isinstance(node, Seq):
        return "".join(f"{pad}-{written(item, indent + 2)}".rstrip("\n") for item in node) + "\n"
    return "".join(f"{pad}{key}:{written(value, indent + 2)}".rstrip("\n") for key, value in node) + "\n"


VALUES = Path(__file__).with_name("values.txt").read_text("utf-8").splitlines()
"""Pieces of YAML to put anywhere: traps of YAML 1.1, near misses of words and references, paths there and not there."""

KEYS = [
    *(
        "1",
        "1.5",
        "true",
        "on",
        "~",
        "''",
        "2024-01-01",
        "!!binary bmFtZQ==",
        "!!binary cGF0aA==",
        "'name'",
        '"path"',
        "NAME",
    ),
    *(
        "nvidia.com/gpu",
        "gpu",
        "extra",
        "bogus",
        "$schema",
        "schema",
        "? a",
        "[a]",
        "{a: b}",
        ".nan",
        "'a b'",
        "é",
        "!x a",
    ),
    *(
        "request_timeout",
        "data_collectr",
        "initial_delay_seconds",
        "local_path",
        "channels",
        "dependencies",
        "mae",
        "weekdays",
    ),
]


def known_keys(schemas: Path) -> list[str]:
    """Every key of every kind."""
    found: set[str] = set()

    def collect(node: object) -> None:
        if isinstance(node, dict):
            found.update(node.get("properties", ()))
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    for path in schemas.glob("*.json"):
        collect(json.loads(path.read_text()))
    return sorted(found)


class Mutator:
    """Makes mutants of specs; the same seed makes the same ones."""

    def __init__(self, seed: int, specs: tuple[tuple[str, str], ...], keys: list[str]) -> None:
        self.random = Random(seed)
        self.specs = [(family, tree(text)) for family, text in specs]
        self.keys = [*keys, *KEYS]
        self.parts = [part for _, each in self.specs for _, part in places(each)]

    def mutants(self, count: int) -> Iterator[tuple[str, str]]:
        """Family and text of as many mutants."""
        for _ in range(count):
            family, original = self.random.choice(self.specs)
            spec = copy.deepcopy(original)
            for _ in range(self.random.choice((1, 1, 1, 1, 2, 2, 3))):
                change = self.random.choices(self.changes, self.weights)[0]
                change(self, spec)
            yield family, self.disturbed(written(spec).lstrip("\n"))

    def container(self, spec: Tree) -> Map | Seq:
        every = [spec, *(part for _, part in places(spec))]
        return self.random.choice([each for each in every if isinstance(each, Map | Seq) and (each or each is spec)])

    def entry(self, spec: Tree) -> tuple[Map | Seq, int] | None:
        container = self.container(spec)
        return (container, self.random.randrange(len(container))) if container else None

    def value(self) -> Tree:
        if self.random.random() < 0.15:
            return copy.deepcopy(self.random.choice(self.parts))
        return self.random.choice(VALUES)

    def delete(self, spec: Tree) -> None:
        if found := self.entry(spec):
            del found[0][found[1]]

    def retype(self, spec: Tree) -> None:
        if found := self.entry(spec):
            put(*found, self.value())

    def rename(self, spec: Tree) -> None:
        found = self.entry(spec)
        if found and isinstance(found[0], Map):
            pair = found[0][found[1]]
            key = str(pair[0])
            pair[0] = self.random.choice(
                (self.random.choice(self.keys), key.upper(), key + "s", key[:-1] or "k", f"'{key}'")
            )

    def add(self, spec: Tree) -> None:
        container = self.container(spec)
        at = self.random.randint(0, len(container))
        if isinstance(container, Map):
            container.insert(at, [self.random.choice(self.keys), self.value()])
        else:
            container.insert(at, self.value())

    def duplicate(self, spec: Tree) -> None:
        found = self.entry(spec)
        if found and isinstance(found[0], Map):
            found[0].insert(self.random.randint(0, len(found[0])), [found[0][found[1]][0], self.value()])

    def swap(self, spec: Tree) -> None:
        one, other = self.entry(spec), self.entry(spec)
        if one and other:
            first, second = get(*one), get(*other)
            if not contains(first, other[0]) and not contains(second, one[0]):
                put(*one, second)
                put(*other, first)

    def wrap(self, spec: Tree) -> None:
        if found := self.entry(spec):
            inner = get(*found)
            put(*found, self.random.choice((Seq([inner]), Map([[self.random.choice(self.keys), inner]]))))

    def unwrap(self, spec: Tree) -> None:
        found = self.entry(spec)
        if found and isinstance(inner := get(*found), Map | Seq) and inner:
            put(*found, get(inner, self.random.randrange(len(inner))))

    def alias(self, spec: Tree) -> None:
        """One value by an anchor and an alias, or merged into another mapping."""
        one, other = self.entry(spec), self.entry(spec)
        if not one or not other or (one[0] is other[0] and one[1] >= other[1]):
            return
        source = get(*one)
        put(*one, f"&z {source}" if isinstance(source, str) else flow(source, "&z "))
        if isinstance(other[0], Map) and self.random.random() < 0.5:
            other[0].insert(
                other[1], ["<<", self.random.choice(("*z", "[*z]", "{a: b}", "x", "[{name: n}, {path: p}]"))]
            )
        else:
            put(*other, "*z")

    def tag(self, spec: Tree) -> None:
        if found := self.entry(spec):
            inner = get(*found)
            mark = self.random.choice(
                ("!x", "!!str", "!!int", "!!float", "!!set", "!!binary", "!!omap", "!!map", "!!seq", "!!bool", "!")
            )
            put(*found, f"{mark} {inner}" if isinstance(inner, str) else flow(inner, f"{mark} "))

    def disturbed(self, text: str) -> str:
        """The text, now and then with something wrong about the whole file."""
        if self.random.random() > 0.04:
            return text
        lines = text.split("\n")
        at = self.random.randrange(len(lines))
        return self.random.choice(
            (
                "\ufeff" + text,
                text.replace("\n", "\r\n"),
                text + "---\na: b\n",
                "---\n" + text + "...\n",
                "%YAML 1.1\n---\n" + text,
                "",
                "# nothing\n",
                "- " + text.replace("\n", "\n  "),
                "text",
                "\n".join((*lines[:at], "\t" + lines[at], *lines[at + 1 :])),
                "\n".join((*lines[:at], lines[at] + " # comment", *lines[at + 1 :])),
                "\n".join((*lines[:at], lines[at] + " x: y", *lines[at + 1 :])),
                "\n".join((*lines[:at], *lines[at + 1 :])),
                text[: self.random.randrange(len(text) + 1)],
                text.replace(": ", ":\t", 1),
                text + "\x00",
                text.replace("'", "", 1),
                text.replace("\n", "\r"),
                text.replace("\n", "\u2028", 1),
            )
        )

    changes: tuple[Callable[[Mutator, Tree], None], ...] = (
        delete,
        retype,
        rename,
        add,
        duplicate,
        swap,
        wrap,
        unwrap,
        alias,
        tag,
    )
    weights = (10, 40, 8, 16, 5, 6, 5, 4, 4, 4)


def places(node: Tree) -> Iterator[tuple[Map | Seq, Tree]]:
    """Every value below a tree, with its container."""
    if isinstance(node, Map | Seq):
        for at in range(len(node)):
            inner = get(node, at)
            yield node, inner
            yield from places(inner)


def get(container: Map | Seq, at: int) -> Tree:
    return container[at][1] if isinstance(container, Map) else container[at]


def put(container: Map | Seq, at: int, value: Tree) -> None:
    if isinstance(container, Map):
        container[at][1] = value
    else:
        container[at] = value


def contains(outer: Tree, inner: Tree) -> bool:
    return outer is inner or any(part is inner for _, part in places(outer))


def flow(node: Tree, prefix: str = "") -> str:
    """A tree in one piece, in brackets."""
    match node:
        case Map():
            return prefix + "{" + ", ".join(f"{key}: {flow(value)}" for key, value in node) + "}"
        case Seq():
            return prefix + "[" + ", ".join(map(flow, node)) + "]"
    return prefix + node

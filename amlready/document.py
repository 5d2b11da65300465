"""YAML with the place of every key and value.

A document is composed by libyaml into nodes and turned into `Mapping`, `Sequence` and `Scalar`, whose values are
exactly those of `yaml.safe_load`, which is what azure-ai-ml calls. Duplicate keys stay side by side; the last one
counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Mapping_
from functools import cached_property, lru_cache
from typing import TypeAlias

import yaml

from .diagnostic import Problem, Related
from .frozen import frozen
from .source import BOM, Source, Span
from .template import Marker, Template, template

MAX_DEPTH = 250
"""Deepest nesting that is read. The SDK's own parser gives up with a RecursionError between 300 and 900."""

MAX_NODES = 200_000
"""Most values a document may have after aliases are expanded; a bomb of nested aliases has billions."""


class Scalar:
    """A single value: `value` as safe_load gives it, `text` as the parser read it, `plain` when it has no quotes."""

    __slots__ = ("end", "plain", "source", "start", "text", "value")

    def __init__(self, source: Source, start: int, end: int, value: object, text: str, plain: bool) -> None:
        self.source, self.start, self.end = source, start, end
        self.value, self.text, self.plain = value, text, plain

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)

    def get(self, *_path: str | int) -> None:
        return None


class Sequence:
    """A list."""

    __slots__ = ("end", "items", "source", "start")

    def __init__(self, source: Source, start: int, end: int, items: list[Node] | None = None) -> None:
        self.source, self.start, self.end = source, start, end
        self.items = [] if items is None else items

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)

    @property
    def value(self) -> list[object]:
        return [item.value for item in self.items]

    def get(self, *path: str | int) -> Node | None:
        """The node at a path of keys and list positions, or None."""
        if not path:
            return self
        first, *rest = path
        if not isinstance(first, int) or not -len(self.items) <= first < len(self.items):
            return None
        return self.items[first].get(*rest) if rest else self.items[first]


class Entry:
    """A key and its value in a mapping; `merged` when it came through `<<`."""

    __slots__ = ("key", "merged", "value")

    def __init__(self, key: Scalar, value: Node, merged: bool = False) -> None:
        self.key, self.value, self.merged = key, value, merged


class Mapping:
    """A mapping. `entries` keeps order and duplicates, merged entries first (so that own keys win, as in safe_load)."""

    __slots__ = ("end", "entries", "index", "source", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source, self.start, self.end = source, start, end
        self.entries: list[Entry] = []
        self.index: dict[object, Entry] = {}

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)

    @property
    def value(self) -> dict[object, object]:
        return {key: entry.value.value for key, entry in self.index.items()}

    def __iter__(self) -> Iterator[Entry]:
        """The entries that count: one for each key."""
        return iter(self.index.values())

    def entry(self, key: object) -> Entry | None:
        """The entry that counts for a key."""
        return self.index.get(key)

    def find(self, *path: str | int) -> Entry | None:
        """The entry at a path of keys and list positions: its key is where to point at, its value what is there."""
        if len(path) == 1:
            return self.index.get(path[0])
        parent = self.get(*path[:-1])
        return parent.index.get(path[-1]) if isinstance(parent, Mapping) else None

    def get(self, *path: str | int) -> Node | None:
        """The node at a path of keys and list positions, or None."""
        if not path:
            return self
        entry = self.index.get(path[0])
        if entry is None:
            return None
        return entry.value if len(path) == 1 else entry.value.get(*path[1:])


Node: TypeAlias = Scalar | Sequence | Mapping


@frozen(eq=False)
class Document:
    """A YAML file that could be read, and its top-level mapping (anything else is a problem, as for the SDK)."""

    source: Source
    root: Mapping
    unfilled: tuple[Marker, ...] = ()
    """The placeholders that have no value."""

    def get(self, *path: str | int) -> Node | None:
        return self.root.get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return self.root.find(*path)

    @cached_property
    def duplicates(self) -> list[tuple[Scalar, Scalar]]:
        """Every key written twice in one mapping, as (earlier, later); the later one counts."""
        return list(_duplicates(self.root))


def _duplicates(node: Node) -> Iterator[tuple[Scalar, Scalar]]:
    match node:
        case Sequence():
            for item in node.items:
                yield from _duplicates(item)
        case Mapping():
            seen: dict[object, Scalar] = {}
            for entry in node.entries:
                if entry.merged:
                    continue
                if entry.key.value in seen:
                    yield seen[entry.key.value], entry.key
                seen[entry.key.value] = entry.key
                yield from _duplicates(entry.value)


_RESOLVER = yaml.resolver.Resolver()


@lru_cache(maxsize=10_000)
def _resolved(kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
    if kind is not yaml.ScalarNode:
        return "tag:yaml.org,2002:seq" if kind is yaml.SequenceNode else "tag:yaml.org,2002:map"
    return str(_RESOLVER.resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


class _Resolution:
    """Tag resolution with a memory: resolving is a third of the time that composing a document takes."""

    resolve = staticmethod(_resolved)

    def descend_resolver(self, *_: object) -> None: ...

    def ascend_resolver(self) -> None: ...


_C = getattr(yaml, "CSafeLoader", None)


class _Pure(_Resolution, yaml.SafeLoader): ...


if _C is None:  # PyYAML without its C extension: slower, otherwise the same
    _Fast: type[yaml.SafeLoader] = _Pure
else:

    class _Fast(_Resolution, _C):  # type: ignore[no-redef,misc,valid-type]
        ...


class _Values(yaml.SafeLoader):
    """safe_load's constructors, for single nodes."""

    def __init__(self) -> None:
        super().__init__("")


class _Refusal(Exception):
    def __init__(self, start: int, end: int, message: str, related: tuple[Related, ...] = ()) -> None:
        super().__init__(message)
        self.start, self.end, self.related = start, end, related


def parse(source: Source, values: Mapping_[str, str] | None = None) -> Document | Problem:
    """A document, or the one reason why there is none; azure-ai-ml refuses the file for the same reason.

    `values` fill the placeholders of a template; see `template`.
    """
    filling = template(source.text, values or {})
    try:
        root = _root(source, filling)
    except _Refusal as refusal:
        return Problem(Span(source, refusal.start, refusal.end), str(refusal), refusal.related)
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return Problem(source.top, "the file is empty; a spec is a mapping of keys to values")
    if not isinstance(root, Mapping):
        kind = "a list" if isinstance(root, Sequence) else f"the single value {root.text[:40]!r}"
        return Problem(source.top, f"the file holds {kind}; a spec is a mapping of keys to values")
    return Document(source, root, filling.unfilled())


def value(source: Source) -> object:
    """What safe_load gives for a whole file, be it a mapping or not. Raises ValueError, whose text says why not."""
    try:
        root = _root(source, Template(source.text))
    except _Refusal as refusal:
        line, column = source.position(refusal.start)
        raise ValueError(f"line {line}, column {column}: {refusal}") from None
    return None if root is None else root.value


def _root(source: Source, filling: Template) -> Node | None:
    node = _compose(source, filling.masked)
    return _Builder(source, filling).build(node) if node is not None else None


def _compose(source: Source, text: str) -> yaml.Node | None:
    _check_depth(source)
    first = _Pure if _is_lenient(source.text) else _Fast
    try:
        return _composed(text, first)
    except (yaml.YAMLError, ValueError) as error:
        if first is _Pure:
            raise _refusal(source, error) from None
    try:  # what only libyaml refuses (an unknown %DIRECTIVE) is fine for the SDK
        return _composed(text, _Pure)
    except (yaml.YAMLError, ValueError) as error:
        raise _refusal(source, error) from None


# libyaml lets a tab separate a key from its value, gives a bare `!` tag to text, and passes over a byte order mark in
# the middle of a file; the parser that the SDK uses does none of this.
def _is_lenient(text: str) -> bool:
    if "\t" in text or BOM in text:
        return True
    return "!" in text and re.search(r"(?<!\S)!(?=\s|\Z)", text) is not None


def _composed(text: str, loader: type[yaml.SafeLoader]) -> yaml.Node | None:
    instance = loader(text)
    try:
        return instance.get_single_node()
    finally:
        instance.dispose()


def _check_depth(source: Source) -> None:
    """Refuse nesting that would overflow the C stack. A short file cannot; others are counted event by event."""
    text = source.text
    brackets = text.count("[") + text.count("{")
    if brackets < MAX_DEPTH and max(map(len, text.split("\n"))) < MAX_DEPTH:
        return
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Fast):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    start = _offset(source, event.start_mark)
                    raise _Refusal(start, start + 1, f"values are nested more than {MAX_DEPTH} deep; flatten them")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return  # composing says it better


_ADVICE = {
    "found character '\\t' that cannot start any token": "a tab cannot be used here; use spaces",
    "found character that cannot start any token": "this character cannot start a value; quote the value",
    "found undefined alias": "this alias has no anchor above it",
    "mapping values are not allowed here": "a second ': ' on this line; quote the value, or start a new line",
    "found unexpected end of stream": "a quote or bracket that is opened here is never closed",
}


def _refusal(source: Source, error: Exception) -> _Refusal:
    if isinstance(error, yaml.reader.ReaderError):
        at = min(error.position, max(len(source.text) - 1, 0))
        code = ord(error.character) if isinstance(error.character, str) else error.character
        return _Refusal(at, at + 1, f"the character U+{code:04X} is not allowed in YAML; delete it")
    if not isinstance(error, yaml.MarkedYAMLError):
        return _Refusal(0, 0, f"the file is not valid YAML: {error}")
    if isinstance(error, yaml.composer.ComposerError) and "single document" in str(error.context):
        at = _offset(source, error.problem_mark)
        return _Refusal(at, at + 3, "a second document starts here; azure-ai-ml takes one document a file")
    problem = str(error.problem or error)
    unclosed = "unexpected end of stream" in problem and error.context_mark
    start = _offset(source, error.context_mark if unclosed else error.problem_mark or error.context_mark)
    opened = _offset(source, error.context_mark) if error.context_mark else start
    related: tuple[Related, ...] = ()
    if opened != start and error.context:
        related = (Related(Span(source, opened, opened + 1), str(error.context)),)
    advice = next((text for known, text in _ADVICE.items() if known in problem), None)
    return _Refusal(start, start + 1, advice or f"the file is not valid YAML here: {problem}", related)


def _offset(source: Source, mark: object) -> int:
    index: int = getattr(mark, "index", 0)
    return min(index, len(source.text))


class _Builder:
    """Turns yaml nodes into ours, each once, so that aliases stay shared."""

    scalars: dict[tuple[str, str], object] = {}

    def __init__(self, source: Source, filling: Template) -> None:
        self.source = source
        self.filling = filling
        self.done: dict[int, tuple[Node, int]] = {}
        self.open: set[int] = set()

    @cached_property
    def values(self) -> _Values:
        return _Values()

    def build(self, node: yaml.Node) -> Node:
        return self.sized(node)[0]

    def sized(self, node: yaml.Node) -> tuple[Node, int]:
        """The node and how many values it has once its aliases are expanded."""
        if type(node) is yaml.ScalarNode and node.tag in _PLAIN_TAGS:
            return self.scalar(node), 1
        known = self.done.get(id(node))
        if known is None:
            if id(node) in self.open:
                raise self.refuse(node, "this value contains itself through an alias; write it out")
            self.open.add(id(node))
            known = self.done[id(node)] = self.composed(node)
            self.open.discard(id(node))
        if known[1] > MAX_NODES:
            raise self.refuse(node, f"aliases expand to more than {MAX_NODES:,} values here; write them out")
        return known

    def composed(self, node: yaml.Node) -> tuple[Node, int]:
        match node:
            case yaml.MappingNode() if node.tag == "tag:yaml.org,2002:map":
                return self.mapping(node)
            case yaml.SequenceNode() if node.tag == "tag:yaml.org,2002:seq":
                pairs = [self.sized(item) for item in node.value]
                items = [item for item, _ in pairs]
                start, end = node.start_mark.index, node.end_mark.index
                return Sequence(self.source, start, end, items), 1 + sum(size for _, size in pairs)
            case _:
                return self.tagged(node), 1

    def mapping(self, node: yaml.MappingNode) -> tuple[Node, int]:
        result = Mapping(self.source, node.start_mark.index, node.end_mark.index)
        own: list[Entry] = []
        size = 1
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" and isinstance(key_node, yaml.ScalarNode):
                result.entries += self.merge(value_node)
                continue
            value, count = self.sized(value_node)
            own.append(Entry(self.key(key_node), value))
            size += count
        result.entries += own
        for entry in result.entries:
            result.index[entry.key.value] = entry
        return result, size + len(result.entries) - len(own)

    def key(self, node: yaml.Node) -> Scalar:
        if not isinstance(node, yaml.ScalarNode):
            raise self.refuse(
                node, "a key cannot be a mapping or a list; if this is a placeholder such as {{X}}, quote it"
            )
        if node.tag == "tag:yaml.org,2002:value":
            return Scalar(self.source, node.start_mark.index, node.end_mark.index, node.value, node.value, True)
        return self.scalar(node)

    def merge(self, node: yaml.Node) -> list[Entry]:
        """Entries that `<<` brings in; of a list of mappings the first wins, so it comes last."""
        nodes = reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]
        merged: list[Entry] = []
        for each in nodes:
            mapping = self.build(each)
            if not isinstance(mapping, Mapping):
                raise self.refuse(each, "'<<' merges a mapping or a list of mappings, and this is neither")
            merged += [Entry(entry.key, entry.value, merged=True) for entry in mapping.entries]
        return merged

    def scalar(self, node: yaml.ScalarNode) -> Scalar:
        start, end = node.start_mark.index, node.end_mark.index
        if self.filling.markers and any(self.filling.within(start, end)):
            value, text = self.filling.value(start, end)
            return Scalar(self.source, start, end, value, text, not node.style)
        value = node.value if node.tag == "tag:yaml.org,2002:str" else self.constructed(node)
        return Scalar(self.source, start, end, value, node.value, not node.style)

    def constructed(self, node: yaml.ScalarNode) -> object:
        key = (node.tag, node.value)
        if key not in self.scalars:
            value = self.construct(node)
            if len(self.scalars) > 10_000:
                self.scalars.clear()
            self.scalars[key] = value
        return self.scalars[key]

    def tagged(self, node: yaml.Node) -> Node:
        """A value with an explicit tag (`!!set`, `!!binary`): safe_load decides what it is."""
        value = self.construct(node)
        return Scalar(self.source, node.start_mark.index, node.end_mark.index, value, str(value), False)

    def construct(self, node: yaml.Node) -> object:
        try:
            return self.values.construct_object(node, deep=True)
        except yaml.constructor.ConstructorError as error:
            if "could not determine a constructor" in str(error.problem):
                raise self.refuse(
                    node, f"the tag {node.tag!r} is not known; azure-ai-ml takes plain YAML only"
                ) from None
            raise self.refuse(node, f"not a valid value: {error.problem}") from None
        except (ValueError, TypeError, OverflowError, RecursionError, KeyError, AttributeError) as error:
            raise self.refuse(node, f"{str(node.value)[:40]!r} cannot be read ({error}); quote it") from None

    def refuse(self, node: yaml.Node, message: str) -> _Refusal:
        return _Refusal(node.start_mark.index, node.end_mark.index, message)


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))

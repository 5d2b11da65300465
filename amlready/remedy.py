"""What to say about a fault of a schema, and the edit that mends it.

A message names the offender, what azure-ai-ml wants there and the remedy. An edit is offered only where there is one
right answer, and only if the schema accepts what it writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from . import schema
from .diagnostic import Edit
from .document import Document, Mapping, Node, Scalar
from .frozen import frozen, replace
from .suggest import did_you_mean, listed, near
from .validator import Around, Fault, Files, SchemaNode, compiled


@frozen
class About:
    """The document that a fault is in, and the schema of its kind."""

    kind: str
    root: SchemaNode
    document: Document
    files: Files

    def definition(self, node: SchemaNode) -> SchemaNode:
        """A node with what it refers to."""
        return {**self.root["$defs"][node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node

    def accepts(self, node: SchemaNode, value: object) -> bool:
        return not compiled(self.root, node)(value, Around(self.files))


@frozen
class Case:
    """A fault, with the key and the value that it is about as far as the document has them."""

    about: About
    fault: Fault
    key: Scalar | None = None
    node: Node | None = None

    @property
    def subject(self) -> str:
        """What the message is about: the key, or an item of a list."""
        names = [step for step in self.fault.path if isinstance(step, str)]
        if self.fault.path and isinstance(self.fault.path[-1], int):
            return f"item {self.fault.path[-1] + 1} of {names[-1]!r}" if names else "an item"
        return repr(str(self.fault.path[-1])) if self.fault.path else "the file"

    def container(self, path: tuple[object, ...]) -> str:
        """The mapping at a path."""
        names = [step for step in path if isinstance(step, str)]
        return repr(names[-1]) if names else _noun(self.about.root)


@frozen
class Said:
    """A message, the edits that mend the fault where there is one right answer, and what a made-up key stands for."""

    message: str
    edits: tuple[Edit, ...] = ()
    meant: str | None = None


def of(case: Case) -> Said:
    """What to say about a case."""
    said = _WORDS[case.fault.name](case)
    if any(edit.span.source is not case.about.document.source for edit in said.edits):
        said = replace(said, edits=())  # the value came from the command line
    hint = case.fault.node.get("x-amlready-hint")
    if hint and not said.edits and case.fault.name in _HINTED:
        return Said(f"{said.message}; {hint}")
    return said


_HINTED = ("type", "choice", "form", "pattern", "reference", "refused", "many", "path")


def _noun(root: SchemaNode) -> str:
    """`an environment`, `a Kubernetes online endpoint`."""
    title = str(root["title"])
    name = title if title.startswith("Kubernetes") else title[0].lower() + title[1:]
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


# --- keys -------------------------------------------------------------------------------------------------------------


def _unknown(case: Case) -> Said:
    key, parent = case.fault.detail, case.fault.path[:-1]
    message = f"{key!r} is not a key of {case.container(parent)}"
    if not isinstance(key, str):
        return Said(f"{message}; delete it")
    present = case.about.document.get(*[step for step in parent if isinstance(step, (str, int))])
    entry = present.entry(key) if isinstance(present, Mapping) else None
    value = entry.value.value if entry else None
    home = _reference(case.about, parent, value) or _home(case.about, key, parent, value)
    if home is not None:
        return Said(f"{message}; {home}")
    taken = {entry.key.value for entry in present} if isinstance(present, Mapping) else set()
    free = [each for each in case.fault.node["properties"] if each not in taken]
    old = _RENAMED.get(key)
    close = old if old in free else near(key, free)
    if close is None:
        return Said(f"{message}; {_MISPLACED.get(key, 'delete it')}")
    missing = ", which is missing" if close in case.fault.node.get("required", ()) else ""
    said = Said(f"{message}; did you mean {close!r}{missing}?", (), close)
    fits = case.key is not None and case.key.span.text == key
    if case.key is None or not fits or not case.about.accepts(case.fault.node["properties"][close], value):
        return said
    return replace(said, edits=(Edit(case.key.span, close),))


_RENAMED = {"local_path": "path", "uri": "path", "pattern": "schedule", "data_window_size": "data_window"}
"""Keys of previews and of outdated pages, and what they are called now."""

_MISPLACED = {
    "channels": "it belongs in the conda file that 'conda_file' names",
    "dependencies": "it belongs in the conda file that 'conda_file' names",
    "docker": "write the image itself, as 'image: <image>'",
    "startup_probe": "a long init() is covered by 'initial_delay' of 'liveness_probe'",
}


def _reference(about: About, parent: tuple[object, ...], value: object) -> str | None:
    """How to refer to a registered model or environment that a made-up key of an inline one names."""
    if parent not in (("model",), ("environment",)) or not str(value).startswith("azureml:"):
        return None
    fits = about.accepts(about.root["properties"][parent[0]], value)
    return f"for one that is registered, write {parent[0]}: {value}" if fits else None


def _home(about: About, key: str, parent: tuple[object, ...], value: object) -> str | None:
    """Where a key and its value would be right: elsewhere in the same file, or in another spec of the endpoint."""
    here = tuple(map(str, parent))
    homes = [path for path, node in _paths(about, key) if path != here and about.accepts(node, value)]
    if homes:
        home = min(homes, key=len)
        up = "up" if len(home) < len(parent) else "down"
        return f"move it {up}, under {'.'.join(home)!r}" if home else "move it up, to the top level of the file"
    for other in _OTHERS.get(about.kind, ()):
        if not parent and key in schema.schema(other)["properties"]:
            return f"it belongs in {_noun(schema.schema(other))}{_SWITCH.get((about.kind, other), '')}"
    return None


_OTHERS = {
    "managed-online-deployment": (
        "kubernetes-online-deployment",
        "managed-online-endpoint",
        "kubernetes-online-endpoint",
    ),
    "kubernetes-online-deployment": ("managed-online-deployment", "managed-online-endpoint"),
    "managed-online-endpoint": ("kubernetes-online-endpoint", "managed-online-deployment"),
    "kubernetes-online-endpoint": ("managed-online-endpoint", "managed-online-deployment"),
    "model": ("managed-online-deployment",),
}
_SWITCH = {
    ("managed-online-deployment", "kubernetes-online-deployment"): ", which says 'type: kubernetes'",
    ("managed-online-endpoint", "kubernetes-online-endpoint"): ", which names its cluster as azureml:<name>",
}


def _paths(about: About, key: str) -> Iterator[tuple[tuple[str, ...], SchemaNode]]:
    """Every mapping of a kind, two levels deep, that has a key, and what the key may hold there."""
    for first, node in [((), about.root), *_inner(about, (), about.root)]:
        for path, inner in [(first, node), *_inner(about, first, node)]:
            if key in inner.get("properties", {}):
                yield path, inner["properties"][key]


def _inner(about: About, path: tuple[str, ...], node: SchemaNode) -> list[tuple[tuple[str, ...], SchemaNode]]:
    parts = [(name, about.definition(part)) for name, part in node.get("properties", {}).items() if "$ref" in part]
    return [((*path, name), part) for name, part in parts]


def _missing(case: Case) -> Said:
    key, node = case.fault.detail, case.fault.node
    part = case.about.definition(node["properties"][key]) | node["properties"][key]
    words = node.get("x-amlready-words") or _words(part)
    message = f"{key!r} is missing in {case.container(case.fault.path)}; add it"
    if words:
        message += f": {listed(words)}"
    elif (example := next(iter(part.get("examples", ())), None)) is not None:
        message += f", such as '{key}: {_plain(example)}'"
    elif hint := part.get("x-amlready-hint"):
        message += f"; {hint}"
    if key == "endpoint_name":
        message += ", or give it as --endpoint-name"
    return Said(message)


def _key(case: Case) -> Said:
    if isinstance(case.fault.value, str):
        words = _words(case.fault.node)
        return Said(
            f"{case.fault.value!r} is not a key here; write {listed(words)}{did_you_mean(case.fault.value, words)}"
        )
    quoted = _quoted(case.key)
    message = f"the key {case.key.text if case.key else case.fault.value} must be text; quote it"
    return Said(message, (Edit(case.key.span, quoted),) if case.key and quoted else ())


# --- values -----------------------------------------------------------------------------------------------------------


def _null(case: Case) -> Said:
    return Said(f"{case.subject} has no value; write one, or delete the line")


def _mismatch(case: Case) -> Said:
    """A value of the wrong type, or none of the words."""
    fault = case.fault
    expected = _expected(case.about, fault.node)
    if isinstance(case.node, Scalar):
        for written, value in _candidates(case):
            if case.about.accepts(fault.node, value):
                quoted = f"text: {expected}, in quotes" if _words(fault.node) and written[0] == "'" else expected
                message = f"{case.subject} is {_described(fault.value)}, but must be {quoted}; write {written}"
                return Said(message, (Edit(case.node.span, written),))
    message = f"{case.subject} is {_described(fault.value)}, but must be {expected}"
    if isinstance(fault.value, str):
        message += did_you_mean(fault.value, _words(fault.node))
    return Said(message)


def _candidates(case: Case) -> Iterator[tuple[str, object]]:
    """What may have been meant, as written and as read."""
    assert isinstance(case.node, Scalar)
    quoted = _quoted(case.node)
    if quoted is not None:
        yield quoted, case.node.text
    match case.node.value:
        case bool() as truth:
            yield f"'{str(truth).lower()}'", str(truth).lower()
            yield "enabled" if truth else "disabled", "enabled" if truth else "disabled"
        case str() as word:
            yield from _numbers(word)
            if "user_assigned_identities" in case.fault.path and case.node.span.text == word:
                one = f"{{resource_id: {word}}}"
                yield one, {"resource_id": word}
                yield f"[{one}]", [{"resource_id": word}]


def _numbers(word: str) -> Iterator[tuple[str, object]]:
    try:
        number = float(word)
    except ValueError:
        return
    if number.is_integer() and abs(number) < 1e9:
        yield str(int(number)), int(number)


def _quoted(node: Scalar | None) -> str | None:
    """A plain scalar in quotes, or None for another one."""
    if node is None or node.span.text != node.text or not node.text:
        return None
    return f"'{node.text}'" if not any(char in node.text for char in "'\n") else None


def _form(case: Case) -> Said:
    """A value that has none of the forms of a union."""
    fault = case.fault
    message = f"{case.subject} cannot be {_described(fault.value)}"
    if isinstance(case.node, Scalar) and case.node.span.text == fault.value:
        for what, written, value in _forms(case.about, fault.value, fault.path):
            if case.about.accepts(fault.node, value):
                return Said(f"{message}; {what} is {written}", (Edit(case.node.span, written),))
    if "x-amlready-hint" in fault.node:
        return Said(message)
    return Said(f"{message}; it must be {_expected(case.about, fault.node)}")


def _forms(about: About, value: str, path: tuple[object, ...]) -> Iterator[tuple[str, str, object]]:
    """What a text may have been meant for, how that is written, and how it is read."""
    if path == ("model",):
        if re.fullmatch(r"[\w.-]+:[\w.-]+", value):
            yield "a registered model", f"azureml:{value}", f"azureml:{value}"
        if about.files.exists(value):
            yield "a local model", f"{{path: {value}}}", {"path": value}
    if path == ("environment",) and about.files.exists(value):
        yield "an environment in a file of its own", f"file:{value}", f"file:{value}"


def _refused(case: Case) -> Said:
    return Said(f"{case.subject} cannot be {_described(case.fault.value)}")


def _range(case: Case) -> Said:
    node = case.fault.node
    return Said(
        f"{case.subject} is {_described(case.fault.value)}, but must be from {node['minimum']} to {node['maximum']}"
    )


def _many(case: Case) -> Said:
    count = len(case.fault.value) if isinstance(case.fault.value, (list, tuple, set)) else 0
    return Said(f"{case.subject} has {count} items; azure-ai-ml takes {case.fault.node['maxItems']}")


def _traffic(case: Case) -> Said:
    return Said(f"the shares of {case.subject} add up to {case.fault.detail} percent; 100 is the most")


def _nameless(case: Case) -> Said:
    return Said(f"{case.container(case.fault.path)}: a version needs a name; add 'name', or delete 'version'")


# --- files ------------------------------------------------------------------------------------------------------------


def _path(case: Case) -> Said:
    return _or_elsewhere(case, f"there is no file or folder {case.fault.value!r} for {case.subject}", case.fault.detail)


def _model_path(case: Case) -> Said:
    value = str(case.fault.value)
    if "://" in value or value.startswith(("runs:", "azureml:")):
        why = f"{case.subject} is {value!r}, and azure-ai-ml looks for an unnamed model on the disk"
        return Said(f"{why}; add 'name' beside it, or name a registered model")
    return _path(case)


def _unreadable(case: Case) -> Said:
    path, reason = case.fault.detail
    return _or_elsewhere(case, f"{case.subject}: {path!r} {reason}", path)


def _or_elsewhere(case: Case, message: str, path: str) -> Said:
    if case.about.files.exists(path):
        return Said(message)
    found = case.about.files.elsewhere(path)
    if found is None or not isinstance(case.node, Scalar):
        return Said(f"{message}; paths are relative to this file")
    return Said(f"{message}; paths are relative to this file: write {found}", (Edit(case.node.span, found),))


def _spec_file(case: Case) -> Said:
    path, faults = min(case.fault.detail, key=lambda tried: len(tried[1]))
    if faults[0].name == "unreadable":
        return Said(f"{case.subject}: {path!r} {faults[0].detail}")
    inner = next(schema.simple(case.about.root, faults[0]))
    inner = replace(inner, path=case.fault.path + inner.path)
    return Said(f"{case.subject}: in {path!r}, {of(Case(case.about, inner)).message}")


_WORDS: dict[str, Callable[[Case], Said]] = {
    "unknown": _unknown,
    "missing": _missing,
    "key": _key,
    "null": _null,
    "type": _mismatch,
    "choice": _mismatch,
    "form": _form,
    "pattern": _refused,
    "reference": _refused,
    "refused": _refused,
    "no-path": _refused,
    "range": _range,
    "many": _many,
    "traffic": _traffic,
    "nameless": _nameless,
    "path": _path,
    "model-path": _model_path,
    "unreadable": _unreadable,
    "spec-file": _spec_file,
}


# --- words for values and for what is wanted --------------------------------------------------------------------------

_KINDS: TypeAlias = dict[str, str]

_EXPECTED: _KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "finite": "a number",
    "boolean": "true or false",
    "version": "text or a number",
    "reference": "azureml:<name>",
    "registry": "azureml://registries/<registry>/...",
    "versioned": "azureml:<name>:<version>",
    "date-time": "a time in quotes",
    "path": "a local path",
    "conda-file": "a path or a mapping",
    "spec-file": "file:<path>",
}
_TYPES: _KINDS = {"string": "text", "object": "a mapping", "array": "a list", "null": "nothing"}


def _expected(about: About, node: SchemaNode) -> str:
    """What a node accepts, in words."""
    node = about.definition(node)
    words = _words(node)
    if words:
        return listed(words)
    known = _EXPECTED.get(node.get("x-amlready", "")) or _TYPES.get(str(node.get("type")))
    if known:
        return known
    forms = dict.fromkeys(_expected(about, each) for each in node.get("anyOf", ()))
    return " or ".join(forms) or "something else"


def _words(node: SchemaNode) -> list[str]:
    """The words that a node accepts, if it accepts nothing else."""
    if "x-amlready-words" in node:
        return list(node["x-amlready-words"])
    if node.get("x-amlready") in ("any-case", "camel-case"):
        return list(node["anyOf"][0]["enum"])
    return list(node["enum"]) if node.get("type") == "string" and "enum" in node else []


def _described(value: object) -> str:
    match value:
        case bool():
            return f"the truth value {str(value).lower()}"
        case int() | float():
            return f"the number {_plain(value)}"
        case str():
            return repr(value if len(value) < 60 else f"{value[:57]}...")
        case dict():
            return "a mapping"
        case list() | tuple() | set():
            return "a list"
        case bytes():
            return "binary data"
    return "nothing" if value is None else f"the {type(value).__name__} {value}"


def _plain(value: Any) -> str:
    """A value as YAML would have it; a number of thousands of digits is cut."""
    if isinstance(value, int) and abs(value) > 10**40:
        return "with more than 40 digits"
    return value if isinstance(value, str) else json.dumps(value, default=str)

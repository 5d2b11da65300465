"""Faults of the generated schemas as problems at keys: what azure-ai-ml's `load_*` would refuse, where, and the remedy.

Whatever the SDK loads gives no finding here; that it cannot work is for rules to say. Of a union, only the form that
the author evidently meant is explained.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

from . import document as doc
from .diagnostic import Problem
from .document import Document, Scalar
from .frozen import replace
from .schemas import SDK
from .source import Span
from .validator import Around, Check, Fault, Faults, Files, SchemaNode, compiled

__all__ = ["FAMILIES", "KINDS", "SDK", "Files", "kind_of", "problems", "schema"]

KINDS = (
    "managed-online-endpoint",
    "kubernetes-online-endpoint",
    "managed-online-deployment",
    "kubernetes-online-deployment",
    "model",
    "environment",
    "data",
    "monitor-schedule",
)
"""Names of the schema files."""

FAMILIES = ("endpoint", "deployment", "model", "environment", "data", "monitor")
"""What an author thinks of; azure-ai-ml tells the kinds of a family apart itself."""


def kind_of(family: str, value: Mapping[object, object]) -> str | None:
    """The kind that azure-ai-ml takes a mapping for, or None for something that only looks like one of a family.

    An endpoint is a Kubernetes one if `compute` is anything but empty, a deployment if `type` is exactly `kubernetes`.
    """
    match family:
        case "endpoint":
            return "kubernetes-online-endpoint" if value.get("compute") else "managed-online-endpoint"
        case "deployment":
            kubernetes = value.get("type") == "kubernetes"
            return "kubernetes-online-deployment" if kubernetes else "managed-online-deployment"
        case "monitor":
            other = "create_monitor" not in value and ("create_job" in value or "import_data" in value)
            return None if other else "monitor-schedule"
        case "data":
            return None if "source" in value else "data"  # with a source it is a data import
    return family


@cache
def schema(kind: str) -> SchemaNode:
    """The JSON Schema of a kind."""
    loaded: SchemaNode = json.loads(Path(__file__).with_name("schemas").joinpath(f"{kind}.json").read_bytes())
    return loaded


@cache
def _check(kind: str) -> Check:
    return compiled(schema(kind))


def problems(document: Document, family: str, files: Files) -> Iterator[Problem]:
    """Why azure-ai-ml would not load a document of a family.

    With `type: Kubernetes`, which is read as managed, only what `kubernetes` would not mend: a rule of its own,
    kubernetes-type-case, reports the letter case.
    """
    value = document.root.value
    kind = kind_of(family, value)
    if kind is None:
        return
    found = _check(kind)(value, Around(files))
    if found and kind == "managed-online-deployment" and str(value.get("type")).lower() == "kubernetes":
        kept = {_what(each) for each in _check("kubernetes-online-deployment")(value, Around(files))}
        found = tuple(each for each in found if _what(each) in kept)
    if found:
        yield from _explained(document, kind, files, found)


def _what(fault: Fault) -> tuple[object, ...]:
    """What tells a fault from the others of a document."""
    return fault.name, fault.path, fault.detail if fault.name in ("missing", "unknown") else None


def _explained(document: Document, kind: str, files: Files, found: Faults) -> Iterator[Problem]:
    from . import remedy  # a clean run needs no words

    about = remedy.About(kind, schema(kind), document, files)
    cases = []
    for fault in chain.from_iterable(simple(schema(kind), each) for each in found):
        key, node, span = _place(document, fault.path)
        at_key = key is not None and (fault.name in _AT_THE_KEY or not isinstance(node, Scalar))
        said = remedy.of(remedy.Case(about, fault, key, node))
        cases.append((fault, key.span if key is not None and at_key else span, said))
    misspelled = {(fault.path[:-1], said.meant) for fault, _, said in cases if said.meant}
    for fault, span, said in cases:
        if fault.name != "missing" or (fault.path, fault.detail) not in misspelled:
            yield Problem(span, said.message, fix=said.edits)


_AT_THE_KEY = ("unknown", "key", "null", "missing", "many", "traffic", "nameless")


def _place(document: Document, path: tuple[object, ...]) -> tuple[Scalar | None, doc.Node | None, Span]:
    """The key that a path ends at (None in a list), the value there, and the nearest place that can be shown."""
    node: doc.Node | None = document.root
    key: Scalar | None = None
    span = document.source.top
    for step in path:
        match node:
            case doc.Mapping() if entry := node.entry(step):
                key, node = entry.key, entry.value
                span = node.span if isinstance(node, Scalar) and node.end > node.start else key.span
            case doc.Sequence() if isinstance(step, int) and step < len(node.items):
                key, node = None, node.items[step]
                span = _item_span(node)
            case _:
                return key, None, span
    return key, node, span


def _item_span(node: doc.Node) -> Span:
    """Where an item of a list is shown: a mapping at its first key."""
    match node:
        case doc.Mapping(entries=[first, *_]):
            return first.key.span
        case doc.Sequence(items=[first, *_]):
            return _item_span(first)
    return node.span


# --- unions -----------------------------------------------------------------------------------------------------------

_Form = tuple[SchemaNode, Faults]


def simple(root: SchemaNode, fault: Fault) -> Iterator[Fault]:
    """A fault without unions: of each, the faults of the form that the author meant."""
    if fault.name != "union":
        yield fault
        return
    forms = [(_resolved(root, node), faults) for node, faults in fault.detail]
    fitting = [form for form in forms if _fits(form[0], fault.value)]
    fitting = _picked(root, fault, fitting) or fitting
    if len(fitting) > 1 and not isinstance(fault.value, (dict, list, tuple, set)):
        fitting = [form for form in fitting if form[1][0].name in _TELLING]
    if not fitting:
        yield replace(fault, name="form")
        return
    for each in min(fitting, key=lambda form: len(form[1]))[1]:
        yield from simple(root, replace(each, path=fault.path + each.path))


_TELLING = ("spec-file", "path", "unreadable")
"""Faults of text that show which form of a union it was meant to be."""


def _resolved(root: SchemaNode, node: SchemaNode) -> SchemaNode:
    """A node with its definition."""
    return {**root["$defs"][node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node


def _fits(node: SchemaNode, value: object) -> bool:
    """Whether a form has the shape of a value: text, a mapping, a list, or another scalar."""
    match value:
        case dict():
            return bool(node.get("type") == "object")
        case list() | tuple() | set():
            return bool(node.get("type") == "array")
    return node.get("type") not in ("object", "array")


_REFUSED_LATER = {("Managed online deployment", "target_utilization")}
"""Words of a kind, by its title, that the SDK loads and does not create: not to be proposed."""


def _picked(root: SchemaNode, fault: Fault, forms: list[_Form]) -> list[_Form]:
    """The forms that `type` picks. If it picks none, one whose fault names all the words that `type` may be."""
    marked = [form for form in forms if "anyOf" in form[0].get("properties", {}).get("type", {})]
    if len(marked) < 2:
        return []
    picked = [form for form in marked if not any(map(_is_about_type, form[1]))]
    if picked:
        return picked
    words = [word for node, _ in marked for word in node["properties"]["type"]["anyOf"][0]["enum"]]
    words = [word for word in words if (root["title"], word) not in _REFUSED_LATER]
    first = next(filter(_is_about_type, marked[0][1]))
    node = {**first.node, "x-amlready-words": words}
    return [(fault.node, (replace(first, node=node),))]


def _is_about_type(fault: Fault) -> bool:
    return fault.path == ("type",) or (fault.name == "missing" and fault.path == () and fault.detail == "type")

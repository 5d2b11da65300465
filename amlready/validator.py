"""A generated JSON Schema, compiled to functions that say everything that azure-ai-ml would refuse in a value.

Values are what YAML gives, not only what JSON can say: where azure-ai-ml converts (numbers in quotes, words in any
letter case, dates, bytes), `x-amlready` names the conversion, and the same one decides here. Nothing is imported and
nothing is read from the disk: what the SDK looks up is asked of `Files`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol, TypeAlias

from .frozen import frozen, replace

SchemaNode: TypeAlias = dict[str, Any]


class Files(Protocol):
    """What is on disk. Paths are relative to the folder of the spec, or absolute."""

    def exists(self, path: str) -> bool:
        """Whether a path is a file or a folder."""

    def read(self, path: str) -> object:
        """The value of a YAML file, as safe_load gives it. Raises ValueError, whose text says why there is none."""

    def elsewhere(self, path: str) -> str | None:
        """What to write for a path that exists from the repository's root and not from here, or None."""


@frozen
class Around:
    """Where relative paths start: the folder of the file that names them, counted from the spec's own folder."""

    files: Files
    folder: str = ""

    def path(self, value: str) -> str:
        return posixpath.join(self.folder, value or ".")

    def beside(self, path: str) -> Around:
        return replace(self, folder=posixpath.dirname(path))


@frozen
class Fault:
    """One thing that is wrong with the value at `path`; `detail` is what the name needs to be explained."""

    name: str
    node: SchemaNode
    value: object
    path: tuple[object, ...] = ()
    detail: Any = None

    def under(self, key: object) -> Fault:
        return replace(self, path=(key, *self.path))


Faults: TypeAlias = tuple[Fault, ...]
Check: TypeAlias = Callable[[object, Around], Faults]

FINE: Faults = ()


def compiled(root: SchemaNode, node: SchemaNode | None = None) -> Check:
    """The check of a whole schema, or of a node in it. Definitions are compiled when a value first reaches them."""
    return _Compiler(root).check(root if node is None else node)


def text(value: object) -> str | None:
    """A value that azure-ai-ml takes for text: a string, or bytes of UTF-8 (`!!binary`)."""
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None


def snake(word: str) -> str:
    """Camel case as snake case: a capital before a small letter, or after a small letter or digit, starts a part."""
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])", "_", word).lower()


class _Compiler:
    def __init__(self, root: SchemaNode) -> None:
        self.root = root
        self.known: dict[str, Check] = {}

    def check(self, node: SchemaNode) -> Check:
        parts = list(self.parts(node))
        match parts:
            case []:
                return _anything
            case [part]:
                return part
        return lambda value, around: tuple(fault for part in parts for fault in part(value, around))

    def parts(self, node: SchemaNode) -> list[Check]:
        found: list[Check] = []
        if "$ref" in node:
            found.append(self.reference(node))
        if (convert := _CONVERSIONS.get(node.get("x-amlready", ""))) is not None:
            found.append(convert(node))
        elif node.get("x-amlready") == "spec-file":
            found.append(self.spec_file(node))
        elif "anyOf" in node:
            found.append(self.union(node))
        elif "properties" in node:
            found.append(self.mapping(node))
        elif "type" in node:
            found.append(self.typed(node))
        if "not" in node:
            found.append(_not(node))
        return found

    def reference(self, node: SchemaNode) -> Check:
        """What `$ref` names; a hint beside it is for a value that is nothing of the kind."""
        pointer, hint = node["$ref"], {key: node[key] for key in ("x-amlready-hint",) if key in node}

        def follow(value: object, around: Around) -> Faults:
            faults = self.definition(pointer)(value, around)
            if faults and hint and faults[0].path == () and faults[0].name == "type":
                return (replace(faults[0], node={**faults[0].node, **hint}),)
            return faults

        return follow

    def definition(self, pointer: str) -> Check:
        known = self.known.get(pointer)
        if known is None:
            known = self.known[pointer] = self.check(self.root["$defs"][pointer.rpartition("/")[2]])
        return known

    def typed(self, node: SchemaNode) -> Check:
        match node["type"]:
            case "string":
                return _text(node)
            case "array":
                return self.array(node)
            case "object":
                return self.dictionary(node)
            case "null":
                return lambda value, _around: FINE if value is None else (_wrong(node, value),)
        raise NotImplementedError(f"the type {node['type']} in a schema")

    def union(self, node: SchemaNode) -> Check:
        branches = [(branch, self.check(branch)) for branch in node["anyOf"]]

        def check(value: object, around: Around) -> Faults:
            tried = []
            for branch, part in branches:
                faults = part(value, around)
                if not faults:
                    return FINE
                tried.append((branch, faults))
            if value is None:
                return (Fault("null", node, value),)
            return (Fault("union", node, value, (), tried),)

        return check

    def array(self, node: SchemaNode) -> Check:
        item_check = self.check(node["items"])
        most = node.get("maxItems")

        def check(value: object, around: Around) -> Faults:
            if not isinstance(value, (list, tuple, set)):
                return (_wrong(node, value),)
            found = [fault.under(at) for at, item in enumerate(value) for fault in item_check(item, around)]
            if not found and most is not None and len(value) > most:
                found = [Fault("many", node, value)]
            return tuple(found)

        return check

    def dictionary(self, node: SchemaNode) -> Check:
        """A mapping whose keys are free."""
        key_check = self.check(node["propertyNames"]) if "propertyNames" in node else _anything
        value_check = self.check(node["additionalProperties"]) if "additionalProperties" in node else _anything
        rule = _RULES.get(node.get("x-amlready", ""))

        def check(value: object, around: Around) -> Faults:
            if not isinstance(value, dict):
                return (_wrong(node, value),)
            found: list[Fault] = []
            for key, item in value.items():
                if key_check is not _anything and (faults := key_check(key, around)):
                    found.append(Fault("key", faults[0].node, key, (key,)))
                found += [fault.under(key) for fault in value_check(item, around)]
            return tuple(found) or (rule(node, value, around) if rule else FINE)

        return check

    def mapping(self, node: SchemaNode) -> Check:
        """A mapping with fixed keys."""
        properties = {key: self.check(part) for key, part in node["properties"].items()}
        required = tuple(node.get("required", ()))
        closed = node.get("additionalProperties") is False
        aliases: dict[object, str] = node.get("x-amlready-aliases", {})
        rule = _RULES.get(node.get("x-amlready", ""))

        def check(value: object, around: Around) -> Faults:
            if not isinstance(value, dict):
                return (_wrong(node, value),) if closed else FINE
            found: list[Fault] = []
            for key, item in value.items():
                part = properties.get(key)
                if part is None:
                    if closed:
                        found.append(Fault("unknown", node, item, (key,), key))
                elif (faults := part(item, around)) and not _overridden(key, value, aliases):
                    found += [fault.under(key) for fault in faults]
            found += [Fault("missing", node, value, (), key) for key in required if key not in value]
            return tuple(found) or (rule(node, value, around) if rule else FINE)

        return check

    def spec_file(self, node: SchemaNode) -> Check:
        """`file:path`, read as each form in turn. As in the SDK, a form that fails leaves its folder behind."""
        forms = node["x-amlready-files"]

        def check(value: object, around: Around) -> Faults:
            if not isinstance(value, str) or not value.startswith("file:"):
                return (_wrong(node, value),)
            tried: list[tuple[str, Faults]] = []
            for form in forms:
                path = around.path(value.removeprefix("file:"))
                around = around.beside(path)
                try:
                    content = around.files.read(path)
                except ValueError as reason:
                    tried.append((path, (Fault("unreadable", node, value, (), str(reason)),)))
                    continue
                faults = self.definition(form)(content, around)
                if not faults:
                    return FINE
                tried.append((path, faults))
            return (Fault("spec-file", node, value, (), tried),)

        return check


def _overridden(key: object, value: dict[object, object], aliases: dict[object, str]) -> bool:
    """Whether the same setting is written again further down under its other name; the last one counts."""
    if not aliases:
        return False
    setting = aliases.get(key, key)
    same = [each for each in value if aliases.get(each, each) == setting]
    return key != same[-1]


def _anything(_value: object, _around: Around) -> Faults:
    return FINE


def _wrong(node: SchemaNode, value: object) -> Fault:
    return Fault("null" if value is None else "type", node, value)


def _text(node: SchemaNode) -> Check:
    pattern = re.compile(node["pattern"]) if "pattern" in node else None
    words = node.get("enum")

    def check(value: object, _around: Around) -> Faults:
        if value.__class__ is not str and text(value) is None:
            return (_wrong(node, value),)
        if pattern is not None and not pattern.search(text(value) or ""):
            return (Fault("pattern", node, value),)
        if words is not None and text(value) not in words:
            return (Fault("choice", node, value, (), words),)
        return FINE

    return check


def _not(node: SchemaNode) -> Check:
    """`not`: null, or text that matches a pattern."""
    pattern = re.compile(node["not"]["pattern"]) if "pattern" in node["not"] else None

    def check(value: object, _around: Around) -> Faults:
        if pattern is None:
            return (Fault("null", node, value),) if value is None else FINE
        return (Fault("refused", node, value),) if isinstance(value, str) and pattern.search(value) else FINE

    return check


# --- conversions: what decides is whether azure-ai-ml can convert -----------------------------------------------------


def _number(convert: Callable[[Any], Any], special: bool = True) -> Callable[[SchemaNode], Check]:
    def make(node: SchemaNode) -> Check:
        least, most = node.get("minimum"), node.get("maximum")

        def check(value: object, _around: Around) -> Faults:
            if value is None or isinstance(value, bool):
                return (_wrong(node, value),)
            try:
                number = convert(value)
            except (TypeError, ValueError, OverflowError):
                return (_wrong(node, value),)
            if not special and number - number != 0:  # an infinity, or not a number
                return (_wrong(node, value),)
            if (least is not None and number < least) or (most is not None and number > most):
                return (Fault("range", node, value),)
            return FINE

        return check

    return make


def _choice(convert: Callable[[str], str]) -> Callable[[SchemaNode], Check]:
    def make(node: SchemaNode) -> Check:
        words = node["anyOf"][0]["enum"]

        def check(value: object, _around: Around) -> Faults:
            if isinstance(value, str) and convert(value) in words:
                return FINE
            return (Fault("null" if value is None else "choice", node, value, (), words),)

        return check

    return make


def _boolean(node: SchemaNode) -> Check:
    words = set(node["enum"])

    def check(value: object, _around: Around) -> Faults:
        try:
            return FINE if value in words else (_wrong(node, value),)
        except TypeError:
            return (_wrong(node, value),)

    return check


def _version(node: SchemaNode) -> Check:
    def check(value: object, _around: Around) -> Faults:
        if isinstance(value, str):
            return FINE
        try:
            return FINE if isinstance(value, (int, float)) and str(value) else (_wrong(node, value),)
        except ValueError:  # thousands of digits
            return (_wrong(node, value),)

    return check


def _prefix(prefix: str) -> Callable[[SchemaNode], Check]:
    def make(node: SchemaNode) -> Check:
        def check(value: object, _around: Around) -> Faults:
            if not isinstance(value, str):
                return (_wrong(node, value),)
            return FINE if value.startswith(prefix) else (Fault("reference", node, value),)

        return check

    return make


_NAME_AND_VERSION = r"azureml:[^:/]*:[^/]+\Z"


def _versioned(node: SchemaNode) -> Check:
    """The pattern costs a millisecond to compile, so it waits for a reference that is not simply name and version."""

    def check(value: object, _around: Around) -> Faults:
        if not isinstance(value, str):
            return (_wrong(node, value),)
        if re.match(_NAME_AND_VERSION, value) or re.match(node["pattern"], value):
            return FINE
        return (Fault("reference", node, value),)

    return check


_MOMENT = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d{1,12})?)?(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$"
)


def _date_time(node: SchemaNode) -> Check:
    def check(value: object, _around: Around) -> Faults:
        written = text(value)
        found = re.match(_MOMENT, written) if written is not None else None
        try:
            if found is None:
                return (_wrong(node, value),)
            datetime(*(int(part or 0) for part in found.groups()[:6]))  # type: ignore[arg-type]
            timezone(timedelta(hours=abs(int(found[8] or 0)), minutes=int(found[9] or 0)))
        except ValueError:
            return (_wrong(node, value),)
        return FINE

    return check


def _path(node: SchemaNode) -> Check:
    def check(value: object, around: Around) -> Faults:
        written = text(value)
        if written is None:
            return (_wrong(node, value),)
        path = around.path(written)
        return FINE if around.files.exists(path) else (Fault("path", node, value, (), path),)

    return check


def _conda_file(node: SchemaNode) -> Check:
    """A mapping, the path of a YAML file, or anything empty but null."""

    def check(value: object, around: Around) -> Faults:
        if isinstance(value, dict) or (value is not None and not value):
            return FINE
        if not isinstance(value, str):
            return (_wrong(node, value),)
        path = around.path(value)
        try:
            around.files.read(path)
        except ValueError as reason:
            return (Fault("unreadable", node, value, (), (path, str(reason))),)
        return FINE

    return check


_CONVERSIONS: dict[str, Callable[[SchemaNode], Check]] = {
    "integer": _number(int),
    "number": _number(float),
    "finite": _number(float, special=False),
    "any-case": _choice(str.lower),
    "camel-case": _choice(snake),
    "boolean": _boolean,
    "version": _version,
    "reference": _prefix("azureml:"),
    "registry": _prefix("azureml://registries/"),
    "versioned": _versioned,
    "date-time": _date_time,
    "path": _path,
    "conda-file": _conda_file,
}


# --- rules over a whole mapping, once its parts are right -------------------------------------------------------------

Rule: TypeAlias = Callable[[SchemaNode, dict[Any, Any], Around], Faults]


def _traffic(node: SchemaNode, value: dict[Any, Any], _around: Around) -> Faults:
    total = sum({text(key): int(share) for key, share in value.items()}.values())
    return (Fault("traffic", node, value, (), total),) if total > 100 else FINE


_REMOTE = r"/|(?i:runs:|[a-z][a-z0-9+.-]*://[^/])"


def _asset(node: SchemaNode, value: dict[Any, Any], _around: Around) -> Faults:
    """A version needs a name. A local path is resolved, so it must be one that the file system can have."""
    if "version" in value and not value.get("name"):
        return (Fault("nameless", node, value),)
    path = text(value.get("path")) or ""
    if not path.isprintable() and not re.match(_REMOTE, path) and re.search("[\0\ud800-\udfff]", path):
        return (Fault("no-path", node["properties"]["path"], path, ("path",)),)
    return FINE


def _model(node: SchemaNode, value: dict[Any, Any], around: Around) -> Faults:
    if value.get("name") or "version" in value:
        return _asset(node, value, around)
    path = text(value.get("path")) or ""
    if not path or around.files.exists(around.path(path)):
        return FINE
    return (Fault("model-path", node["properties"]["path"], path, ("path",), around.path(path)),)


def _environment(node: SchemaNode, value: dict[Any, Any], _around: Around) -> Faults:
    """Without a name, an environment is named by a hash of its image, which must be text that can be encoded.

    Inline, name and version are dropped, but an empty name with a version has ended the load before.
    """
    named = "dependentRequired" in node
    if value.get("version") is not None and value.get("name") in ("", b""):
        return (Fault("nameless", node, value),)
    image = text(value.get("image")) or ""
    hashed = not (named and value.get("name")) and not value.get("build")
    if hashed and not image.isprintable() and re.search("[\ud800-\udfff]", image):
        return (Fault("no-path", node["properties"]["image"], image, ("image",)),)
    return FINE


_RULES: dict[str, Rule] = {"traffic": _traffic, "asset": _asset, "model": _model, "environment": _environment}

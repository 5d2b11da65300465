"""The specs of one or many endpoints: found by content, told apart, and tied together.

Discovery goes by what a file says, never by its name: real repositories call these files anything. What a file refers
to (a scoring script, a conda file, the other specs) is resolved here once, with every look at the disk, so that rules
are plain functions over what was found.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, TypeVar

from . import document, script
from .diagnostic import Problem
from .document import Document, Entry, Mapping, Node, Scalar, Sequence
from .packages import Packages, packages
from .script import Script
from .source import Source, Unreadable, read


@dataclass(frozen=True, eq=False)
class Reference:
    """A local path that a spec names, relative to the spec's own folder as `az ml` resolves it."""

    node: Scalar
    path: Path
    exists: bool
    is_folder: bool = False
    elsewhere: str | None = None
    """What to write instead, when the path exists from the repository's root or the working directory."""


@dataclass(frozen=True, eq=False)
class Spec:
    """A YAML file that was recognised."""

    document: Document

    @property
    def source(self) -> Source:
        return self.document.source

    @property
    def folder(self) -> Path:
        return self.source.path.parent

    def get(self, *path: str | int) -> Node | None:
        return self.document.get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return self.document.find(*path)

    def text(self, *path: str | int) -> str | None:
        """A value that is text, or None."""
        node = self.get(*path)
        return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None

    @property
    def name(self) -> str | None:
        return self.text("name")

    @property
    def version(self) -> str | None:
        """The version as azure-ai-ml reads it: any scalar, as text."""
        node = self.get("version")
        return str(node.value) if isinstance(node, Scalar) and node.value is not None else None


@dataclass(frozen=True, eq=False)
class Endpoint(Spec):
    """An online endpoint; Kubernetes when it has `compute`, as azure-ai-ml decides."""

    @property
    def is_kubernetes(self) -> bool:
        return bool(self.text("compute"))


@dataclass(frozen=True, eq=False)
class Conda(Spec):
    """A conda file."""

    @cached_property
    def packages(self) -> Packages:
        return packages(self.document)


@dataclass(frozen=True, eq=False)
class Environment(Spec):
    """An environment: a file of its own, or inline in a deployment (`inside`)."""

    inside: Mapping | None = None
    conda_file: Reference | None = None
    conda: Conda | None = None

    def get(self, *path: str | int) -> Node | None:
        return (self.inside or self.document.root).get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return (self.inside or self.document.root).find(*path)


@dataclass(frozen=True, eq=False)
class Model(Spec):
    """A model: a file of its own, or inline in a deployment (`inside`)."""

    inside: Mapping | None = None
    path: Reference | None = None

    def get(self, *path: str | int) -> Node | None:
        return (self.inside or self.document.root).get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return (self.inside or self.document.root).find(*path)


@dataclass(frozen=True, eq=False)
class Data(Spec):
    """A data asset."""


@dataclass(frozen=True, eq=False)
class Monitor(Spec):
    """A monitor schedule."""


@dataclass(frozen=True, eq=False)
class Request:
    """A sample request: JSON text and, when it could be read, its value."""

    source: Source
    value: object = None
    fault: Problem | None = None


@dataclass(frozen=True, eq=False)
class Deployment(Spec):
    """An online deployment and what its references lead to; a part that was not found, or could not be read, is None."""

    endpoint: Endpoint | None = None
    model: Model | None = None
    environment: Environment | None = None
    code: Reference | None = None
    scoring_script: Reference | None = None
    script: Script | None = None
    requests: tuple[Request, ...] = ()

    @property
    def is_kubernetes(self) -> bool:
        """As azure-ai-ml decides: exactly this value, whatever `$schema` or the endpoint say."""
        return self.text("type") == "kubernetes"

    @property
    def collections(self) -> Mapping | None:
        node = self.get("data_collector", "collections")
        return node if isinstance(node, Mapping) else None


@dataclass(frozen=True, eq=False)
class Fault:
    """A file that gives no subject: `kind` is `unreadable`, `yaml`, `syntax` or `unrecognised`."""

    kind: str
    problem: Problem


AnySpec: TypeAlias = Endpoint | Deployment | Model | Environment | Conda | Data | Monitor
_S = TypeVar("_S", bound=Spec)


@dataclass(frozen=True, eq=False)
class Project:
    """Everything that was found."""

    specs: tuple[AnySpec, ...] = ()
    faults: tuple[Fault, ...] = ()
    sources: dict[Path, Source] = field(default_factory=dict)
    """Every file that was read, for ignore comments."""

    def of(self, kind: type[_S]) -> list[_S]:
        return [spec for spec in self.specs if isinstance(spec, kind)]

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        return self.of(Endpoint)

    @cached_property
    def deployments(self) -> list[Deployment]:
        return self.of(Deployment)

    @cached_property
    def models(self) -> list[Model]:
        return self.of(Model)

    @cached_property
    def environments(self) -> list[Environment]:
        return self.of(Environment)


# --- telling kinds apart ----------------------------------------------------------------------------------------------

_MAYBE = re.compile(
    r"azuremlschemas|^['\"]?(?:endpoint_name|code_configuration|auth_mode|data_collector|conda_file|inference_config"
    r"|create_monitor|instance_type|dependencies|mirror_traffic)['\"]?\s*:"
    r"|^type\s*:\s*['\"]?(?:custom_model|mlflow_model|triton_model|uri_folder|uri_file|mltable)\b",
    re.MULTILINE,
)
"""What a spec says at the start of one of its lines; other YAML is not even parsed."""

_SCHEMA_KINDS: tuple[tuple[str, type[Spec]], ...] = (
    ("onlinedeployment", Deployment),
    ("onlineendpoint", Endpoint),
    ("model.schema", Model),
    ("environment.schema", Environment),
    ("data.schema", Data),
    ("monitor", Monitor),
)
_OTHER_KEYS = frozenset(("command", "jobs", "mini_batch_size", "output_action", "retry_settings", "inputs", "component"))
_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
_DATA_TYPES = ("uri_folder", "uri_file", "mltable")


def kind_of(doc: Document) -> type[Spec] | None:
    """What a document is, or None when it is none of ours (a job, a batch deployment, another tool's file)."""
    keys = {str(entry.key.value) for entry in doc.root}
    schema = str(value.value).lower() if isinstance(value := doc.get("$schema"), Scalar) else ""
    if keys & _OTHER_KEYS or "batch" in schema or "pipeline" in schema:
        return None
    if "create_monitor" in keys:
        return Monitor
    if {"code_configuration", "data_collector"} & keys or "endpoint_name" in keys:
        return Deployment
    by_schema = next((kind for marker, kind in _SCHEMA_KINDS if marker in schema), None)
    if by_schema is not None:
        return by_schema
    return None if schema and "azuremlschemas" in schema else _kind_by_keys(doc, keys)


def _kind_by_keys(doc: Document, keys: set[str]) -> type[Spec] | None:
    kind = doc.get("type")
    declared = str(kind.value).lower() if isinstance(kind, Scalar) else ""
    if "instance_type" in keys and {"model", "environment"} & keys:
        return Deployment
    if "auth_mode" in keys or {"name", "traffic"} <= keys:
        return Endpoint
    if {"conda_file", "inference_config"} & keys:
        return Environment
    if declared in _MODEL_TYPES:
        return Model
    if declared in _DATA_TYPES and "path" in keys:
        return Data
    return Conda if _is_conda(doc) else None


def _is_conda(doc: Document) -> bool:
    node = doc.get("dependencies")
    if not isinstance(node, Sequence):
        return False
    texts = [item for item in node.items if isinstance(item, Scalar)]
    return doc.get("channels") is not None or any(
        isinstance(item, Mapping) and item.entry("pip") for item in node.items
    ) or any(re.match(r"python\b", str(item.value)) for item in texts)


# --- finding files ----------------------------------------------------------------------------------------------------

SKIPPED = frozenset(
    ("node_modules", "site-packages", "__pycache__", "venv", "env", "vendor", "third_party", "dist", "build")
)


def walk(folder: Path) -> Iterator[Path]:
    """YAML files below a folder, any case of extension; hidden and vendored folders are left out, links not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if entry.is_dir(follow_symlinks=False):
            if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                yield from walk(Path(entry.path))
        elif entry.name.lower().endswith((".yml", ".yaml")):
            yield Path(entry.path)


def repository(path: Path) -> Path | None:
    """The root of the git repository that a path is in."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder
    return None


# --- loading ----------------------------------------------------------------------------------------------------------


Kinds: TypeAlias = dict[Path, type[Spec]]


def load(paths: Iterable[Path], kinds: Kinds | None = None) -> Project:
    """The specs below folders and in files. A file that is named itself must be a spec; below a folder others are passed.

    `kinds` says what files are that do not say it themselves.
    """
    loader = _Loader(kinds or {})
    for path in paths:
        if path.is_dir():
            for each in walk(path):
                loader.add(each, named=False)
        else:
            loader.add(path, named=True)
    return loader.project()


class _Loader:
    """Reads each file once and ties the specs together when all are there."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.sources: dict[Path, Source] = {}
        self.documents: list[tuple[type[Spec], Document]] = []
        self.faults: list[Fault] = []
        self.scripts: dict[Path, Script | None] = {}
        self.condas: dict[Path, Conda | None] = {}
        self.cwd = Path.cwd()
        self.root = repository(self.cwd)

    def read(self, path: Path) -> Source | None:
        """A file's text, once; None when there is no such file. An unreadable one is a fault."""
        path = Path(os.path.normpath(path))
        if path not in self.sources:
            if not path.is_file():
                return None
            try:
                self.sources[path] = read(path)
            except Unreadable as reason:
                self.faults.append(Fault("unreadable", Problem(Source(path, "").top, str(reason))))
                self.sources[path] = Source(path, "")
        return self.sources[path]

    def add(self, path: Path, named: bool) -> None:
        path = Path(os.path.normpath(path))
        if path in self.sources:
            return
        try:
            source = read(path)
        except Unreadable as reason:
            self.faults.append(Fault("unreadable", Problem(Source(path, "").top, str(reason))))
            return
        self.add_source(source, named)

    def add_source(self, source: Source, named: bool) -> None:
        if source.path.suffix.lower() not in (".yml", ".yaml"):
            self.sources[source.path] = source
            if named:
                self.unrecognised(source, "only YAML specs (.yml, .yaml) can be checked by name")
            return
        kind = self.kinds.get(source.path)
        if not (named or kind or _MAYBE.search(source.text)):
            return
        self.sources[source.path] = source
        doc = document.parse(source)
        if isinstance(doc, Problem):
            self.faults.append(Fault("yaml", doc))
            return
        kind = kind or kind_of(doc)
        if kind is not None:
            self.documents.append((kind, doc))
        elif named:
            self.unrecognised(source, "this is none of the kinds that are checked; say what it is with $schema")

    def unrecognised(self, source: Source, message: str) -> None:
        self.faults.append(Fault("unrecognised", Problem(source.top, message)))

    # --- tying together ---

    def project(self) -> Project:
        by_kind: dict[type[Spec], list[Document]] = {}
        for kind, doc in self.documents:
            by_kind.setdefault(kind, []).append(doc)
        endpoints = [Endpoint(doc) for doc in by_kind.get(Endpoint, ())]
        environments = [self.environment(doc) for doc in by_kind.get(Environment, ())]
        models = [self.model(doc) for doc in by_kind.get(Model, ())]
        deployments = [
            self.deployment(doc, endpoints, models, environments) for doc in by_kind.get(Deployment, ())
        ]
        for doc in by_kind.get(Conda, ()):
            self.condas.setdefault(doc.source.path, Conda(doc))
        condas = [conda for conda in self.condas.values() if conda is not None]
        rest = [kind(doc) for kind in (Data, Monitor) for doc in by_kind.get(kind, ())]
        specs = (*endpoints, *deployments, *models, *environments, *condas, *rest)
        return Project(specs, tuple(self.faults), self.sources)

    def reference(self, base: Path, node: Node | None) -> Reference | None:
        """A local path; None for anything that is not text or names something elsewhere (azureml:, https:, git+...)."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return None
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", node.value):
            return None
        path = Path(os.path.normpath(base / os.path.expanduser(node.value)))
        return Reference(node, path, path.exists(), path.is_dir(), self.elsewhere(base, path, node.value))

    def elsewhere(self, base: Path, path: Path, written: str) -> str | None:
        if path.exists():
            return None
        for start in (self.root, self.cwd):
            if start is not None and (start / written).exists():
                return os.path.relpath(start / written, base.absolute()).replace(os.sep, "/")
        return None

    def environment(self, doc: Document, inside: Mapping | None = None) -> Environment:
        base = doc.source.path.parent
        node = (inside or doc.root).get("conda_file")
        reference = self.reference(base, node)
        conda = self.conda(reference.path) if reference and reference.exists else None
        return Environment(doc, inside, reference, conda)

    def conda(self, path: Path) -> Conda | None:
        if path not in self.condas:
            known = next((doc for _, doc in self.documents if doc.source.path == path), None)
            doc = known or self.parsed(path)
            self.condas[path] = Conda(doc) if doc else None
        return self.condas[path]

    def parsed(self, path: Path) -> Document | None:
        source = self.read(path)
        if source is None or any(fault.problem.span.source is source for fault in self.faults):
            return None
        doc = document.parse(source)
        if isinstance(doc, Problem):
            self.faults.append(Fault("yaml", doc))
            return None
        return doc

    def model(self, doc: Document, inside: Mapping | None = None) -> Model:
        return Model(doc, inside, self.reference(doc.source.path.parent, (inside or doc.root).get("path")))

    def deployment(
        self, doc: Document, endpoints: list[Endpoint], models: list[Model], environments: list[Environment]
    ) -> Deployment:
        base = doc.source.path.parent
        code = self.reference(base, doc.get("code_configuration", "code"))
        scoring = self.reference(code.path, doc.get("code_configuration", "scoring_script")) if code else None
        return Deployment(
            doc,
            endpoint=self.nearest(base, endpoints, doc.get("endpoint_name")),
            model=self.asset(doc, "model", models),
            environment=self.asset(doc, "environment", environments),
            code=code,
            scoring_script=scoring,
            script=self.script(scoring.path) if scoring and scoring.exists else None,
            requests=tuple(self.requests(base)),
        )

    def nearest(self, base: Path, specs: list[_S], name: Node | None) -> _S | None:
        """The spec of that name (letter case aside, as Azure has it) with the fewest folders in between."""
        if not isinstance(name, Scalar):
            return None
        wanted = str(name.value).lower()
        same = [spec for spec in specs if (spec.name or "").lower() == wanted]
        return min(same, key=lambda spec: distance(base, spec.folder), default=None)

    def asset(self, doc: Document, key: str, specs: list[_S]) -> _S | None:
        """What `model:` or `environment:` leads to: an inline spec, or a file here of that name (any version)."""
        node = doc.get(key)
        if isinstance(node, Mapping):
            return self.model(doc, node) if key == "model" else self.environment(doc, node)  # type: ignore[return-value]
        parts = asset_name(node)
        if parts is None:
            return None
        same = [spec for spec in specs if spec.name == parts[0]]
        exact = [spec for spec in same if spec.version == parts[1]]
        base = doc.source.path.parent
        return min(exact or same, key=lambda spec: distance(base, spec.folder), default=None)

    def script(self, path: Path) -> Script | None:
        if path not in self.scripts:
            self.scripts[path] = self.loaded(path)
        return self.scripts[path]

    def loaded(self, path: Path) -> Script | None:
        source = self.read(path)
        if source is None or not source.text and any(f.problem.span.source.path == path for f in self.faults):
            return None
        found = script.load(source, path.parent, self.read)
        if isinstance(found, Problem):
            self.faults.append(Fault("syntax", found))
            return None
        self.faults += [Fault("syntax", problem) for problem in found.faults]
        return found

    def requests(self, base: Path) -> Iterator[Request]:
        """`sample-request.json` and the like beside the deployment."""
        for path in sorted(base.glob("sample*request*.json")):
            source = self.read(path)
            if source is None:
                continue
            yield request(source)


def request(source: Source) -> Request:
    """A sample request from its text."""
    try:
        return Request(source, json.loads(source.text))
    except json.JSONDecodeError as error:
        at = min(error.pos, len(source.text))
        return Request(source, fault=Problem(source.span(at, at + 1), f"this is not JSON: {error.msg}"))
    except RecursionError:
        return Request(source, fault=Problem(source.top, "this JSON is nested too deep to be read"))


def asset_name(node: Node | None) -> tuple[str, str] | None:
    """Name and version (or label) of `azureml:name:version` and `azureml:name@label`; None for any other form."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    found = re.fullmatch(r"azureml:([^/:@\s]+)(?:[:@]([^/:@\s]+))?", node.value)
    return (found[1], found[2] or "") if found else None


def distance(one: Path, other: Path) -> int:
    """How many folders lie between two folders."""
    relative = os.path.relpath(other.absolute(), one.absolute())
    return 0 if relative == "." else len(Path(relative).parts)

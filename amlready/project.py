"""The specs of one or many endpoints, read from disk and tied together.

Discovery goes by what a file says, never by its name. What a file refers to (a scoring script, a conda file, the other
specs) is resolved here, once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Mapping_
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from . import document, samples, script
from .diagnostic import Problem
from .discovery import kind_of, may_be_spec, repository, walk
from .disk import elsewhere
from .document import Document, Mapping, Node, Scalar
from .frozen import field, frozen, replace
from .git import ignored
from .overrides import Override, apply
from .script import Script
from .source import Source, Unreadable, decode, read
from .specs import (
    Build,
    Conda,
    Data,
    Deployment,
    Endpoint,
    Environment,
    Fault,
    Loaded,
    MLmodel,
    Model,
    Monitor,
    Project,
    Reference,
    Request,
    Spec,
    asset_name,
    no_script,
)

_S = TypeVar("_S", bound=Spec)

MOST_SCRIPTS = 64
"""Most scripts that are kept for other deployments with the same one; an older one is read again."""


@frozen
class Reading:
    """How files are read.

    `kinds` of files that do not say it themselves, `texts` in the place of files (standard input), `values` for
    placeholders, `settings` for the files that are named, and the `endpoint_name` of all deployments.
    """

    kinds: Mapping_[Path, type[Spec]] = field(default_factory=dict)
    texts: Mapping_[Path, bytes] = field(default_factory=dict)
    values: Mapping_[str, str] = field(default_factory=dict)
    settings: tuple[Override, ...] = ()
    endpoint_name: Override | None = None


def load(paths: Iterable[Path], reading: Reading | None = None) -> Project:
    """The specs below folders and in files; a file that is named itself must be a spec, others are passed over.

    The specs beside a named file are read too, to see how it fits in, but nothing is reported in them.
    """
    loader = _Loader(reading or Reading())
    named: list[Path] = []
    for path in paths:
        if path.is_dir():
            for each in walk(path):
                loader.add(each, named=False)
            if repository(path.absolute()) is not None:
                loader.forget(ignored(path, loader.found_below(path)))
        else:
            named.append(normal(path))
            loader.add(path, named=True)
    checked = set(loader.sources)
    # What the command line says is said of the files that it names.
    loader.reading = replace(loader.reading, settings=(), endpoint_name=None)
    for path in named:
        for each in walk(path.parent, deep=False):
            loader.add(each, named=False)
    return loader.project(frozenset(loader.sources) - checked)


def normal(path: Path) -> Path:
    """A path as it is shown and compared: without `.` and `..`."""
    written = str(path)
    short = os.path.normpath(written)
    return path if short == written else Path(short)


class _Loader:
    """Reads each file once and ties the specs together when all are there."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sources: dict[Path, Source] = {}
        self.documents: list[tuple[type[Spec], Document]] = []
        self.faults: list[Fault] = []
        self.scripts: dict[Path, Loaded] = {}
        self.condas: dict[Path, Conda | None] = {}
        cwd = Path.cwd()
        self.starts = tuple(start for start in (repository(cwd), cwd) if start is not None)

    def read(self, path: Path) -> Source | None:
        """A file's text, once; None when there is no such file. An unreadable one is a fault."""
        path = normal(path)
        if path not in self.sources:
            if not os.path.isfile(path):
                return None
            try:
                self.sources[path] = self.text(path)
            except Unreadable as reason:
                self.faults.append(Fault("unreadable", Problem(Source(path, "").top, str(reason))))
                self.sources[path] = Source(path, "")
        return self.sources[path]

    def text(self, path: Path) -> Source:
        given = self.reading.texts.get(path)
        return read(path) if given is None else decode(path, given)

    def add(self, path: Path, named: bool) -> None:
        path = normal(path)
        if path in self.sources:
            return
        try:
            source = self.text(path)
        except Unreadable as reason:
            self.faults.append(Fault("unreadable", Problem(Source(path, "").top, str(reason))))
            return
        self.add_source(source, named)

    def add_source(self, source: Source, named: bool) -> None:
        if source.path.suffix.lower() not in (".yml", ".yaml"):
            self.sources[source.path] = source
            self.unrecognised(source, "only YAML specs (.yml, .yaml) can be checked by name")
            return
        kind = self.reading.kinds.get(source.path)
        if not (named or kind or may_be_spec(source.text)):
            return
        self.sources[source.path] = source
        doc = document.parse(source, self.reading.values)
        if isinstance(doc, Problem):
            self.faults.append(Fault("conda" if kind is Conda and is_yaml(source) else "yaml", doc))
            return
        if named:
            apply(doc, self.reading.settings)
        kind = kind or kind_of(doc)
        if kind is not None:
            self.add_document(kind, doc)
        elif named:
            self.unrecognised(source, "this is none of the kinds that are checked; say what it is with $schema")

    def add_document(self, kind: type[Spec], doc: Document) -> None:
        if kind is Deployment and self.reading.endpoint_name:
            apply(doc, (self.reading.endpoint_name,))
        self.documents.append((kind, doc))

    def found_below(self, folder: Path) -> list[Path]:
        """The files that were recognised below a folder."""
        sources = [doc.source for _, doc in self.documents] + [each.problem.span.source for each in self.faults]
        root = normal(folder)
        return [each.path for each in sources if root == Path() or root in each.path.parents]

    def forget(self, paths: set[Path]) -> None:
        """Leave files out after all, because git ignores them."""
        if paths:
            self.documents = [each for each in self.documents if each[1].source.path not in paths]
            self.faults = [each for each in self.faults if each.problem.span.source.path not in paths]
            self.sources = {path: source for path, source in self.sources.items() if path not in paths}

    def unrecognised(self, source: Source, message: str) -> None:
        self.faults.append(Fault("unrecognised", Problem(source.top, message)))

    # --- tying together ---

    def project(self, beside: frozenset[Path]) -> Project:
        by_kind: dict[type[Spec], list[Document]] = {}
        for kind, doc in self.documents:
            by_kind.setdefault(kind, []).append(doc)
        endpoints = [Endpoint(doc) for doc in by_kind.get(Endpoint, ())]
        environments = [self.environment(doc) for doc in by_kind.get(Environment, ())]
        models = [self.model(doc) for doc in by_kind.get(Model, ())]
        deployments = [self.deployment(doc, endpoints, models, environments) for doc in by_kind.get(Deployment, ())]
        for doc in by_kind.get(Conda, ()):
            self.condas.setdefault(doc.source.path, Conda(doc))
        condas = [conda for conda in self.condas.values() if conda is not None]
        rest = [kind(doc) for kind in (Data, Monitor) for doc in by_kind.get(kind, ())]
        specs = (*endpoints, *deployments, *models, *environments, *condas, *rest)
        context = beside - self.reached(deployments, environments, beside)
        faults = tuple(each for each in self.faults if each.problem.span.source.path not in context)
        return Project(specs, faults, self.sources, context, self.starts)

    def reached(
        self, deployments: list[Deployment], environments: list[Environment], beside: frozenset[Path]
    ) -> set[Path]:
        """The conda files that named files lead to. A registered asset's file is not what a deployment uses."""
        inline = [each.environment for each in deployments if each.environment and each.environment.inside]
        mine = [each for each in [*environments, *inline] if each.source.path not in beside]
        return {each.conda.source.path for each in mine if each.conda}

    def reference(self, base: Path, node: Node | None) -> Reference | None:
        """A local path; None for anything that is not text or names something elsewhere (azureml:, https:, git+...)."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return None
        if ":" in node.value and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", node.value):
            return None
        path = os.path.normpath(os.path.join(base, node.value))
        try:
            is_folder, exists = stat.S_ISDIR(os.stat(path).st_mode), True
        except (OSError, ValueError):  # not there; also a name that is too long, or has a NUL in it
            is_folder = exists = False
        right = None if exists else elsewhere(base, node.value, self.starts)
        return Reference(node, Path(path), exists, is_folder, right)

    def environment(self, doc: Document, inside: Mapping | None = None) -> Environment:
        base = doc.source.path.parent
        root = inside or doc.root
        node = root.get("conda_file")
        reference = self.reference(base, node)
        conda = Conda(doc, node, used=True) if isinstance(node, Mapping) else None
        if reference and reference.exists:
            conda = self.conda(reference.path)
        return Environment(doc, inside, reference, conda, self.build(base, root))

    def build(self, base: Path, root: Mapping) -> Build | None:
        """A build context here and its Dockerfile; None without one, or when it is elsewhere."""
        context = self.reference(base, root.get("build", "path"))
        name = root.get("build", "dockerfile_path")
        if context is None or not context.is_folder:
            return None
        path = normal(context.path / (str(name.value) if isinstance(name, Scalar) else "Dockerfile"))
        return Build(context, path, self.read(path))

    def conda(self, path: Path) -> Conda | None:
        if path not in self.condas:
            known = next((doc for _, doc in self.documents if doc.source.path == path), None)
            doc = known or self.parsed(path, "conda")
            self.condas[path] = Conda(doc, used=True) if doc else None
        return self.condas[path]

    def parsed(self, path: Path, kind: str) -> Document | None:
        """A YAML file that a spec refers to; `kind` is the fault of one that is YAML, but no mapping."""
        source = self.read(path)
        if source is None or any(fault.problem.span.source is source for fault in self.faults):
            return None
        doc = document.parse(source, self.reading.values)
        if isinstance(doc, Problem):
            self.faults.append(Fault(kind if is_yaml(source) else "yaml", doc))
            return None
        return doc

    def model(self, doc: Document, inside: Mapping | None = None) -> Model:
        reference = self.reference(doc.source.path.parent, (inside or doc.root).get("path"))
        return Model(doc, inside, reference, self.mlmodel(reference.path) if reference else None)

    def mlmodel(self, folder: Path) -> MLmodel | None:
        """The description in an MLflow model's folder. It has no extension, so it is never found as a spec."""
        if not os.path.isfile(folder / "MLmodel"):
            return None
        doc = self.parsed(folder / "MLmodel", "yaml")
        if doc is None:
            return None
        env = doc.get("flavors", "python_function", "env")
        name = env.get("conda") if isinstance(env, Mapping) else env
        reference = self.reference(folder, name)
        return MLmodel(doc, self.conda(reference.path) if reference and reference.exists else None)

    def deployment(
        self, doc: Document, endpoints: list[Endpoint], models: list[Model], environments: list[Environment]
    ) -> Deployment:
        base = doc.source.path.parent
        code = self.reference(base, doc.get("code_configuration", "code"))
        scoring = self.reference(code.path, doc.get("code_configuration", "scoring_script")) if code else None
        return Deployment(
            doc,
            endpoint=self.nearest(base, endpoints, doc.get("endpoint_name")),
            model=self.model_of(doc, models),
            environment=self.environment_of(doc, environments),
            code=code,
            scoring_script=scoring,
            load_script=partial(self.script, scoring.path, code) if code and scoring and scoring.exists else no_script,
            requests=tuple(self.requests(base)),
        )

    def nearest(self, base: Path, specs: list[_S], name: Node | None) -> _S | None:
        """The spec of that name (letter case aside, as Azure has it) with the fewest folders in between."""
        if not isinstance(name, Scalar):
            return None
        wanted = str(name.value).lower()
        same = [spec for spec in specs if (spec.name or "").lower() == wanted]
        return min(same, key=lambda spec: distance(base, spec.folder), default=None)

    def model_of(self, doc: Document, models: list[Model]) -> Model | None:
        """What `model:` leads to: an inline spec, or a file here of that name."""
        node = doc.get("model")
        return self.model(doc, node) if isinstance(node, Mapping) else self.registered(doc, node, models)

    def environment_of(self, doc: Document, environments: list[Environment]) -> Environment | None:
        """What `environment:` leads to: an inline spec, or a file here of that name."""
        node = doc.get("environment")
        return self.environment(doc, node) if isinstance(node, Mapping) else self.registered(doc, node, environments)

    def registered(self, doc: Document, node: Node | None, specs: list[_S]) -> _S | None:
        """The nearest file that declares the asset of a reference; any version, when the wanted one is not here."""
        parts = asset_name(node)
        if parts is None:
            return None
        same = [spec for spec in specs if spec.name == parts[0]]
        exact = [spec for spec in same if spec.version == parts[1]]
        base = doc.source.path.parent
        return min(exact or same, key=lambda spec: distance(base, spec.folder), default=None)

    def script(self, path: Path, code: Reference) -> Loaded:
        if path not in self.scripts:
            before = len(self.faults)
            loaded = self.loaded(path, code)
            if len(self.scripts) >= MOST_SCRIPTS:
                del self.scripts[next(iter(self.scripts))]
            self.scripts[path] = loaded, tuple(self.faults[before:])
        return self.scripts[path]

    def loaded(self, path: Path, code: Reference) -> Script | None:
        source = self.read(path)
        if source is None or (not source.text and any(f.problem.span.source.path == path for f in self.faults)):
            return None
        folder = path.parent
        names = code.names if folder == code.path else script.names_in(folder)
        found = script.load(source, folder, self.read, names)
        if isinstance(found, Problem):
            self.faults.append(Fault("syntax", found))
            return None
        self.faults += [Fault("syntax", problem) for problem in found.faults]
        return found

    def requests(self, base: Path) -> Iterator[Request]:
        """The sample requests beside the deployment, else those of all deployments."""
        for path in samples.beside(base) or self.shared_requests:
            source = self.read(path)
            if source is not None:
                yield samples.request(source)

    @cached_property
    def shared_requests(self) -> list[Path]:
        folders = {doc.source.path.parent for kind, doc in self.documents if kind is Deployment}
        return samples.around(folders, self.starts)


def is_yaml(source: Source) -> bool:
    """Whether a text is YAML, of whatever kind."""
    try:
        document.value(source)
    except ValueError:
        return False
    return True


def distance(one: Path, other: Path) -> int:
    """How many folders lie between two folders."""
    relative = os.path.relpath(other.absolute(), one.absolute())
    return 0 if relative == "." else len(Path(relative).parts)

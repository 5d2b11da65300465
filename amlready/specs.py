"""What was found in files, as values: the subjects that rules read.

A subject holds what its file says and what its references lead to. Everything that needs a look at the disk was looked
up when it was made, so that rules are plain functions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, TypeVar

from .artifact import Artifact
from .diagnostic import Problem
from .disk import Disk
from .dockerfile import Instruction, instructions
from .document import Document, Entry, Mapping, Node, Scalar
from .frozen import field, forget, frozen
from .packages import Packages, packages
from .script import Script
from .source import Source
from .uploads import Upload, upload


@frozen(eq=False)
class Reference:
    """A local path that a spec names, relative to the spec's own folder as `az ml` resolves it."""

    node: Scalar
    path: Path
    exists: bool
    is_folder: bool = False
    elsewhere: str | None = None
    """What to write instead, when the path exists from the repository's root or the working directory."""

    @cached_property
    def names(self) -> frozenset[str]:
        """What the folder holds, by name; nothing when it is no folder, or cannot be read."""
        try:
            return frozenset(os.listdir(self.path)) if self.is_folder else frozenset()
        except OSError:
            return frozenset()


@frozen(eq=False)
class Spec:
    """A YAML file that was recognised."""

    document: Document

    @property
    def source(self) -> Source:
        return self.document.source

    @cached_property
    def folder(self) -> Path:
        return self.source.path.parent

    def get(self, *path: str | int) -> Node | None:
        return self.document.root.get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return self.document.root.find(*path)

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


@frozen(eq=False)
class Endpoint(Spec):
    """An online endpoint; Kubernetes when it has `compute`, as azure-ai-ml decides."""

    @property
    def is_kubernetes(self) -> bool:
        node = self.get("compute")
        return node is not None and bool(node.value)


@frozen(eq=False)
class Part(Spec):
    """A spec that is a file of its own, or a mapping inside another one (`inside`)."""

    inside: Mapping | None = None

    @property
    def root(self) -> Mapping:
        return self.inside or self.document.root

    def get(self, *path: str | int) -> Node | None:
        return self.root.get(*path)

    def find(self, *path: str | int) -> Entry | None:
        return self.root.find(*path)


@frozen(eq=False)
class Conda(Part):
    """A conda file, or an environment's inline `conda_file`; `used` when an environment or a model refers to it."""

    used: bool = False

    @cached_property
    def packages(self) -> Packages:
        return packages(self.root)


@frozen(eq=False)
class Build:
    """An environment's build context on this machine, and its Dockerfile, whose `source` is None if it is not there."""

    context: Reference
    path: Path
    source: Source | None = None

    @cached_property
    def instructions(self) -> list[Instruction]:
        return list(instructions(self.source)) if self.source else []

    @cached_property
    def upload(self) -> Upload:
        """What would be sent of the context."""
        return upload(self.context.path)

    @cached_property
    def size(self) -> int:
        """Bytes of what would be sent."""
        paths = (self.context.path / each for each in self.upload.files)
        return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


@frozen(eq=False)
class Environment(Part):
    """An environment: a file of its own, or inline in a deployment."""

    conda_file: Reference | None = None
    conda: Conda | None = None
    build: Build | None = None


@frozen(eq=False)
class MLmodel(Spec):
    """The description in an MLflow model's folder, and the conda file that it names."""

    conda: Conda | None = None


@frozen(eq=False)
class Model(Part):
    """A model: a file of its own, or inline in a deployment."""

    path: Reference | None = None
    mlmodel: MLmodel | None = None

    @cached_property
    def artifact(self) -> Artifact | None:
        """What its local path holds, if that is there."""
        return Artifact(self.path.path, self.path.is_folder) if self.path and self.path.exists else None


@frozen(eq=False)
class Data(Spec):
    """A data asset."""


@frozen(eq=False)
class Monitor(Spec):
    """A monitor schedule."""


@frozen(eq=False)
class Request:
    """A sample request: JSON text and, when it could be read, its value."""

    source: Source
    value: object = None
    fault: Problem | None = None


@frozen(eq=False)
class Fault:
    """A file that gives no subject: `kind` is `unreadable`, `yaml`, `conda`, `syntax` or `unrecognised`."""

    kind: str
    problem: Problem


Loaded: TypeAlias = tuple[Script | None, tuple[Fault, ...]]
"""A scoring script, and what is wrong with it or with the modules beside it."""


def no_script() -> Loaded:
    return None, ()


@frozen(eq=False)
class Deployment(Spec):
    """An online deployment and what its references lead to; what was not found, or could not be read, is None.

    The scoring script is read by `load_script` when it is asked for, which may be in another process: nearly half of
    a check's time is spent on scripts.
    """

    endpoint: Endpoint | None = None
    model: Model | None = None
    environment: Environment | None = None
    code: Reference | None = None
    scoring_script: Reference | None = None
    load_script: Callable[[], Loaded] = no_script
    requests: tuple[Request, ...] = ()

    @cached_property
    def _loaded(self) -> Loaded:
        return self.load_script()

    @property
    def script(self) -> Script | None:
        return self._loaded[0]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with its script and the modules beside that."""
        return self._loaded[1]

    def release(self) -> None:
        """Let go of the script until it is asked for again: as a tree it takes a hundred times the room of its text."""
        if self.script is not None:
            for each in (*self.script.modules, self.script):
                forget(each)  # what they remember leads back to them, so that they would stay
        forget(self)

    @property
    def is_kubernetes(self) -> bool:
        """As azure-ai-ml decides: exactly this value, whatever `$schema` or the endpoint say."""
        return self.text("type") == "kubernetes"

    @property
    def collections(self) -> Mapping | None:
        node = self.get("data_collector", "collections")
        return node if isinstance(node, Mapping) else None


AnySpec: TypeAlias = Endpoint | Deployment | Model | Environment | Conda | Data | Monitor
_S = TypeVar("_S", bound=Spec)


@frozen(eq=False)
class Project:
    """Everything that was found."""

    specs: tuple[AnySpec, ...] = ()
    faults: tuple[Fault, ...] = ()
    """What is wrong with files other than scripts and their modules, whose faults are with their deployment."""
    sources: dict[Path, Source] = field(default_factory=dict)
    """Every file that was read, for ignore comments; scripts join when they are asked for."""
    context: frozenset[Path] = frozenset()
    """Files that were read only to see how a named file fits in; nothing is reported in them."""
    starts: tuple[Path, ...] = ()
    """The repository's root and the working directory, which paths are sometimes written from by mistake."""

    def files(self, spec: Spec) -> Disk:
        """What is on disk, as a spec sees it."""
        return Disk(spec.folder, self.starts)

    def of(self, kind: type[_S]) -> list[_S]:
        return [spec for spec in self.specs if isinstance(spec, kind)]

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        return self.of(Endpoint)

    @cached_property
    def deployments(self) -> list[Deployment]:
        return self.of(Deployment)

    @cached_property
    def endpoints_named(self) -> dict[str, list[Endpoint]]:
        """Endpoints by name, in lower case as Azure has it."""
        return _grouped((((each.name or "").lower(),), each) for each in self.endpoints)

    @cached_property
    def endpoints_in(self) -> dict[Path, list[Endpoint]]:
        """Endpoints by their folder."""
        return _grouped(((each.folder,), each) for each in self.endpoints)

    @cached_property
    def endpoints_below(self) -> dict[Path, list[Endpoint]]:
        """Endpoints by the folder above theirs."""
        return _grouped(((each.folder.parent,), each) for each in self.endpoints)

    @cached_property
    def deployments_of(self) -> dict[str, list[Deployment]]:
        """Deployments by their endpoint's name, in lower case; under "" those that leave it to the command line."""
        return _grouped((((each.text("endpoint_name") or "").lower(),), each) for each in self.deployments)

    @cached_property
    def models(self) -> list[Model]:
        return self.of(Model)

    @cached_property
    def environments(self) -> list[Environment]:
        return self.of(Environment)


_K = TypeVar("_K")


def _grouped(pairs: Iterable[tuple[Iterable[_K], _S]]) -> dict[_K, list[_S]]:
    """Specs by each of their keys, in order."""
    groups: dict[_K, list[_S]] = {}
    for keys, spec in pairs:
        for key in keys:
            groups.setdefault(key, []).append(spec)
    return groups


def asset_name(node: Node | None) -> tuple[str, str] | None:
    """Name and version (or label) of `azureml:name:version` and `azureml:name@label`; None for any other form."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    found = re.fullmatch(r"azureml:([^/:@\s]+)(?:[:@]([^/:@\s]+))?", node.value)
    return (found[1], found[2] or "") if found else None

"""From the files of an endpoint to the commands that deploy them, in the order in which they have to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import project
from ..document import Mapping
from ..local.resolve import choose
from ..misuse import Misuse
from ..overrides import Override, named
from ..project import Reading
from ..specs import AnySpec, Conda, Data, Deployment, Endpoint, Environment, Model, Monitor, Project, Spec, asset_name
from .commands import Command, Kind
from .state import Existing, State
from .workspace import LATEST, asset

_KINDS: dict[type[Spec], Kind] = {
    Endpoint: Kind.ENDPOINT,
    Deployment: Kind.DEPLOYMENT,
    Model: Kind.MODEL,
    Environment: Kind.ENVIRONMENT,
    Data: Kind.DATA,
}
_ASSETS = (("environment", "environments", Kind.ENVIRONMENT), ("model", "models", Kind.MODEL))
"""Key in a deployment, part of a path in the management API, command."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for: `settings` are those of `--set` and `--name`, in order."""

    file: Path | None = None
    folder: Path = Path(".")
    settings: tuple[Override, ...] = ()
    endpoint_name: str | None = None


@dataclass(frozen=True)
class Road:
    """Commands in order, and what has to be in Azure already for them to work."""

    commands: tuple[Command, ...]
    assumed: tuple[str, ...] = ()


def road(wish: Wish, state: State) -> Road:
    """The command for one file or, without a file, all of them for the folder's deployment. Raises Misuse."""
    return _single(wish, wish.file, state) if wish.file and not wish.file.is_dir() else _whole(wish, state)


def _single(wish: Wish, file: Path, state: State) -> Road:
    if not file.is_file():
        raise Misuse(f"there is no file {str(file)!r}")
    found = project.load([file], _reading(wish))
    spec = next((each for each in found.specs if each.source.path == project.normal(file)), None)
    if isinstance(spec, Deployment):
        return Road((_deployment(wish, file, spec, state),), tuple(_references(spec, (), state)))
    if wish.endpoint_name is not None:
        raise Misuse(f"--endpoint-name goes with deployments; {str(file)!r} is none")
    kind = _kind(found, spec, file)
    if kind is Kind.ENDPOINT and state.find(_lower(spec.name if spec else "")):
        kind = Kind.ENDPOINT_UPDATE
    return Road((Command(kind, file, wish.settings),), tuple(_firsts([spec])))


def _kind(found: Project, spec: AnySpec | None, file: Path) -> Kind:
    if spec is None and any(fault.kind in ("yaml", "unreadable") for fault in found.faults):
        return Kind.DEPLOYMENT  # no command could read it; this is the one that is asked for most
    if spec is None or isinstance(spec, Conda | Monitor):
        raise Misuse(f"{str(file)!r} is no endpoint, deployment, model, environment or data asset")
    return _KINDS[type(spec)]


def _reading(wish: Wish) -> Reading:
    name = wish.endpoint_name
    return Reading(
        settings=wish.settings,
        endpoint_name=None if name is None else named("--endpoint-name", "endpoint_name", name),
    )


def _whole(wish: Wish, state: State) -> Road:
    written, _ = choose(None, wish.file or wish.folder)
    file = written.source.path
    # The file first: settings are for files that are named.
    found = project.load([file, wish.file or wish.folder], _reading(wish))
    deployment = next(each for each in found.deployments if each.source.path == file)
    endpoint = written.endpoint or deployment.endpoint
    name = _lower(wish.endpoint_name or deployment.text("endpoint_name"))
    there = state.find(name)
    registered = tuple(_registrations(deployment, state))
    commands = [
        *_endpoints(endpoint, wish, there),
        *registered,
        _deployment(wish, file, deployment, state),
        *_traffic(endpoint, name, _lower(deployment.name), there),
    ]
    unseen = [f"endpoint {name}"] if endpoint is None and there is None else []
    files = [each.file for each in registered]
    firsts = _firsts(each for each in found.specs if each.source.path in files)
    return Road(tuple(commands), (*unseen, *_references(deployment, registered, state), *firsts))


def _lower(name: str | None) -> str:
    """A name as Azure has it."""
    return (name or "").lower()


def _endpoints(endpoint: Endpoint | None, wish: Wish, there: Existing | None) -> Iterator[Command]:
    if endpoint is None:
        return
    name = wish.endpoint_name
    settings = () if name is None else (named("--name", "name", name),)
    if there is None:
        yield Command(Kind.ENDPOINT, endpoint.source.path, settings)
        return
    yield Command(
        Kind.ENDPOINT_UPDATE,
        endpoint.source.path,
        settings,
        # What the file does not say would be taken away.
        traffic=there.shares("traffic"),
        mirror_traffic=there.shares("mirror_traffic"),
    )


def _registrations(deployment: Deployment, state: State) -> Iterator[Command]:
    """The environment and the model that a file here declares, in the version that the deployment refers to."""
    for key, path, kind in _ASSETS:
        spec = deployment.environment if kind is Kind.ENVIRONMENT else deployment.model
        version = _wanted(deployment.text(key))
        if spec is None or version is None:
            continue
        given = version not in ("", spec.version)
        if not state.has(path, spec.name or "", version or spec.version or ""):
            yield Command(kind, spec.source.path, (named("--version", "version", version),) if given else ())


def _wanted(reference: str | None) -> str | None:
    """The version that a reference is about, "" for that of the file; None where nothing is registered for it."""
    found = re.fullmatch(r"azureml:[^/:@\s]+(?::([^/:@\s]+)|@latest)", reference or "")
    return (found[1] or "") if found else None


def _deployment(wish: Wish, file: Path, deployment: Deployment, state: State) -> Command:
    name = wish.endpoint_name
    own = () if name is None else (named("--endpoint-name", "endpoint_name", name),)
    there = state.find(_lower(deployment.text("endpoint_name")), _lower(deployment.name)) if deployment.name else None
    references = ((path, asset_name(deployment.get(key))) for key, path, _ in _ASSETS)
    return Command(
        Kind.DEPLOYMENT_UPDATE if there else Kind.DEPLOYMENT,
        file,
        (*wish.settings, *own),
        referenced={path: (found[0],) for path, found in references if found},
    )


def _references(deployment: Deployment, registered: tuple[Command, ...], state: State) -> Iterator[str]:
    """The assets that a deployment refers to, that no command before it registers and that the state does not have."""
    kinds = [each.kind for each in registered]
    for key, path, kind in _ASSETS:
        found = asset_name(deployment.get(key))
        if (
            found
            and kind not in kinds
            and found[1]
            and not state.has(path, found[0], "" if found[1] == "latest" else found[1])
        ):
            yield asset(path, found[0], LATEST if found[1] == "latest" else found[1])


def _firsts(specs: Iterable[Spec | None]) -> Iterator[str]:
    """What is registered without saying which version, and so as 1 where there is none yet."""
    for each in specs:
        if isinstance(each, Model | Environment | Data) and each.version is None:
            yield f"no earlier version of {each.name}"


def _traffic(endpoint: Endpoint | None, name: str, deployment: str, there: Existing | None) -> Iterator[Command]:
    """All of it to the deployment, unless somebody has decided otherwise or may have."""
    declared = endpoint.get("traffic") if endpoint else None
    decided = isinstance(declared, Mapping) and any(entry.value.value for entry in declared)
    unknown = endpoint is None and there is None
    live = there is not None and bool(there.shares("traffic"))
    if deployment and not (decided or unknown or live):
        yield Command(Kind.TRAFFIC, name=name, traffic={deployment: 100})

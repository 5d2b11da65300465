"""From the specs to what runs here: which deployment is meant, and every reference in it as a path on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .. import project
from ..document import Mapping, Node, Scalar
from ..misuse import Misuse
from ..specs import Deployment, Model, Project, asset_name
from .layout import Collection, LocalDeployment


class Unresolved(Misuse):
    """There is nothing to run, or something that it needs is not here; `str()` says what and what to do."""


def choose(file: Path | None, folder: Path = Path(".")) -> tuple[Deployment, Project]:
    """The deployment in a file or, without one, the only one in the folder or below it, with the specs around it.

    Raises Unresolved when there is none, or more than one.
    """
    if file is not None and not file.is_file():
        raise Unresolved(f"there is no file {str(file)!r}")
    found = project.load([folder, file] if file else [folder])
    chosen = _in(found, file) if file else _nearest(found)
    if len(chosen) == 1:
        return chosen[0], found
    if chosen:
        names = ", ".join(str(each.source.path) for each in chosen)
        raise Unresolved(f"there are {len(chosen)} deployments ({names}); choose one with -f FILE")
    faults = "; ".join(f"{each.problem.span.source.path}: {each.problem.message}" for each in found.faults[:3])
    what = f"{str(file)!r} is not an online deployment" if file else f"no online deployment found in {str(folder)!r}"
    raise Unresolved(f"{what}{f' ({faults})' if faults else ''}; `amlready check` says more")


def _in(found: Project, file: Path) -> list[Deployment]:
    return [each for each in found.deployments if each.source.path.resolve() == file.resolve()]


def _nearest(found: Project) -> list[Deployment]:
    """The deployments with the shortest way down to them: variants in folders below do not compete."""
    depths = [len(each.source.path.parts) for each in found.deployments]
    return [each for each, depth in zip(found.deployments, depths, strict=True) if depth == min(depths)]


def resolve(deployment: Deployment, model: Path | None = None) -> LocalDeployment:
    """The deployment as it can run here. `model` stands in for a model that is registered and has no file here.

    Raises Unresolved.
    """
    script = deployment.scoring_script
    where = deployment.source.path
    if script is None or deployment.code is None:
        raise Unresolved(
            f"{where} has no code_configuration with code and scoring_script, so there is nothing to run here"
        )
    if not script.path.is_file():
        raise Unresolved(f"the scoring script {script.path} does not exist; `amlready check` says more")
    name, version = _model_name(deployment)
    return LocalDeployment(
        endpoint=(deployment.text("endpoint_name") or "endpoint").lower(),
        deployment=(deployment.name or "deployment").lower(),
        scoring_script=script.path.absolute(),
        code=deployment.code.path.absolute(),
        model=_model_path(deployment, model),
        model_name=name,
        model_version=version,
        environment_variables=dict(_variables(deployment)),
        collections=tuple(_collections(deployment)),
        pins=_pins(deployment),
        request_timeout_ms=_integer(deployment.get("request_settings", "request_timeout_ms"), 5000),
    )


def _model_name(deployment: Deployment) -> tuple[str, str]:
    reference = asset_name(deployment.get("model"))
    model = deployment.model
    if reference is None:
        return (model.name or "model", model.version or "1") if model else ("model", "1")
    label = reference[1] in ("", "latest")
    return reference[0], (model.version if label and model and model.version else reference[1] or "1")


def _model_path(deployment: Deployment, given: Path | None) -> Path | None:
    if given is not None:
        if not given.exists():
            raise Unresolved(f"there is no model {str(given)!r}")
        return given.absolute()
    entry = deployment.find("model")
    if entry is None:
        return None
    model: Model | None = deployment.model
    if model is None:
        what = entry.value.text if isinstance(entry.value, Scalar) else "this model"
        raise Unresolved(
            f"{what} is registered in Azure and no model file here declares it; give its files with --model PATH"
        )
    if model.path is None or not model.path.exists:
        said = model.path.node.text if model.path else "no local path"
        raise Unresolved(f"the model's files are not here ({model.source.path}: {said}); give them with --model PATH")
    return model.path.path.absolute()


def _variables(deployment: Deployment) -> Iterator[tuple[str, str]]:
    node = deployment.get("environment_variables")
    for entry in node if isinstance(node, Mapping) else ():
        if isinstance(entry.value, Scalar) and entry.value.value is not None:
            yield str(entry.key.value), str(entry.value.value)


def _collections(deployment: Deployment) -> Iterator[Collection]:
    rate = _number(deployment.get("data_collector", "sampling_rate"), 1.0)
    for entry in deployment.collections or ():
        name, enabled = str(entry.key.value), entry.value.get("enabled")
        on = isinstance(enabled, Scalar) and str(enabled.value).lower() == "true"
        target = entry.value.get("data", "path")
        found = re.search(r"datastores/([^/]+)/paths/(.+)", str(target.value)) if isinstance(target, Scalar) else None
        if found:
            yield Collection(name, on, rate, datastore=found[1], path=found[2])
        else:
            yield Collection(name, on, rate)


def _pins(deployment: Deployment) -> dict[str, str]:
    """The exact versions of the conda file; of Python the minor version, which decides what can be installed."""
    conda = deployment.environment.conda if deployment.environment else None
    exact = {each.name: each.version for each in conda.packages.requirements if each.version} if conda else {}
    if "python" in exact:
        exact["python"] = ".".join(exact["python"].split(".")[:2]) + ".*"
    return exact


def _number(node: Node | None, default: float) -> float:
    try:
        return float(str(node.value)) if isinstance(node, Scalar) else default
    except ValueError:
        return default


def _integer(node: Node | None, default: int) -> int:
    return int(_number(node, default)) or default

"""What a deployment refers to: its endpoint, model and environment, its code folder and its scoring script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Scalar
from ...specs import Deployment, Environment, Model, Project, Reference, asset_name
from ...suggest import did_you_mean
from .. import rule
from .names import unfit


@rule(Level.WARNING)
def unknown_endpoint(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """The deployment names an endpoint that none of the endpoint files declares.

    `az ml` sends the name as it is; if the endpoint does not exist in the workspace, the deployment fails with
    `EndpointNotFound` or a 404. Letter case does not matter: Azure lower-cases both. Reported only when there is an
    endpoint file to compare with in the same folder or above it, or one nearby has almost the same name: an endpoint
    may well be made by a script.

    Bad::

        # endpoint.yml
        name: my-endpoint

        # deployment.yml
        name: blue
        endpoint_name: my-endpiont

    Good::

        # endpoint.yml
        name: my-endpoint

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
    """
    node = deployment.get("endpoint_name")
    if deployment.endpoint is not None or not isinstance(node, Scalar) or unfit(str(node.value)):
        return
    name = str(node.value)
    folder = deployment.folder
    above = [each for place in (folder, *folder.parents) for each in project.endpoints_in.get(place, ())]
    if any(unfit(each.name or "") for each in above):
        return  # what the endpoint will be called is still to be seen
    beside = [each for place in (folder, folder.parent) for each in project.endpoints_below.get(place, ())[:_COMPARED]]
    hint = did_you_mean(name, [each.name for each in [*above, *beside][:_COMPARED] if each.name])
    if above or hint:
        entries = [each.find("name") for each in (above or beside)[:_SHOWN]]
        related = tuple(Related(entry.value.span, "an endpoint is declared here") for entry in entries if entry)
        yield Problem(node.span, f"no endpoint file declares {name!r}{hint}", related)


_SHOWN = 5
_COMPARED = 50
"""Names that a misspelled one is compared with, at most: comparing takes time, and in a heap of names all are alike."""


@rule(Level.WARNING)
def model_version_differs(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """The deployment asks for a version of the model that the model's file does not declare.

    The file registers one version; the deployment then runs another one, or fails because the workspace does not have
    it.

    Bad::

        # deployment.yml
        model: azureml:scikit-model:1

        # model.yml
        name: scikit-model
        version: 2
        path: model/

    Good::

        # deployment.yml
        model: azureml:scikit-model:2

        # model.yml
        name: scikit-model
        version: 2
        path: model/
    """
    yield from _version_differs(deployment, "model", model)


@rule(Level.WARNING)
def environment_version_differs(deployment: Deployment, environment: Environment) -> Iterator[Problem]:
    """The deployment asks for a version of the environment that the environment's file does not declare.

    The file registers one version; the deployment then runs in another one, or fails because the workspace does not
    have it.

    Bad::

        # deployment.yml
        environment: azureml:scikit-env:3

        # environment.yml
        name: scikit-env
        version: 4
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # deployment.yml
        environment: azureml:scikit-env:4

        # environment.yml
        name: scikit-env
        version: 4
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    yield from _version_differs(deployment, "environment", environment)


def _version_differs(deployment: Deployment, key: str, asset: Model | Environment) -> Iterator[Problem]:
    node = deployment.get(key)
    parts = asset_name(node)
    if parts is None or node is None or not parts[1] or asset.version is None:
        return
    name, version = parts
    if version == asset.version or version == "latest" or "@" in str(node.value):
        return
    declared = asset.find("version")
    related = (Related(declared.value.span, f"version {asset.version} is declared here"),) if declared else ()
    message = f"version {version} of {name!r} is asked for, but its file declares version {asset.version}"
    yield Problem(node.span, message, related)


@rule(Level.NOTE)
def unknown_model(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """The deployment names a registered model that is spelled almost like one declared here.

    A model that is registered elsewhere is fine and is not reported; a name that differs by a letter or two from the
    one in a model file of the same repository is most likely a slip, and ends in `BadArgument: user model not found`.

    Bad::

        # deployment.yml
        model: azureml:scikit-modle:1

        # model.yml
        name: scikit-model
        version: 1
        path: model/

    Good::

        # deployment.yml
        model: azureml:scikit-model:1

        # model.yml
        name: scikit-model
        version: 1
        path: model/
    """
    yield from _misspelled(deployment, "model", project.models)


@rule(Level.NOTE)
def unknown_environment(deployment: Deployment, project: Project) -> Iterator[Problem]:
    """The deployment names a registered environment that is spelled almost like one declared here.

    An environment that is registered elsewhere is fine and is not reported; a name that differs by a letter or two
    from the one in an environment file of the same repository is most likely a slip.

    Bad::

        # deployment.yml
        environment: azureml:scikit-enf:1

        # environment.yml
        name: scikit-env
        version: 1
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # deployment.yml
        environment: azureml:scikit-env:1

        # environment.yml
        name: scikit-env
        version: 1
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    yield from _misspelled(deployment, "environment", project.environments)


def _misspelled(deployment: Deployment, key: str, assets: list[Model] | list[Environment]) -> Iterator[Problem]:
    node = deployment.get(key)
    parts = asset_name(node)
    if parts is None or node is None or getattr(deployment, key) is not None:
        return
    declared = {each.name for each in assets[: 2 * _COMPARED] if each.name}
    hint = did_you_mean(parts[0], declared) if len(declared) <= _COMPARED else ""
    if hint:
        yield Problem(node.span, f"no {key} file here declares {parts[0]!r}{hint}")


@rule(Level.ERROR)
def missing_code(deployment: Deployment) -> Iterator[Problem]:
    """The code folder of `code_configuration` does not exist.

    The path is relative to the YAML file, not to the repository or the shell. azure-ai-ml does not look at it when it
    loads the file; `create` fails with `Failed to open scoring script` after it has registered the data assets.

    Bad::

        # deployment.yml
        code_configuration:
          code: scr
          scoring_script: score.py

        # src/score.py
        def init(): ...

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...
    """
    code = deployment.code
    if code is not None and not code.is_folder:
        yield absent(code, "folder" if not code.exists else "folder (it is a file)")


@rule(Level.ERROR)
def missing_script(deployment: Deployment) -> Iterator[Problem]:
    """The scoring script is not in the code folder.

    `scoring_script` is relative to `code`, and only that folder is uploaded. azure-ai-ml opens the script in
    `create`, after it has registered the data assets.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: src/score.py

        # src/score.py
        def init(): ...

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...
    """
    code, script = deployment.code, deployment.scoring_script
    if code is None or script is None or not code.is_folder:
        return
    inside = _is_inside(code.path, script.path)
    if script.exists and not script.is_folder and inside:
        return
    if script.exists and not inside:
        yield Problem(
            script.node.span,
            f"{script.node.text!r} is outside the code folder, so it is not uploaded",
            (Related(code.node.span, "only this folder is"),),
        )
        return
    name = script.path.name
    fix: tuple[Edit, ...] = ()
    hint = ""
    if os.path.isfile(code.path / name):  # which a name that is too long does not break
        hint, fix = f"; write {name!r}", (Edit(script.node.span, name),)
    message = f"there is no file {script.node.text!r} in the code folder, which it is relative to{hint}"
    yield Problem(script.node.span, message, (Related(code.node.span, "this is the code folder"),), fix)


def _is_inside(code: Path, script: Path) -> bool:
    """Whether a script is in the code folder, wherever symbolic links lead."""
    if script.parent == code and not os.path.islink(script):
        return True  # the usual case, without a look at every folder above
    return code.resolve() in script.resolve().parents


def absent(reference: Reference, what: str) -> Problem:
    """The problem that a local path leads nowhere; says so when it exists from somewhere else, and offers that path."""
    where = str(reference.node.source.path.parent)
    message = f"there is no {what} {reference.node.text!r} in {where!r}; paths are relative to this file"
    if reference.elsewhere is None:
        return Problem(reference.node.span, message)
    message += f". It exists from the repository's root: write {reference.elsewhere!r}"
    return Problem(reference.node.span, message, fix=(Edit(reference.node.span, reference.elsewhere),))

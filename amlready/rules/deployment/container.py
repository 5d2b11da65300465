"""What runs in the container: the inference server with a scoring script, a model without code, or a server of one's
own. Azure does not ask; it follows from which keys are there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Scalar
from ...specs import Deployment, asset_name
from .. import rule

_MOUNT = "/var/azureml-app/azureml-models"


def has_script(deployment: Deployment) -> bool:
    """Whether a scoring script is named."""
    return deployment.find("code_configuration", "scoring_script") is not None


def brings_routes(deployment: Deployment) -> bool:
    """Whether the environment, as far as it is among the files, says where its own server listens."""
    return deployment.environment is not None and deployment.environment.find("inference_config") is not None


def runs_inference_server(deployment: Deployment) -> bool:
    """Whether the container runs Microsoft's inference server: with a scoring script in Python it does, unless the
    environment has routes of its own."""
    script = deployment.text("code_configuration", "scoring_script") or ""
    return script.endswith(".py") and not brings_routes(deployment)


def model_kind(deployment: Deployment) -> str | None:
    """`custommodel`, `mlflowmodel` or `tritonmodel`; None for a model that is not among the files."""
    if deployment.model is None:
        return None
    kind = deployment.model.get("type")
    return str(kind.value).lower().replace("_", "") if isinstance(kind, Scalar) else "custommodel"


def is_no_code_mlflow(deployment: Deployment) -> bool:
    """Whether Azure makes script and environment for an MLflow model."""
    bare = not has_script(deployment) and deployment.find("environment") is None
    return bare and model_kind(deployment) == "mlflowmodel"


def _is_without_path(deployment: Deployment) -> bool:
    """Whether the model is a name without a path, meant for a registered one, which may be of any kind."""
    model = deployment.model
    return model is not None and model.inside is not None and model.find("path") is None


@rule(Level.ERROR)
def missing_environment(deployment: Deployment) -> Iterator[Problem]:
    """A deployment has no environment, and its model is none that Azure can serve without one.

    Azure makes an environment for MLflow models and has one for Triton models, as long as there is no scoring script.
    Anything else needs `environment`: azure-ai-ml takes the file, the service answers `'Image' must not be empty`
    (Azure/azure-sdk-for-python issue 33598; "Deploy MLflow models to online endpoints").

    Bad::

        # deployment.yml
        model: azureml:scikit-model:1
        code_configuration:
          code: src
          scoring_script: score.py

    Good::

        # deployment.yml
        model: azureml:scikit-model:1
        environment: azureml:scikit-env:1
        code_configuration:
          code: src
          scoring_script: score.py
    """
    if deployment.find("environment") is not None:
        return
    code, model = deployment.find("code_configuration"), deployment.find("model")
    if code is not None:
        message = "a scoring script needs an environment, and the deployment has none"
        yield Problem(code.key.span, message)
    elif model is not None and model_kind(deployment) == "custommodel" and not _is_without_path(deployment):
        is_mlflow = deployment.model is not None and deployment.model.mlmodel is not None
        remedy = "this one is of MLflow: write type: mlflow_model" if is_mlflow else "or a container of its own"
        yield Problem(model.key.span, f"a custom model needs an environment and a scoring script; {remedy}")


@rule(Level.NOTE)
def custom_container_without_routes(deployment: Deployment) -> Iterator[Problem]:
    """A container of one's own does not say where it listens.

    Without a scoring script the image must bring a server, and `environment.inference_config` must name the port and
    path of its liveness, readiness and scoring routes ("Use a custom container to deploy a model"). Only an image
    that runs Microsoft's inference server inside, on port 5001, needs none. Not reported where the model may be one
    of MLflow or Triton, which bring their server.

    Bad::

        # deployment.yml
        environment:
          image: docker.io/tensorflow/serving:2.19.1
        # code_configuration: none, the image has a server

    Good::

        # deployment.yml
        environment:
          image: docker.io/tensorflow/serving:2.19.1
          inference_config:
            liveness_route:
              port: 8501
              path: /v1/models/half_plus_two
            readiness_route:
              port: 8501
              path: /v1/models/half_plus_two
            scoring_route:
              port: 8501
              path: /v1/models/half_plus_two:predict
        # code_configuration: none, the image has a server
    """
    entry, environment = deployment.find("environment"), deployment.environment
    if entry is None or environment is None or has_script(deployment) or brings_routes(deployment):
        return
    unsure = deployment.find("model") is not None and model_kind(deployment) != "custommodel"
    if unsure or deployment.find("environment_variables", "AZUREML_ENTRY_SCRIPT"):
        return
    if environment.find("image") or environment.find("build"):
        message = "there is no scoring script and no inference_config: say on which port and path the image listens"
        yield Problem(entry.key.span, message)


@rule(Level.ERROR)
def relative_mount_path(deployment: Deployment) -> Iterator[Problem]:
    """The path to mount the model at is not absolute.

    `model_mount_path` is a path inside the Linux container and has to be absolute ("Use a custom container to deploy
    a model"). azure-ai-ml sends any text.

    Bad::

        # deployment.yml
        model_mount_path: models/serving

    Good::

        # deployment.yml
        model_mount_path: /models/serving
    """
    entry = deployment.find("model_mount_path")
    path = deployment.text("model_mount_path")
    if entry and path is not None and not path.startswith("/"):
        yield Problem(entry.value.span, f"{path!r} is not absolute; it is a path in the container, from '/'")


@rule(Level.WARNING)
def mount_path_without_container(deployment: Deployment) -> Iterator[Problem]:
    """The model is to be mounted elsewhere, but no custom container looks for it there.

    `model_mount_path` is for custom containers (YAML reference). With a scoring script the model is found through
    `AZUREML_MODEL_DIR`. Reported only where the environment is among the files and has no `inference_config`.

    Bad::

        # deployment.yml
        model_mount_path: /models
        environment:
          image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # deployment.yml
        environment:
          image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    entry = deployment.find("model_mount_path")
    if entry and deployment.environment is not None and runs_inference_server(deployment):
        message = "model_mount_path is for custom containers; the scoring script finds the model by AZUREML_MODEL_DIR"
        yield Problem(entry.key.span, message)


@rule(Level.WARNING)
def model_base_path_differs(deployment: Deployment) -> Iterator[Problem]:
    """TensorFlow Serving is told to look for the model where Azure does not put it.

    Azure mounts a model at `/var/azureml-app/azureml-models/<name>/<version>`, or below `model_mount_path` where
    there is one; `MODEL_BASE_PATH` has to follow ("Use a custom container to deploy a model"). Other paths are the
    image's own affair and are not reported.

    Bad::

        # deployment.yml
        model: azureml:half-plus-two:2
        environment_variables:
          MODEL_BASE_PATH: /var/azureml-app/azureml-models/half-plus-two/1

    Good::

        # deployment.yml
        model: azureml:half-plus-two:2
        environment_variables:
          MODEL_BASE_PATH: /var/azureml-app/azureml-models/half-plus-two/2
    """
    entry = deployment.find("environment_variables", "MODEL_BASE_PATH")
    path = deployment.text("environment_variables", "MODEL_BASE_PATH")
    named = _mounted(deployment)
    if entry is None or path is None or named is None:
        return
    root = deployment.text("model_mount_path") or _MOUNT
    if not _below(path, _MOUNT if root == _MOUNT else root) and not _below(path, _MOUNT):
        return
    place = posixpath.join(root, *named)
    if not _below(path, place):
        mount = deployment.find("model_mount_path")
        related = (Related(mount.value.span, "the model is mounted below this"),) if mount else ()
        yield Problem(entry.value.span, f"the model is not there but at {place!r}", related)


def _mounted(deployment: Deployment) -> tuple[str, str] | None:
    """Name and version of the model, when both are known."""
    found = asset_name(deployment.get("model"))
    if found is None and deployment.model is not None and deployment.model.inside is not None:
        found = (deployment.model.name or "", deployment.model.version or "")
    known = found is not None and all(re.fullmatch(r"[\w.-]+", part) for part in found) and found[1] != "latest"
    return found if known else None


def _below(path: str, folder: str) -> bool:
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    return path == folder or path.startswith(folder + "/")

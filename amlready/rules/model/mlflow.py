"""MLflow models: what Azure needs to find in their folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Entry, Scalar
from ...inference_server import DEFAULTS, SERVER
from ...specs import Deployment, MLmodel, Model
from .. import rule
from ..deployment.container import has_script, is_no_code_mlflow
from ..deployment.names import is_template
from ..environment.packages import packages_span
from ..environment.server import MONITORING
from .pickles import place


def _is_mlflow(model: Model) -> bool:
    node = model.get("type")
    return isinstance(node, Scalar) and str(node.value).lower().replace("_", "") == "mlflowmodel"


@rule(Level.ERROR)
def mlflow_path_with_dot(model: Model) -> Iterator[Problem]:
    """The last part of an MLflow model's path has a dot, which azure-ai-ml takes for a file.

    An MLflow model is a folder. `create` uploads it and then stops with `Model of type mlflow_model cannot register a
    file`, for a folder such as `model.v1` as well (SDK 1.35.2, run here). Name the folder that MLmodel is in, without a
    dot.

    Bad::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: model/model.pkl

        # model/MLmodel
        flavors: {}

        # model/model.pkl
        ...

    Good::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: model/

        # model/MLmodel
        flavors: {}

        # model/model.pkl
        ...
    """
    node = model.get("path")
    if not _is_mlflow(model) or not isinstance(node, Scalar) or not isinstance(node.value, str):
        return
    name = model.path.path.resolve().name if model.path else node.value.split("/")[-1]
    if "." in name and not is_template(node.value):
        is_file = model.path is not None and model.path.exists and not model.path.is_folder
        what = "is a file, and an MLflow model a folder" if is_file else "has a dot, which azure-ai-ml takes for a file"
        yield Problem(node.span, f"{name!r} {what}; name the folder that MLmodel is in")


@rule(Level.ERROR)
def missing_mlmodel(model: Model) -> Iterator[Problem]:
    """The folder of an MLflow model has no MLmodel file.

    MLmodel says how the model is loaded; without it the folder is no MLflow model, and the container that Azure makes
    for it cannot start. It lies in the folder itself, not in one below.

    Bad::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: run

        # run/artifact/MLmodel
        flavors: {}

    Good::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: run/artifact

        # run/artifact/MLmodel
        flavors: {}
    """
    artifact = model.artifact
    if not _is_mlflow(model) or artifact is None or not artifact.is_folder or not artifact.files:
        return
    if artifact.placed("MLmodel") in artifact.files:
        return
    below = [each.partition("/")[2].rpartition("/")[0] for each in artifact.named("MLmodel")]
    entry = model.find("path")
    if len(below) == 1 and isinstance(entry, Entry) and isinstance(entry.value, Scalar):
        better = f"{str(entry.value.value).rstrip('/')}/{below[0]}"
        fix = (Edit(entry.value.span, better),) if entry.value.span.text == entry.value.value else ()
        yield Problem(place(model), f"MLmodel is not in this folder but in one below; write {better!r}", fix=fix)
    else:
        yield Problem(place(model), "there is no MLmodel file in this folder, so it is no MLflow model")


@rule(Level.ERROR)
def mlmodel_names_missing_file(model: Model) -> Iterator[Problem]:
    """The MLmodel file names a file that is not in the model's folder.

    Loading the model, or building its environment, fails for lack of the file. Checked are the model itself
    (`model_path`, `data`, `pickled_model`) and the conda file (`env`).

    Bad::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: model

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
            model_path: model.pkl

        # model/readme.md
        ...

    Good::

        # model.yml
        name: scikit-model
        type: mlflow_model
        path: model

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
            model_path: model.pkl

        # model/model.pkl
        ...
    """
    if model.mlmodel is None or model.path is None:
        return
    named: dict[str, Scalar] = {}
    for node in _named_files(model.mlmodel):
        named.setdefault(os.path.normpath(str(node.value)), node)  # two flavors often name one file
    for node in named.values():
        if not os.path.exists(model.path.path / str(node.value)):
            yield Problem(node.span, f"there is no {node.value!r} in this folder")


def _named_files(mlmodel: MLmodel) -> Iterator[Scalar]:
    """The texts in an MLmodel file that are paths within its folder."""
    env = mlmodel.get("flavors", "python_function", "env")
    nodes = [env.get("conda") if env is not None and not isinstance(env, Scalar) else env]
    nodes += [mlmodel.get("flavors", "python_function", key) for key in ("model_path", "data", "python_model")]
    nodes += [mlmodel.get("flavors", "sklearn", "pickled_model")]
    for node in nodes:
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value and "://" not in node.value:
            yield node


@rule(Level.ERROR)
def mlflow_without_pyfunc(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """An MLflow model that is deployed without a scoring script has no `python_function` flavor.

    The script that Azure makes for it loads the model with `mlflow.pyfunc`; "Deploy MLflow models to online endpoints"
    requires the flavor. Log the model with one, or give the deployment a scoring script and an environment.

    Bad::

        # deployment.yml
        model:
          type: mlflow_model
          path: model
        # code_configuration: none

        # model/MLmodel
        flavors:
          spark:
            model_data: sparkml

    Good::

        # deployment.yml
        model:
          type: mlflow_model
          path: model
        # code_configuration: none

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
    """
    mlmodel = model.mlmodel
    if mlmodel is None or not is_no_code_mlflow(deployment) or mlmodel.get("flavors", "python_function") is not None:
        return
    flavors = mlmodel.find("flavors")
    at = flavors.key.span if flavors else mlmodel.source.top
    used = deployment.find("model")
    related = (Related(used.key.span, "it is deployed without a scoring script here"),) if used else ()
    yield Problem(at, "without a scoring script, the model needs the flavor 'python_function'", related)


@rule(Level.WARNING)
def mlflow_packages(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """An MLflow model that is deployed without a scoring script lacks what Azure's own script needs.

    Azure writes the script for such a model, and installs the conda file of the model and nothing else. Since spring
    2026 that script imports `azureml.ai.monitoring`, and it has always been run by azureml-inference-server-http:
    models that deployed for years now fail with `No module named 'azureml.ai'` (Azure/azureml-examples, pull requests
    3904, 4008 and 4031). Add both to the model's conda.yaml, or log the model with `extra_pip_requirements`.

    Bad::

        # deployment.yml
        model:
          type: mlflow_model
          path: model
        # code_configuration: none

        # model/MLmodel
        flavors:
          python_function:
            env: conda.yaml
            loader_module: mlflow.sklearn

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - mlflow==3.5.0
              - scikit-learn==1.9.1

    Good::

        # deployment.yml
        model:
          type: mlflow_model
          path: model
        # code_configuration: none

        # model/MLmodel
        flavors:
          python_function:
            env: conda.yaml
            loader_module: mlflow.sklearn

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - mlflow==3.5.0
              - scikit-learn==1.9.1
              - azureml-inference-server-http==1.5.1
              - azureml-ai-monitoring==1.0.0
    """
    conda = model.mlmodel.conda if model.mlmodel else None
    if conda is None or not is_no_code_mlflow(deployment) or conda.packages.opaque:
        return
    missing = [] if conda.packages.named(SERVER, DEFAULTS) else [SERVER]
    missing += [] if conda.packages.named(MONITORING) else [MONITORING]
    if missing:
        used = deployment.find("model")
        related = (Related(used.key.span, "it is deployed without a scoring script here"),) if used else ()
        message = f"Azure's own script for this model needs {' and '.join(missing)}; add it under pip"
        yield Problem(
            packages_span(conda), message.replace("; add it", "; add them") if len(missing) > 1 else message, related
        )


@rule(Level.NOTE)
def mlflow_as_custom(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """A folder that holds an MLflow model is declared as a custom model, and deployed without a scoring script.

    Azure serves an MLflow model without a script only when it says `type: mlflow_model`; the default is
    `custom_model`, for which a script is needed ("Deploy MLflow models to online endpoints"). Not reported without an
    environment, which is an error of its own, with this for its remedy.

    Bad::

        # deployment.yml
        model:
          path: model
        environment: azureml:scikit-env:1
        # code_configuration: none

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn

    Good::

        # deployment.yml
        model:
          type: mlflow_model
          path: model
        environment: azureml:scikit-env:1
        # code_configuration: none

        # model/MLmodel
        flavors:
          python_function:
            loader_module: mlflow.sklearn
    """
    if deployment.find("environment") is None:
        return
    if model.mlmodel is not None and not _is_mlflow(model) and not has_script(deployment):
        kind = model.find("type")
        at = kind.value.span if kind else place(model)
        yield Problem(at, "this folder holds an MLflow model; to serve it without a script, write type: mlflow_model")

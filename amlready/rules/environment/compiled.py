"""The models that a conda file in an MLflow model's folder serves, and the Python that compiled functions in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...document import Scalar
from ...frozen import once
from ...specs import Conda, Deployment, MLmodel, Model, Project
from ..deployment.container import is_no_code_mlflow
from ..model.pickles import loaded_pickles


@once
def without_code(project: Project) -> dict[int, list[tuple[Deployment, Model]]]:
    """The deployments that have neither a script nor an environment, with their models, by the id of the conda file."""
    found: dict[int, list[tuple[Deployment, Model]]] = {}
    for deployment in project.deployments:
        model = deployment.model
        if model and model.mlmodel and model.mlmodel.conda and is_no_code_mlflow(deployment):
            found.setdefault(id(model.mlmodel.conda), []).append((deployment, model))
    return found


def compiled(conda: Conda, project: Project) -> Iterator[tuple[str, str, Model]]:
    """The minor version of Python that compiled functions in a model, the file that holds them, and the model."""
    for deployment, model in without_code(project).get(id(conda), ()):
        made = _python_of(model.mlmodel) if model.mlmodel else None
        if made is None:
            continue
        for file, pickle in loaded_pickles(deployment, model):
            if any(each.startswith("cloudpickle.") and each.endswith("._make_function") for each in pickle.names):
                yield made, file, model


def _python_of(mlmodel: MLmodel) -> str | None:
    """The minor version of Python that an MLflow model was saved with."""
    node = mlmodel.get("flavors", "python_function", "python_version")
    found = re.match(r"3\.\d+(?=\.)", str(node.value)) if isinstance(node, Scalar) else None
    return found[0] if found else None

"""What an MLflow model was made with, against the conda file in its folder, of which Azure makes the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ...diagnostic import Level, Problem
from ...document import Scalar
from ...specs import Conda, Deployment, MLmodel, Model, Project
from .. import rule
from ..deployment.container import is_no_code_mlflow
from ..model.pickles import loaded_pickles
from .python import minor, python
from .trained import model_here, numpy_problems, python_problems, scikit_learn_problems


@lru_cache(maxsize=1)
def _without_code(project: Project) -> dict[int, list[tuple[Deployment, Model]]]:
    """The deployments that have neither a script nor an environment, with their models, by the id of the conda file."""
    found: dict[int, list[tuple[Deployment, Model]]] = {}
    for deployment in project.deployments:
        model = deployment.model
        if model and model.mlmodel and model.mlmodel.conda and is_no_code_mlflow(deployment):
            found.setdefault(id(model.mlmodel.conda), []).append((deployment, model))
    return found


@rule(Level.WARNING)
def mlflow_conda_differs(conda: Conda, project: Project) -> Iterator[Problem]:
    """The conda file of an MLflow model installs other versions than the model was pickled with.

    Without an environment and a scoring script, Azure installs what the conda file in the model's folder lists. MLflow
    writes it with the versions that the model was made with; changed afterwards, the model may fail to load, or predict
    something else: scikit-learn in another version, a numpy that cannot read the pickle, a Python that is too old.

    Bad::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        # code_configuration: none, Azure brings the script

        # model/MLmodel
        flavors:
          python_function:
            env: {conda: conda.yaml}
            model_path: model.pkl

        # model/model.pkl
        \\x80\\x04\\x8c\\x10_sklearn_version\\x8c\\x051.5.20N.

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1

    Good::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        # code_configuration: none, Azure brings the script

        # model/MLmodel
        flavors:
          python_function:
            env: {conda: conda.yaml}
            model_path: model.pkl

        # model/model.pkl
        \\x80\\x04\\x8c\\x10_sklearn_version\\x8c\\x051.5.20N.

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.5.2
    """
    for deployment, model in _without_code(project).get(id(conda), ()):
        yield from scikit_learn_problems(deployment, model, conda)
        yield from numpy_problems(deployment, model, conda)
        yield from python_problems(deployment, model, conda)


@rule(Level.ERROR)
def code_of_another_python(conda: Conda, project: Project) -> Iterator[Problem]:
    """An MLflow model holds compiled functions, and its conda file installs another Python than theirs.

    cloudpickle writes classes and functions of a notebook into the model, as byte code. That is another one in each
    minor version of Python: loading ends with `TypeError: code() argument 13 must be str, not int`, or the process
    crashes (run with 3.9, 3.10, 3.11, 3.12 and 3.13, all pairs). What made the model is in its MLmodel file; models
    made of a library's own classes load in any version, and are not reported.

    Bad::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        # code_configuration: none, Azure brings the script

        # model/MLmodel
        flavors:
          python_function:
            env: {conda: conda.yaml}
            python_model: python_model.pkl
            python_version: 3.10.13

        # model/python_model.pkl
        \\x80\\x04\\x8c\\x17cloudpickle.cloudpickle\\x8c\\x0e_make_function\\x93.

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1

    Good::

        # deployment.yml
        model:
          path: model
          type: mlflow_model
        # code_configuration: none, Azure brings the script

        # model/MLmodel
        flavors:
          python_function:
            env: {conda: conda.yaml}
            python_model: python_model.pkl
            python_version: 3.12.1

        # model/python_model.pkl
        \\x80\\x04\\x8c\\x17cloudpickle.cloudpickle\\x8c\\x0e_make_function\\x93.

        # model/conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    entry, runs = python(conda), minor(conda)
    for deployment, model in _without_code(project).get(id(conda), ()) if entry and runs else ():
        made = _python_of(model.mlmodel) if model.mlmodel else None
        if entry is None or made is None or made == runs:
            continue
        for file, pickle in loaded_pickles(deployment, model):
            if any(each.startswith("cloudpickle.") and each.endswith("._make_function") for each in pickle.names):
                message = f"{file} holds functions compiled by Python {made}, which {runs} cannot load; install {made}"
                yield Problem(entry.node.span, message, model_here(model, file))


def _python_of(mlmodel: MLmodel) -> str | None:
    """The minor version of Python that an MLflow model was saved with."""
    node = mlmodel.get("flavors", "python_function", "python_version")
    found = re.match(r"3\.\d+(?=\.)", str(node.value)) if isinstance(node, Scalar) else None
    return found[0] if found else None

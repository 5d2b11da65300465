"""What an MLflow model was made with, against the conda file in its folder, of which Azure makes the environment."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Conda, Project
from .. import rule
from .compiled import compiled, without_code
from .python import minor, python
from .trained import model_here, numpy_problems, python_problems, scikit_learn_problems


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
    for deployment, model in without_code(project).get(id(conda), ()):
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
    for made, file, model in compiled(conda, project) if entry and runs else ():
        if entry is not None and made != runs:
            message = f"{file} holds functions compiled by Python {made}, which {runs} cannot load; install {made}"
            yield Problem(entry.node.span, message, model_here(model, file))

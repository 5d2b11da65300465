"""What the model in a pickle was made with, against what the conda file installs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem, Related
from ...imports import installed, is_standard, providers
from ...packages import Requirement
from ...specs import Conda, Deployment, Model
from ...versions import is_before, stretch
from .. import rule
from ..model.pickles import loaded_pickles
from .packages import packages_span
from .python import minor, python

if TYPE_CHECKING:
    from ...pickles import Pickle


def model_here(model: Model, file: str) -> tuple[Related, ...]:
    entry = model.find("path")
    return (Related(entry.value.span, f"{file} is in this model"),) if entry else ()


@rule(Level.WARNING)
def scikit_learn_differs(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """The model was pickled with another scikit-learn than the one that is installed.

    scikit-learn promises nothing about loading a pickle in another version: it warns (`InconsistentVersionWarning`),
    and then fails to load, fails to predict, or predicts something else. The version is in the pickle itself, which is
    read here without loading it. A difference in the last number, 1.9.0 and 1.9.1, is not reported.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x10_sklearn_version\\x8c\\x051.5.20N.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x10_sklearn_version\\x8c\\x051.5.20N.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.5.2
    """
    yield from scikit_learn_problems(deployment, model, conda)


def scikit_learn_problems(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """Where another scikit-learn is installed than the model was pickled with."""
    for file, pickle in loaded_pickles(deployment, model):
        version = pickle.scikit_learn
        for each in conda.packages.named("scikit-learn") if version else ():
            if version and _is_another(each, version):
                message = f"the model was pickled with scikit-learn {version}; install scikit-learn=={version}"
                yield Problem(each.node.span, message, model_here(model, file))


def _is_another(entry: Requirement, version: str) -> bool:
    """Whether an entry lets no version through that differs in the last number at most."""
    asked = stretch(entry.condition, conda=entry.manager == "conda")
    near = stretch("==" + ".".join(version.split(".")[:2]) + ".*")
    return bool(entry.condition) and asked is not None and near is not None and not asked.meets(near)


@rule(Level.ERROR)
def numpy_older_than_model(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """The model was pickled with numpy 2, and an older numpy that cannot read it is installed.

    numpy 2 pickles refer to `numpy._core`, which numpy has only since 1.26.1: before, loading ends with
    `ModuleNotFoundError: No module named 'numpy._core'`. A random state pickled with numpy 2 does not load in any numpy
    1 (`is not a known BitGenerator module`). Both run here with 1.23 to 1.26.4.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x16numpy._core.multiarray\\x8c\\x0c_reconstruct\\x93.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - numpy==1.24.4

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x16numpy._core.multiarray\\x8c\\x0c_reconstruct\\x93.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - numpy==2.4.6
    """
    yield from numpy_problems(deployment, model, conda)


def numpy_problems(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """Where numpy is installed that cannot read the model."""
    for file, pickle in loaded_pickles(deployment, model):
        needed = _needed_numpy(pickle)
        for each in conda.packages.named("numpy") if needed else ():
            asked = stretch(each.condition, conda=each.manager == "conda")
            if needed and asked is not None and not asked.reaches(needed):
                message = f"the model was pickled with numpy 2, and needs numpy {needed} or later to be loaded"
                yield Problem(each.node.span, message, model_here(model, file))


def _needed_numpy(pickle: Pickle) -> str | None:
    if any(each.startswith("numpy.random._mt19937.MT19937") for each in pickle.names):
        return "2.0"
    return "1.26.1" if any(each.startswith("numpy._core.") for each in pickle.names) else None


@rule(Level.ERROR)
def pickle_needs_package(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """The model in a pickle needs a package that the conda file does not install.

    A pickle names the classes that it is made of, and loading imports them: `ModuleNotFoundError` in `init()`, and the
    container never becomes ready. Reported for well-known packages only, and only when everything the conda file lists
    is known not to bring them along.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x10lightgbm.sklearn\\x8c\\x0dLGBMRegressor\\x93.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - scikit-learn==1.9.1

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x10lightgbm.sklearn\\x8c\\x0dLGBMRegressor\\x93.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - lightgbm==4.6.0
    """
    known = installed(conda.packages)
    if known is None:
        return
    for file, pickle in loaded_pickles(deployment, model):
        missing = {names[0] for each in pickle.names if (names := _needs(each)) and not known.intersection(names)}
        for name in sorted(missing):
            message = f"{name} is not installed, and {file} cannot be loaded without it; add it under pip"
            yield Problem(packages_span(conda), message, model_here(model, file))


def _needs(name: str) -> tuple[str, ...]:
    return () if is_standard(name) else providers(name.rpartition(".")[0])


@rule(Level.ERROR)
def pickle_newer_than_python(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """The model's pickle is of a protocol that the Python asked for does not know.

    Protocol 5 came with Python 3.8; an older one ends with `ValueError: unsupported pickle protocol: 5`.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x05N.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.7
          - pip=24.0

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x05N.

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    yield from python_problems(deployment, model, conda)


def python_problems(deployment: Deployment, model: Model, conda: Conda) -> Iterator[Problem]:
    """Where Python is installed that cannot read the model."""
    entry, runs = python(conda), minor(conda)
    for file, pickle in loaded_pickles(deployment, model) if entry and runs else ():
        if entry and runs and pickle.protocol >= 5 and is_before(runs, "3.8"):
            message = f"Python {runs} cannot read {file}, a pickle of protocol {pickle.protocol}; it needs 3.8 or later"
            yield Problem(entry.node.span, message, model_here(model, file))

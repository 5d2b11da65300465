"""Where the scoring script looks for the model, against where the model will be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...artifact import Artifact
from ...diagnostic import Edit, Level, Problem, Related
from ...frozen import once
from ...model_dir import ModelPath, is_changed, model_path, opened_by, reads
from ...reach import certain_functions, is_unconditional
from ...script import Script
from ...source import Span
from ...specs import Deployment, Model, Project
from ...suggest import listed
from ...syntax import Module
from .. import rule
from ..model.pickles import is_deployed

MOUNT = "/var/azureml-app/azureml-models/"
"""Where registered models are found today; the rest is the model's name and version."""


@rule(Level.ERROR)
def missing_model_file(script: Script, deployment: Deployment, model: Model, project: Project) -> Iterator[Problem]:
    """The script looks for the model in a place where it will not be.

    A file that is registered is at `$AZUREML_MODEL_DIR/NAME`; a folder keeps its own name and is at
    `$AZUREML_MODEL_DIR/FOLDER/...` ("Deploy online endpoints"). A path that misses a folder, or has one too many, is a
    `FileNotFoundError` in `init()`, and the container never becomes ready. Paths are followed through os.path.join,
    pathlib, f-strings and names; those that the script tests first, or opens in a `try`, are left alone.

    Bad::

        # deployment.yml
        model:
          path: model

        # model/model.pkl
        ...

        # src/score.py
        import os

        import joblib

        def init():
            global model
            model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))

        def run(data):
            return model.predict(data).tolist()

    Good::

        # deployment.yml
        model:
          path: model

        # model/model.pkl
        ...

        # src/score.py
        import os

        import joblib

        def init():
            global model
            model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model/model.pkl"))

        def run(data):
            return model.predict(data).tolist()
    """
    artifact = model.artifact
    if artifact is None or not artifact.files or not artifact.whole or not _is_mounted(deployment, model):
        return
    related = _where(model)
    for module, call, path in _read(script):
        if path.text is None:
            yield Problem(module.span(path.node), f"this path leads out of AZUREML_MODEL_DIR{_slash(path)}", related)
        elif not artifact.holds(path.text):
            fix, hint = _remedy(module, path, artifact)
            if _fits_another(path.text, script, project):
                fix, hint = (), "; another deployment's model has it there, so the two models differ in layout"
            what = f"the folder {artifact.name!r}" if artifact.is_folder else f"the file {artifact.name!r}"
            message = f"there is no {path.text!r} under AZUREML_MODEL_DIR: the model is {what}{hint}"
            yield Problem(module.span(path.node), message, related, fix)
        elif _is_mlflow(module, call) and not artifact.holds(f"{path.text}/MLmodel"):
            found = [each.rpartition("/")[0] for each in artifact.named("MLmodel")]
            where = f"in {path.text!r} under" if path.text else "in"
            hint = f"; it is in {found[0]!r} there" if len(found) == 1 else ""
            yield Problem(module.span(path.node), f"there is no MLmodel {where} AZUREML_MODEL_DIR{hint}", related)


def _fits_another(path: str, script: Script, project: Project) -> bool:
    """Whether a deployment with this script has a model in which the path is right."""
    path_here = script.source.path
    same = (each for each in project.deployments if each.scoring_script and each.scoring_script.path == path_here)
    models = (each.model for each in same)
    return any(each.artifact is not None and each.artifact.holds(path) for each in models if each is not None)


def _is_mlflow(module: Module, call: ast.Call) -> bool:
    """Whether a call loads an MLflow model from the folder that it gets."""
    name = module.qualified(call.func)
    return name.startswith("mlflow.") and name.endswith(".load_model")


def _is_mounted(deployment: Deployment, model: Model) -> bool:
    """Whether AZUREML_MODEL_DIR holds the model that is here."""
    elsewhere = deployment.find("model_mount_path") or deployment.find("environment_variables", "AZUREML_MODEL_DIR")
    return elsewhere is None and is_deployed(deployment, model)


def _where(model: Model) -> tuple[Related, ...]:
    entry = model.find("path")
    return (Related(entry.value.span, "this is the model"),) if entry else ()


@once
def _read(script: Script) -> Iterator[tuple[Module, ast.Call, ModelPath]]:
    """The paths under AZUREML_MODEL_DIR that are certainly read, each once."""
    if any(map(is_changed, script.modules)):
        return
    seen: set[tuple[Module, ast.expr]] = set()
    for module, function in certain_functions(script):
        for node in module.of_inside(ast.Call, function):
            if not is_unconditional(module, node):
                continue
            for each in reads(module, node):
                path = model_path(module, each)
                if path is not None and (module, path.node) not in seen:
                    seen.add((module, path.node))
                    yield module, node, path


def _slash(path: ModelPath) -> str:
    absolute = [each.value for each in path.parts if str(each.value).startswith("/")]
    if absolute:
        return f": a part that begins with '/', {absolute[0]!r}, drops what is before it"
    return ": is a '/' missing?"


def _remedy(module: Module, path: ModelPath, artifact: Artifact) -> tuple[tuple[Edit, ...], str]:
    """What to write instead, when there is one file of that name."""
    assert path.text is not None
    name = path.text.rpartition("/")[2]
    found = artifact.named(name)
    if len(found) != 1:
        some = sorted(artifact.files)[:3]
        more = " and more" if len(artifact.files) > 3 else ""
        return (), f", and in it {listed(some, 'and')}{more}" if artifact.is_folder else ""
    hint = f", so it is {found[0]!r}"
    constant = path.parts[0] if len(path.parts) == 1 else None
    span = module.span(constant) if constant is not None else None
    if constant is None or span is None or path.text != str(constant.value).strip("/"):
        return (), hint
    return _edit(span, str(constant.value), found[0]), hint


def _edit(span: Span, old: str, new: str) -> tuple[Edit, ...]:
    """Replace the text of a plain string literal."""
    if span.text not in (f'"{old}"', f"'{old}'"):
        return ()
    quote = span.text[0]
    return (Edit(span, f"{quote}{'/' if old.startswith('/') else ''}{new}{quote}"),)


@rule(Level.ERROR)
def pickle_load_of_joblib(script: Script, deployment: Deployment, model: Model) -> Iterator[Problem]:
    """A file that joblib wrote is loaded with pickle.

    joblib puts the bytes of arrays between the opcodes, or compresses the file: `pickle.load` ends with
    `UnpicklingError: invalid load key` (run here with joblib 1.6 on models, arrays and compressed files). joblib.load
    reads both kinds.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04cjoblib.numpy_pickle
        NumpyArrayWrapper
        )\\x81}(X\\x05\\x00\\x00\\x00shapeK\\x01\\x85X\\x05\\x00\\x00\\x00dtypecnumpy
        dtype
        X\\x02\\x00\\x00\\x00u1\\x85Rub\\x00.

        # src/score.py
        import os
        import pickle

        def init():
            global model
            with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"), "rb") as file:
                model = pickle.load(file)

        def run(data):
            return model.predict(data).tolist()

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04N.

        # src/score.py
        import os
        import pickle

        def init():
            global model
            with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"), "rb") as file:
                model = pickle.load(file)

        def run(data):
            return model.predict(data).tolist()
    """
    artifact = model.artifact
    if artifact is None or not _is_mounted(deployment, model):
        return
    for module, function in certain_functions(script):
        for node in module.of_inside(ast.Call, function):
            if module.qualified(node.func) in ("pickle.load", "_pickle.load"):
                given = opened_by(module, node)
                path = model_path(module, given) if given is not None else None
                pickle = artifact.pickle(path.text) if path and path.text in artifact.files else None
                if pickle is not None and pickle.is_joblib:
                    yield Problem(
                        module.span(node.func), "joblib wrote this file, and pickle cannot read it; use joblib.load"
                    )


@rule(Level.WARNING)
def fixed_model_path(script: Script) -> Iterator[Problem]:
    """The script has the path of the model in the container written out.

    The path has the model's name and version in it, so the next version is not found, and nothing promises that it
    stays. Azure sets AZUREML_MODEL_DIR to it ("Deploy online endpoints").

    Bad::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("/var/azureml-app/azureml-models/scikit-model/1/model.pkl")

        def run(data):
            return model.predict(data).tolist()

    Good::

        # src/score.py
        import os

        import joblib

        def init():
            global model
            model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))

        def run(data):
            return model.predict(data).tolist()
    """
    for module in script.modules:
        for node in module.of(ast.Constant):
            if isinstance(node.value, str) and node.value.startswith(MOUNT) and not _is_docstring(module, node):
                message = "this path changes with the model's version; begin with os.environ['AZUREML_MODEL_DIR']"
                yield Problem(module.span(node), message)


def _is_docstring(module: Module, node: ast.Constant) -> bool:
    return isinstance(module.parent(node), ast.Expr)

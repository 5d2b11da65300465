"""Pickles among a model's files: what loading one would do, and whether it can be loaded at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ...diagnostic import Level, Problem
from ...document import Mapping, Node, Scalar
from ...frozen import once
from ...script import Script
from ...source import Span
from ...specs import Deployment, MLmodel, Model, asset_name
from ...suggest import listed
from .. import rule

if TYPE_CHECKING:
    from ...pickles import Pickle

MAX_PICKLES = 10
"""Most pickles of one model that are looked at."""

MODULES = frozenset(
    (
        *("subprocess", "pty", "socket", "ctypes", "runpy", "webbrowser", "code", "codeop", "pdb", "bdb", "timeit"),
        *("shutil", "http", "urllib", "ftplib", "smtplib", "telnetlib", "requests", "pip", "ensurepip", "venv"),
        *("importlib", "imp", "pkgutil", "zipimport", "marshal", "multiprocessing", "commands", "cProfile", "profile"),
        *("_posixsubprocess", "_ctypes", "asyncio", "socketserver", "xmlrpc", "paramiko", "pydoc", "trace"),
    )
)
"""Modules that no model is made of."""

FUNCTIONS = (
    r"(?:os|posix|nt)\.(?:system|popen|exec\w*|spawn\w*|posix_spawnp?|fork\w*|kill|remove|unlink|rmdir|removedirs|rename"
    r"|chmod|chown|putenv|startfile|open|dup2?)"
    r"|(?:builtins|__builtin__)\.(?:eval|exec|execfile|compile|__import__|open|breakpoint|input|globals|vars|delattr)"
    r"|(?:io|_io)\.(?:open|open_code|FileIO)|sys\.(?:settrace|setprofile|modules|_getframe)"
    r"|(?:pickle|_pickle|dill|dill\._dill|cloudpickle)\.(?:load|loads|_?Unpickler)"
    r"|(?:joblib\.numpy_pickle|joblib|torch|torch\.serialization)\.load|numpy\.load|numpy\.testing\.\S*runstring"
    r"|pandas\.(?:eval|read_pickle)|types\.(?:FunctionType|CodeType)|operator\.(?:methodcaller)"
    r"|(?:builtins|__builtin__)\.getattr:(?:__\w+__|system|popen|eval|exec)"
)
"""Functions that run code, commands or files when a pickle is loaded."""

FINE = frozenset(("types.CodeType", "types.FunctionType", "dill._dill._load_type", "importlib.import_module"))
"""What cloudpickle and dill need to bring a function along, which MLflow's own pyfunc models are made of."""


def loaded_pickles(deployment: Deployment, model: Model) -> Iterator[tuple[str, Pickle]]:
    """The pickles that the deployment certainly loads, with their paths under AZUREML_MODEL_DIR.

    A model's only file; one whose name the scoring script has; one that the MLmodel file names. Nothing when the
    deployment asks for another version than the file here declares.
    """
    artifact = model.artifact
    if artifact is None or not is_deployed(deployment, model):
        return
    names = _named_in(deployment.script) if deployment.script else set()
    names |= set(_named_by(model.mlmodel)) if model.mlmodel else set()
    alone = len(artifact.files) == 1
    chosen = (each for each in artifact.files if alone or each.rpartition("/")[2] in names)
    for each in islice(chosen, MAX_PICKLES):
        pickle = artifact.pickle(each)
        if pickle is not None:
            yield each, pickle


def is_deployed(deployment: Deployment, model: Model) -> bool:
    """Whether what is here is what the deployment asks for, as far as its version says."""
    parts = asset_name(deployment.get("model"))
    return parts is None or parts[1] in ("", "latest") or model.version in (None, parts[1])


@once
def _named_in(script: Script) -> set[str]:
    """The last parts of all paths that are written out in a script."""
    texts = (node.value for module in script.modules for node in module.of(ast.Constant))
    return {text.rpartition("/")[2] for text in texts if isinstance(text, str)}


def _named_by(mlmodel: MLmodel) -> Iterator[str]:
    """The files that an MLmodel file says hold the model."""
    for flavor in _flavors(mlmodel):
        for key in ("model_path", "pickled_model", "python_model", "data"):
            node = flavor.get(key)
            if isinstance(node, Scalar) and isinstance(node.value, str):
                yield node.value.rpartition("/")[2]


def _flavors(mlmodel: MLmodel) -> Iterator[Mapping]:
    flavors: Node | None = mlmodel.get("flavors")
    for entry in flavors if isinstance(flavors, Mapping) else ():
        if isinstance(entry.value, Mapping):
            yield entry.value


def _all_pickles(model: Model) -> Iterator[tuple[str, Pickle]]:
    artifact = model.artifact
    found = ((each, artifact.pickle(each)) for each in artifact.files) if artifact else iter(())
    return islice(((file, pickle) for file, pickle in found if pickle is not None), MAX_PICKLES)


def place(model: Model) -> Span:
    """Where to point at for something about the model's files."""
    entry = model.find("path")
    return entry.value.span if entry else model.source.top


@rule(Level.WARNING)
def pickle_runs_code(model: Model) -> Iterator[Problem]:
    """A pickle does more than build a model when it is loaded.

    Loading a pickle calls whatever functions it names. A model needs its own classes and numpy's; one that calls
    `os.system`, `eval` or `subprocess` runs commands with the rights of the endpoint, in `init()`, before any request.
    Read here without loading it. Find out who made the file, and do not load it on your own machine either.

    Bad::

        # model.yml
        name: scikit-model
        path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x05posix\\x8c\\x06system\\x93\\x8c\\x02id\\x85R.

    Good::

        # model.yml
        name: scikit-model
        path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x0bcollections\\x8c\\x0bOrderedDict\\x93)R.
    """
    for file, pickle in _all_pickles(model):
        found = sorted(each for each in pickle.names | pickle.calls if _does_more(each, pickle))
        if found:
            message = f"{file} does more than build a model: loading it would use {listed(found[:4], 'and')}"
            yield Problem(place(model), message)


def _does_more(name: str, pickle: Pickle) -> bool:
    by_cloudpickle = any(each.startswith(("cloudpickle.", "dill.")) for each in pickle.names)
    if by_cloudpickle and name in FINE:
        return False
    return name.partition(".")[0] in MODULES or re.fullmatch(FUNCTIONS, name) is not None


@rule(Level.ERROR)
def pickle_of_main(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """The pickled model uses a class or function of the program that trained it.

    What was defined in a notebook or a script is pickled as `__main__.NAME`. In the container `__main__` is the
    inference server, and a class of that name in the scoring script does not count: `AttributeError: Can't get
    attribute 'NAME' on <module '__main__'>` in `init()` (run here with server 1.5.1). Move it to a module, import it
    from there when training, and put that module beside the scoring script.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x08__main__\\x8c\\x08Cleaning\\x93.

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x08cleaning\\x8c\\x08Cleaning\\x93.

        # src/cleaning.py
        class Cleaning: ...
    """
    if deployment.script is not None and any("__main__" in each for each in _texts(deployment.script)):
        return  # it may put something there
    for file, pickle in loaded_pickles(deployment, model):
        names = sorted(each.removeprefix("__main__.") for each in pickle.names if each.startswith("__main__."))
        if names:
            message = f"{file} refers to {listed(names[:4], 'and')} in __main__, which is the inference server; "
            yield Problem(place(model), message + "move it to a module beside the scoring script and pickle again")


def _texts(script: Script) -> Iterator[str]:
    """The texts and imports of a script, those of `if __name__ == "__main__"` aside."""
    for module in script.modules:
        guards = {each for node in module.of(ast.Compare) for each in node.comparators if _is_name(node.left)}
        yield from (str(node.value) for node in module.of(ast.Constant) if node not in guards)
        yield from module.imports.values()


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "__name__"


@rule(Level.ERROR)
def damaged_pickle(deployment: Deployment, model: Model) -> Iterator[Problem]:
    """A pickle ends in the middle, or holds bytes that no pickle has.

    Loading it fails in `init()` with `EOFError`, `UnpicklingError` or a decompression error, and the container never
    becomes ready. Such files come from interrupted copies and downloads, and from tools that change line ends.

    Bad::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x0bcollections\\x8c\\x0bOrd

    Good::

        # deployment.yml
        model:
          path: model.pkl

        # model.pkl
        \\x80\\x04\\x8c\\x0bcollections\\x8c\\x0bOrderedDict\\x93)R.
    """
    for file, pickle in loaded_pickles(deployment, model):
        if pickle.fault:
            yield Problem(place(model), f"{file} cannot be loaded: {pickle.fault}")

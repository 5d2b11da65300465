"""Files that the script opens by a relative path."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...diagnostic import Level, Problem
from ...frozen import once
from ...script import Script
from ...specs import Deployment
from ...syntax import Module, argument, has_star
from ...values import literal, source
from .. import rule

_READERS = frozenset(
    (
        "joblib.load",
        "numpy.load",
        "numpy.loadtxt",
        "pandas.read_csv",
        "pandas.read_json",
        "pandas.read_parquet",
        "pandas.read_pickle",
        "torch.load",
        "onnxruntime.InferenceSession",
        "keras.models.load_model",
        "tensorflow.keras.models.load_model",
    )
)

_SAME_FILE = ("pathlib.Path", "os.path.abspath", "os.path.realpath")
_STEPS = 20
"""How far a path is followed to where it is made."""


@rule(Level.WARNING)
def file_not_uploaded(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """A file is opened that is not in the code folder, by a relative path or by one made from `__file__`.

    Only the `code` folder is uploaded, and models lie under `AZUREML_MODEL_DIR`. In init() the FileNotFoundError keeps
    the container from becoming ready (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        import joblib

        def init():
            global model
            model = joblib.load("model.pkl")

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
    code = deployment.code
    if code is None or not code.is_folder or (deployment.environment and deployment.environment.get("build")):
        return
    here = script.beside | code.names
    for module, node, path in _opened(script):
        first = Path(path).parts[0] if Path(path).parts else ""
        if first not in ("..", "~", "") and first not in here and _is_named_once(script, path):
            yield Problem(
                module.span(node),
                f"there is no {path!r} in the code folder, and nothing else is uploaded; a model's files are under "
                "AZUREML_MODEL_DIR",
            )
    for module, node, path in _opened_from_file(script):
        folder = module.source.path.parent
        inside = os.path.relpath(folder / path, code.path).replace(os.sep, "/")
        if inside.startswith("../") and _is_named_once(script, path):
            yield Problem(
                module.span(node),
                f"{path!r} is not in the code folder, and nothing else is uploaded; a model's files are under "
                "AZUREML_MODEL_DIR",
            )


@rule(Level.NOTE)
def working_directory(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """A file beside the script is opened by a relative path, which depends on where the server was started.

    The working directory is not documented; where it is not the script's folder, opening the file fails (run on
    azmlinfsrv 1.5.1 from another folder). A path made from `__file__` always works.

    Bad::

        # src/labels.txt
        setosa

        # src/score.py
        def init():
            global labels
            with open("labels.txt") as lines:
                labels = lines.read().split()

        def run(data):
            return labels

    Good::

        # src/labels.txt
        setosa

        # src/score.py
        from pathlib import Path

        def init():
            global labels
            with open(Path(__file__).parent / "labels.txt") as lines:
                labels = lines.read().split()

        def run(data):
            return labels
    """
    code = deployment.code
    here = script.beside | (code.names if code is not None else frozenset())
    for module, node, path in _opened(script):
        first = Path(path).parts[0] if Path(path).parts else ""
        if first == ".." or first in here:
            message = "this is relative to the working directory; write Path(__file__).parent / ..."
            yield Problem(module.span(node), message)


@once
def _opened(script: Script) -> Iterator[tuple[Module, ast.expr, str]]:
    """Files that are opened for reading by a relative path, unless that may fail or the folder is changed."""
    for module in script.modules:
        for call in module.of(ast.Call):
            node = _path_argument(module, call)
            path = _relative_path(module, node) if node is not None else None
            if node is not None and path is not None and not _is_conditional(module, call):
                if _changes_folder(script):
                    return
                yield module, node, path


@once
def _changes_folder(script: Script) -> bool:
    return any(module.qualified(node) == "os.chdir" for module in script.modules for node in module.of(ast.Attribute))


def _opened_from_file(script: Script) -> Iterator[tuple[Module, ast.expr, str]]:
    """Files that are opened for reading by a path from the folder of the module that opens them."""
    for module in script.modules:
        for call in module.of(ast.Call):
            node = _path_argument(module, call)
            path = _path_from_file(module, node) if node is not None else None
            if node is not None and path and path != "." and not _is_conditional(module, call):
                yield module, node, path


def _path_from_file(module: Module, node: ast.expr, steps: int = _STEPS) -> str | None:
    """A path that is made from `__file__`, relative to its folder; None for any other."""
    match source(module, node) if steps else None:
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return _path_from_file(module, inner, steps - 1)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined(module, _path_from_file(module, left, steps - 1), [right])
        case ast.Call(args=[first, *rest]) as call if module.qualified(call.func) == "os.path.join":
            return _joined(module, _path_from_file(module, first, steps - 1), rest)
        case ast.Attribute(value=value, attr="parent"):
            return _parent(module, value, steps - 1)
        case ast.Call(args=[value]) as call if module.qualified(call.func) == "os.path.dirname":
            return _parent(module, value, steps - 1)
    return None


def _joined(module: Module, start: str | None, rest: list[ast.expr]) -> str | None:
    parts = [literal(module, each) for each in rest]
    texts = [each for each in parts if each is not None and not re.match(r"[/\\~$]", each)]
    return os.path.normpath("/".join([start, *texts])) if start and len(texts) == len(parts) else None


def _parent(module: Module, node: ast.expr, steps: int) -> str | None:
    """The folder of `__file__` itself, or the one above a path that is made from it."""
    if _is_file(module, node, steps):
        return "."
    below = _path_from_file(module, node, steps)
    return os.path.normpath(below + "/..") if below else None


def _is_file(module: Module, node: ast.expr, steps: int) -> bool:
    """Whether this is `__file__`, or a Path of it, or its absolute path."""
    match node if steps else None:
        case ast.Name(id="__file__"):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr="resolve" | "absolute"), args=[]):
            return _is_file(module, value, steps - 1)
        case ast.Call(args=[value]) as call:
            return module.qualified(call.func) in _SAME_FILE and _is_file(module, value, steps - 1)
    return False


def _path_argument(module: Module, call: ast.Call) -> ast.expr | None:
    name = module.qualified(call.func)
    if name in _READERS:
        return call.args[0] if call.args else None
    if name in ("open", "io.open") and not module.scope(None).has("open"):
        mode = literal(module, argument(call, 1, "mode")) if argument(call, 1, "mode") is not None else "r"
        return call.args[0] if call.args and mode is not None and not set(mode) & set("wax+") else None
    match call.func:
        case ast.Attribute(value=ast.Call(func=made, args=[path]), attr="open" | "read_text" | "read_bytes"):
            return path if module.qualified(made) == "pathlib.Path" and not call.args else None
    return None


def _relative_path(module: Module, node: ast.expr) -> str | None:
    """A relative path that is written out, or joined of parts that are."""
    found = source(module, node)
    if isinstance(found, ast.Call) and module.qualified(found.func) == "os.path.join" and not has_star(found):
        parts = [literal(module, each) for each in found.args]
        path = "/".join(each for each in parts if each is not None) if None not in parts else None
    else:
        path = literal(module, node)
    if not path or re.match(r"[/\\~$]|[A-Za-z][A-Za-z0-9+.-]*:", path):
        return None
    return None if any(mark in path for mark in "{}\n") else path


def _is_conditional(module: Module, call: ast.Call) -> bool:
    """Whether a call may be skipped or its failure caught, or does not run on the server."""
    below: ast.AST = call
    for above in module.ancestors(call):
        if isinstance(above, ast.If | ast.IfExp | ast.Lambda | ast.Match):
            return True
        if isinstance(above, ast.Try) and below in above.body and above.handlers:
            return True
        below = above
    return False


def _is_named_once(script: Script, path: str) -> bool:
    """Whether nothing else in the scripts names the file, as it would where it is written or downloaded first."""
    name = Path(path).name
    texts = (node.value for module in script.modules for node in module.of(ast.Constant))
    return sum(isinstance(text, str) and name in text for text in texts) <= 1

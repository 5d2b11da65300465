"""The folder that the script is in: what it imports and opens there, and what else the server finds."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ...diagnostic import Level, Problem, Related
from ...frozen import once
from ...reach import imported_modules, imports
from ...script import CONFIG, Script
from ...specs import Deployment
from ...syntax import Module, is_main_guard
from .. import rule


@rule(Level.ERROR)
def relative_import(script: Script) -> Iterator[Problem]:
    """The script, or a module beside it, imports relatively, but it is in no package.

    The server loads the scoring script as a file of its own, and puts its folder on the module path. `from . import
    helper` raises `attempted relative import with no known parent package`, and the container never becomes ready (run
    on azmlinfsrv 1.5.1). Inside of a package, a folder that the script imports, relative imports work.

    Bad::

        # src/score.py
        from .features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

        # src/features.py
        def prepare(data):
            return data

    Good::

        # src/score.py
        from features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

        # src/features.py
        def prepare(data):
            return data
    """
    folder = script.source.path.parent
    for module in script.modules:
        depth = len(Path(os.path.relpath(module.source.path, folder)).parts) - 1
        for node in module.of(ast.ImportFrom):
            if node.level > depth and not is_guarded(module, node):
                absolute = node.module or node.names[0].name
                yield Problem(
                    module.span(node),
                    f"this file is in no package, so it cannot import relatively; import {absolute!r} without the dots",
                )


def is_guarded(module: Module, node: ast.AST) -> bool:
    """Whether a statement may fail, or not run at all: it is in a `try`, a function, a main guard, or an `if`."""
    below = node
    for above in module.ancestors(node):
        if isinstance(above, ast.Try) and below in above.body and above.handlers:
            return True
        if isinstance(above, ast.If) and (is_main_guard(above.test) or "TYPE_CHECKING" in ast.unparse(above.test)):
            return True
        below = above
    return False


@rule(Level.WARNING)
def import_from_code_root(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """The script imports a module that lies in the code folder, but not beside the script.

    Only the scoring script's own folder is on the module path, not the `code` folder that is uploaded: with the script
    in a sub-folder, imports that work from the repository's root fail with ModuleNotFoundError (seen on azmlinfsrv
    1.5.1). Move the script up, or put its parent on `sys.path` first.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: serving/score.py

        # src/features.py
        def prepare(data):
            return data

        # src/serving/score.py
        from features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: serving/score.py

        # src/features.py
        def prepare(data):
            return data

        # src/serving/score.py
        import sys
        from pathlib import Path

        sys.path.append(str(Path(__file__).parent.parent))
        from features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)
    """
    code, folder = deployment.code, script.source.path.parent
    if code is None or folder == code.path or _changes_path(script) or _variable(deployment, "PYTHONPATH"):
        return
    conda = deployment.environment.conda if deployment.environment else None
    installed = {each.name for each in conda.packages.requirements} if conda else set()
    for module in script.modules:
        for node, name in _absolute(module):
            top = name.partition(".")[0]
            known = {top, top + ".py"} & script.beside or top in sys.stdlib_module_names or top.lower() in installed
            if not known and {top, top + ".py"} & code.names and not is_guarded(module, node):
                related = (Related(code.node.span, "it is in this folder, which is not on the module path"),)
                message = (
                    f"{top!r} is not beside the scoring script, and most likely not importable: "
                    "the server adds only the script's own folder to the module path"
                )
                yield Problem(module.span(node), message, related)


@rule(Level.WARNING)
def import_by_folder_name(script: Script, deployment: Deployment) -> Iterator[Problem]:
    """The script imports a module by the name of the folder that is uploaded, or that it is in itself.

    What is in the `code` folder is uploaded, not the folder, and the server puts the script's own folder on the module
    path: `from src.features import prepare`, which works from the repository's root, ends with
    `ModuleNotFoundError: No module named 'src'`, and the container never becomes ready (run on azmlinfsrv 1.5.1).

    Bad::

        # src/score.py
        from src.features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

        # src/features.py
        def prepare(data):
            return data

    Good::

        # src/score.py
        from features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

        # src/features.py
        def prepare(data):
            return data
    """
    code, folder = deployment.code, script.source.path.parent
    if code is None or _changes_path(script) or _variable(deployment, "PYTHONPATH"):
        return
    named = {os.path.basename(os.path.abspath(folder)): script.beside}
    named.setdefault(os.path.basename(os.path.abspath(code.path)), code.names)
    for module in imported_modules(script):
        for node, name in imports(module):
            top, _, rest = name.partition(".")
            inner = rest.partition(".")[0]
            if {top, top + ".py"} & script.beside or not {inner, inner + ".py"} & named.get(top, frozenset()):
                continue
            message = f"no module is called {top!r} there, which is the name of a folder; import {inner!r} without it"
            yield Problem(module.span(node), message)


def _absolute(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    for plain in module.of(ast.Import):
        yield from ((plain, each.name) for each in plain.names)
    yield from ((node, node.module) for node in module.of(ast.ImportFrom) if node.module and not node.level)


@once
def _changes_path(script: Script) -> bool:
    return any(
        module.qualified(node).startswith(("sys.path", "site.addsitedir", "importlib.util"))
        for module in script.modules
        for node in module.of(ast.Attribute)
    )


def _variable(deployment: Deployment, name: str) -> bool:
    return deployment.find("environment_variables", name) is not None


@rule(Level.ERROR)
def config_json(script: Script) -> Iterator[Problem]:
    """The server takes the `config.json` beside the script for its own settings, and cannot read this one.

    Whatever the file was meant for, one that is not a JSON object ends the worker before the script is imported, and
    the container never becomes ready (run on azmlinfsrv 1.5.1: a list, a trailing comma, a byte order mark). Keys that
    are no settings are passed over, so a workspace's `config.json` does no harm.

    Bad::

        # src/config.json
        ["age", "bmi"]

        # src/score.py
        def init():
            pass

        def run(data):
            return data

    Good::

        # src/config.json
        {"features": ["age", "bmi"]}

        # src/score.py
        def init():
            pass

        def run(data):
            return data
    """
    config = script.config
    if config is None:
        return
    what = "starts with a byte order mark" if config.bom else ""
    try:
        value = json.loads(config.text)
    except (ValueError, RecursionError) as error:
        what = what or f"is not JSON ({error})"
    else:
        what = what or ("is not a JSON object" if not isinstance(value, dict) else "")
    if what:
        message = f"this {CONFIG} {what}, and the server reads it as its own settings: it cannot start; rename the file"
        yield Problem(config.top, message)

"""The functions that the inference server calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...script import Script
from .. import rule


@rule(Level.ERROR)
def missing_function(script: Script) -> Iterator[Problem]:
    """The scoring script has no module-level `init` or `run`.

    The inference server imports the script, calls `init()` once and `run(data)` for each request. Without one of them
    the worker exits with `User script ... does not have a init() function defined`, and the container never becomes
    ready. A function inside a class, or under `if __name__ == "__main__":`, is not found.

    Bad::

        # src/score.py
        def init():
            pass

        class Model:
            def run(self, data):
                return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return data
    """
    main = script.main
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in main.tree.body):
        return
    for name in ("init", "run"):
        if name in main.names:
            continue
        inner = next((node for node, _ in main.nodes if isinstance(node, ast.FunctionDef) and node.name == name), None)
        message = f"there is no module-level function {name!r}; the server cannot start"
        if inner is not None:
            yield Problem(main.name_span(inner), message + "; move this one to the module's top level")
        else:
            yield Problem(main.source.top, message)

"""What run() returns, as far as nothing else is made of it: what rules about answers and about errors start from."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...frozen import once
from ...script import Script


@once
def returned(script: Script) -> Iterator[tuple[ast.Return, ast.expr]]:
    """Every `return value` of run(), unless run() or a decorator does something else with it."""
    run, module = script.run, script.main
    if run is None or script.entry is None or isinstance(run, ast.AsyncFunctionDef):
        return
    if any(module.of_inside(kind, run) for kind in (ast.Yield, ast.YieldFrom)):
        return
    for node in module.of_inside(ast.Return, run):
        if node.value is not None:
            yield node, node.value

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
    nodes = module.inside(run)
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in nodes):
        return
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            yield node, node.value

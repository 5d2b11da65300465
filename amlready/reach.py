"""What of a scoring script certainly runs on the server: the module's own statements, init() and run(), and the
functions that these call, as long as nothing stands in between that may skip it or catch its failure."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .frozen import once
from .scopes import COMPREHENSIONS, FUNCTIONS, LOOPS, Function
from .script import Script
from .syntax import Module

MAX_FUNCTIONS = 200
"""Most functions that are followed."""

_MAY_SKIP = (ast.If, ast.IfExp, ast.BoolOp, ast.Lambda, ast.Match, ast.ExceptHandler, *LOOPS, *COMPREHENSIONS)


def is_unconditional(module: Module, node: ast.AST) -> bool:
    """Whether a node is evaluated whenever the function, or module, that it stands in runs, and its failure felt."""
    below = node
    for above in module.ancestors(node):
        if isinstance(above, FUNCTIONS):
            return True
        if isinstance(above, _MAY_SKIP) and not _comes_first(above, below):
            return False
        if isinstance(above, ast.Try) and (below in above.orelse or (below in above.body and above.handlers)):
            return False
        if isinstance(above, ast.With | ast.AsyncWith) and _suppresses(module, above):
            return False
        below = above
    return True


def _comes_first(above: ast.AST, below: ast.AST) -> bool:
    """Whether a part of something conditional is evaluated in any case: what is tested, what is looped over."""
    match above:
        case ast.If(test=first) | ast.IfExp(test=first) | ast.For(iter=first) | ast.Match(subject=first):
            return below is first
        case ast.BoolOp(values=[first, *_]):
            return below is first
    return False


def _suppresses(module: Module, statement: ast.With | ast.AsyncWith) -> bool:
    calls = (each.context_expr for each in statement.items if isinstance(each.context_expr, ast.Call))
    return any(module.qualified(each.func).endswith("suppress") for each in calls)


@once
def certain_functions(script: Script) -> list[tuple[Module, Function | None]]:
    """The functions that certainly run, with the module each is in; None stands for a module's own statements."""
    found: list[tuple[Module, Function | None]] = [(module, None) for module in imported_modules(script)]
    found += [(script.main, each) for each in (script.init, script.run) if each is not None]
    for module, function in found:
        if len(found) > MAX_FUNCTIONS:
            break
        for node in module.of_inside(ast.Call, function):
            if is_unconditional(module, node):
                called = script.function(module, node.func)
                if called is not None and called not in found:
                    found.append(called)
    return found


@once
def imported_modules(script: Script) -> list[Module]:
    """The modules of a script that are certainly imported when it is."""
    found = [script.main]
    for module in found:
        for _, name in imports(module):
            parts = name.split(".")
            for count in range(1, len(parts) + 1):
                other = script.by_name.get(".".join(parts[:count]))
                if other is not None and other not in found:
                    found.append(other)
    return found


def imports(module: Module, function: Function | None = None) -> Iterator[tuple[ast.stmt, str]]:
    """The imports that a module, or one of its functions, certainly makes: statement and full name."""
    for node in module.import_statements:
        if module.function_of(node) is not function or not is_unconditional(module, node):
            continue
        if isinstance(node, ast.Import):
            yield from ((node, each.name) for each in node.names)
        elif not node.level and node.module:
            yield from ((node, f"{node.module}.{each.name}") for each in node.names)

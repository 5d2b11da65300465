"""What an expression of a scoring script stands for, as far as the text alone makes it certain.

Names are followed to the one assignment that reaches them. Wherever two could (a branch, a loop, an `except`), the
answer is None, which every caller must take as "could be anything".
"""

from __future__ import annotations

import ast

from .frozen import frozen
from .scopes import COMPREHENSIONS, FUNCTIONS, LOOPS, Binding, Function, parameters
from .syntax import Module

MAX_STEPS = 20
"""Longest chain of names, calls and attributes that is followed."""


@frozen
class Parameter:
    """A parameter of a function, as it was passed in."""

    function: Function
    name: str


# --- names ---


def definition(module: Module, name: ast.Name) -> Binding | Parameter | None:
    """The one thing that a name stands for where it is used; None if there are several, or it cannot be seen."""
    known = module.definitions
    if name not in known:
        known[name] = _defined(module, name)
    return known[name]


def _defined(module: Module, name: ast.Name) -> Binding | Parameter | None:
    if is_inner(module, name):
        return None
    function = module.function_of(name)
    while function is not None:
        scope = module.scope(function)
        if scope.has(name.id):
            inner = module.function_of(name)
            return _reaching(module, name, function) if function is inner else _only(scope.bindings.get(name.id, []))
        function = module.function_of(function) if name.id not in scope.elsewhere else None
    return global_value(module, name.id)


def global_value(module: Module, name: str) -> Binding | None:
    """The one value that a module-level name gets, `None` as a stand-in aside."""
    bindings = module.global_bindings(name)
    real = [each for each in bindings if not is_none(each.value)]
    return _only(real or bindings[:1])


def is_none(node: ast.AST | None) -> bool:
    """Whether an expression is the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def _only(bindings: list[Binding]) -> Binding | None:
    return bindings[0] if len(bindings) == 1 else None


def is_inner(module: Module, name: ast.Name) -> bool:
    """Whether a comprehension or a lambda between a name and its function gives the name a meaning of its own."""
    if name.id not in module.inner_names:
        return False
    for above in module.ancestors(name):
        if isinstance(above, FUNCTIONS):
            return False
        if isinstance(above, ast.Lambda) and any(each.arg == name.id for each in parameters(above)):
            return True
        if isinstance(above, COMPREHENSIONS):
            targets = (node for each in above.generators for node in ast.walk(each.target))
            if any(isinstance(node, ast.Name) and node.id == name.id for node in targets):
                return True
    return False


def position(node: ast.AST) -> tuple[int, int]:
    """Where a node starts, to compare which of two comes first."""
    if isinstance(node, ast.withitem):
        node = node.context_expr
    return (node.lineno, node.col_offset) if isinstance(node, _PLACED) else (0, 0)


_PLACED = (ast.expr, ast.stmt, ast.ExceptHandler, ast.keyword, ast.pattern)


def _reaching(module: Module, use: ast.Name, function: Function) -> Binding | Parameter | None:
    """The assignment within the same function that a use certainly sees."""
    scope = module.scope(function)
    around = {use, *module.ancestors(use)}
    bindings = scope.bindings.get(use.id, [])
    earlier = [each for each in bindings if position(each.node) < position(use) and not _in_progress(each, around)]
    last = max(earlier, key=lambda each: position(each.node), default=None)
    if last is not None and not is_certain(module, last.node, use):
        return None
    passed = {last.node, *module.ancestors(last.node)} if last else set()
    for loop in around - passed:
        if isinstance(loop, LOOPS) and any(loop in (each.node, *module.ancestors(each.node)) for each in bindings):
            return None  # a later turn of the loop sees another value
    if last is not None:
        return last
    return Parameter(function, use.id) if use.id in scope.parameters else None


def _in_progress(binding: Binding, around: set[ast.AST]) -> bool:
    """Whether a use stands in the value of the very assignment."""
    return isinstance(binding.node, _ASSIGNMENTS) and binding.node in around


_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)


def is_certain(module: Module, first: ast.AST, second: ast.AST) -> bool:
    """Whether whatever reaches `second` has passed `first`, an earlier node of the same function, before."""
    around = {second, *module.ancestors(second)}
    node = statement(module, first)
    if first in around or (isinstance(first, ast.withitem | ast.NamedExpr) and node in around):
        return True
    if isinstance(first, ast.ExceptHandler):
        return False  # its name ends with it
    while True:
        block = block_of(module, node)
        if any(each in around for each in block[block.index(node) + 1 :]):
            return True
        above = module.parent(node)
        if not isinstance(above, ast.stmt) or not _is_passed_through(above, node):
            return False
        node = above


def statement(module: Module, node: ast.AST) -> ast.stmt:
    """The innermost statement that a node is or stands in."""
    while not isinstance(node, ast.stmt):
        above = module.parent(node)
        assert above is not None, "an expression stands in a statement"
        node = above
    return node


def block_of(module: Module, node: ast.stmt) -> list[ast.stmt]:
    """The list of statements that a statement is in."""
    above = module.parent(node)
    for value in vars(above).values() if above is not None else ():
        if isinstance(value, list) and node in value:
            return value
    return [node]


def _is_passed_through(compound: ast.stmt, node: ast.stmt) -> bool:
    """Whether leaving a compound statement means that this statement in it has run."""
    match compound:
        case ast.With() | ast.AsyncWith():
            return True
        case ast.Try(body=body, handlers=handlers, finalbody=final):
            return node in final or (node in body and all(ends(handler.body) for handler in handlers))
    return False


def ends(block: list[ast.stmt]) -> bool:
    """Whether nothing after a block runs once the block does: it returns, raises or exits."""
    match block[-1] if block else None:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If(body=body, orelse=orelse):
            return ends(body) and ends(orelse)
        case ast.With(body=body):
            return ends(body)
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id="sys" | "os"), attr="exit" | "_exit" | "abort"))
        ):
            return True
    return False


def source(module: Module, node: ast.expr) -> ast.expr | Parameter | None:
    """What an expression stands for once names are followed: anything but a name, a parameter, or None if unsure."""
    for _ in range(MAX_STEPS):
        if not isinstance(node, ast.Name):
            return node
        found = definition(module, node)
        if isinstance(found, Parameter):
            return found
        if found is None or found.value is None:
            return None
        node = found.value
    return None


def literal(module: Module, node: ast.expr | None) -> str | None:
    """The text of a string literal, or of a name that stands for one."""
    found = source(module, node) if node is not None else None
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def literals(module: Module, node: ast.expr | None) -> list[ast.expr] | None:
    """The items of a list or tuple that is written out, or of a name that stands for one that nothing appends to."""
    found = source(module, node) if node is not None else None
    if not isinstance(found, ast.List | ast.Tuple) or any(isinstance(each, ast.Starred) for each in found.elts):
        return None
    grows = isinstance(node, ast.Name) and isinstance(found, ast.List) and _is_changed(module, node.id)
    return None if grows else found.elts


def _is_changed(module: Module, name: str) -> bool:
    """Whether a list of this name may get other items after it was made."""
    for node in module.of(ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == name and node.attr in _CHANGING:
            return True
    stores = (node for node in module.of(ast.Subscript) if not isinstance(node.ctx, ast.Load))
    return any(isinstance(node.value, ast.Name) and node.value.id == name for node in stores)


_CHANGING = ("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse")

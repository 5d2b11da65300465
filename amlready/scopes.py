"""Which names a function or a module has, and what gives them a value."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .frozen import frozen

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@frozen
class Binding:
    """One place where a name gets a value; `value` is None when what it gets cannot be seen (a loop, an unpacking)."""

    name: str
    node: ast.AST
    value: ast.expr | None = None

    def __init__(self, name: str, node: ast.AST, value: ast.expr | None = None) -> None:
        # by hand, because a script has dozens of them
        state = self.__dict__
        state["name"], state["node"], state["value"] = name, node, value


@frozen
class Scope:
    """The names of one function, or of the module: what each is bound to, parameters, and `global` statements."""

    bindings: dict[str, list[Binding]]
    parameters: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    """Names that a `global` or `nonlocal` statement gives to another scope."""

    def has(self, name: str) -> bool:
        """Whether a name is the scope's own."""
        return name not in self.elsewhere and (name in self.parameters or name in self.bindings)


BINDERS = (
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.NamedExpr,
    ast.For,
    ast.AsyncFor,
    ast.withitem,
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.ExceptHandler,
    ast.Delete,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
)


def bindings_of(node: ast.AST) -> Iterator[Binding]:
    """The names that a node of one of the types in BINDERS gives a value."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, node, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _unpacked(target, node, value)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                yield Binding(alias.asname or alias.name.partition(".")[0], node)
        case _:
            for target in _changed(node):
                yield from _unpacked(target, node, None)
            # functions, classes, `except ... as name`, `case ... as name`, `case {**name}`
            name = getattr(node, "rest", None) or getattr(node, "name", None)
            if isinstance(name, str):
                yield Binding(name, node)


def _changed(node: ast.AST) -> list[ast.expr]:
    """The targets of a statement that gives them values which cannot be seen."""
    match node:
        case ast.AugAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
            return [target]
        case ast.withitem(optional_vars=ast.expr() as target):
            return [target]
        case ast.Delete(targets=targets):
            return targets
    return []


def _unpacked(target: ast.expr, node: ast.AST, value: ast.expr | None) -> Iterator[Binding]:
    match target:
        case ast.Name(id=name):
            yield Binding(name, node, value)
        case ast.Starred(value=inner):
            yield from _unpacked(inner, node, None)
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            whole = len(values) == len(targets) and not any(isinstance(each, ast.Starred) for each in targets)
            for position, each in enumerate(targets):
                yield from _unpacked(each, node, values[position] if whole else None)


def parameters(function: Function | ast.Lambda) -> list[ast.arg]:
    """Every parameter, `*args` and `**kwargs` too, in order."""
    given = function.args
    stars = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]

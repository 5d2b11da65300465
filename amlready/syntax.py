"""One Python file as a syntax tree with places: nothing is imported or run.

Every fact comes from one walk over the tree, done when the first fact is asked for; rules then look nodes up by type or
by function instead of walking again.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from .diagnostic import Problem
from .source import Source, Span

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_N = TypeVar("_N", bound=ast.AST)


@dataclass(frozen=True)
class Binding:
    """One place where a name gets a value; `value` is None when what it gets cannot be seen (a loop, an unpacking)."""

    name: str
    node: ast.AST
    value: ast.expr | None = None


@dataclass(frozen=True)
class Scope:
    """The names of one function, or of the module: what each is bound to, parameters, and `global` statements."""

    bindings: dict[str, list[Binding]]
    parameters: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    """Names that a `global` or `nonlocal` statement gives to another scope."""

    def has(self, name: str) -> bool:
        """Whether a name is the scope's own."""
        return name not in self.elsewhere and (name in self.parameters or name in self.bindings)


@dataclass(frozen=True)
class _Walk:
    """What one pass over the tree found."""

    nodes: list[tuple[ast.AST, tuple[Function, ...]]] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    by_type: dict[type[ast.AST], list[ast.AST]] = field(default_factory=dict)
    by_function: dict[Function | None, list[ast.AST]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Module:
    """One Python file that could be parsed."""

    source: Source
    tree: ast.Module

    # --- places ---

    def span(self, node: ast.AST) -> Span:
        """Where a node stands. `ast` counts UTF-8 bytes from the start of a line; spans count characters."""
        first, last = self._offset(node, "lineno", "col_offset"), self._offset(node, "end_lineno", "end_col_offset")
        return Span(self.source, first, max(first, last))

    def name_span(self, node: Function | ast.ClassDef) -> Span:
        """The name of a function or class where it is defined, rather than its whole body."""
        start = self.span(node).start
        at = self.source.text.find(node.name, start)
        return Span(self.source, at, at + len(node.name)) if at >= 0 else Span(self.source, start, start)

    def argument_span(self, keyword: ast.keyword) -> Span:
        """The name of a keyword argument where it is given."""
        start = self.span(keyword).start
        return Span(self.source, start, start + len(keyword.arg or "**"))

    def _offset(self, node: ast.AST, line: str, column: str) -> int:
        number, count = getattr(node, line, 1) or 1, getattr(node, column, 0) or 0
        start = self.line_starts[min(number, len(self.line_starts)) - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.source.text)
        text = self.source.text[start:end]
        return start + (count if text.isascii() else len(text.encode()[:count].decode("utf-8", "ignore")))

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets of Python's lines: unlike `Source.starts`, a lone carriage return ends one."""
        text = self.source.text
        if "\r" not in text:
            return self.source.starts
        starts = [0]
        for at, character in enumerate(text):
            if character == "\n" or (character == "\r" and text[at + 1 : at + 2] != "\n"):
                starts.append(at + 1)
        return starts

    # --- the walk ---

    @cached_property
    def _walk(self) -> _Walk:
        walk = _Walk()
        stack: list[tuple[ast.AST, tuple[Function, ...]]] = [(self.tree, ())]
        while stack:
            node, around = pair = stack.pop()
            walk.nodes.append(pair)
            walk.by_type.setdefault(type(node), []).append(node)
            walk.by_function.setdefault(around[-1] if around else None, []).append(node)
            children = list(_children(node))
            for child in children:
                walk.parents[child] = node
            if isinstance(node, FUNCTIONS):
                body, inner = set(node.body), (*around, node)
                stack.extend([(child, inner if child in body else around) for child in reversed(children)])
            else:
                stack.extend([(child, around) for child in reversed(children)])
        return walk

    @property
    def nodes(self) -> list[tuple[ast.AST, tuple[Function, ...]]]:
        """Every node in the order of the text, with the functions around it, without operators and contexts."""
        return self._walk.nodes

    def of(self, kind: type[_N]) -> list[_N]:
        """The nodes of exactly this type, in the order of the text."""
        return self._walk.by_type.get(kind, [])  # type: ignore[return-value]

    def inside(self, function: Function | None) -> list[ast.AST]:
        """The nodes whose innermost function is this one; those outside of all functions for None."""
        return self._walk.by_function.get(function, [])

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._walk.parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside out; the module comes last."""
        parents = self._walk.parents
        above = parents.get(node)
        while above is not None:
            yield above
            above = parents.get(above)

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function that a node runs in. Decorators and default values run outside of their function."""
        below = node
        for above in self.ancestors(node):
            if isinstance(above, FUNCTIONS) and below in above.body:
                return above
            below = above
        return None

    # --- names ---

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The module-level functions by name; those defined under a top-level `if` or `try` count, as when imported."""
        return {node.name: node for node in _top_level(self.tree.body) if isinstance(node, Function)}

    @cached_property
    def names(self) -> dict[str, ast.stmt]:
        """Every module-level name and the statement that binds it first."""
        bound: dict[str, ast.stmt] = {}
        for statement in _top_level(self.tree.body):
            for name in _bound(statement):
                bound.setdefault(name, statement)
        return bound

    def only_function(self, name: str) -> Function | None:
        """The module-level function of that name, when nothing else gives the name another meaning."""
        bindings = self.scope(None).bindings.get(name, [])
        one = bindings[0].node if len(bindings) == 1 else None
        return one if isinstance(one, FUNCTIONS) and not self.is_global_of_any(name) else None

    def is_global_of_any(self, name: str) -> bool:
        """Whether some function says `global name`."""
        return any(name in node.names for node in self.of(ast.Global))

    @cached_property
    def _scopes(self) -> dict[Function | None, Scope]:
        return {}

    def scope(self, function: Function | None) -> Scope:
        """The names of a function, or of the module for None."""
        known = self._scopes.get(function)
        if known is None:
            known = self._scopes[function] = self._scope(function)
        return known

    def _scope(self, function: Function | None) -> Scope:
        bindings: dict[str, list[Binding]] = {}
        elsewhere: set[str] = set()
        for node in self.inside(function):
            if isinstance(node, ast.Global | ast.Nonlocal):
                elsewhere.update(node.names)
            elif isinstance(node, _BINDERS) and not self._in_class(node):
                for each in _bindings(node):
                    bindings.setdefault(each.name, []).append(each)
        return Scope(bindings, _parameters(function), frozenset(elsewhere))

    def _in_class(self, node: ast.AST) -> bool:
        """Whether a node is part of a class's body, where what it binds is no variable."""
        for above in self.ancestors(node):
            if isinstance(above, (ast.ClassDef, *FUNCTIONS)):
                return isinstance(above, ast.ClassDef)
        return False

    def global_bindings(self, name: str) -> list[Binding]:
        """Everything that gives a module-level name a value, from wherever in the module."""
        found = list(self.scope(None).bindings.get(name, []))
        for statement in self.of(ast.Global):
            function = self.function_of(statement)
            if name in statement.names and function is not None:
                found += self.scope(function).bindings.get(name, [])
        return list(dict.fromkeys(found))

    @cached_property
    def imports(self) -> dict[str, str]:
        """What an imported name stands for, in full: `Collector` -> `azureml.ai.monitoring.Collector`."""
        known: dict[str, str] = {}
        for plain in self.of(ast.Import):
            for each in plain.names:
                known[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        for node in self.of(ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            for each in node.names:
                known[each.asname or each.name] = f"{prefix}.{each.name}"
        return known

    @cached_property
    def has_star_import(self) -> bool:
        """Whether names may come from `from x import *`."""
        return any(each.name == "*" for node in self.of(ast.ImportFrom) for each in node.names)

    def qualified(self, node: ast.expr) -> str:
        """The full dotted name of an expression, with imports resolved, or '' when it is not a name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for value in node.__dict__.values():
        if isinstance(value, list):
            for item in value:
                if isinstance(item, ast.AST) and not isinstance(item, _SHARED):
                    yield item
        elif isinstance(value, ast.AST) and not isinstance(value, _SHARED):
            yield value


# The parser uses one object for all of these, so they have no place and no parent of their own.
_SHARED = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        match statement:
            case ast.If() if is_main_guard(statement.test):
                pass
            case ast.If() | ast.Try() | ast.With():
                yield from _top_level(statement.body)
                yield from _top_level(getattr(statement, "orelse", []))
                for handler in getattr(statement, "handlers", []):
                    yield from _top_level(handler.body)


def is_main_guard(test: ast.expr) -> bool:
    """`__name__ == ...`, which is false when the server imports the script."""
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _bound(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for each in names:
                yield each.asname or each.name.partition(".")[0]
        case ast.Assign(targets=targets):
            for target in targets:
                yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            yield name


_BINDERS = (
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


def _bindings(node: ast.AST) -> Iterator[Binding]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, node, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _unpacked(target, node, value)
        case ast.Import() | ast.ImportFrom():
            yield from (Binding(name, node) for name in _bound(node))
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


def _parameters(function: Function | None) -> frozenset[str]:
    return frozenset(each.arg for each in parameters(function)) if function is not None else frozenset()


def parameters(function: Function | ast.Lambda) -> list[ast.arg]:
    """Every parameter, `*args` and `**kwargs` too, in order."""
    given = function.args
    stars = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]


@dataclass(frozen=True, eq=False)
class Call:
    """A call and where it stands: its module, and the functions around it from the outermost in."""

    module: Module
    node: ast.Call
    functions: tuple[Function, ...] = ()

    @property
    def span(self) -> Span:
        return self.module.span(self.node)

    @property
    def name_span(self) -> Span:
        """The function that is called, without its arguments."""
        return self.module.span(self.node.func)

    def argument(self, position: int, keyword: str) -> ast.expr | None:
        """An argument given by position or by keyword."""
        return argument(self.node, position, keyword)

    @property
    def has_star(self) -> bool:
        """Whether arguments come from `*args` or `**kwargs`, so that what is not seen may still be there."""
        return has_star(self.node)


def argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    """An argument given by position (none if negative) or by keyword."""
    for each in call.keywords:
        if each.arg == keyword:
            return each.value
    return call.args[position] if 0 <= position < len(call.args) else None


def has_star(call: ast.Call) -> bool:
    """Whether arguments come from `*args` or `**kwargs`."""
    return any(each.arg is None for each in call.keywords) or any(isinstance(each, ast.Starred) for each in call.args)


def parse(source: Source) -> Module | Problem:
    """A module, or the syntax error at its place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the script's own, about invalid escapes and the like
            return Module(source, ast.parse(source.text))
    except SyntaxError as error:
        line = min(max(error.lineno or 1, 1), len(source.starts))
        start = min(source.starts[line - 1] + max((error.offset or 1) - 1, 0), len(source.text))
        return Problem(Span(source, start, min(start + 1, len(source.text))), f"Python cannot read this: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Problem(source.top, f"Python cannot read this file: {error or type(error).__name__}")

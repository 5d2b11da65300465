"""One Python file as a syntax tree with places: nothing is imported or run.

Every fact comes from one walk over the tree, done when the first fact is asked for; rules then look nodes up by type or
by function instead of walking again.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from .diagnostic import Problem
from .frozen import field, frozen
from .scopes import BINDERS, FUNCTIONS, Binding, Function, Scope, bindings_of, parameters
from .source import Source, Span

if TYPE_CHECKING:
    from .values import Parameter

_N = TypeVar("_N", bound=ast.AST)


@frozen
class _Walk:
    """What one pass over the tree found."""

    nodes: list[tuple[ast.AST, tuple[Function, ...]]] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    by_type: dict[type[ast.AST], list[ast.AST]] = field(default_factory=dict)


@frozen(eq=False)
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
        nodes, parents, by_type = walk.nodes, walk.parents, walk.by_type
        stack: list[tuple[ast.AST, tuple[Function, ...]]] = [(self.tree, ())]
        while stack:
            node, around = pair = stack.pop()
            nodes.append(pair)
            kind = type(node)
            same = by_type.get(kind)
            if same is None:
                by_type[kind] = [node]
            else:
                same.append(node)
            fields = _FIELDS.get(kind)
            for name in _fields(kind) if fields is None else fields:
                value = node.__dict__.get(name)
                if isinstance(value, ast.AST):
                    parents[value] = node
                    stack.append((value, around))
                elif value and type(value) is list:
                    inner = (*around, node) if name == "body" and isinstance(node, FUNCTIONS) else around
                    _add(value, node, inner, walk, stack)
        return walk

    @cached_property
    def _by_function(self) -> dict[Function | None, list[ast.AST]]:
        found: dict[Function | None, list[ast.AST]] = {None: []}
        last: tuple[Function, ...] = ()
        same = found[None]
        for node, around in self.nodes:
            if around is not last:
                same, last = found.setdefault(around[-1] if around else None, []), around
            same.append(node)
        return found

    @cached_property
    def _around(self) -> dict[ast.AST, tuple[Function, ...]]:
        return dict(self.nodes)

    @property
    def nodes(self) -> list[tuple[ast.AST, tuple[Function, ...]]]:
        """Every node in the order of the text, with the functions around it, without operators and contexts."""
        return self._walk.nodes

    def of(self, kind: type[_N]) -> list[_N]:
        """The nodes of exactly this type, in the order of the text."""
        return self._walk.by_type.get(kind, [])  # type: ignore[return-value]

    def inside(self, function: Function | None) -> list[ast.AST]:
        """The nodes whose innermost function is this one; those outside of all functions for None."""
        return self._by_function.get(function, [])

    def of_inside(self, kind: type[_N], function: Function | None) -> list[_N]:
        """The nodes of exactly this type whose innermost function is this one, in the order of the text."""
        by_type = self._by_function_and_type.get(function)
        if by_type is None:
            by_type = self._by_function_and_type[function] = {}
            for node in self.inside(function):
                by_type.setdefault(type(node), []).append(node)
        return by_type.get(kind, [])  # type: ignore[return-value]

    @cached_property
    def _by_function_and_type(self) -> dict[Function | None, dict[type[ast.AST], list[ast.AST]]]:
        """The functions that have been asked for."""
        return {}

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._walk.parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside out; the module comes last."""
        parents = self._walk.parents
        above = parents.get(node)
        while above is not None:
            yield above
            above = parents.get(above)

    def functions_around(self, node: ast.AST) -> tuple[Function, ...]:
        """The functions that a node runs in, from the outermost in."""
        return self._around.get(node, ())

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function that a node runs in. Decorators and default values run outside of their function."""
        around = self._around.get(node)
        return around[-1] if around else None

    # --- names ---

    @cached_property
    def inner_names(self) -> frozenset[str]:
        """The names that some comprehension or lambda has for itself."""
        arguments = {each.arg for node in self.of(ast.Lambda) for each in parameters(node)}
        targets = (node for each in self.of(ast.comprehension) for node in ast.walk(each.target))
        return frozenset(arguments | {node.id for node in targets if isinstance(node, ast.Name)})

    @cached_property
    def definitions(self) -> dict[ast.Name, Binding | Parameter | None]:
        """What `values.definition` has found out; most rules ask about the same names."""
        return {}

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The module-level functions by name; those defined under a top-level `if` or `try` count, as when imported."""
        return {node.name: node for node in _top_level(self.tree.body) if isinstance(node, Function)}

    @cached_property
    def names(self) -> dict[str, ast.stmt]:
        """Every module-level name and the statement that binds it first."""
        bound: dict[str, ast.stmt] = {}
        for statement in _top_level(self.tree.body):
            for each in bindings_of(statement):
                bound.setdefault(each.name, statement)
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
            if type(node) not in _NAMING:
                continue
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                elsewhere.update(node.names)
            elif not self._in_class(node):
                for each in bindings_of(node):
                    bindings.setdefault(each.name, []).append(each)
        names = frozenset(each.arg for each in parameters(function)) if function else frozenset[str]()
        return Scope(bindings, names, frozenset(elsewhere))

    def _in_class(self, node: ast.AST) -> bool:
        """Whether a node is part of a class's body, where what it binds is no variable."""
        if not self.of(ast.ClassDef):
            return False
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
    def import_statements(self) -> list[ast.Import | ast.ImportFrom]:
        """Every import, in the order of the text."""
        found: list[ast.Import | ast.ImportFrom] = [*self.of(ast.Import), *self.of(ast.ImportFrom)]
        return sorted(found, key=lambda each: (each.lineno, each.col_offset))

    @cached_property
    def has_star_import(self) -> bool:
        """Whether names may come from `from x import *`."""
        return any(each.name == "*" for node in self.of(ast.ImportFrom) for each in node.names)

    def qualified(self, node: ast.expr) -> str:
        """The full dotted name of an expression, with imports resolved, or '' when it is not a name."""
        known = self._qualified.get(node)
        if known is None:
            known = self._qualified[node] = self._resolved(node)
        return known

    @cached_property
    def _qualified(self) -> dict[ast.expr, str]:
        """What has been resolved; most rules ask about the same calls."""
        return {}

    def _resolved(self, node: ast.expr) -> str:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])


_NAMING = frozenset((*BINDERS, ast.Global, ast.Nonlocal))

_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}
_WITHOUT_NODES = ("ctx", "op", "ops", "id", "attr", "arg", "asname", "module", "level", "kind", "type_comment", "rest")
"""The parser has one object for all of each operator and context, so they have no place and no parent of their own."""


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a type of node that may hold nodes, last first; looking at all of them would take twice as long."""
    names = tuple(name for name in reversed(kind._fields) if name not in _WITHOUT_NODES)
    return _FIELDS.setdefault(kind, names)


def _add(
    children: list[object],
    parent: ast.AST,
    around: tuple[Function, ...],
    walk: _Walk,
    stack: list[tuple[ast.AST, tuple[Function, ...]]],
) -> None:
    for child in reversed(children):
        if isinstance(child, ast.AST):
            walk.parents[child] = parent
            stack.append((child, around))


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


@frozen(eq=False)
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

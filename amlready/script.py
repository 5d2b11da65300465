"""Facts about a scoring script, from its syntax tree alone: nothing is imported or run.

The script's own neighbours are read too (`from batching import ...` beside `score.py`), because a Collector made in a
module next door is still this endpoint's Collector.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .diagnostic import Problem
from .source import Source, Span

MAX_MODULES = 50
"""Most neighbouring modules that are followed from one scoring script."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class Module:
    """One Python file that could be parsed."""

    source: Source
    tree: ast.Module

    def span(self, node: ast.AST) -> Span:
        """Where a node stands. `ast` counts UTF-8 bytes from the start of a line; spans count characters."""
        first, last = self._offset(node, "lineno", "col_offset"), self._offset(node, "end_lineno", "end_col_offset")
        return Span(self.source, first, max(first, last))

    def name_span(self, node: Function | ast.ClassDef) -> Span:
        """The name of a function or class where it is defined, rather than its whole body."""
        start = self.span(node).start
        at = self.source.text.find(node.name, start)
        return Span(self.source, at, at + len(node.name)) if at >= 0 else Span(self.source, start, start)

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

    @cached_property
    def nodes(self) -> list[tuple[ast.AST, tuple[Function, ...]]]:
        """Every node in the order of the text, with the functions around it. One walk serves all."""
        found: list[tuple[ast.AST, tuple[Function, ...]]] = []
        stack: list[tuple[ast.AST, tuple[Function, ...]]] = [(self.tree, ())]
        while stack:
            node, around = pair = stack.pop()
            found.append(pair)
            inner = (*around, node) if isinstance(node, Function) else around
            stack.extend([(child, inner) for child in ast.iter_child_nodes(node)][::-1])
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """What an imported name stands for, in full: `Collector` -> `azureml.ai.monitoring.Collector`."""
        known: dict[str, str] = {}
        for node, _ in self.nodes:
            match node:
                case ast.Import():
                    for each in node.names:
                        known[each.asname or each.name.partition(".")[0]] = (
                            each.name if each.asname else each.name.partition(".")[0]
                        )
                case ast.ImportFrom():
                    prefix = "." * node.level + (node.module or "")
                    for each in node.names:
                        known[each.asname or each.name] = f"{prefix}.{each.name}"
        return known

    def qualified(self, node: ast.expr) -> str:
        """The full dotted name of an expression, with imports resolved, or '' when it is not a name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        match statement:
            case ast.If() if _is_main_guard(statement.test):
                pass
            case ast.If() | ast.Try() | ast.With():
                yield from _top_level(statement.body)
                yield from _top_level(getattr(statement, "orelse", []))
                for handler in getattr(statement, "handlers", []):
                    yield from _top_level(handler.body)


def _is_main_guard(test: ast.expr) -> bool:
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
        for each in self.node.keywords:
            if each.arg == keyword:
                return each.value
        return self.node.args[position] if position < len(self.node.args) else None

    @property
    def has_star(self) -> bool:
        """Whether arguments come from `*args` or `**kwargs`, so that what is not seen may still be there."""
        return any(each.arg is None for each in self.node.keywords) or any(
            isinstance(each, ast.Starred) for each in self.node.args
        )


COLLECTOR = ("azureml.ai.monitoring.Collector", "azureml.ai.monitoring.collector.Collector")
BASIC_CONTEXT = (
    "azureml.ai.monitoring.context.BasicCorrelationContext",
    "azureml.ai.monitoring.context.context.BasicCorrelationContext",
)


@dataclass(frozen=True, eq=False)
class Script:
    """A scoring script and the neighbouring modules it imports; the script itself comes first."""

    modules: tuple[Module, ...]
    faults: tuple[Problem, ...] = field(default=())

    @property
    def main(self) -> Module:
        return self.modules[0]

    @property
    def source(self) -> Source:
        return self.main.source

    @cached_property
    def calls(self) -> list[Call]:
        """Every call in every module."""
        return [
            Call(module, node, around)
            for module in self.modules
            for node, around in module.nodes
            if isinstance(node, ast.Call)
        ]

    def calls_to(self, *names: str) -> list[Call]:
        """The calls of a function or class given by its full dotted name."""
        return [call for call in self.calls if call.module.qualified(call.node.func) in names]

    @cached_property
    def collectors(self) -> list[Call]:
        """Where a Collector is made."""
        return self.calls_to(*COLLECTOR)

    @cached_property
    def contexts(self) -> list[Call]:
        """Where a BasicCorrelationContext is made."""
        return self.calls_to(*BASIC_CONTEXT)

    def imported(self, package: str) -> tuple[Module, ast.stmt] | None:
        """The first import of a package or of anything in it."""
        for module in self.modules:
            for node, _ in module.nodes:
                if any(name == package or name.startswith(package + ".") for name in _import_names(node)):
                    assert isinstance(node, ast.stmt)
                    return module, node
        return None


def _import_names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (each.name for each in node.names)
        case ast.ImportFrom(level=0, module=str(module)):
            yield from (f"{module}.{each.name}" for each in node.names)


def literal(module: Module, node: ast.expr | None) -> str | None:
    """The text of a string literal, or of a module-level name that is bound once, to a string literal."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            statement = module.names.get(name)
            if isinstance(statement, ast.Assign | ast.AnnAssign) and _is_constant(module, name):
                value = statement.value
                return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
    return None


def _is_constant(module: Module, name: str) -> bool:
    stores = (node for node, _ in module.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return sum(node.id == name for node in stores) == 1


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


Reader = Callable[[Path], Source | None]


def load(source: Source, folder: Path, read: Reader) -> Script | Problem:
    """A scoring script with its neighbours. The server can import from `folder`, the script's own, and no other."""
    main = parse(source)
    if isinstance(main, Problem):
        return main
    modules: dict[Path, Module] = {source.path: main}
    faults: list[Problem] = []
    waiting = [(main, folder)]
    while waiting and len(modules) < MAX_MODULES:
        module, home = waiting.pop()
        for path in _neighbours(module, home):
            found = read(path)
            if found is None or found.path in modules:
                continue
            parsed = parse(found)
            if isinstance(parsed, Problem):
                faults.append(parsed)
                continue
            modules[found.path] = parsed
            waiting.append((parsed, home))
    return Script(tuple(modules.values()), tuple(faults))


def _neighbours(module: Module, folder: Path) -> Iterator[Path]:
    for node, _ in module.nodes:
        for name in _import_names(node):
            parts = name.split(".")
            for count in range(len(parts), 0, -1):
                base = folder.joinpath(*parts[:count])
                yield base.with_name(base.name + ".py")
                yield base / "__init__.py"

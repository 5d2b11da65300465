"""A scoring script and the modules beside it that it imports, from their syntax trees alone.

The neighbours are read too (`from batching import ...` beside `score.py`), because a Collector made in a module next
door is still this endpoint's Collector.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path

from .diagnostic import Problem
from .frozen import frozen
from .scopes import Function
from .source import Source
from .syntax import Call, Module, parse
from .values import literal

MAX_MODULES = 50
"""Most neighbouring modules that are followed from one scoring script."""

HEADERS = "request_headers"
"""The parameter of run() that gets the request's headers, whatever its position."""

COLLECTOR = (
    "azureml.ai.monitoring.Collector",
    "azureml.ai.monitoring.collector.Collector",
    "azure.ai.monitoring.Collector",  # there is no such module, which is a finding by itself
)
BASIC_CONTEXT = (
    "azureml.ai.monitoring.context.BasicCorrelationContext",
    "azureml.ai.monitoring.context.context.BasicCorrelationContext",
    "azure.ai.monitoring.context.BasicCorrelationContext",
)

INPUT_SCHEMA = "inference_schema.schema_decorators.input_schema"
OUTPUT_SCHEMA = "inference_schema.schema_decorators.output_schema"
RAW_HTTP = (
    "azureml_inference_server_http.api.aml_request.rawhttp",
    "azureml.contrib.services.aml_request.rawhttp",
)


class Body(Enum):
    """What the server hands to run()."""

    TEXT = "the body as text"
    VALUES = "the values of the body's JSON object, one for each parameter"
    REQUEST = "the HTTP request"


@frozen(eq=False)
class Entry:
    """run() as the server sees it: `inputs` are its parameters without `request_headers`."""

    run: Function
    body: Body
    inputs: tuple[ast.arg, ...]
    required: frozenset[str]

    @property
    def input(self) -> str | None:
        """The parameter that gets the body, or the HTTP request."""
        return self.inputs[0].arg if self.inputs and self.body is not Body.VALUES else None


@frozen(eq=False)
class Script:
    """A scoring script and the neighbouring modules it imports; the script itself comes first."""

    modules: tuple[Module, ...]
    faults: tuple[Problem, ...] = ()
    beside: frozenset[str] = frozenset()
    """The names of the files and folders beside the script."""
    config: Source | None = None
    """The `config.json` beside the script, which the server takes for its own, unless it is empty or huge."""

    @property
    def main(self) -> Module:
        return self.modules[0]

    @property
    def source(self) -> Source:
        return self.main.source

    @property
    def init(self) -> Function | None:
        """The function that the server calls once, when it is certain which one that is."""
        return self.main.only_function("init")

    @property
    def run(self) -> Function | None:
        """The function that the server calls for each request, when it is certain which one that is."""
        return self.main.only_function("run")

    @cached_property
    def entry(self) -> Entry | None:
        """How the server calls run(); None when a decorator may change that."""
        run = self.run
        if run is None:
            return None
        names = [_decorator(self.main, each) for each in run.decorator_list]
        if not {*names} <= {INPUT_SCHEMA, OUTPUT_SCHEMA, *RAW_HTTP}:
            return None
        if self.takes_request:
            body = Body.REQUEST
        else:
            body = Body.VALUES if {INPUT_SCHEMA, OUTPUT_SCHEMA} & {*names} else Body.TEXT
        given = run.args
        inputs = [each for each in (*given.posonlyargs, *given.args, *given.kwonlyargs) if each.arg != HEADERS]
        optional = [*given.posonlyargs, *given.args][::-1][: len(given.defaults)]
        optional += [each for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value]
        required = frozenset(each.arg for each in inputs if each not in optional)
        return Entry(run, body, tuple(inputs), required)

    @cached_property
    def takes_request(self) -> bool:
        """Whether some function has `@rawhttp`: it works for run(), whatever function it is written on."""
        return any(
            _decorator(module, each) in RAW_HTTP
            for module in self.modules
            for function in module.functions.values()
            for each in function.decorator_list
        )

    @cached_property
    def calls(self) -> list[Call]:
        """Every call in every module."""
        return [
            Call(module, node, module.functions_around(node)) for module in self.modules for node in module.of(ast.Call)
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
            for node in module.import_statements:
                if any(name == package or name.startswith(package + ".") for name in _import_names(node)):
                    return module, node
        return None

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """The modules by the dotted name that the script imports them under."""
        return {_dotted(module.source.path, self.source.path.parent): module for module in self.modules[1:]}

    def function(self, module: Module, called: ast.expr) -> tuple[Module, Function] | None:
        """The plain function of these modules that a call certainly calls, and where it is defined."""
        if isinstance(called, ast.Name) and called.id not in module.imports:
            here = module.function_of(called)
            if here is not None and module.scope(here).has(called.id):
                return None
            home, name = module, called.id
        else:
            where, _, name = module.qualified(called).rpartition(".")
            if where not in self.by_name:
                return None
            home = self.by_name[where]
        found = home.only_function(name)
        return (home, found) if found is not None and not found.decorator_list else None


def _decorator(module: Module, node: ast.expr) -> str:
    return module.qualified(node.func if isinstance(node, ast.Call) else node)


def _dotted(path: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(path, folder)).with_suffix("")
    parts = relative.parts[:-1] if relative.name == "__init__" else relative.parts
    return ".".join(parts)


def _import_names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (each.name for each in node.names)
        case ast.ImportFrom(level=0, module=str(module)):
            yield from (f"{module}.{each.name}" for each in node.names)


Reader = Callable[[Path], Source | None]


def load(source: Source, folder: Path, read: Reader, names: frozenset[str] = frozenset()) -> Script | Problem:
    """A scoring script with its neighbours. The server can import from `folder`, the script's own, and no other.

    `names` are what is in the folder; if they are given, other files are not even asked for.
    """
    main = parse(source)
    if isinstance(main, Problem):
        return main
    modules: dict[Path, Module] = {source.path: main}
    faults: list[Problem] = []
    waiting = [(main, folder)]
    while waiting and len(modules) < MAX_MODULES:
        module, home = waiting.pop()
        for path in _neighbours(module, home, names):
            found = read(path)
            if found is None or found.path in modules:
                continue
            parsed = parse(found)
            if isinstance(parsed, Problem):
                faults.append(parsed)
                continue
            modules[found.path] = parsed
            waiting.append((parsed, home))
    config = read(folder / CONFIG) if CONFIG in names and _is_short(folder / CONFIG) else None
    return Script(tuple(modules.values()), tuple(faults), names, config)


def names_in(folder: Path) -> frozenset[str]:
    """What is in a folder, by name; nothing when it cannot be read."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


CONFIG = "config.json"
MAX_CONFIG_BYTES = 1 << 20


def _is_short(path: Path) -> bool:
    try:
        return 0 < path.stat().st_size <= MAX_CONFIG_BYTES
    except OSError:
        return False


def _neighbours(module: Module, folder: Path, names: frozenset[str]) -> Iterator[Path]:
    """The files that a module's imports may mean, those of packages on the way included. `names` are what the folder
    holds, as far as that can be seen."""
    for plain in module.of(ast.Import):
        for each in plain.names:
            if _may_be_here(each.name, names):
                yield from _files(folder, each.name.split("."))
    above = module.source.path.parents
    for node in module.of(ast.ImportFrom):
        if node.level > len(above) or (not node.level and not _may_be_here(node.module or "", names)):
            continue
        home = above[node.level - 1] if node.level else folder
        if home == folder or folder in home.parents:
            for each in node.names:
                yield from _files(home, [*(node.module.split(".") if node.module else ()), each.name])


def _may_be_here(module: str, names: frozenset[str]) -> bool:
    top = module.partition(".")[0]
    return not names or top in names or top + ".py" in names


def _files(folder: Path, parts: list[str]) -> Iterator[Path]:
    for count in range(len(parts), 0, -1):
        base = folder.joinpath(*parts[:count])
        yield base.with_name(base.name + ".py")
        yield base / "__init__.py"


__all__ = ["Call", "Function", "Module", "Script", "literal", "load", "parse"]

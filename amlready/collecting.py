"""Which events a request collects: each `collect()` that run() reaches, by itself, through functions and methods.

Only what is certain counts. A receiver that may be another Collector, a function with decorators, arguments from
`*args`: whatever cannot be followed gives no event, and an event's context or data that cannot be followed is None.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from .classes import Plain, called_class, first_parameter, held, is_method, method, own_class
from .frozen import frozen, once
from .kinds import Kind, kind
from .scopes import FUNCTIONS, Function
from .script import BASIC_CONTEXT, COLLECTOR, Script
from .syntax import Call, Module, argument, has_star
from .values import MAX_STEPS, Parameter, ends, global_value, is_none, literal, position, source

MAX_DEPTH = 4
"""Most calls from run() down to collect()."""
MAX_FRAMES = 300
"""Most calls that are followed from run()."""

_FRESH = (*BASIC_CONTEXT, "azureml.ai.monitoring.context.get_context")


@frozen(eq=False)
class Frame:
    """A function as it runs: where it is defined, and the call in its caller that runs it (none for run itself)."""

    script: Script
    module: Module
    function: Function
    call: ast.Call | None = None
    caller: Frame | None = None

    @cached_property
    def path(self) -> tuple[ast.Call, ...]:
        """The calls that lead here from run()."""
        if self.caller is None or self.call is None:
            return ()
        return (*self.caller.path, self.call)

    def given(self, name: str) -> tuple[Frame, ast.expr] | None:
        """The expression that a parameter stands for, and the frame it is to be read in."""
        if self.call is None or self.caller is None or has_star(self.call):
            return None
        names = [each.arg for each in (*self.function.args.posonlyargs, *self.function.args.args)]
        names = names[1:] if is_method(self.module, self.function) else names
        found = argument(self.call, names.index(name) if name in names else -1, name)
        if found is not None:
            return self.caller, found
        default = _default(self.function, name)
        return (self, default) if isinstance(default, ast.Constant) else None

    def enter(self, call: ast.Call) -> Frame | None:
        """The frame of a function that is called here, if it can be followed."""
        if len(self.path) >= MAX_DEPTH:
            return None
        target = self.script.function(self.module, call.func) or _method(self, call.func)
        if target is None or isinstance(target[1], ast.AsyncFunctionDef):
            return None
        return Frame(self.script, *target, call, self)


def _default(function: Function, name: str) -> ast.expr | None:
    given = function.args
    by_position = [*given.posonlyargs, *given.args]
    named = dict(zip([each.arg for each in by_position][::-1], given.defaults[::-1], strict=False))
    only = {each.arg: value for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value}
    return named.get(name) or only.get(name)


@frozen(eq=False)
class Event:
    """One collect() as run() reaches it: `collector` is where the Collector is made."""

    frame: Frame
    call: ast.Call
    collector: Call

    @property
    def collection(self) -> str | None:
        """The Collector's name, when it is a literal."""
        return literal(self.collector.module, self.collector.argument(0, "name"))

    @property
    def data(self) -> ast.expr | None:
        """What is collected, as written in the call."""
        return argument(self.call, 0, "data")

    @property
    def given_context(self) -> ast.expr | None:
        """The context, as written in the call."""
        return argument(self.call, 1, "correlation_context")

    @cached_property
    def context(self) -> object | None:
        """What tells the context of this event from any other's; None when it cannot be followed."""
        if has_star(self.call) or len(self.call.args) > 2:
            return None
        given = self.given_context
        own = (self.frame.path, self.call)
        if given is None or is_none(given):
            return None if self._has_twin else own
        found = resolve(self.frame, given)
        return own if found is not None and is_none(found[1]) else _identity(self.frame, given)

    @property
    def _has_twin(self) -> bool:
        """Whether the other branch of an `if` collects with the same Collector and with a context: the one branch is
        for requests that have none yet."""
        module, func = self.frame.module, self.call.func
        for node in module.of_inside(ast.Call, self.frame.function):
            if node is self.call or not _is_collect(node) or module.qualified(node.func) != module.qualified(func):
                continue
            given = argument(node, 1, "correlation_context")
            if given is None or is_none(given) or ast.dump(node.func) != ast.dump(func):
                continue
            if _are_alternatives(module, node, self.call):
                return True
        return False

    @property
    def sites(self) -> tuple[ast.Call, ...]:
        """The calls from run() down to the collect() itself."""
        return (*self.frame.path, self.call)


@once
def events(script: Script) -> tuple[Event, ...]:
    """The events of one request, in the order in which run() reaches them in the text."""
    run = script.run
    if run is None or not script.collectors:
        return ()
    return tuple(_events(Frame(script, script.main, run), iter(range(MAX_FRAMES))))


@once
def collects(script: Script) -> tuple[Event, ...]:
    """The events of one request, and every other collect() on what is certainly a Collector."""
    if not script.collectors:
        return ()
    return (*events(script), *_elsewhere(script, {event.call for event in events(script)}))


def _elsewhere(script: Script, seen: set[ast.Call]) -> Iterator[Event]:
    for module in script.modules:
        for call in module.of(ast.Call):
            function = module.function_of(call) if _is_collect(call) and call not in seen else None
            event = _event(Frame(script, module, function), call) if function is not None else None
            if event is not None:
                yield event


def _is_collect(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "collect"


def _events(frame: Frame, budget: Iterator[int]) -> Iterator[Event]:
    for node in frame.module.of_inside(ast.Call, frame.function):
        event = _event(frame, node)
        if event is not None:
            yield event
        elif (inner := frame.enter(node)) is not None and next(budget, None) is not None:
            yield from _events(inner, budget)


def _event(frame: Frame, node: ast.Call) -> Event | None:
    if not isinstance(node.func, ast.Attribute) or not _is_collect(node):
        return None
    made = _made(frame, node.func.value)
    if made is None or not isinstance(made[1], ast.Call):
        return None
    module = made[0].module
    if module.qualified(made[1].func) not in COLLECTOR:
        return None
    return Event(frame, node, Call(module, made[1]))


def resolve(frame: Frame, node: ast.expr) -> tuple[Frame, ast.expr] | None:
    """What an expression stands for once names and parameters are followed, and the frame it is to be read in."""
    for _ in range(MAX_STEPS):
        found = source(frame.module, node)
        if found is None or isinstance(found, ast.Attribute):
            return _imported(frame, node) or ((frame, found) if found is not None else None)
        if not isinstance(found, Parameter):
            return frame, found
        given = frame.given(found.name) if found.function is frame.function else None
        if given is None:
            return None
        frame, node = given
    return None


def _made(frame: Frame, node: ast.expr) -> tuple[Frame, ast.expr] | None:
    """What an expression stands for once an attribute of an object is followed too. Which call of a method has set it
    stays open, so that this is for what is made once, and not for contexts."""
    home, found = resolve(frame, node) or (frame, None)
    if not isinstance(found, ast.Attribute):
        return (home, found) if found is not None else None
    plain = _class_of(home, found.value)
    value = held(frame.script, plain, found.attr) if plain is not None else None
    return resolve(Frame(frame.script, value.module, value.method), value.value) if value is not None else None


def _method(frame: Frame, called: ast.expr) -> tuple[Module, Function] | None:
    """The method that is called of an object whose class is certain, and the module that it is in."""
    plain = _class_of(frame, called.value) if isinstance(called, ast.Attribute) else None
    found = method(frame.script, plain, called.attr) if plain and isinstance(called, ast.Attribute) else None
    return (plain.module, found) if plain is not None and found is not None else None


def _class_of(frame: Frame, node: ast.expr) -> Plain | None:
    """The class that an expression is an object of."""
    if not any(module.of(ast.ClassDef) for module in frame.script.modules):
        return None
    function = frame.function
    itself = Parameter(function, first_parameter(function) or "")
    if is_method(frame.module, function) and source(frame.module, node) == itself:
        return own_class(frame.script, frame.module, function)
    made = resolve(frame, node)
    if made is None or not isinstance(made[1], ast.Call):
        return None
    return called_class(frame.script, made[0].module, made[1].func)


def _imported(frame: Frame, node: ast.expr) -> tuple[Frame, ast.expr] | None:
    """What a name from a module beside the script stands for."""
    where, _, name = frame.module.qualified(node).rpartition(".")
    home = frame.script.by_name.get(where)
    found = global_value(home, name) if home is not None else None
    if home is None or found is None or found.value is None:
        return None
    return Frame(frame.script, home, frame.function, frame.call, frame.caller), found.value


def _identity(frame: Frame, node: ast.expr) -> object | None:
    """What tells one correlation context from another: where it is made, and by which calls that is reached."""
    home, made = resolve(frame, node) or (frame, None)
    if not isinstance(made, ast.Call):
        return None
    if home.module.qualified(made.func) in _FRESH:
        return (home.path if home.module.function_of(made) is home.function else ()), made
    event = _event(home, made)
    if event is not None:
        return event.context
    inner = home.enter(made)
    returns = inner.module.of_inside(ast.Return, inner.function) if inner else []
    if inner is None or len(returns) != 1 or returns[0].value is None:
        return None
    return _identity(inner, returns[0].value)


def data_kind(event: Event) -> Kind | None:
    """The type of what is collected, or None when it is not certain."""
    found = resolve(event.frame, event.data) if event.data is not None else None
    return kind(found[0].module, found[1]) if found is not None else None


def parting(one: Event, other: Event) -> tuple[Module, ast.Call, ast.Call]:
    """Where the ways from run() to two events part: the calls in the one function that both pass, and its module."""
    modules = [one.frame.module]
    frame = one.frame.caller
    while frame is not None:
        modules.insert(0, frame.module)
        frame = frame.caller
    for module, first, second in zip(modules, one.sites, other.sites, strict=False):
        if first is not second:
            return module, first, second
    return one.frame.module, one.call, other.call


def are_exclusive(one: Event, other: Event) -> bool:
    """Whether a request that reaches the one event cannot reach the other, later one."""
    return exclusive(*parting(one, other))


def _are_alternatives(module: Module, one: ast.AST, other: ast.AST) -> bool:
    first, second = sorted((one, other), key=position)
    return exclusive(module, first, second)


def exclusive(module: Module, first: ast.AST, second: ast.AST) -> bool:
    """Whether two nodes of a function stand in branches that exclude each other, the first being the earlier."""
    above = list(module.ancestors(second))
    below = first
    for node in module.ancestors(first):
        if node in above:
            inner = ([second, *above])[([second, *above]).index(node) - 1]
            return _are_branches(node, below, inner)
        for block in vars(node).values():
            if isinstance(block, list) and below in block and not isinstance(node, FUNCTIONS) and ends(block):
                return True
        below = node
    return False


def _are_branches(node: ast.AST, first: ast.AST, second: ast.AST) -> bool:
    match node:
        case ast.If(body=body, orelse=orelse):
            return (first in body and second in orelse) or (first in orelse and second in body)
        case ast.IfExp(body=body, orelse=orelse):
            return {first, second} == {body, orelse}
        case ast.Try(body=body, handlers=handlers):
            return second in handlers and first is not second and (first in handlers or first in body)
        case ast.Match(cases=cases):
            return first in cases and second in cases and first is not second
    return False

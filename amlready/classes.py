"""Classes of a scoring script: which one an object is of, what its attributes hold and what its methods are.

Only plain classes are followed, without bases, subclasses, metaclasses or decorators: in any other, a name may be given
its meaning elsewhere. An attribute holds something certain when one place in the class sets it, `None` as a stand-in
aside, and nothing from outside does.
"""

from __future__ import annotations

import ast

from .frozen import frozen
from .scopes import FUNCTIONS, Function
from .script import Script
from .syntax import Module
from .values import is_none


@frozen
class Plain:
    """A class without bases, and the module that it is in."""

    module: Module
    node: ast.ClassDef


@frozen
class Held:
    """The one value that an attribute gets, and the method that sets it."""

    module: Module
    method: Function
    value: ast.expr


def is_method(module: Module, function: Function) -> bool:
    """Whether a function stands in a class, so that its first parameter is the object."""
    return isinstance(module.parent(function), ast.ClassDef)


def own_class(script: Script, module: Module, function: Function) -> Plain | None:
    """The plain class that a function is a method of."""
    above = module.parent(function)
    if not isinstance(above, ast.ClassDef) or function.decorator_list:
        return None
    return _plain(script, module, above)


def called_class(script: Script, module: Module, called: ast.expr) -> Plain | None:
    """The plain class that a call makes an object of."""
    home, name = module, called.id if isinstance(called, ast.Name) else ""
    if name not in module.names or name in module.imports:
        where, _, name = module.qualified(called).rpartition(".")
        if where not in script.by_name:
            return None
        home = script.by_name[where]
    bindings = home.scope(None).bindings.get(name, [])
    one = bindings[0].node if len(bindings) == 1 and not home.is_global_of_any(name) else None
    return _plain(script, home, one) if isinstance(one, ast.ClassDef) else None


def _plain(script: Script, module: Module, node: ast.ClassDef) -> Plain | None:
    has_base = any(not (isinstance(each, ast.Name) and each.id == "object") for each in node.bases)
    if has_base or node.keywords or node.decorator_list or _has_subclass(script, node.name):
        return None
    return Plain(module, node)


def _has_subclass(script: Script, name: str) -> bool:
    """Whether some class may be derived from one of that name."""
    bases = (base for module in script.modules for each in module.of(ast.ClassDef) for base in each.bases)
    return any(name in (getattr(base, "id", None), getattr(base, "attr", None)) for base in bases)


def method(script: Script, plain: Plain, name: str) -> Function | None:
    """The method of that name, when the class defines it once and no object has another one."""
    found = [each for each in plain.node.body if isinstance(each, FUNCTIONS) and each.name == name]
    if len(found) != 1 or found[0].decorator_list or _stores(script, name):
        return None
    return found[0]


def held(script: Script, plain: Plain, name: str) -> Held | None:
    """What an attribute of the class's objects holds, when that is certain."""
    values = [_held(plain, *each) for each in _stores(script, name)]
    real = [each for each in values if each is None or not is_none(each.value)]
    return real[0] if len(real) == 1 else None


def _stores(script: Script, name: str) -> list[tuple[Module, ast.Attribute]]:
    """Where an attribute of that name is set or deleted, on whatever object."""
    return [
        (module, node)
        for module in script.modules
        for node in module.of(ast.Attribute)
        if node.attr == name and not isinstance(node.ctx, ast.Load)
    ]


def _held(plain: Plain, module: Module, node: ast.Attribute) -> Held | None:
    """What one assignment gives an attribute; None when that cannot be seen."""
    function, above = module.function_of(node), module.parent(node)
    if function is None or module.parent(function) is not plain.node or not isinstance(node.value, ast.Name):
        return None
    if function.decorator_list or node.value.id != first_parameter(function):
        return None
    match above:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return Held(module, function, value)
    return None


def first_parameter(function: Function) -> str | None:
    given = [*function.args.posonlyargs, *function.args.args]
    return given[0].arg if given else None

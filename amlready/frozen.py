"""Frozen values, declared like dataclasses, without their start-up cost.

The standard library's `dataclass` writes and compiles source for every class when a module is imported: 0.2 to 0.4 ms
a class, and 9 ms for the module itself. A check has some sixty classes and must start in the blink that a commit takes,
so what it imports uses this: the same declaration, methods that are shared instead of generated.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar, dataclass_transform, overload

_T = TypeVar("_T")
_A = TypeVar("_A")


class _Factory:
    """The default of a field that every value gets afresh."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], _T]) -> _T:
    """A default that is made for each value."""
    return _Factory(default_factory)  # type: ignore[return-value]


@overload
def frozen(cls: type[_T]) -> type[_T]: ...
@overload
def frozen(*, eq: bool = True) -> Callable[[type[_T]], type[_T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Any] | None = None, *, eq: bool = True) -> Any:
    """Make a class of annotated fields a frozen value; `eq=False` keeps comparison by identity."""
    return _frozen(cls, eq) if cls is not None else lambda given: _frozen(given, eq)


def once(function: Callable[[_A], _T]) -> Callable[[_A], _T]:
    """Call a function of one frozen value once for each value, and remember what it gave: many rules ask for the same.

    A generator's items are remembered as a list.
    """
    key = f"{function.__module__}.{function.__qualname__}"

    def remembered(value: _A) -> _T:
        state = value.__dict__
        if key not in state:
            given = function(value)
            state[key] = list(given) if isinstance(given, Generator) else given
        known: _T = state[key]
        return known

    remembered.__doc__ = function.__doc__
    return remembered


def forget(value: object) -> None:
    """Drop what `once` and cached properties remember of a frozen value: all that is none of its fields."""
    state = value.__dict__
    for name in state.keys() - set(type(value).__match_args__):  # type: ignore[attr-defined]
        del state[name]


def replace(value: _T, **changes: object) -> _T:
    """A copy of a value with some fields changed."""
    names = type(value).__match_args__  # type: ignore[attr-defined]
    return type(value)(**{name: getattr(value, name) for name in names} | changes)


def _frozen(cls: type[Any], eq: bool) -> type[Any]:
    names: dict[str, None] = {}
    for each in reversed(cls.__mro__):
        # The class's own ones only, and as text: inspect.get_annotations would import what this module avoids.
        names |= dict.fromkeys(each.__dict__.get("__annotations__", ()))  # noqa: RUF063
    defaults = {name: getattr(cls, name) for name in names if hasattr(cls, name)}
    methods = {
        "__match_args__": tuple(names),
        "__init__": cls.__dict__.get("__init__") or _initialiser(cls.__qualname__, tuple(names), defaults),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__repr__": _represent,
    }
    if eq:
        methods |= {"__eq__": _equal, "__hash__": _hashed}
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def _initialiser(title: str, names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    def __init__(self: object, *given: object, **named: object) -> None:
        state = self.__dict__
        state.update(zip(names, given, strict=False))
        if named or len(given) != len(names):
            if not known.issuperset(named) or not state.keys().isdisjoint(named):
                raise TypeError(f"{title}() got unknown or repeated arguments among {sorted(named)}")
            state.update(named)
            _complete(state, defaults)
            if len(state) != len(names) or len(given) > len(names):
                raise TypeError(f"{title}() takes {', '.join(names)}")

    known = frozenset(names)
    return __init__


def _complete(state: dict[str, object], defaults: dict[str, Any]) -> None:
    for name, default in defaults.items():
        if name not in state:
            state[name] = default.make() if type(default) is _Factory else default


def _state(value: object) -> tuple[object, ...]:
    state = value.__dict__
    return tuple([state[name] for name in type(value).__match_args__])  # type: ignore[attr-defined]


def _equal(self: object, other: object) -> bool:
    return _state(self) == _state(other) if type(self) is type(other) else NotImplemented


def _hashed(self: object) -> int:
    return hash(_state(self))


def _represent(self: object) -> str:
    listed = zip(type(self).__match_args__, _state(self), strict=True)  # type: ignore[attr-defined]
    return f"{type(self).__qualname__}({', '.join(f'{name}={each!r}' for name, each in listed)})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"{type(self).__qualname__} is frozen; {name!r} cannot be changed")

"""Findings as text for people and for programs. A format is a function from findings to a string; the CLI prints it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..diagnostic import Diagnostic

Format = Callable[[Sequence[Diagnostic]], str]

NAMES = ("text", "json")


def get(name: str) -> Format:
    """The format of that name. Each is imported when it is asked for: a clean run in a terminal needs no JSON."""
    from importlib import import_module

    module = import_module(f".{name}", __name__)
    rendered: Format = module.render
    return rendered

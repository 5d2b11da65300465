"""Findings as text for people and for programs. A format is a function from findings to a string; the CLI prints it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TextIO

from ..diagnostic import Diagnostic

Format = Callable[[Sequence[Diagnostic]], str]

NAMES = ("text", "github", "sarif", "json", "junit")


def get(name: str) -> Format:
    """The format of that name. Each is imported when it is asked for: a clean run in a terminal needs no JSON."""
    module = import_module(f".{name}", __name__)
    rendered: Format = module.render
    return rendered


def usual(stream: TextIO, environment: Mapping[str, str]) -> Format:
    """The format where none is asked for: annotations on GitHub Actions, else text, in colour on a terminal."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return get("github")
    if not stream.isatty() or environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return get("text")
    return import_module(".text", __name__).coloured  # type: ignore[no-any-return]

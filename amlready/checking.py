"""The check command: what is read, which rules run, what is mended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from . import overrides, project, rules
from .diagnostic import Diagnostic
from .misuse import Misuse
from .project import Reading
from .specs import Project
from .suggest import did_you_mean

if TYPE_CHECKING:
    from .cli import Options

STDIN = "-"


def run(options: Options) -> tuple[list[Diagnostic], Project, str]:
    """Findings, what was found, and the text that goes to standard output before them (a diff, or nothing)."""
    paths = [_path(each, options.stdin_filename) for each in options.paths or ["."]]
    reading = _reading(options, paths)
    chosen = [rules.rules()[name] for name in known(options.only)] or None
    loaded = project.load(paths, reading)
    found = rules.run(loaded, chosen)
    if options.diff:
        from .fix import diff

        return found, loaded, diff(found)
    if options.fix:
        from .fix import mend

        found = mend(lambda: rules.run(project.load(paths, reading), chosen))
    return found, loaded, ""


def known(names: Iterable[str]) -> list[str]:
    """Names of rules. Raises Misuse for one that does not exist."""
    for name in names:
        if name not in rules.rules():
            hint = did_you_mean(name, rules.rules()) or "; `amlready explain` lists them"
            raise Misuse(f"there is no rule {name!r}{hint}")
    return list(names)


def _path(given: str, stdin_filename: str | None) -> Path:
    if given == STDIN:
        return project.normal(Path(stdin_filename or "stdin.yml"))
    if not os.path.lexists(given):
        raise Misuse(f"there is no file or folder {given!r}")
    return Path(given)


def _reading(options: Options, paths: list[Path]) -> Reading:
    piped = STDIN in options.paths
    if options.stdin_filename and not piped:
        raise Misuse("--stdin-filename goes with the path -, which reads standard input")
    if piped and (options.fix or options.diff):
        raise Misuse("standard input cannot be fixed; give the file")
    settings = [overrides.override(each) for each in options.set]
    settings += [overrides.named("--name", "name", options.name)] if options.name is not None else []
    if settings and (len(paths) != 1 or paths[0].is_dir()):
        raise Misuse("--set and --name go with one file, as they do for az ml; name it")
    if (settings or options.var) and (options.fix or options.diff):
        raise Misuse("--fix and --diff change files, so they do not go with --set, --name or --var")
    endpoint = options.endpoint_name
    return Reading(
        texts={project.normal(Path(options.stdin_filename or "stdin.yml")): sys.stdin.buffer.read()} if piped else {},
        values=dict(_value(each) for each in options.var),
        settings=tuple(settings),
        endpoint_name=None if endpoint is None else overrides.named("--endpoint-name", "endpoint_name", endpoint),
    )


def _value(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name:
        raise Misuse(f"--var {given!r} is not of the form NAME=value")
    return name, value

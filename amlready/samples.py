"""Sample requests: which JSON files around a deployment are unmistakably meant to be sent to it.

A name with `request` in it is enough beside the deployment. Repositories also keep one for all at the top, or call it
`sample.json`; such a file is taken only where all deployments could mean it, and its content looks like a request.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .diagnostic import Problem
from .source import Source
from .specs import Request

_REQUEST = re.compile(r"(?:(?:sample|test|example|scoring|score|inference|online)[\w. -]*)?request[\w. -]*\.json")
# Texts, for compiling these takes longer than most checks have files to try them on.
_SAMPLE = r"(?:sample|test|example|scoring)(?:[-_.]?(?:data|input|inputs|payload|body))?\.json|(?:input|payload)\.json"
_NOT_ONE = ("bad", "invalid", "malformed", "wrong", "broken", "error", "fail", "schema", "response")
_AROUND = ("", "data", "tests", "test", "samples", "sample-data", "examples")
_KEYS = frozenset(("data", "input_data", "inputs"))
MOST = 64 * 1024
"""Bytes of a file that is looked into to see whether it is a request."""


def beside(folder: Path) -> list[Path]:
    """The requests in a deployment's own folder: by name, else by name and content."""
    names = _names(folder)
    found = [name for name in names if _is_request(name)]
    return [folder / name for name in found or _samples(folder, names)]


def around(folders: Collection[Path], starts: Iterable[Path]) -> list[Path]:
    """The requests above deployments, or in a folder beside theirs, when all deployments are in one folder.

    `starts` are the folders that nothing outside of is looked at.
    """
    (first, *others) = set(folders) or {Path()}
    parent = first.parent
    if others or parent == first or not any(parent.absolute().is_relative_to(each) for each in starts):
        return []
    found = (beside(parent / name) for name in _AROUND)
    return next((each for each in found if each), [])


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each for each in os.listdir(folder) if each.lower().endswith(".json"))
    except OSError:
        return []


def _is_request(name: str) -> bool:
    low = name.lower()
    return _REQUEST.fullmatch(low) is not None and not any(word in low for word in _NOT_ONE)


def _samples(folder: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        path = folder / name
        if re.fullmatch(_SAMPLE, name.lower()) and os.path.isfile(path) and os.path.getsize(path) <= MOST:
            try:
                value = json.loads(path.read_bytes())
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(value, dict) and len(value) <= 2 and _KEYS & value.keys():
                yield name


def request(source: Source) -> Request:
    """A sample request from its text."""
    try:
        return Request(source, json.loads(source.text))
    except json.JSONDecodeError as error:
        at = min(error.pos, len(source.text))
        return Request(source, fault=Problem(source.span(at, at + 1), f"this is not JSON: {error.msg}"))
    except RecursionError:
        return Request(source, fault=Problem(source.top, "this JSON is nested too deep to be read"))

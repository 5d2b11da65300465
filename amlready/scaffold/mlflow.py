"""What an MLflow model's own files say: a sample request, from its signature, and the packages it is served with."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

from .. import document
from ..diagnostic import Problem
from ..document import Scalar
from ..inference_server import DEFAULTS, NEWEST, SERVER
from ..misuse import Misuse
from ..packages import packages
from ..source import Source
from .pins import MONITORING

_VALUES = {
    **{"string": "", "boolean": False, "datetime": "2026-01-01T00:00:00", "binary": ""},
    **{"integer": 0, "long": 0, "float": 0.0, "double": 0.0},
}


def sample(mlmodel: Path) -> tuple[dict[str, object], bool]:
    """A request for the model that an MLmodel file describes, and whether the file tells what it takes.

    Tables are sent as MLflow's `split`: `columns`, `index`, `data`; tensors as nested lists. Raises Misuse.
    """
    match _inputs(mlmodel):
        case [{"type": "tensor", "tensor-spec": {"shape": list() as shape}}] if _is_small(shape):
            return {"input_data": _zeros([abs(number) for number in shape])}, True
        case [_, *_] as columns if all("name" in each for each in columns):
            row = [_VALUES.get(str(each.get("type")), 0) for each in columns]
            names = [str(each["name"]) for each in columns]
            return {"input_data": {"columns": names, "index": [0], "data": [row]}}, True
        case _:
            return {"input_data": []}, False


def _is_small(shape: list[object]) -> bool:
    """Whether a tensor of this shape is something to look at; -1 stands for any number."""
    return all(type(each) is int for each in shape) and abs(prod(each for each in shape if type(each) is int)) <= 1000


def _inputs(mlmodel: Path) -> list[dict[str, Any]]:
    """The signature's inputs, which are JSON in a text; empty where there are none."""
    match _read(mlmodel):
        case {"signature": {"inputs": str(text)}}:
            with suppress(ValueError):
                inputs = json.loads(text)
                return inputs if isinstance(inputs, list) and all(isinstance(each, dict) for each in inputs) else []
    return []


def _zeros(shape: list[int]) -> object:
    return [_zeros(shape[1:]) for _ in range(shape[0])] if shape else 0.0


def served(mlmodel: Path) -> tuple[str, str | None] | None:
    """The model's conda file, by its path in the model's folder, with what Azure's own scoring script needs added.

    None where nothing is missing, or no conda file is named; without a text where there is no list to add to. Raises
    Misuse.
    """
    match _read(mlmodel):
        case {"flavors": {"python_function": {"env": str(name) | {"conda": str(name)}}}}:
            path = mlmodel.parent / name
        case _:
            return None
    if not path.is_file():
        return None  # `check` says so
    found = document.parse(Source(path, _text(path)))
    if isinstance(found, Problem):
        raise Misuse(f"{path} cannot be read: {found.message}")
    listed = packages(found.root)
    missing = [] if listed.named(SERVER, DEFAULTS) else [f"{SERVER}=={NEWEST}"]
    missing += [] if listed.named("azureml-ai-monitoring") else [f"azureml-ai-monitoring=={MONITORING}"]
    by_pip = [each.node for each in listed.requirements if each.manager == "pip"]
    return (name, _added(found.source.text, by_pip, missing)) if missing and not listed.opaque else None


def _added(text: str, entries: list[Scalar], missing: list[str]) -> str | None:
    """The text with lines after the last of some entries, each like the line of that one."""
    if not entries:
        return None
    lines = text.splitlines(keepends=True)
    at = text.count("\n", 0, entries[-1].span.start)
    dash = re.match(r"\s*-\s+", lines[at])
    if dash is None:
        return None
    lines[at] = lines[at].rstrip("\r\n") + "\n"
    lines[at + 1 : at + 1] = [f"{dash[0]}{each}\n" for each in missing]
    return "".join(lines)


def _read(path: Path) -> object:
    try:
        return document.value(Source(path, _text(path)))
    except ValueError as error:
        raise Misuse(f"{path} cannot be read: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{path} cannot be read: {error}") from None

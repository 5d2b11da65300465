"""A sample request for an MLflow model, from its signature."""

from __future__ import annotations

import json
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

from .. import document
from ..misuse import Misuse
from ..source import Source

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
    try:
        found = document.value(Source(mlmodel, mlmodel.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise Misuse(f"{mlmodel} cannot be read: {error}") from None
    match found:
        case {"signature": {"inputs": str(text)}}:
            with suppress(ValueError):
                inputs = json.loads(text)
                return inputs if isinstance(inputs, list) and all(isinstance(each, dict) for each in inputs) else []
    return []


def _zeros(shape: list[int]) -> object:
    return [_zeros(shape[1:]) for _ in range(shape[0])] if shape else 0.0

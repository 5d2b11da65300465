"""Whether a request's body is one that the management API documents.

The REST models in azure-ai-ml are generated from the API's own specification: they say which keys there are, which are
required, and what their values may be.
"""

from __future__ import annotations

import inspect
import re
import types
import warnings
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own, of its dependencies
    from azure.ai.ml._restclient.arm_ml_service import models

_MODELS = {
    r"/onlineEndpoints/[^/]+$": models.OnlineEndpoint,
    r"/onlineEndpoints/[^/]+/deployments/[^/]+$": models.OnlineDeployment,
    r"/data/[^/]+/versions/[^/]+$": models.DataVersionBase,
    r"/models/[^/]+/versions/[^/]+$": models.ModelVersion,
    r"/environments/[^/]+/versions/[^/]+$": models.EnvironmentVersion,
    r"/codes/[^/]+/versions/[^/]+$": models.CodeVersion,
}


def model_of(url: str) -> type:
    """The model of what is put at a URL."""
    path = url.partition("?")[0]
    return next(model for pattern, model in _MODELS.items() if re.search(pattern, path))


def faults(model: type, body: object) -> list[str]:
    """Everything in a body that the model does not know, lacks, or does not allow."""
    return list(_faults(model, body, ""))


def _faults(kind: Any, value: Any, where: str) -> Iterator[str]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        yield from _union(arguments, value, where)
    elif origin is Literal:
        yield from _choice([each.value for each in arguments], value, where)
    elif origin in (dict, list):
        for key, inner in value.items() if origin is dict else enumerate(value):
            yield from _faults(arguments[-1], inner, f"{where}.{key}")
    elif hasattr(kind, "_deserialize"):
        yield from _object(kind, value, where)
    elif issubclass(kind, Enum):
        yield from _choice([each.value for each in kind], value, where)
    else:
        yield from _plain(kind, value, where)


def _union(kinds: tuple[Any, ...], value: Any, where: str) -> Iterator[str]:
    """Optional, and `str or an enum`, which the API documents as that enum."""
    kinds = tuple(each for each in kinds if each is not type(None))
    if value is None:
        yield f"{where}: null"
    else:
        yield from _faults(kinds[-1], value, where)


def _choice(allowed: list[str], value: Any, where: str) -> Iterator[str]:
    """The service takes its words in any letter case, and the SDK sends some in lower case."""
    if str(value).lower() not in [str(each).lower() for each in allowed]:
        yield f"{where}: {value!r} is none of {', '.join(sorted(allowed))}"


def _plain(kind: type, value: Any, where: str) -> Iterator[str]:
    wanted: Any = (str,) if kind.__name__ in ("datetime", "timedelta") else (int, float) if kind is float else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        yield f"{where}: {value!r} is no {kind.__name__}"


def _object(kind: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no mapping"
        return
    key, kinds = _discriminator(kind)
    if key and kinds and value.get(key) not in kinds:
        yield f"{where}.{key}: {value.get(key)!r} is none of {', '.join(sorted(kinds))}"
    kind = kinds.get(value.get(key), kind)
    known = _fields(kind)
    for name in value.keys() - known.keys():
        yield f"{where}.{name} is unknown".lstrip(".")
    for name, (inner, required) in known.items():
        if name in value:
            yield from _faults(inner, value[name], f"{where}.{name}".lstrip("."))
        elif required:
            yield f"{where}.{name} is missing".lstrip(".")


def _discriminator(kind: Any) -> tuple[str, dict[str, Any]]:
    """The key by whose value a subtype is chosen, and the subtypes; "" where there are none."""
    for name, field in _rest_fields(kind).items():
        if field._is_discriminator and kind.__mapping__:
            return field._rest_name_input or name, {str(value): each for value, each in kind.__mapping__.items()}
    return "", {}


def _rest_fields(kind: Any) -> dict[str, Any]:
    """The fields of a model and of those it inherits from."""
    found = [each for base in reversed(kind.__mro__) for each in vars(base).items()]
    return {name: field for name, field in found if type(field).__name__ == "_RestField"}


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Type and whether it must be sent, by name in JSON."""
    hints: dict[str, Any] = {}
    for each in reversed(kind.__mro__[:-1]):
        if inspect.get_annotations(each):
            hints |= get_type_hints(each, vars(models._models), {**vars(models), "_models": models})
    fields: dict[str, tuple[Any, bool]] = {}
    for name, field in _rest_fields(kind).items():
        optional = type(None) in get_args(hints[name]) or field._visibility == ["read"]
        fields[field._rest_name_input or name] = (hints[name], not optional)
    return fields

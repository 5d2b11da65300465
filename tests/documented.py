"""Whether a request's body is one that Azure's specification documents, by a table that owes nothing to azure-ai-ml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TYPES: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "management_api.toml").read_text(encoding="utf-8")
)
_DURATION = r"-?P(?=.)(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?"


def undocumented(url: str, body: object) -> list[str]:
    """Everything in the body of a PUT that its documentation does not know, wants otherwise, or misses."""
    path = url.partition("?")[0]
    found = re.search(r"/(?:onlineEndpoints/[^/]+(/deployments/[^/]+)?|(\w+)/[^/]+/versions/[^/]+)$", path)
    assert found, url
    return list(_faults(found[2] or ("deployment" if found[1] else "endpoint"), body, "body"))


def _faults(kind: str, value: Any, where: str) -> Iterator[str]:
    kind = kind.removesuffix("!")
    if kind.startswith(("{", "[")):
        wanted = dict if kind[0] == "{" else list
        if isinstance(value, wanted):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from _faults(kind[1:-1], inner, f"{where}.{key}")
            return
        yield f"{where}: {value!r} is no {wanted.__name__}"
    elif kind.startswith("'"):
        # The service takes its words in any letter case.
        if str(value).lower() not in [each.strip(" '").lower() for each in kind.split("|")]:
            yield f"{where}: {value!r} is not {kind}"
    elif kind in _TYPES:
        yield from _keys(kind, value, where)
    elif not _is(kind, value):
        yield f"{where}: {value!r} is no {kind}"


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "duration":
            return isinstance(value, str) and re.fullmatch(_DURATION, value) is not None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            raise AssertionError(f"the table has no type {kind}")


def _keys(kind: str, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {kind}"
        return
    known = {key: each for key, each in _TYPES[kind].items() if isinstance(each, str) and key != "by"}
    by = _TYPES[kind].get("by")
    if by:
        choices = {key: each for key, each in _TYPES[kind].items() if isinstance(each, dict)}
        chosen = value.get(by)
        if chosen not in choices:
            yield f"{where}.{by}: {chosen!r} is none of {', '.join(choices)}"
            return
        known |= choices[chosen] | {by: "string!"}
    yield from (f"{where}.{key} is unknown" for key in value.keys() - known.keys())
    yield from (f"{where}.{key} is missing" for key, each in known.items() if each.endswith("!") and key not in value)
    for key in known.keys() & value.keys():
        yield from _faults(known[key], value[key], f"{where}.{key}")

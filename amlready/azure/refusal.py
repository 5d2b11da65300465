"""What the SDK says when it refuses, as one sentence, and what `amlready check` says about the same files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .. import project, rules
from ..diagnostic import Diagnostic, Level
from ..project import Reading
from .commands import Command, Kind
from .session import Failure

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DETAIL = re.compile(r"\(x\) (.*?)(?=\n\(x\) |\n\s*Resolutions:|\Z)", re.DOTALL)
_SCHEMA = re.compile(r"Validation for \w+ failed:\s*(\{.*\})\s*\n", re.DOTALL)
_ADVICE = re.compile(r"\s*If you wish to bypass this validation.*", re.DOTALL)
_FRAME = re.compile(r" from  .*", re.DOTALL)  # the source line of an exception within a validation
_TRANSPARENT = ("value", "_schema")
_OWN_WORDS = frozenset(("MlException", "TimeoutError", "SystemExit"))
_LONGEST = 300


def sentence(failure: Failure) -> str:
    """Why a command failed, without colours, resolutions and addresses."""
    text = _COLOUR.sub("", failure.message).strip()
    if schema := _SCHEMA.search(text + "\n"):
        return _cut("; ".join(_leaves(schema[1])))
    if details := _DETAIL.findall(text):
        return _cut("; ".join(_plain(_ADVICE.sub("", each)) for each in details))
    first = _plain(text.partition("\n\n")[0])
    if failure.type in _OWN_WORDS or failure.type.endswith(("Exception", "DirectoryError")):
        return _cut(first)
    return _cut(f"azure-ai-ml stops with {failure.type}{f': {first}' if first else ''}")


def _leaves(text: str) -> Iterator[str]:
    """`key.key: what is wrong with it` for each message of a validation error."""
    try:
        yield from _messages(json.loads(text), "")
    except ValueError:
        yield _plain(text)


def _messages(value: object, where: str) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _messages(inner, where if key in _TRANSPARENT else f"{where}.{key}".lstrip("."))
        case [str(), *_]:
            said = _FRAME.sub("", " ".join(map(str, value)))
            yield f"{where}: {_plain(said)}"
        case list():
            yield from _alternatives(value, where)
        case _:
            yield f"{where}: {_plain(str(value))}"


def _alternatives(forms: list[object], where: str) -> Iterator[str]:
    """What is wrong with the form that came nearest: of the others is only said that they are not the one."""
    nearest = [each for each in forms if not (isinstance(each, dict) and list(each) == ["_schema"])]
    said = dict.fromkeys(message for each in nearest for message in _messages(each, where))
    yield from said or [f"{where}: none of the accepted forms"]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3].rstrip()}..."


def findings(command: Command) -> list[Diagnostic]:
    """The errors that `check` finds in a command's file and in what that leads to."""
    if command.file is None or command.kind is Kind.TRAFFIC:
        return []
    found = rules.run(project.load([command.file], Reading(settings=command.settings)))
    return [each for each in found if each.level is Level.ERROR]

"""The settings of src/data_collection.py, which are environment variables of the deployment."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from ...diagnostic import Level, Problem
from ...document import Entry, Scalar
from ...script import Script
from ...specs import Deployment
from ...suggest import did_you_mean, listed
from .. import rule
from .variables import place, sent, variables

PREFIX = "COLLECTION_"
MODULE = "data_collection.py"

Limits = Mapping[str, tuple[float, float, float]]


def limits(script: Script) -> Limits:
    """Default, least and most of every setting, by environment variable, as the module beside the script has them."""
    for module in script.modules[1:]:
        if module.source.path.name == MODULE:
            return dict(_settings(module.tree))
    return {}


def _settings(tree: ast.Module) -> Iterator[tuple[str, tuple[float, float, float]]]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="SETTINGS")], value=ast.Dict() as settings):
                for name, value in _literal(settings).items():
                    match name, value:
                        case str(), (int() | float() as default, int() | float() as least, int() | float() as most):
                            yield PREFIX + name, (default, least, most)


def _literal(settings: ast.Dict) -> Mapping[object, object]:
    try:
        found: Mapping[object, object] = ast.literal_eval(settings)
    except (TypeError, ValueError):
        return {}
    return found


@rule(Level.WARNING)
def collection_setting(deployment: Deployment, script: Script) -> Iterator[Problem]:
    """A setting of the buffered data collection is none that the script knows, or out of its range.

    `src/data_collection.py` reads its settings from environment variables `COLLECTION_...`. One it does not know has
    no effect; one it cannot use is said in the container's log, and its default holds. Names and ranges are read from
    the module beside the scoring script.

    Bad::

        # deployment.yml
        environment_variables:
          COLLECTION_SAMPLING_RATE: "30"

        # src/score.py
        from data_collection import DataCollection

        def init():
            global collection
            collection = DataCollection(inputs={"age": float}, outputs={"prediction": float})

        def run(data, request_headers):
            collection.add([[59.0]], [1.5], request_headers)
            return [1.5]

        # src/data_collection.py
        SETTINGS = {"FLUSH_SECONDS": (1.0, 0.05, 60.0), "SAMPLING_RATE": (1.0, 0.0, 1.0)}

    Good::

        # deployment.yml
        environment_variables:
          COLLECTION_SAMPLING_RATE: "0.3"

        # src/score.py
        from data_collection import DataCollection

        def init():
            global collection
            collection = DataCollection(inputs={"age": float}, outputs={"prediction": float})

        def run(data, request_headers):
            collection.add([[59.0]], [1.5], request_headers)
            return [1.5]

        # src/data_collection.py
        SETTINGS = {"FLUSH_SECONDS": (1.0, 0.05, 60.0), "SAMPLING_RATE": (1.0, 0.0, 1.0)}
    """
    known = limits(script)
    for entry in variables(deployment) if known else ():
        name = entry.key.text
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            remedy = did_you_mean(name, known) or f"; it knows {listed(known, 'and')}"
            yield Problem(entry.key.span, f"the scoring script knows no setting {name!r}{remedy}")
        elif (text := _text(entry)) is not None and not _fits(text, known[name]):
            default, least, most = known[name]
            message = f"{text!r} must be a number from {least:g} to {most:g}; {default:g} is used instead"
            yield Problem(place(entry).span, message)


def _text(entry: Entry) -> str | None:
    """The value as the container gets it; None for a list or mapping, which is a finding by itself."""
    return sent(entry.value) if isinstance(entry.value, Scalar) else None


def _fits(text: str, limits: tuple[float, float, float]) -> bool:
    _, least, most = limits
    try:
        return least <= float(text) <= most
    except ValueError:
        return False

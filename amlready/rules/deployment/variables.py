"""Environment variables: text under a name, and some names are not free."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime

from ...diagnostic import Edit, Level, Problem
from ...document import Entry, Mapping, Node, Scalar
from ...specs import Deployment
from .. import rule
from .container import has_script, runs_inference_server
from .numbers import integer


def variables(deployment: Deployment) -> Iterator[Entry]:
    """The environment variables of a deployment."""
    node = deployment.get("environment_variables")
    yield from node if isinstance(node, Mapping) else ()


def sent(node: Scalar) -> str | None:
    """The text that azure-ai-ml puts into the request for a value, or None when it is no single value that it knows.

    Anything but text goes out as JSON (`true`, `1.1`, `null`), a time in ISO form.
    """
    match node.value:
        case str() as text:
            return text
        case datetime() as moment:
            return moment.isoformat() + ("" if moment.tzinfo else "Z")
        case date() as day:
            return day.isoformat()
        case None | bool() | float() as value:
            return json.dumps(value)
        case int() if (number := integer(node)) is not None:
            return str(number)
    return None


def changed(node: Node) -> str | None:
    """How a value that stands for text is sent as something else, in words; None for text that stays as it is."""
    if not isinstance(node, Scalar):
        return "a list or mapping is sent as it is, not as text; write it as JSON in quotes"
    if isinstance(node.value, str) or (text := sent(node)) is None or (_is_text(node) and text == node.text):
        return None
    if node.value is None:
        return 'nothing is written here, and null is sent; write "" or leave the key out'
    if text != node.text:
        return f"{node.text} is sent as {text}; quote it"
    return f"{node.text} is sent as {_sort(node)}, and text is expected; quote it"


def _is_text(node: Scalar) -> bool:
    """Whether it is sent as a JSON string: dates are."""
    return isinstance(node.value, date)


def _sort(node: Scalar) -> str:
    return "a truth value" if isinstance(node.value, bool) else "a number"


def quoted(entry: Entry) -> tuple[Edit, ...]:
    """The fix that quotes a value as it is written; none where that is not certain."""
    node = entry.value
    if not isinstance(node, Scalar) or node.value is None or node.span.text != node.text:
        return ()
    return (Edit(node.span, f'"{node.text}"'),)


def place(entry: Entry) -> Problem:
    """A problem yet without words at an entry's value, or at its key when the value is an alias of one elsewhere."""
    elsewhere = not entry.merged and entry.value.start < entry.key.start
    return Problem(entry.key.span, "") if elsewhere else Problem(entry.value.span, "", fix=quoted(entry))


@rule(Level.WARNING)
def variable_not_text(deployment: Deployment) -> Iterator[Problem]:
    """An environment variable is not written as text.

    Azure's REST API defines environment variables as text; azure-ai-ml sends what YAML made of the value (SDK
    1.35.2): `010` as 8, `1.10` as 1.1, `12:30:45` as 45045, `yes` as true, an empty value as null. Quoted, it arrives
    as it stands.

    Bad::

        # deployment.yml
        environment_variables:
          MODEL_REVISION: 1.10

    Good::

        # deployment.yml
        environment_variables:
          MODEL_REVISION: "1.10"
    """
    for entry in variables(deployment):
        words = changed(entry.value)
        if words:
            at = place(entry)
            yield Problem(at.span, words, fix=at.fix)


@rule(Level.WARNING)
def invalid_variable_name(deployment: Deployment) -> Iterator[Problem]:
    """An environment variable has a name that no container can have, or another one than is written.

    Names are letters, digits, `_`, `-` and `.`, not beginning with a digit; Kubernetes, which runs the containers,
    knows no others. YAML turns the key `no` into false, `on` into true and `010` into 8, and azure-ai-ml sends that
    as the name (SDK 1.35.2).

    Bad::

        # deployment.yml
        environment_variables:
          no: "578"

    Good::

        # deployment.yml
        environment_variables:
          "no": "578"
    """
    for entry in variables(deployment):
        key, name = entry.key, entry.key.text
        valid = re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name)
        if not valid:
            message = f"{name!r} cannot be the name of an environment variable; use letters, digits and '_'"
            yield Problem(key.span, message)
        elif not isinstance(key.value, str):
            fix = (Edit(key.span, f'"{name}"'),) if key.span.text == name else ()
            yield Problem(key.span, f"YAML reads the name {name!r} as {sent(key)}; quote it", fix=fix)


_SET_BY_AZURE = {
    "AZUREML_MODEL_DIR": "Azure sets it to where the model is",
    "AZUREML_MDC_CONFIG_PATH": "Azure sets it to the Collector's configuration; any other path stops the Collector",
    "AZUREML_MDC_ENABLED": "Azure sets it when the deployment has a data_collector",
    "AZUREML_MDC_HOST": "Azure's agent listens where the Collector looks by default; elsewhere nothing is collected",
    "AZUREML_MDC_PORT": "Azure's agent listens where the Collector looks by default; elsewhere nothing is collected",
}
_SET_BY_SERVER = {
    "AML_APP_ROOT": "Azure sets it to the folder of the scoring script",
    "AZUREML_ENTRY_SCRIPT": "Azure sets it from code_configuration.scoring_script",
    "AZUREML_SOURCE_DIRECTORY": "Azure sets it from code_configuration.code",
    "SERVER_PORT": "the inference server overwrites it and listens on 5001",
    "HEALTH_PORT": "the inference server overwrites it",
}


@rule(Level.WARNING)
def reserved_variable(deployment: Deployment) -> Iterator[Problem]:
    """An environment variable is set that Azure or the inference server sets itself.

    `AZUREML_MODEL_DIR` and the Collector's `AZUREML_MDC_CONFIG_PATH` come from Azure: with a path that does not exist
    the Collector raises a FileNotFoundError, even with `on_error` (azureml-ai-monitoring 1.0.0). With a scoring
    script, its place comes from `code_configuration`, and the server overwrites `SERVER_PORT` and `HEALTH_PORT`
    (azureml-inference-server-http 1.5.1).

    Bad::

        # deployment.yml
        environment_variables:
          AZUREML_MODEL_DIR: /var/models

    Good::

        # deployment.yml
        environment_variables:
          MODEL_FILE: model.pkl
    """
    reserved = dict(_SET_BY_AZURE) if has_script(deployment) else {}
    if runs_inference_server(deployment):
        reserved |= _SET_BY_SERVER
    for entry in variables(deployment):
        name = str(entry.key.value)
        if name in reserved:
            yield Problem(entry.key.span, f"{name} is not free: {reserved[name]}; delete it")

"""A plan as curl commands, to be read or, where somebody wants to, run.

What only the real workspace knows is a shell variable; the token is one too and never part of the plan. Bodies are in
single quotes, which nothing but a placeholder ever leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from .describe import plural
from .session import Outcome, Request, Upload, Warned
from .workspace import PLACEHOLDERS, STORAGE_ACCOUNT, placeholders

_HEAD = """\
# What `az ml` sends to Azure's management API, without its uploads. Set these first:
#   {variables}
#   AZURE_TOKEN=$(az account get-access-token --query accessToken --output tsv)"""


def lines(outcomes: list[Outcome]) -> Iterator[str]:
    """The whole plan, as a shell script."""
    yield _HEAD.format(variables=" ".join(_variable(each) for each in PLACEHOLDERS))
    for outcome in outcomes:
        yield ""
        yield f"# {outcome.command.line}"
        for event in outcome.events:
            yield from _event(event)


def _event(event: Request | Upload | Warned) -> Iterator[str]:
    match event:
        case Request(method, url) if "/listSecrets" in url:
            yield f"# {method} {urlsplit(url).path.rpartition('/')[2]}: its answer is a secret and not for a terminal"
        case Request(method, url, body):
            yield f"curl --fail-with-body --request {method} {_quoted(url)} \\"
            authorised = '  --header "Authorization: Bearer $AZURE_TOKEN"'
            yield authorised if body is None else f"{authorised} \\"
            if body is not None:
                yield "  --header 'Content-Type: application/json' \\"
                yield f"  --data {_quoted(json.dumps(body, ensure_ascii=False))}"
        case Upload():
            yield f"# upload of {plural(event.sent.count, 'file')}, {event.sent.bytes} bytes, from {event.source}"


def _quoted(text: str) -> str:
    """A text as one word of a shell, its placeholders as variables."""
    inner = text.replace("'", "'\\''")
    return "'" + placeholders(inner, lambda name: f"'\"${_variable(name)}\"'") + "'"


def _variable(placeholder: str) -> str:
    return "AML_STORAGE_ACCOUNT" if placeholder == STORAGE_ACCOUNT else placeholder

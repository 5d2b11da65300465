"""Send a request to a running endpoint and say what came back, in Azure's terms.

The answer's body is standard output, byte for byte; status, latency and correlation id are on standard error, so that
the body can be piped. Sent directly, never through a proxy: the endpoint is on this machine.
"""

from __future__ import annotations

import http.client
import re
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from .records import parse_json

URI = "http://127.0.0.1:5001/score"
CLIENT_REQUEST_ID = "x-ms-client-request-id"

_AZURE_DEFAULT_TIMEOUT = 5.0  # seconds, request_settings.request_timeout_ms
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # what Azure lets through of a caller's id
_BLOCK = 1 << 16


class Unusable(Exception):
    """The command cannot be carried out as given."""


class NoAnswer(Exception):
    """The request got no answer; the message is for the user."""


@dataclass(frozen=True)
class Answer:
    """`seconds` is from the first byte sent to the last one received."""

    status: int
    reason: str
    content_type: str
    body: bytes
    seconds: float


def invoke(file: Path | None, uri: str = URI, *, client_request_id: str | None = None, timeout: float = 60.0) -> int:
    """Send `file` (None: standard input) to `uri` and print the answer.

    Exit status: 0 the answer is 200 · 1 it is not, or there is none in `timeout` seconds · 2 nothing could be sent.
    """
    try:
        body = _read(file)
        request_id = _request_id(client_request_id)
        answer = send(_target(uri), body, request_id, timeout)
    except Unusable as misuse:
        _say(f"amlready: {misuse}")
        return 2
    except NoAnswer as failure:
        _say(f"amlready: {failure}")
        return 1
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.body if answer.body.endswith(b"\n") else answer.body + b"\n")
    sys.stdout.flush()
    _say(f"{answer.status} {answer.reason} in {answer.seconds * 1000:.1f} ms, {CLIENT_REQUEST_ID}: {request_id}")
    for line in _remarks(body, answer):
        _say(line)
    return 0 if answer.status == http.HTTPStatus.OK else 1


def send(target: SplitResult, body: bytes, request_id: str, timeout: float) -> Answer:
    """POST `body` as JSON and read the whole answer. Raises NoAnswer."""
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=timeout)
    headers = {"Content-Type": "application/json", "Accept": "*/*", CLIENT_REQUEST_ID: request_id}
    path = target.path if target.path.strip("/") else "/score"
    try:
        connection.connect()
        begun = time.perf_counter()
        connection.request("POST", f"{path}?{target.query}" if target.query else path, body, headers)
        response = connection.getresponse()
        content = _content(response, begun + timeout)
        seconds = time.perf_counter() - begun
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(_no_answer(f"{target.scheme}://{target.netloc}", error, timeout)) from error
    finally:
        connection.close()
    return Answer(response.status, response.reason, response.headers.get_content_type(), content, seconds)


def _content(response: http.client.HTTPResponse, deadline: float) -> bytes:
    blocks = []
    while block := response.read1(_BLOCK):
        blocks.append(block)
        if time.perf_counter() > deadline:
            raise TimeoutError
    if response.length:
        raise ConnectionError
    return b"".join(blocks)


def _no_answer(server: str, error: Exception, timeout: float) -> str:
    match error:
        case ConnectionRefusedError():
            return f"nothing listens at {server}; start the endpoint with `amlready serve`"
        case TimeoutError():
            return f"no answer from {server} within {timeout:g} s"
        case http.client.RemoteDisconnected() | ConnectionError():
            return f"{server} closed the connection before the answer was whole; its log says why"
        case http.client.HTTPException():
            return f"what {server} answers is not HTTP ({error!r})"
        case _:
            return f"cannot reach {server}: {error}"


def _read(file: Path | None) -> bytes:
    if file is None:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise Unusable(f"there is no file {str(file)!r}") from None
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}") from error


def _request_id(given: str | None) -> str:
    if given is None:
        return str(uuid.uuid4())
    if not _SAFE_ID.fullmatch(given):
        raise Unusable(f"{given!r} is no client request id: Azure takes up to 40 letters, digits, - and _")
    return given


def _target(uri: str) -> SplitResult:
    try:
        target = urlsplit(uri)
        _ = target.port
    except ValueError as error:
        raise Unusable(f"{uri!r} is not a scoring URI: {error}") from None
    plain = uri.isascii() and uri.isprintable() and " " not in uri
    if not plain or target.scheme not in ("http", "https") or not target.hostname:
        raise Unusable(f"{uri!r} is not a scoring URI, such as {URI}")
    return target


def _remarks(body: bytes, answer: Answer) -> list[str]:
    """What Azure would make of this, and what is odd about it."""
    found = []
    if answer.status != http.HTTPStatus.OK:
        found.append(f"Azure would answer its caller 424, with ms-azureml-model-error-statuscode: {answer.status}")
        if fault := _not_json(body):
            found.append(f"the request is not JSON: {fault}")
    elif answer.content_type == "application/json" and (fault := _not_json(answer.body)):
        found.append(f"the answer says it is JSON and is not: {fault}")
    if answer.seconds > _AZURE_DEFAULT_TIMEOUT:
        found.append("Azure would answer 408 unless request_timeout_ms is set: it waits 5 s by default")
    return found


def _not_json(body: bytes) -> str:
    """What keeps `body` from being JSON; "" if nothing does."""
    try:
        parse_json(body)
    except ValueError as error:
        return str(error)
    return ""


def _say(line: str) -> None:
    print(line, file=sys.stderr)

"""A request and its answer, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request: `url` as it was sent, `body` parsed JSON (None where there is none), `size` in bytes."""

    method: str
    url: str
    body: Any = None
    size: int = 0

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """Decoded."""
        return unquote(urlsplit(self.url).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


@dataclass(frozen=True)
class Answered:
    """An answer: `assumed` is what it takes for granted about a workspace that nobody has seen."""

    status: int = HTTPStatus.OK
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    assumed: str = ""


def refusal(status: HTTPStatus, code: str, message: str) -> Answered:
    """An error as Azure words it, for the SDK to understand."""
    body = {"error": {"code": code, "message": message}}
    return Answered(status, body, {"x-ms-error-code": code})

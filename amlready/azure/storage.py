"""Blob Storage as far as an upload can see: every blob is new, and is accepted. Nothing is kept but its size."""

from __future__ import annotations

import email.utils
from http import HTTPStatus

from .exchange import Answered, Asked, refusal

_NOT_FOUND = "BlobNotFound"


def answer(asked: Asked) -> Answered:
    """Accept what is written; know of nothing that could be read."""
    if asked.method == "PUT":
        written = HTTPStatus.OK if asked.query.get("comp") == "metadata" else HTTPStatus.CREATED
        return Answered(written, headers=_headers())
    return refusal(HTTPStatus.NOT_FOUND, _NOT_FOUND, "The specified blob does not exist.")


def _headers() -> dict[str, str]:
    stamp = email.utils.formatdate(0, usegmt=True)
    return {"ETag": '"0x1"', "Last-Modified": stamp, "x-ms-request-server-encrypted": "true"}

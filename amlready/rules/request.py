"""Rules whose caret points at a sample request."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostic import Level, Problem
from ..specs import Request
from . import rule


@rule(Level.ERROR)
def request_not_json(request: Request) -> Iterator[Problem]:
    """The sample request is not JSON.

    `az ml online-endpoint invoke --request-file` sends the file as it is, with content type `application/json`; the
    scoring script then fails to read it, and the caller gets a 424.

    Bad::

        # sample-request.json
        {"data": [[1, 2, 3],]}

    Good::

        # sample-request.json
        {"data": [[1, 2, 3]]}
    """
    if request.fault is not None:
        yield request.fault

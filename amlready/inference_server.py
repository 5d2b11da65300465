"""Releases of azureml-inference-server-http: what each needs beside it, and which one pip would choose.

As declared by the releases on PyPI, newest first. A release is taken into account as far as a conda file lets it
through; whatever the server does not name itself does not matter here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from .frozen import field, frozen
from .packages import Packages, Requirement
from .versions import is_before, stretch

SERVER, DEFAULTS = "azureml-inference-server-http", "azureml-defaults"

_OLD = {"flask": "<2.3.0", "flask-cors": "~=3.0.1", "pydantic": "<1.11,>=1.9", "gunicorn": "==20.1.0"}
_V11 = {
    **{"flask": "<=2.3.2", "flask-cors": "~=3.0.1", "inference-schema": "~=1.7.0", "pydantic": "~=2.0"},
    **{"werkzeug": "<3.0.0", "gunicorn": "==20.1.0"},
}
_V13 = {"flask": "<=2.3.2", "inference-schema": "~=1.8.0", "werkzeug": ">=3.0.3", "pydantic": "~=2.7.1"}
_V14 = {"inference-schema": "~=1.8.0", "werkzeug": ">=3.0.3", "gunicorn": ">=23.0.0"}
_V141 = {**_V14, "flask": "~=3.1.0", "flask-cors": "~=6.0.0", "pydantic": "~=2.11.0"}
_V15 = {**_V141, "opentelemetry-sdk": "==1.33.0", "opentelemetry-api": "==1.33.0"}


@frozen
class Release:
    """A release of the server: the oldest Python it runs on, and what it requires of other distributions."""

    version: str
    python: str
    requires: Mapping[str, str] = field(default_factory=dict)


RELEASES = (
    Release("1.5.1", "3.9", {**_V15, "pydantic": "~=2.12.0"}),
    Release("1.5.0", "3.9", _V15),
    Release("1.4.1", "3.9", _V141),
    Release("1.4.0", "3.9", {**_V14, "flask": "~=3.0.0", "flask-cors": "~=5.0.0", "pydantic": "~=2.9.0"}),
    Release("1.3.4", "3.8", {**_V13, "flask-cors": "~=5.0.0", "pydantic": "~=2.9.0", "gunicorn": ">=23.0.0"}),
    Release("1.3.3", "3.8", {**_V13, "flask-cors": "~=5.0.0"}),
    Release("1.3.2", "3.8", {**_V13, "flask-cors": "~=4.0.1"}),
    Release("1.3.0", "3.8", {**_V13, "flask-cors": "~=3.0.1"}),
    Release("1.2.2", "3.8", {**_V11, "werkzeug": ">=3.0.3", "gunicorn": "==22.0.0"}),
    Release("1.2.1", "3.8", _V11),
    Release("1.2.0", "3.8", _V11),
    Release("1.1.0", "3.8", _V11),
    Release("1.0.0", "3.8", {**_OLD, "inference-schema": "~=1.7.0"}),
    Release("0.8.4.2", "3.7", {**_OLD, "inference-schema": "~=1.7.0"}),
    Release("0.8.4.1", "3.7", {**_OLD, "inference-schema": "~=1.5.0"}),
    Release("0.8.4", "3.7", {**_OLD, "inference-schema": "~=1.5.0"}),
    Release("0.8.0", "3.7", {**_OLD, "inference-schema": "~=1.5.0"}),
    Release("0.7.7", "3.6", {"flask-cors": "~=3.0.1", "gunicorn": "==20.1.0"}),
    Release(
        "0.4.13",
        "3.6",
        {
            **{"flask": "==1.0.3", "inference-schema": "==1.3.0", "itsdangerous": "<2.0,>=0.24"},
            **{"werkzeug": "<2.0,>=0.15", "jinja2": "<3.1,>=2.10.1", "click": "<8.0,>=5.1"},
        },
    ),
)
"""Known releases, newest first."""

NEWEST = RELEASES[0].version

_OF_DEFAULTS = (("1.61", "~=1.4"), ("1.58", "~=1.3"), ("1.57", "~=1.2.1"), ("1.55", "~=1.0.0"))
_OF_OLD_DEFAULTS = (("1.49", "~=0.8.0"), ("1.44", "~=0.7.2"), ("1.34", "~=0.4.1"))


@frozen
class Choice:
    """What becomes of a conda file's entries: the release that pip would choose, or the entries that leave none.

    `candidates` are the releases that the server's own entries let through.
    """

    candidates: tuple[Release, ...]
    release: Release | None
    blockers: tuple[Requirement, ...] = ()


def entries(packages: Packages) -> list[Requirement]:
    """The entries that bring the server by pip."""
    return [each for each in packages.named(SERVER, DEFAULTS) if each.manager == "pip"]


@lru_cache(maxsize=64)  # several rules ask about one conda file, one after the other
def choose(packages: Packages, python: str | None) -> Choice | None:
    """The release that a conda file ends up with on a Python (`3.11`, or None if that is open).

    None when the server is not listed, or in a version that is not known here.
    """
    candidates = _candidates(entries(packages), python)
    if not candidates:
        return None
    others = [each for each in packages.requirements if each.manager == "pip"]
    for release in candidates:
        if not blocking(release, others):
            return Choice(candidates, release)
    return Choice(candidates, None, tuple(blocking(candidates[0], others)))


def _candidates(listed: list[Requirement], python: str | None) -> tuple[Release, ...]:
    conditions = [stretch(_of_defaults(each) if each.name == DEFAULTS else each.condition) for each in listed]
    if not listed or None in conditions:
        return ()
    fitting = (one for one in RELEASES if all(each is not None and each.admits(one.version) for each in conditions))
    return tuple(each for each in fitting if python is None or not is_before(python, each.python))


def _of_defaults(entry: Requirement) -> str:
    """Which servers a pinned azureml-defaults lets through."""
    version = entry.version
    if version is None:
        return ""
    for start, condition in (*_OF_DEFAULTS, *_OF_OLD_DEFAULTS):
        if not is_before(version, start):
            return condition
    return ""


def blocking(release: Release, requirements: Iterable[Requirement]) -> list[Requirement]:
    """The entries that exclude what a release needs."""
    found = []
    for each in requirements:
        needed = stretch(release.requires.get(each.name, ""))
        asked = stretch(each.condition)
        if needed is not None and asked is not None and not asked.meets(needed):
            found.append(each)
    return found

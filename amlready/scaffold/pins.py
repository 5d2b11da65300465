"""The conda file's pins: versions that go together, around the scikit-learn that the model was pickled with.

Where that scikit-learn is the one installed here, the model was most likely trained here, and the rest is taken from
here too. Otherwise it comes from a table; its rows were resolved on PyPI together with the inference server.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from importlib import metadata

from ..frozen import frozen
from ..imports import brought, is_standard, providers
from ..pickles import Pickle
from ..versions import is_before

BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20260514.v1"
SCIKIT_LEARN, PYTHON, PIP, MONITORING = "1.9.1", "3.11.16", "26.1.1", "1.0.0"

_TRAINED_WITH = ("numpy", "pandas", "joblib")


@frozen
class Row:
    """What goes with a scikit-learn from a version on."""

    since: str
    python: str
    numpy: str
    pandas: str
    joblib: str

    def pins(self) -> dict[str, str]:
        return {"numpy": self.numpy, "pandas": self.pandas, "joblib": self.joblib}


ROWS = (
    Row("1.8", PYTHON, "2.4.6", "3.1.1", "1.6.0"),
    Row("1.5", PYTHON, "2.2.6", "2.3.3", "1.5.2"),
    Row("1.2", PYTHON, "1.26.4", "2.2.3", "1.5.2"),
    Row("1.1.3", PYTHON, "1.23.5", "1.5.3", "1.3.2"),
    Row("0", "3.10", "1.23.5", "1.5.3", "1.3.2"),
)
"""Newest first. The last is for what no Python with security updates runs; `check` says so."""


@frozen
class Pins:
    """Python's version, those of distributions (None where none is known), and a sentence on where they are from."""

    python: str
    packages: dict[str, str | None]
    origin: str


def pins(pickle: Pickle | None) -> Pins:
    """What a model's container installs besides the inference server and the Collector."""
    told = pickle.scikit_learn if pickle else None
    here = _here()
    version = told or here.get("scikit-learn") or SCIKIT_LEARN
    if len(here) > len(_TRAINED_WITH) and here["scikit-learn"] == version:
        python, others = _python_here(), {name: here[name] for name in _TRAINED_WITH}
    else:
        row = _row(version, pickle)
        python, others = row.python, row.pins()
    packages: dict[str, str | None] = {"scikit-learn": version, **others}
    packages |= {name: _version(name) for name in _more(pickle, packages)}
    return Pins(python, packages, _origin(told, here.get("scikit-learn")))


def _origin(told: str | None, here: str | None) -> str:
    if told:
        return f"scikit-learn {told} is what the model was pickled with; the rest goes with it."
    which = "installed where this file was made" if here else "current"
    return f"scikit-learn is the version {which}: put the one that the model was trained with."


def _row(version: str, pickle: Pickle | None) -> Row:
    """The newest row that fits; a pickle of numpy 2 needs numpy 2."""
    by_numpy_2 = pickle is not None and any(each.startswith("numpy._core.") for each in pickle.names)
    wanted = "1.5" if by_numpy_2 and not is_before(version, "1.4.2") and is_before(version, "1.5") else version
    return next((row for row in ROWS if not is_before(wanted, row.since)), ROWS[-1])


def _python_here() -> str:
    minor = ".".join(platform.python_version_tuple()[:2])
    return PYTHON if PYTHON.startswith(f"{minor}.") else minor


def _here() -> dict[str, str]:
    found = {name: _version(name) for name in ("scikit-learn", *_TRAINED_WITH)}
    return {name: version for name, version in found.items() if version}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _more(pickle: Pickle | None, packages: Iterable[str]) -> Iterator[str]:
    """The distributions that the model's classes come from, where those that are listed do not bring them."""
    known = brought((name, ()) for name in packages) or frozenset(packages)
    needed = {providers(each.rpartition(".")[0]) for each in (pickle.names if pickle else ()) if not is_standard(each)}
    yield from sorted(names[0] for names in needed if names and not known.intersection(names))

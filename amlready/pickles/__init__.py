"""What loading a pickle or joblib file would import and call, read without loading it.

A pickle is a program for a small stack machine. Here it runs on stand-ins: a name instead of a function, a note
instead of a call (`machine`, `opcodes`). Bytes are passed over (`streams`), and work is bounded by opcodes and bytes,
so that a hostile or huge file costs as much as a small one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from ..frozen import frozen
from .machine import Machine
from .opcodes import ACTIONS
from .streams import Broken, Ends, Enough, reader


@frozen
class Pickle:
    """A pickle's facts. Names are full: `sklearn.linear_model._base.LinearRegression`.

    `whole` when it was read to its end; otherwise what is said is true, but there may be more. `fault` says why loading
    it must fail. `scikit_learn` is the version that pickled the first estimator. `is_joblib` when arrays or compression
    of joblib's own are in it, which plain `pickle.load` cannot read.
    """

    protocol: int = 0
    names: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    scikit_learn: str | None = None
    whole: bool = True
    fault: str | None = None
    is_joblib: bool = False


def read(path: Path) -> Pickle | None:
    """The facts of a pickle or joblib file, or None when it is something else or cannot be opened."""
    try:
        if not path.is_file():  # opening a FIFO would wait for ever
            return None
        with path.open("rb") as stream:
            return _read(stream, path.stat().st_size)
    except OSError:
        return None


def _read(stream: BinaryIO, size: int) -> Pickle | None:
    bytes_, is_packed = reader(stream, size)
    machine = Machine(bytes_, ACTIONS, is_joblib=is_packed)
    whole, fault = True, None
    try:
        if not machine.starts():
            return None
        machine.run()
    except Ends:
        fault = "it ends in the middle, as after an interrupted copy"
    except Broken as reason:
        fault = str(reason)
    except (Enough, MemoryError, RecursionError):
        whole = False
        machine.found.scikit_learn = machine.found.scikit_learn or _version_at_the_end(stream, size)
    return _facts(machine, whole, fault) if machine.protocol else None


def _facts(machine: Machine, whole: bool, fault: str | None) -> Pickle:
    found = machine.found
    names, calls = frozenset(found.names), frozenset(found.calls)
    return Pickle(machine.protocol, names, calls, found.scikit_learn, whole, fault, found.is_joblib)


_VERSION = re.compile(
    rb"_sklearn_version(?:\x94|q.|r.{4})?(?:\x8c.|X.{4})(\d+\.\d[\w.+]{0,20})(?=[\x94qr]|\Z)", re.DOTALL
)


def _version_at_the_end(stream: BinaryIO, size: int) -> str | None:
    """scikit-learn's version in the last bytes: an estimator's state ends with it, however large it is before."""
    stream.seek(max(0, size - 65536))
    found = _VERSION.findall(stream.read(65536))
    return found[-1].decode() if found else None

"""How many features a scikit-learn model takes, read from its pickle without loading it.

A fitted estimator keeps the number as `n_features_in_`. A file may hold several estimators (the steps of a pipeline,
the trees of a forest); only when all of them agree is it certain that the number is that of the input.
"""

from __future__ import annotations

from pathlib import Path

from .pickles.machine import Machine
from .pickles.opcodes import ACTIONS
from .pickles.streams import Broken, Ends, Enough, reader


class _Counting(Machine):
    """Notes every number of features that is put on the stack."""

    def push(self, value: object) -> None:
        if self.previous == "n_features_in_" and isinstance(value, int):
            self.counts.add(value)
        super().push(value)

    counts: set[int]


def count(path: Path) -> int | None:
    """The number of features that the model in a pickle or joblib file takes; None when it cannot be told."""
    try:
        if not path.is_file():  # opening a FIFO would wait for ever
            return None
        with path.open("rb") as stream:
            bytes_, is_packed = reader(stream, path.stat().st_size)
            machine = _Counting(bytes_, ACTIONS, is_joblib=is_packed)
            machine.counts = set()
            if machine.starts():
                machine.run()
    except (OSError, Ends, Broken, Enough, MemoryError, RecursionError):
        return None
    return machine.counts.pop() if len(machine.counts) == 1 else None

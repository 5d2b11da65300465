"""What a scikit-learn model takes, read from its pickle without loading it: the names of its features, or their number.

A pipeline's first step, and the outermost of nested estimators, note the names of the input before anything inside
them does; so the first note in the file is taken. The scoring script compares it with the loaded model.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..pickles.machine import Found, Machine
from ..pickles.opcodes import ACTIONS
from ..pickles.streams import Broken, Ends, Enough, reader

MAX_FEATURES = 1_000
"""Most features that are written into a scoring script."""


class _Noted(Found):
    """Also the names of the first estimator, while they come in, and the first number of features."""

    def __init__(self, is_joblib: bool) -> None:
        super().__init__(is_joblib)
        self.is_due = False
        self.features: list[str] | None = None
        self.count: int | None = None

    def take(self, values: list[object]) -> None:
        """Take items of the list that the array of names is made of."""
        if self.is_due:
            self.features = [str(each) for each in values] if all(isinstance(each, str) for each in values) else None
            self.is_due = False


class _Noting(Machine):
    """Notes where the names begin, and the number of features. `found` is shared with the pickles nested in this."""

    found: _Noted

    def push(self, value: object) -> None:
        if self.previous == "feature_names_in_" and self.found.features is None:
            self.found.is_due = True
        if self.previous == "n_features_in_" and isinstance(value, int) and self.found.count is None:
            self.found.count = value
        super().push(value)


def _append(it: Machine) -> None:
    assert isinstance(it.found, _Noted)
    it.found.take([it.stack.pop()])


def _append_all(it: Machine) -> None:
    assert isinstance(it.found, _Noted)
    it.found.take(it.pop_mark())


_ACTIONS = {**ACTIONS, b"a": _append, b"e": _append_all}


def features(path: Path) -> tuple[list[str] | None, int | None]:
    """The names of the features and their number, each None when it cannot be told.

    Names are kept of models that were trained on a DataFrame. Raises OSError.
    """
    with path.open("rb") as stream:
        bytes_, is_packed = reader(stream, path.stat().st_size)
        machine = _Noting(bytes_, _ACTIONS, _Noted(is_packed))
        with suppress(Ends, Broken, Enough, MemoryError, RecursionError):  # what was noted before is true
            if machine.starts():
                machine.run()
    names, count = machine.found.features, machine.found.count
    return (names if names and len(names) <= MAX_FEATURES else None), count

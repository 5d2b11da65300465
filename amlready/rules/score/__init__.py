"""Rules whose caret points at the scoring script or a module beside it."""

from . import collection, functions, inputs, legacy, start

__all__ = ["collection", "functions", "inputs", "legacy", "start"]

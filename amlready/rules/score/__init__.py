"""Rules whose caret points at the scoring script or a module beside it."""

from . import answers, collection, errors, functions, inputs, legacy, start

__all__ = ["answers", "collection", "errors", "functions", "inputs", "legacy", "start"]

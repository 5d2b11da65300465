"""Rules whose caret points at model.yml, a deployment's inline model, or the MLmodel file in an MLflow model."""

from . import files, names, pickles

__all__ = ["files", "names", "pickles"]

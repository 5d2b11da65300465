"""Rules whose caret points at model.yml, a deployment's inline model, or the MLmodel file in an MLflow model."""

from . import files, mlflow, names, paths, pickles

__all__ = ["files", "mlflow", "names", "paths", "pickles"]

"""Rules whose caret points at environment.yml, a deployment's inline environment, or the conda file."""

from . import packages

__all__ = ["packages"]

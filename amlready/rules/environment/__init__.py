"""Rules whose caret points at environment.yml, a deployment's inline environment, or the conda file."""

from . import conda, definition, packages

__all__ = ["conda", "definition", "packages"]

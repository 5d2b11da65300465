"""Rules whose caret points at a sample request."""

from . import form, rows

__all__ = ["form", "rows"]

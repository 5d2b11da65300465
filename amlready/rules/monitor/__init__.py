"""Rules whose caret points at a monitor's schedule."""

from . import data, schedule, target

__all__ = ["data", "schedule", "target"]

"""Rules whose caret points at a deployment's `data_collector` block."""

from . import paths, storage
from .collections import MONITORED, PAYLOAD, collections, enabled

__all__ = ["MONITORED", "PAYLOAD", "collections", "enabled", "paths", "storage"]

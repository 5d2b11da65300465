"""Rules whose caret points at deployment.yml."""

from . import references

__all__ = ["references"]

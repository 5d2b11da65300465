"""Rules whose caret points at endpoint.yml."""

from . import access, identity, metadata, mirror, names, traffic

__all__ = ["access", "identity", "metadata", "mirror", "names", "traffic"]

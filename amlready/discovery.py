"""Finding specs by content: real repositories call these files anything and keep them anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .document import Document, Mapping, Scalar, Sequence
from .specs import Conda, Data, Deployment, Endpoint, Environment, Model, Monitor, Spec

_MAYBE = (
    r"^['\"]?(?:endpoint_name|code_configuration|auth_mode|data_collector|conda_file|inference_config"
    r"|create_monitor|instance_type|dependencies|mirror_traffic)['\"]?\s*:"
    r"|^type\s*:\s*['\"]?(?:custom_model|mlflow_model|triton_model|uri_folder|uri_file|mltable)\b"
)
"""What a spec says at the start of one of its lines; other YAML is not even parsed."""

_SCHEMA_KINDS: tuple[tuple[str, type[Spec]], ...] = (
    ("onlinedeployment", Deployment),
    ("onlineendpoint", Endpoint),
    ("model.schema", Model),
    ("environment.schema", Environment),
    ("data.schema", Data),
    ("monitor", Monitor),
)
_OTHER_KEYS = frozenset(
    ("command", "jobs", "mini_batch_size", "output_action", "retry_settings", "inputs", "component")
)
_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
_DATA_TYPES = ("uri_folder", "uri_file", "mltable")


def may_be_spec(text: str) -> bool:
    """Whether a text is worth parsing at all."""
    return "azuremlschemas" in text or re.search(_MAYBE, text, re.MULTILINE) is not None


def kind_of(doc: Document) -> type[Spec] | None:
    """What a document is, or None when it is none of ours (a job, a batch deployment, another tool's file)."""
    keys = {str(entry.key.value) for entry in doc.root}
    schema = str(value.value).lower() if isinstance(value := doc.get("$schema"), Scalar) else ""
    if keys & _OTHER_KEYS or "batch" in schema or "pipeline" in schema:
        return None
    if "create_monitor" in keys:
        return Monitor
    if {"code_configuration", "data_collector"} & keys or ("endpoint_name" in keys and "azuremlschemas" in schema):
        return Deployment
    by_schema = next((kind for marker, kind in _SCHEMA_KINDS if marker in schema), None)
    if by_schema is not None:
        return by_schema
    return None if schema and "azuremlschemas" in schema else _kind_by_keys(doc, keys)


def _kind_by_keys(doc: Document, keys: set[str]) -> type[Spec] | None:
    kind = doc.get("type")
    declared = str(kind.value).lower() if isinstance(kind, Scalar) else ""
    if _is_deployment(doc, keys):
        return Deployment
    if "auth_mode" in keys or {"name", "traffic"} <= keys:
        return Endpoint
    if {"conda_file", "inference_config"} & keys:
        return Environment
    if declared in _MODEL_TYPES:
        return Model
    if declared in _DATA_TYPES and "path" in keys:
        return Data
    return Conda if _is_conda(doc) else None


_DEPLOYED = frozenset(("model", "environment", "instance_type", "instance_count", "environment_variables", "type"))
_ELSEWHERE = r"(?:ml\.)?[a-z]\d\w*\.\w+"
"""The form that machine sizes have in other clouds: `ml.g5.2xlarge`, `t3.micro`."""


def _is_deployment(doc: Document, keys: set[str]) -> bool:
    """Without `$schema`, other tools' files have an endpoint_name or an instance_type too."""
    size = doc.get("instance_type")
    if isinstance(size, Scalar) and "." in str(size.value) and re.fullmatch(_ELSEWHERE, str(size.value)):
        return False
    if "endpoint_name" in keys:
        return bool(keys & _DEPLOYED) or "name" in keys
    assets = [doc.get(key) for key in ("model", "environment")]
    return size is not None and any(
        isinstance(each, Mapping) or (isinstance(each, Scalar) and str(each.value).startswith(("azureml:", "file:")))
        for each in assets
    )


def _is_conda(doc: Document) -> bool:
    node = doc.get("dependencies")
    if not isinstance(node, Sequence):
        return False
    texts = [item for item in node.items if isinstance(item, Scalar)]
    return (
        doc.get("channels") is not None
        or any(isinstance(item, Mapping) and item.entry("pip") for item in node.items)
        or any(re.match(r"python\b", str(item.value)) for item in texts)
    )


SKIPPED = frozenset(
    ("node_modules", "site-packages", "__pycache__", "venv", "env", "vendor", "third_party", "dist", "build")
)


def walk(folder: Path, deep: bool = True) -> Iterator[Path]:
    """YAML files below a folder, any case of extension, without hidden and vendored folders; follows no links."""
    return _yaml_files(_entries(folder), deep)


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _yaml_files(entries: Iterable[os.DirEntry[str]], deep: bool) -> Iterator[Path]:
    for entry in entries:
        if entry.name.startswith(".") or entry.name in SKIPPED:
            continue
        if entry.is_dir(follow_symlinks=False):
            inner = _entries(entry.path) if deep else []
            if not any(each.name == "pyvenv.cfg" for each in inner):
                yield from _yaml_files(inner, deep)
        elif entry.name.lower().endswith((".yml", ".yaml")):
            yield Path(entry.path)


def repository(path: Path) -> Path | None:
    """The root of the git repository that a path is in."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder
    return None

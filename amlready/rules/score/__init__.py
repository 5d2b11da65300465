"""Rules whose caret points at the scoring script or a module beside it."""

from . import (
    answers,
    buffering,
    collection,
    columns,
    context,
    errors,
    files,
    frames,
    functions,
    imports,
    inputs,
    layout,
    legacy,
    modelpath,
    start,
)

__all__ = [
    "answers",
    "buffering",
    "collection",
    "columns",
    "context",
    "errors",
    "files",
    "frames",
    "functions",
    "imports",
    "inputs",
    "layout",
    "legacy",
    "modelpath",
    "start",
]

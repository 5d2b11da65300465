"""Paths that a script makes from AZUREML_MODEL_DIR, as far as they are written out."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator

from .frozen import frozen
from .syntax import Module, argument, has_star
from .values import Parameter, literal, source

VARIABLE = "AZUREML_MODEL_DIR"
BASE = "/\0"
"""Stands for the variable's value, so that paths are joined as the script joins them."""

MAX_DEPTH = 20

_SAME = frozenset(
    (
        *("str", "os.fspath", "os.path.abspath", "os.path.normpath", "os.path.realpath", "os.path.expandvars"),
        *("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"),
    )
)
"""Functions that give the path they get; those of pathlib join several."""


@frozen
class ModelPath:
    """A path made from AZUREML_MODEL_DIR: `text` relative to it, None when it leads elsewhere, and the texts in it."""

    node: ast.expr
    text: str | None
    parts: tuple[ast.Constant, ...] = ()


class _Parts:
    """What a path was put together from."""

    def __init__(self) -> None:
        self.constants: list[ast.Constant] = []
        self.has_variable = False


def model_path(module: Module, node: ast.expr) -> ModelPath | None:
    """The path that an expression stands for, if it is made from AZUREML_MODEL_DIR and constants alone."""
    parts = _Parts()
    whole = _value(module, node, parts, 0)
    if whole is None or not parts.has_variable or any(mark in whole for mark in "*?["):
        return None
    path = posixpath.normpath(whole)
    inside = path == BASE or path.startswith(BASE + "/")
    shown = source(module, node)
    at = shown if isinstance(shown, ast.expr) else node
    return ModelPath(at, path[len(BASE) + 1 :] if inside else None, tuple(parts.constants))


def _value(module: Module, node: ast.expr, parts: _Parts, depth: int) -> str | None:
    """The text of a path; None when it cannot be told."""
    found = source(module, node) if depth < MAX_DEPTH else None
    if found is None or isinstance(found, Parameter):
        return None
    if is_variable(module, found):
        parts.has_variable = True
        return BASE
    match found:
        case ast.Constant(value=str(text)):
            parts.constants.append(found)
            return text
        case ast.BinOp():
            return _joined(module, found, parts, depth)
        case ast.JoinedStr(values=values):
            return _concatenated(module, values, parts, depth)
        case ast.Call():
            return _called(module, found, parts, depth)
    return None


def _joined(module: Module, node: ast.BinOp, parts: _Parts, depth: int) -> str | None:
    """`path / "name"` and `path + "/name"`."""
    one, two = (_value(module, each, parts, depth + 1) for each in (node.left, node.right))
    if one is None or two is None:
        return None
    match node.op:
        case ast.Div():
            return posixpath.join(one, two)
        case ast.Add():
            return one + two
    return None


def _concatenated(module: Module, values: list[ast.expr], parts: _Parts, depth: int) -> str | None:
    texts: list[str] = []
    for each in values:
        inner = each.value if isinstance(each, ast.FormattedValue) else each
        if isinstance(each, ast.FormattedValue) and (each.format_spec or each.conversion != -1):
            return None
        inside = _Parts()  # texts within an f-string have no place of their own
        text = _value(module, inner, inside, depth + 1)
        if text is None:
            return None
        parts.has_variable |= inside.has_variable
        texts.append(text)
    return "".join(texts)


def _called(module: Module, call: ast.Call, parts: _Parts, depth: int) -> str | None:
    """Joining, and what leaves a path as it is."""
    if has_star(call):
        return None
    name = module.qualified(call.func)
    arguments = list(call.args)
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("joinpath", "resolve", "absolute", "as_posix"):
        if name.startswith(("os.path.", "pathlib.")):
            return None
        arguments = [call.func.value, *arguments]
    elif not (name == "os.path.join" or (name in _SAME and arguments)):
        return None
    texts = [_value(module, each, parts, depth + 1) for each in arguments]
    known = [each for each in texts if each is not None]
    return posixpath.join(*known) if known and len(known) == len(texts) else None


def is_changed(module: Module) -> bool:
    """Whether a module gives AZUREML_MODEL_DIR a value of its own, as scripts do that also run elsewhere."""
    for node in module.of(ast.Subscript):
        if isinstance(node.ctx, ast.Store) and is_variable(module, node):
            return True
    calls = (call for call in module.of(ast.Call) if module.qualified(call.func).startswith("os.environ."))
    return any(
        module.qualified(call.func) in ("os.environ.setdefault", "os.environ.update")
        and any(isinstance(each, ast.Constant) and each.value == VARIABLE for each in ast.walk(call))
        for call in calls
    )


def is_variable(module: Module, node: ast.expr) -> bool:
    """`os.environ["AZUREML_MODEL_DIR"]`, `os.environ.get(...)` or `os.getenv(...)`, with a default or without."""
    match node:
        case ast.Subscript(value=value, slice=key):
            return module.qualified(value) == "os.environ" and literal(module, key) == VARIABLE
        case ast.Call(func=function):
            name = module.qualified(function)
            given = argument(node, 0, "key")
            return name in ("os.environ.get", "os.getenv") and literal(module, given) == VARIABLE
        case ast.BoolOp(op=ast.Or(), values=[first, *_]):
            return is_variable(module, first)
    return False


def opened_by(module: Module, call: ast.Call) -> ast.expr | None:
    """What a call such as `pickle.load(f)` reads: the path in the `open` that `f` comes from, or the path itself."""
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Name):
        given = _with_item(module, given) or given
    found = source(module, given) if given is not None else None
    if isinstance(found, ast.Call):
        if module.qualified(found.func) in ("open", "io.open"):
            return argument(found, 0, "file")
        if isinstance(found.func, ast.Attribute) and found.func.attr == "open":
            return found.func.value
    return given


def _with_item(module: Module, name: ast.Name) -> ast.expr | None:
    """The expression of the nearest `with EXPRESSION as name` around a name."""
    for above in module.ancestors(name):
        if isinstance(above, ast.With | ast.AsyncWith):
            for item in above.items:
                if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name.id:
                    return item.context_expr
    return None


def reads(module: Module, call: ast.Call) -> Iterator[ast.expr]:
    """The path that a call reads from, when it is a call that fails for a path that is not there."""
    name = module.qualified(call.func)
    last = name.rpartition(".")[2] if name else getattr(call.func, "attr", "")
    if isinstance(call.func, ast.Attribute) and last in _METHODS and not call.args:
        yield call.func.value
    elif name in ("open", "io.open"):
        mode = argument(call, 1, "mode")
        text = literal(module, mode) if mode is not None else "r"
        if call.args and text is not None and not set(text) & set("wax+"):
            yield call.args[0]
    elif last in _READERS and name.partition(".")[0] in _roots(module):
        given = next((each for key in _KEYWORDS if (each := argument(call, -1, key)) is not None), None)
        first = call.args[0] if call.args else given
        if first is not None:
            yield first


def _roots(module: Module) -> set[str]:
    """The packages that a module imports."""
    return {each.lstrip(".").partition(".")[0] for each in module.imports.values()}


_METHODS = frozenset(("read_text", "read_bytes", "open", "iterdir"))
_READERS = frozenset(
    (
        *("load", "load_model", "load_weights", "load_checkpoint", "load_learner", "loadtxt", "genfromtxt", "listdir"),
        *("read_csv", "read_json", "read_parquet", "read_pickle", "read_excel", "read_feather", "InferenceSession"),
        *("from_pretrained", "load_from_disk", "fromfile", "read_model", "load_npz"),
    )
)
_KEYWORDS = ("filename", "file", "path", "filepath", "filepath_or_buffer", "model_path", "model_uri", "path_or_bytes")

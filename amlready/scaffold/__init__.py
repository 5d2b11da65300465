"""`amlready init`: the files of an endpoint for a model of one's own.

The texts are templates beside this module, `FILE.in` in the folder of a kind and in `common`; what goes into their
`{{placeholders}}` is found out from the model (`kinds`). No file that is there is touched, except that .gitignore gets
the lines it lacks; a README stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..misuse import Misuse
from . import kinds
from .kinds import KINDS, Skeleton, Wish
from .writing import in_the_way, write

__all__ = ["KINDS", "init"]

_TEMPLATES = Path(__file__).parent
_README = "README.md"


def init(
    folder: Path,
    *,
    kind: str | None = None,
    name: str | None = None,
    model: Path | None = None,
    image: str | None = None,
) -> int:
    """Write the files of an endpoint into a folder, say which on standard output, and return 0.

    `kind` is one of KINDS (None: `mlflow` for a folder with an MLmodel file, `custom` with an image, else `sklearn`);
    `name` the endpoint's (None: made from the folder's); `model` a pickle, an MLflow model's folder, or whatever the
    container of `custom` reads, copied unless it is in the folder already; `image` that of `custom` (None: one to be
    built, from a Dockerfile that is written too).

    Raises Misuse, before anything is written, for what cannot be done as asked.
    """
    skeleton = kinds.skeleton(Wish(folder, kind, name, model, image))
    texts = _texts(skeleton)
    remarks = list(skeleton.remarks)
    if (folder / _README).exists():
        texts.pop(_README)
        remarks.append(f"{_README} was there, and stays as it is")
    blocked = in_the_way(folder, [*texts, *skeleton.copies])
    if blocked:
        raise Misuse(f"nothing was written, for these are in the way: {', '.join(map(str, blocked))}")
    ignored = _template("common/gitignore").splitlines()
    made = write(folder, texts, skeleton.copies, ignored)
    _report(folder, made, remarks)
    return 0


def _texts(skeleton: Skeleton) -> dict[str, str]:
    """The files to write, by their paths in the folder."""
    found = {"endpoint.yml": "common/endpoint.yml"}
    root = _TEMPLATES / skeleton.kind
    for path in sorted(root.rglob("*.in")):
        name = path.relative_to(root).as_posix().removesuffix(".in")
        if not name.startswith(skeleton.without):
            found[name] = f"{skeleton.kind}/{name}"
    texts = {name: _filled(_template(template), skeleton.values) for name, template in found.items()}
    return texts | skeleton.files


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.in").read_text(encoding="utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def _report(folder: Path, made: Sequence[Path], remarks: Sequence[str]) -> None:
    for path in made:
        print(path)
    for remark in remarks:
        print(f"- {remark}")
    where = "" if folder.resolve() == Path.cwd() else f" in {folder}"
    more = f"; {folder / _README} has the other commands" if folder / _README in made else ""
    print(f"Next: `amlready check`{where}{more}")

"""What each kind of endpoint is made of: the values of its templates, the model's files, and what is left to do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..artifact import LFS, PICKLES
from ..frozen import field, frozen
from ..images import image as parsed_image
from ..inference_server import NEWEST
from ..misuse import Misuse
from ..pickles import Pickle, read
from ..rules.deployment.names import LONGEST, SHORTEST, unfit
from . import mlflow
from .columns import features
from .pins import BASE_IMAGE, MONITORING, PIP, Pins, pins


@frozen
class Wish:
    """What was asked for."""

    folder: Path
    kind: str | None = None
    name: str | None = None
    model: Path | None = None
    image: str | None = None


@frozen
class Skeleton:
    """What is to be written. `files` are texts without a template, `copies` the model's files by their new paths,
    `without` the beginnings of templates that are not needed."""

    kind: str
    values: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    copies: dict[str, Path] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def skeleton(wish: Wish) -> Skeleton:
    """All that is to be written. Raises Misuse."""
    if wish.model is not None and not wish.model.exists():
        raise Misuse(f"there is no model {str(wish.model)!r}")
    kind = wish.kind or _kind_of(wish)
    if kind not in KINDS:
        raise Misuse(f"there is no kind {kind!r}; the kinds are {', '.join(KINDS)}")
    if wish.image is not None and kind != "custom":
        raise Misuse(f"--image is for --kind custom; the environment of {kind} has an image of Azure ML")
    name = endpoint_name(wish)
    try:
        return KINDS[kind](wish, {"name": _yaml(name), "asset": name})
    except OSError as error:
        raise Misuse(f"{error.filename or wish.model} cannot be read: {error.strerror or error}") from None


def _kind_of(wish: Wish) -> str:
    if wish.image is not None:
        return "custom"
    return "mlflow" if wish.model is not None and (wish.model / "MLmodel").is_file() else "sklearn"


# --- names -----------------------------------------------------------------------------------------------------------


def endpoint_name(wish: Wish) -> str:
    """The name given, or one made from the folder's. Azure makes capital letters small. Raises Misuse."""
    if wish.name is None:
        return made_name(wish.folder.resolve().name)
    reason = unfit(wish.name)
    if reason:
        rule = f"{SHORTEST} to {LONGEST} letters, digits and dashes, the first a letter and the last no dash"
        raise Misuse(f"no endpoint can be named {wish.name!r}: {reason}. A name has {rule}.")
    return wish.name.lower()


def made_name(text: str) -> str:
    """A valid name that is near a text."""
    near = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    near = re.sub(r"^[^a-z]+", "", near)[:LONGEST].strip("-")
    return near if len(near) >= SHORTEST else f"{near}-endpoint".lstrip("-")


def _yaml(text: str) -> str:
    """A text as YAML: as it is, or quoted where YAML would take it for something else (`on`, `null`)."""
    import yaml

    try:
        plain = yaml.safe_load(f"key: {text}") == {"key": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


# --- the model's files -----------------------------------------------------------------------------------------------


def place(wish: Wish, source: Path) -> tuple[str, dict[str, Path]]:
    """What `path` in model.yml says, and what is to be copied to be there. Raises Misuse."""
    folder, real = wish.folder.resolve(), source.resolve()
    if real == folder or real in folder.parents:
        raise Misuse(f"{str(wish.folder)!r} is inside the model {str(source)!r}; choose a folder outside of it")
    if folder in real.parents:
        return _yaml(real.relative_to(folder).as_posix()), {}
    if real.is_file():
        return "model/", {f"model/{source.name}": source}
    copies = {f"model/{path.relative_to(real).as_posix()}": path for path in _files(real)}
    if not copies:
        raise Misuse(f"there is no model in {str(source)!r}: it is no file, and no folder with files")
    return "model/", copies


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder. Raises Misuse for what would not arrive as what it is here."""
    for above, folders, names in os.walk(folder):
        paths = [Path(above, name) for name in sorted(names)]
        linked = [Path(above, name) for name in folders if Path(above, name).is_symlink()]
        odd = [*linked, *(path for path in paths if not path.is_file())]
        if odd:
            raise Misuse(
                f"{str(odd[0])!r} is neither a file nor a folder by itself, and cannot be copied with the model"
            )
        yield from paths


def _sample(request: object) -> dict[str, str]:
    return {"sample-request.json": json.dumps(request, indent=2, ensure_ascii=False) + "\n"}


# --- scikit-learn ----------------------------------------------------------------------------------------------------

_NO_MODEL = """\
Put the fitted model here, as {file}:

    import joblib
    joblib.dump(model, "model/{file}")

Then name its features in src/score.py, put its version of scikit-learn into conda.yaml, a request into
sample-request.json, and delete this note. `amlready init --model FILE` would have done all that.
"""


def _sklearn(wish: Wish, names: dict[str, str]) -> Skeleton:
    pickle = _pickle(wish.model) if wish.model else None
    columns, count = features(wish.model) if wish.model else (None, None)
    model, copies = place(wish, wish.model) if wish.model else ("model/", {})
    chosen = columns or [f"x{number}" for number in range(count or 0)]
    found = pins(pickle)
    file = wish.model.name if wish.model else "model.pkl"
    values = names | _scripted(chosen, columns, count) | _packages(found)
    values |= {"model": model, "model_file": json.dumps(file, ensure_ascii=False), "base_image": BASE_IMAGE}
    files = _sample({"data": [dict.fromkeys(chosen, 0)]})
    if wish.model is None:
        files["model/README.md"] = _NO_MODEL.format(file=file)
    return Skeleton("sklearn", values, files, copies, (), tuple(_left_for_sklearn(wish, columns, chosen, found)))


def _pickle(path: Path) -> Pickle | None:
    """The facts of the model's pickle, if it can be read. Raises Misuse for what is certainly no pickle to serve."""
    if path.is_dir():
        raise Misuse(
            f"{str(path)!r} is a folder without MLmodel; for scikit-learn, --model is the pickled model's file"
        )
    if not path.is_file():  # opening a FIFO would wait for ever
        raise Misuse(f"{str(path)!r} is no file; --model is the pickled model's file")
    with path.open("rb") as stream:
        if stream.read(len(LFS)) == LFS:
            raise Misuse(f"{str(path)!r} is a Git LFS pointer, not the model; run `git lfs pull` first")
    found = read(path)
    if found is not None and found.fault:
        raise Misuse(f"{str(path)!r} is a damaged pickle: {found.fault}")
    if found is None and path.suffix.lower() not in PICKLES:
        raise Misuse(f"{str(path)!r} is no pickle; --kind custom is for models that are not scikit-learn's")
    return found


def _scripted(chosen: list[str], columns: list[str] | None, count: int | None) -> dict[str, str]:
    """What the scoring script says about features."""
    if columns:
        origin = "The names and the order that the model was trained with."
    elif count:
        origin = (
            "The model was trained without names: put the real ones, in its order. They name the collected columns."
        )
    else:
        origin = "To be filled in: the names of the model's features, in its order."
    return {
        "features_from": origin,
        "features": _tuple(chosen),
        # A model that was trained without names warns of a table that has some.
        "inputs": "inputs" if columns or not count else "inputs.to_numpy()",
    }


def _tuple(names: list[str]) -> str:
    """A tuple of texts in Python, on one line if there is room."""
    texts = [json.dumps(name, ensure_ascii=False) for name in names]
    line = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    return line if len(line) < 100 else "".join(["(\n", *(f"    {text},\n" for text in texts), ")"])


def _packages(found: Pins) -> dict[str, str]:
    entries = (f"{name}=={version}" if version else name for name, version in found.packages.items())
    return {
        "python": found.python,
        "pip": PIP,
        "server": NEWEST,
        "monitoring": MONITORING,
        "pins_from": found.origin,
        "packages": "\n".join(f"      - {entry}" for entry in entries),
    }


def _left_for_sklearn(wish: Wish, columns: list[str] | None, chosen: list[str], found: Pins) -> Iterator[str]:
    if wish.model is None:
        yield "model/: put the model there, as its README.md says; until then `amlready score` fails"
    if not chosen:
        yield "src/score.py: fill in FEATURES; until then `amlready score` fails"
    elif not columns:
        yield f"src/score.py: FEATURES are {chosen[0]} to {chosen[-1]}, for the model was trained without names"
    if chosen:
        yield "sample-request.json: zeros; put values as they come"
    yield f"conda.yaml: {found.origin}"
    for name in (name for name, version in found.packages.items() if version is None):
        yield f"conda.yaml: the model needs {name}; pin the version that it was trained with"


# --- MLflow ----------------------------------------------------------------------------------------------------------


def _mlflow(wish: Wish, names: dict[str, str]) -> Skeleton:
    if wish.model is None:
        raise Misuse("for an MLflow model, --model is needed: the folder that MLmodel is in")
    if not (wish.model / "MLmodel").is_file():
        raise Misuse(f"there is no MLmodel in {str(wish.model)!r}, so it is no MLflow model's folder")
    model, copies = place(wish, wish.model)
    if not copies and "." in wish.model.resolve().name:
        raise Misuse(f"azure-ai-ml takes {str(wish.model)!r} for a file, because of the dot; rename the folder")
    request, is_known = mlflow.sample(wish.model / "MLmodel")
    by_signature = "zeros, by the model's signature; put values as they come"
    said = by_signature if is_known else "the model has no signature; put a request that it takes"
    remarks = [f"sample-request.json: {said}"]
    files = _sample(request)
    served = mlflow.served(wish.model / "MLmodel")
    if served:
        name, text = served
        target = f"model/{name}"
        if text is not None and target in copies:
            del copies[target]
            files[target] = text
            remarks.append(f"{target}: the copy also has what Azure's own scoring script needs")
        else:
            remarks.append(
                f"{name} of the model lacks what Azure's own scoring script needs; `amlready check` says what"
            )
    return Skeleton("mlflow", names | {"model": model}, files, copies, (), tuple(remarks))


# --- a container of one's own ----------------------------------------------------------------------------------------

_USES_MODEL = """\
model: azureml:{asset}-model:1
# Where the container finds the model: /models/{asset}-model/1.
model_mount_path: /models
"""


def _custom(wish: Wish, names: dict[str, str]) -> Skeleton:
    if wish.image is not None and parsed_image(wish.image) is None:
        raise Misuse(f"{wish.image!r} is no name of an image; write HOST/REPOSITORY:TAG")
    model, copies = place(wish, wish.model) if wish.model else ("", {})
    asset = names["asset"]
    built = "build:\n  path: container"
    run = f"docker build -t {asset} container && docker run --rm -p 8080:8080 {asset}"
    values = names | {
        "model": model,
        "uses_model": _USES_MODEL.format(asset=asset) if wish.model else "",
        "model_place": f"the model below /models/{asset}-model/1" if wish.model else "what it needs",
        "container": f"image: {_yaml(wish.image)}" if wish.image else built,
        "try_container": f"docker run --rm -p 8080:8080 {wish.image}" if wish.image else run,
        "register_model": " && az ml model create -f model.yml" if wish.model else "",
    }
    without = [] if wish.model else ["model.yml"]
    without += ["container/"] if wish.image else []
    return Skeleton("custom", values, _sample({"data": []}), copies, tuple(without), tuple(_left_for_custom(wish)))


def _left_for_custom(wish: Wish) -> Iterator[str]:
    if wish.image is None:
        yield "container/server.py: write predict(), or put a server of your own in its place"
    else:
        yield "environment.yml: put the ports and paths that the image's server listens on"
    yield "sample-request.json: put a request that the server takes"


KINDS: dict[str, Callable[[Wish, dict[str, str]], Skeleton]] = {
    "sklearn": _sklearn,
    "mlflow": _mlflow,
    "custom": _custom,
}
"""The kinds of endpoint, by name."""

"""A model's files on this machine: what would be uploaded, and what would arrive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...diagnostic import Edit, Level, Problem
from ...specs import Model, Reference
from .. import rule
from ..deployment.references import absent
from .pickles import place

MAX_FILES = 1_500
"""Most files of one version of a model ("Manage resource limits")."""


@rule(Level.ERROR)
def missing_model(model: Model) -> Iterator[Problem]:
    """The model's path does not exist.

    A local path is relative to the YAML file. azure-ai-ml never looks at it when it loads a model file; `az ml model
    create` fails when it uploads.

    Bad::

        # model.yml
        name: scikit-model
        version: 1
        path: modle/

        # model/model.pkl
        ...

    Good::

        # model.yml
        name: scikit-model
        version: 1
        path: model/

        # model/model.pkl
        ...
    """
    if model.path is None or model.path.exists or _with_slashes(model.path):
        return
    if model.inside is not None and not model.name:
        return  # the SDK hashes this path when it loads the deployment: a schema finding
    yield absent(model.path, "file or folder")


@rule(Level.ERROR)
def backslash_in_model_path(model: Model) -> Iterator[Problem]:
    """The model's path is written with backslashes, which separate folders on Windows only.

    On Linux and macOS, so on most build agents, it is one long name of a file that does not exist. Forward slashes
    work everywhere.

    Bad::

        # model.yml
        name: scikit-model
        path: artifacts\\model

        # artifacts/model/model.pkl
        ...

    Good::

        # model.yml
        name: scikit-model
        path: artifacts/model

        # artifacts/model/model.pkl
        ...
    """
    better = _with_slashes(model.path) if model.path else None
    if model.path and better:
        node = model.path.node
        fix = (Edit(node.span, better),) if node.span.text == node.value else ()
        yield Problem(node.span, f"a backslash separates folders on Windows only; write {better!r}", fix=fix)


def _with_slashes(reference: Reference) -> str | None:
    """The path with forward slashes, when that exists."""
    text = str(reference.node.value)
    better = text.replace("\\", "/")
    base = reference.node.source.path.parent
    return better if "\\" in text and os.sep == "/" and os.path.exists(base / better) else None


@rule(Level.ERROR)
def model_without_path(model: Model) -> Iterator[Problem]:
    """A model has no path.

    azure-ai-ml loads the file, and its `create` crashes with `'NoneType' object has no attribute 'as_posix'` (SDK
    1.35.2, run here). Inside of a deployment, a name and a version do not refer to a registered model: they would
    register another one; `azureml:NAME:VERSION` refers. Not reported beside another key for the path, such as
    `local_path` or `uri`, which is refused already.

    Bad::

        # model.yml
        name: scikit-model
        version: "1"

    Good::

        # model.yml
        name: scikit-model
        version: "1"
        path: model/

        # model/model.pkl
        ...
    """
    entry = model.find("path")
    if entry is None:
        if not any(re.search("path|uri", str(each.key.value).lower()) for each in model.root):
            named = model.find("name")
            at = named.key.span if named else model.inside.span if model.inside else model.source.top
            yield Problem(at, f"this model has no path; {_instead(model)}")
    elif getattr(entry.value, "value", None) == "":
        yield Problem(entry.value.span, "the path is empty, which stands for the folder of this file; name the model's")


def _instead(model: Model) -> str:
    if model.inside is None:
        return "name its file or folder, or give --path"
    if model.name and model.version:
        version = "@latest" if model.version == "latest" else f":{model.version}"
        return f"for one that is registered, write model: azureml:{model.name.removeprefix('azureml:')}{version}"
    return "name its file or folder, or write model: azureml:NAME:VERSION for one that is registered"


@rule(Level.ERROR)
def too_many_files(model: Model) -> Iterator[Problem]:
    """A model's folder holds more files than Azure takes.

    A version of a model has at most 1,500 files ("Manage resource limits"); more have to be packed into one archive,
    which the property `azureml.unpack: "True"` has unpacked again. Files that .amlignore or .gitignore in the folder
    leaves out do not count.

    Bad::

        # model.yml
        name: scikit-model
        path: many/

        # many/1501.files
        ...

    Good::

        # model.yml
        name: scikit-model
        path: few/

        # few/model.pkl
        ...
    """
    artifact = model.artifact
    if artifact is not None and len(artifact.files) > MAX_FILES:
        count = f"{len(artifact.files):,}" if artifact.whole else f"more than {len(artifact.files):,}"
        message = f"this folder has {count} files, and a model at most {MAX_FILES:,}; pack them into one archive"
        yield Problem(place(model), message)


@rule(Level.ERROR)
def empty_model(model: Model) -> Iterator[Problem]:
    """A model's folder has no files to upload, or its file is empty.

    azure-ai-ml refuses an empty folder when it uploads (`EmptyDirectoryError`), one from which .amlignore or .gitignore
    leaves everything out as well; an empty file is uploaded, and cannot be loaded.

    Bad::

        # model.yml
        name: scikit-model
        path: model/

        # model/.gitignore
        *

    Good::

        # model.yml
        name: scikit-model
        path: model/

        # model/model.pkl
        ...
    """
    artifact = model.artifact
    if artifact is None:
        return
    if artifact.is_folder and not artifact.files:
        ignored = artifact.uploaded.ignore_file if artifact.uploaded.excluded else None
        why = f"{ignored.name} in it leaves everything out" if ignored else "it is empty"
        yield Problem(place(model), f"nothing of the folder {artifact.name!r} would be uploaded: {why}")
    elif not artifact.is_folder and os.path.isfile(artifact.root) and artifact.size(artifact.name) == 0:
        yield Problem(place(model), f"the file {artifact.name!r} is empty")


@rule(Level.ERROR)
def broken_model_link(model: Model) -> Iterator[Problem]:
    """A link in the model's folder leads nowhere.

    azure-ai-ml follows links when it reads what it uploads, and `create` stops with a raw `FileNotFoundError` (SDK
    1.35.2, run here). Tools that keep models in a cache link to them, and the cache was not copied along. Fetch the
    file, or name the link in .amlignore.

    Bad::

        # model.yml
        name: scikit-model
        path: model/

        # model/model.pkl
        ...

        # model/weights.link
        /no/such/cache/weights

    Good::

        # model.yml
        name: scikit-model
        path: model/

        # model/model.pkl
        ...

        # model/weights.link
        model.pkl
    """
    artifact = model.artifact
    if artifact is not None and artifact.is_folder:
        broken = [each for each in artifact.files if not os.path.exists(artifact.path(each))]
        if broken:
            yield Problem(place(model), f"{broken[0]} is a link that leads nowhere")


WEIGHTS = frozenset(
    (
        *(".pkl", ".pickle", ".joblib", ".sav", ".onnx", ".pt", ".pth", ".h5", ".hdf5", ".keras", ".pb", ".cbm"),
        *(".safetensors", ".ckpt", ".tflite", ".mlmodel", ".bst", ".ubj", ".model", ".gguf", ".npz"),
    )
)
"""Extensions of files that hold models."""


@rule(Level.WARNING)
def model_file_left_out(model: Model) -> Iterator[Problem]:
    """An ignore file in the model's folder keeps a model from being uploaded.

    azure-ai-ml leaves out what .amlignore, or else .gitignore, in the folder itself names (SDK 1.35.2, its choice of
    files compared here). DVC writes such a .gitignore beside each model that it tracks. The model is registered
    without the file, and `init()` fails to find it. An empty .amlignore takes the place of .gitignore.

    Bad::

        # model.yml
        name: scikit-model
        path: model/

        # model/model.pkl
        ...

        # model/readme.md
        ...

        # model/.gitignore
        *.pkl

    Good::

        # model.yml
        name: scikit-model
        path: model/

        # model/model.pkl
        ...

        # model/readme.md
        ...
    """
    artifact = model.artifact
    if artifact is None or not artifact.files:
        return
    left = [each for each in artifact.uploaded.excluded if Path(each).suffix.lower() in WEIGHTS]
    if left and artifact.uploaded.ignore_file:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        ignore = artifact.uploaded.ignore_file.name
        message = f"{left[0]}{more} would not be uploaded: {ignore} in this folder leaves it out"
        yield Problem(place(model), message + ("; add an empty .amlignore" if ignore == ".gitignore" else ""))


@rule(Level.WARNING)
def model_is_pointer(model: Model) -> Iterator[Problem]:
    """A model's file is a Git LFS pointer: a few lines of text in the place of the model.

    Git LFS puts the file there with `git lfs pull`; build agents check out without it unless they are told to
    (`actions/checkout` has `lfs: true`). Uploaded like this, the model cannot be loaded.

    Bad::

        # model.yml
        name: scikit-model
        path: model.pkl

        # model.pkl
        version https://git-lfs.github.com/spec/v1
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
        size 12345

    Good::

        # model.yml
        name: scikit-model
        path: model.pkl

        # model.pkl
        \\x80\\x04N.
    """
    artifact = model.artifact
    pointers = [each for each in artifact.files[:MAX_FILES] if artifact.is_pointer(each)] if artifact else []
    if pointers:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        yield Problem(
            place(model), f"{pointers[0]}{more} is a Git LFS pointer, not the model; run `git lfs pull` first"
        )

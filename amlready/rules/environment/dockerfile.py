"""A build context and its Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...dockerfile import INSTRUCTIONS, Instruction, Word
from ...document import Scalar
from ...specs import Build, Environment
from ...suggest import did_you_mean
from .. import rule

MAX_BYTES = 100 * 1024
"""Largest Dockerfile ("Troubleshoot environments")."""

MAX_FILES, MAX_CONTEXT = 100, 1024 * 1024
"""Most files and bytes of a build context ("Manage resource limits")."""


@rule(Level.ERROR)
def missing_dockerfile(environment: Environment) -> Iterator[Problem]:
    """The Dockerfile is not in the build context.

    It is looked for at the root of the context, under the name `Dockerfile`, unless `dockerfile_path` says otherwise,
    relative to the context. azure-ai-ml does not look (SDK 1.35.2); the environment cannot be registered
    ("Troubleshoot environments", missing Dockerfile path).

    Bad::

        # environment.yml
        name: scikit-env
        build:
          path: context
          dockerfile_path: context/Dockerfile

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context
          dockerfile_path: Dockerfile

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    build = environment.build
    if build is None or build.source is not None:
        return
    entry = environment.find("build", "dockerfile_path")
    related = (Related(build.context.node.span, "this is the build context"),) if entry else ()
    name = entry.value.value if entry and isinstance(entry.value, Scalar) else "Dockerfile"
    at = entry.value.span if entry else build.context.node.span
    yield Problem(at, f"there is no {name!r} in the build context, which it is relative to{_other(build)}", related)


def _other(build: Build) -> str:
    """What the Dockerfile may be, when it has another name."""
    here = [each for each in build.upload.files if "/" not in each and "dockerfile" in each.lower()]
    return f"; write dockerfile_path: {here[0]}" if len(here) == 1 else ""


@rule(Level.ERROR)
def unknown_instruction(environment: Environment) -> Iterator[Problem]:
    """A line of the Dockerfile begins with a word that is no instruction.

    Docker stops with `unknown instruction` before it builds anything. A line that continues another one needs a
    backslash at the end of that one.

    Bad::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FORM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    instructions = environment.build.instructions if environment.build else []
    unknown = next((each for each in instructions if each.name not in INSTRUCTIONS), None)
    if unknown:  # those after it are most likely parts of the same mistake
        hint = did_you_mean(unknown.name, INSTRUCTIONS) or "; does the line above end with a backslash?"
        yield Problem(unknown.span, f"{unknown.span.text!r} is no instruction{hint}")


@rule(Level.ERROR)
def missing_copy_source(environment: Environment) -> Iterator[Problem]:
    """The Dockerfile copies a file that is not in the build context.

    Paths in COPY and ADD start at the build context, not at the Dockerfile or the repository, and nothing outside of
    it is sent; what .amlignore or .gitignore in it leaves out is not there either. Docker stops with `not found`.

    Bad::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        COPY context/conda.yaml /tmp/

        # context/conda.yaml
        dependencies: [python=3.12]

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        COPY conda.yaml /tmp/

        # context/conda.yaml
        dependencies: [python=3.12]
    """
    build = environment.build
    for each in build.instructions if build else ():
        for word in _sources(each):
            reason = _absent(build, word.text) if build else None
            if reason:
                yield Problem(word.span, reason)


def _sources(instruction: Instruction) -> tuple[Word, ...]:
    """What an instruction copies out of the build context, as far as it is written out."""
    if instruction.name not in ("COPY", "ADD") or "from" in instruction.options:
        return ()
    fixed = (each for each in instruction.arguments[:-1] if each.is_fixed)
    return tuple(each for each in fixed if not re.match(r"<<|\w+://|git@", each.text))


def _absent(build: Build, name: str) -> str | None:
    path = name.lstrip("/").removeprefix("./").rstrip("/")
    parts = path.split("/")
    if path in ("", "."):
        return None
    if ".." in parts:
        return f"{name!r} is outside of the build context, which is all that is sent" if parts[0] == ".." else None
    upload = build.upload
    if not upload.whole or any(each == path or each.startswith(path + "/") for each in upload.files):
        return None
    left = any(each == path or each.startswith(path + "/") for each in upload.excluded)
    if left and upload.ignore_file:
        return f"{name!r} is not sent: {upload.ignore_file.name} in the build context leaves it out"
    if (build.context.path / path).is_dir():
        return f"{name!r} is an empty folder, which is not sent"
    return f"there is no {name!r} in the build context, which paths start at"


@rule(Level.NOTE)
def large_build_context(environment: Environment) -> Iterator[Problem]:
    """The build context has more than 100 files or 1 MB, or its Dockerfile more than 100 KB.

    "Manage resource limits" gives the first two as the most for a Docker build context, "Troubleshoot environments" the
    third. All of the context is uploaded, unless an .amlignore in it leaves something out; a folder of its own, with
    only what the Dockerfile copies, stays small.

    Bad::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

        # context/data/120.files
        ...

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    build = environment.build
    if build is None or build.source is None:
        return
    count, size, own = len(build.upload.files), build.size, len(build.source.text.encode())
    if own > MAX_BYTES:
        yield Problem(build.source.top, f"this Dockerfile has {own:,} bytes; {MAX_BYTES:,} are the most")
    if count > MAX_FILES:
        yield Problem(build.context.node.span, f"this build context has {count:,} files; {MAX_FILES} are the most")
    elif size > MAX_CONTEXT:
        yield Problem(build.context.node.span, f"this build context has {size:,} bytes; {MAX_CONTEXT:,} are the most")

"""What an environment is made from: an image, or a build context, and a name for it."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Entry, Mapping, Scalar
from ...source import Span
from ...specs import Deployment, Environment
from .. import rule
from ..deployment.names import is_template
from ..model.names import altered_version, unfit_characters


def head(environment: Environment) -> Span:
    """Where to point at for something that an environment does not have: its name, or the key that holds it."""
    named = environment.find("name")
    if named is not None:
        return named.key.span
    inside = environment.inside
    if inside is None:
        return environment.source.top
    holder = next((each for each in environment.document.root if each.value is inside), None)
    return holder.key.span if holder else inside.span


def _given(environment: Environment, key: str) -> Entry | None:
    """A key that has a value."""
    entry = environment.find(key)
    empty = entry is None or (isinstance(entry.value, Scalar) and entry.value.value in (None, ""))
    return None if empty else entry


@rule(Level.ERROR)
def missing_image(environment: Environment) -> Iterator[Problem]:
    """An environment has neither an image nor a build context.

    A conda file by itself is not enough: Azure builds the conda environment on top of an image. azure-ai-ml loads the
    file and refuses to register it, `Docker image or Dockerfile is required for environments` (SDK 1.35.2, run here).
    Not reported beside `docker`, where older files have the image: that key is refused already.

    Bad::

        # environment.yml
        name: scikit-env
        conda_file: conda.yaml

        # conda.yaml
        dependencies: [python=3.11]

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        conda_file: conda.yaml

        # conda.yaml
        dependencies: [python=3.11]
    """
    if _given(environment, "image") or environment.find("build") or environment.find("docker"):
        return
    empty = environment.find("image")
    at = empty.key.span if empty else head(environment)
    conda = environment.find("conda_file")
    why = "a conda file needs an image to be built on" if conda else "an environment needs an image or a build context"
    example = "image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:TAG"
    yield Problem(at, f"{why}; add for example {example}")


@rule(Level.ERROR)
def image_and_build(environment: Environment) -> Iterator[Problem]:
    """An environment has both an image and a build context.

    Only one of them can be what the container is made from. azure-ai-ml loads the file and refuses to register it,
    `Docker image or Dockerfile should be provided not both` (SDK 1.35.2, run here).

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    image, build = _given(environment, "image"), environment.find("build")
    if image and build:
        related = (Related(build.key.span, "the build context is here"),)
        yield Problem(image.key.span, "an environment has an image or a build context, not both; delete one", related)


@rule(Level.WARNING)
def conda_beside_build(environment: Environment) -> Iterator[Problem]:
    """A conda file is given together with a build context.

    A conda file goes with an image; with a build context, the Dockerfile installs the packages, from a conda file in
    the context (YAML reference of environments; "Troubleshoot environments" lists a build context with conda
    dependencies among what cannot be registered). azure-ai-ml sends both (SDK 1.35.2).

    Bad::

        # environment.yml
        name: scikit-env
        build:
          path: context
        conda_file: conda.yaml

        # conda.yaml
        dependencies: [python=3.11]

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        COPY conda.yaml /tmp/conda.yaml
        RUN conda env create --file /tmp/conda.yaml

        # context/conda.yaml
        dependencies: [python=3.11]
    """
    conda, build = environment.find("conda_file"), environment.find("build")
    if conda and build and not _given(environment, "image"):
        related = (Related(build.key.span, "this Dockerfile makes the environment"),)
        message = "a conda file goes with an image, not with a build context; install its packages in the Dockerfile"
        yield Problem(conda.key.span, message, related)


@rule(Level.ERROR)
def build_without_path(environment: Environment) -> Iterator[Problem]:
    """A `build` does not say which folder is the build context.

    azure-ai-ml loads it and sends a build without a context ("Troubleshoot environments", missing build context
    location: the environment cannot be registered).

    Bad::

        # environment.yml
        name: scikit-env
        build:
          dockerfile_path: context/Dockerfile

    Good::

        # environment.yml
        name: scikit-env
        build:
          path: context

        # context/Dockerfile
        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    build = environment.find("build")
    if build and isinstance(build.value, Mapping):
        path = build.value.get("path")
        if path is None or (isinstance(path, Scalar) and path.value in (None, "")):
            yield Problem(build.key.span, "this build has no path; name the folder that is the build context")


@rule(Level.ERROR)
def invalid_environment_name(environment: Environment) -> Iterator[Problem]:
    """An environment's name begins like a curated one, or is longer than 255 characters.

    `Microsoft` and `AzureML` are kept for the environments that Azure maintains; an environment with such a name
    cannot be registered ("Troubleshoot environments"). azure-ai-ml sends any name (SDK 1.35.2).

    Bad::

        # environment.yml
        name: AzureML-scikit
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    node = environment.get("name")
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return
    prefix = next((each for each in ("Microsoft", "AzureML") if node.value.startswith(each)), None)
    if prefix:
        yield Problem(node.span, f"names that begin with {prefix!r} are kept for Azure's own environments; rename it")
    elif len(node.value) > 255:
        yield Problem(node.span, f"this name has {len(node.value)} characters; 255 are the most")


@rule(Level.WARNING)
def environment_name_characters(environment: Environment) -> Iterator[Problem]:
    """An environment's name or version has characters that a reference to it cannot have.

    A deployment refers to it as `azureml:NAME:VERSION`, and Azure by a path. With a colon, an `@`, a slash or a space
    in one of them, the reference means something else or cannot be written; azure-ai-ml sends it all the same (SDK
    1.35.2). For names, Azure's REST API documents letters, digits, dashes and underscores, with a letter or digit
    first; dots work as well.

    Bad::

        # environment.yml
        name: scikit env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    yield from unfit_characters(environment, "an environment")


@rule(Level.WARNING)
def environment_version_altered(environment: Environment) -> Iterator[Problem]:
    """An environment's version is not the one that is written.

    YAML reads a version without quotes as a number where it can: 1.10 is 1.1, 010 is 8, 1:30 is 90, and true is True
    (the request of SDK 1.35.2). A deployment that asks for the version as written does not find it.

    Bad::

        # environment.yml
        name: scikit-env
        version: 1.10
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        version: "1.10"
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    yield from altered_version(environment)


@rule(Level.NOTE)
def named_inline_environment(deployment: Deployment, environment: Environment) -> Iterator[Problem]:
    """An inline environment has a name and a version of its own.

    Without them azure-ai-ml makes a name from the content, so that a change makes another environment. With them,
    every deployment registers the same version again, changed or not (SDK 1.35.2); the YAML reference says to leave
    them out. To name an environment, give it a file and refer to it.

    Bad::

        # deployment.yml
        environment:
          name: scikit-env
          version: "1"
          image: mcr.microsoft.com/azureml/minimal-py312-inference:20250701.v1

    Good::

        # deployment.yml
        environment:
          image: mcr.microsoft.com/azureml/minimal-py312-inference:20250701.v1
    """
    name, version = environment.find("name"), environment.find("version")
    if environment.inside is not None and deployment.get("environment") is environment.inside and name and version:
        message = "every deployment registers this name and version again, changed or not; delete name and version"
        yield Problem(name.key.span, message)


ROUTES = ("liveness_route", "readiness_route", "scoring_route")


@rule(Level.ERROR)
def invalid_route_port(environment: Environment) -> Iterator[Problem]:
    """A route of the environment's server has a port that is none.

    Ports are numbers from 1 to 65535. azure-ai-ml takes any number, and texts that are one (SDK 1.35.2); the probes
    then never reach the container.

    Bad::

        # environment.yml
        name: ours
        image: ours.azurecr.io/server:3
        inference_config:
          liveness_route: {path: /live, port: 80800}
          readiness_route: {path: /ready, port: 8080}
          scoring_route: {path: /score, port: 8080}

    Good::

        # environment.yml
        name: ours
        image: ours.azurecr.io/server:3
        inference_config:
          liveness_route: {path: /live, port: 8080}
          readiness_route: {path: /ready, port: 8080}
          scoring_route: {path: /score, port: 8080}
    """
    for route in ROUTES:
        node = environment.get("inference_config", route, "port")
        if isinstance(node, Scalar) and isinstance(node.value, int | str):
            text = str(node.value).strip()
            if text.lstrip("-").isdecimal() and not 1 <= int(text[:20]) <= 65535:
                yield Problem(node.span, f"{text} is no port; ports are from 1 to 65535")


@rule(Level.WARNING)
def route_without_slash(environment: Environment) -> Iterator[Problem]:
    """A route's path does not begin with a slash.

    It is the path of a URL on the container; the samples of custom containers all begin with `/` ("Deploy a custom
    container"). azure-ai-ml takes any text (SDK 1.35.2).

    Bad::

        # environment.yml
        name: ours
        image: ours.azurecr.io/server:3
        inference_config:
          liveness_route: {path: live, port: 8080}
          readiness_route: {path: /ready, port: 8080}
          scoring_route: {path: /score, port: 8080}

    Good::

        # environment.yml
        name: ours
        image: ours.azurecr.io/server:3
        inference_config:
          liveness_route: {path: /live, port: 8080}
          readiness_route: {path: /ready, port: 8080}
          scoring_route: {path: /score, port: 8080}
    """
    for route in ROUTES:
        node = environment.get("inference_config", route, "path")
        if isinstance(node, Scalar) and isinstance(node.value, str) and not node.value.startswith("/"):
            better = "/" + node.value
            fix = (Edit(node.span, better),) if node.span.text == node.value else ()
            if not is_template(node.value):
                yield Problem(node.span, f"the path of a route begins with a slash: {better!r}", fix=fix)


@rule(Level.WARNING)
def windows_environment(deployment: Deployment, environment: Environment) -> Iterator[Problem]:
    """An online deployment's environment is declared for Windows.

    The machines of online endpoints run Linux; a Windows image does not start on them ("Deploy online endpoints";
    the YAML reference of environments has `os_type: linux` as its default).

    Bad::

        # deployment.yml
        environment: azureml:scikit-env:1

        # environment.yml
        name: scikit-env
        version: "1"
        image: mcr.microsoft.com/windows/servercore:ltsc2022
        os_type: windows

    Good::

        # deployment.yml
        environment: azureml:scikit-env:1

        # environment.yml
        name: scikit-env
        version: "1"
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        os_type: linux
    """
    entry = environment.find("os_type")
    if entry and isinstance(entry.value, Scalar) and str(entry.value.value).lower() == "windows":
        used = deployment.find("environment")
        related = (Related(used.key.span, "this deployment runs in it"),) if used else ()
        yield Problem(entry.value.span, "online endpoints run Linux containers only; write os_type: linux", related)

"""Base images: which ones Azure and their makers still look after, in which version, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...document import Scalar
from ...images import Image
from ...specs import Deployment, Endpoint, Environment
from ...suggest import listed
from .. import rule
from ..deployment.container import runs_inference_server
from .images import images
from .python import END_OF_LIFE

SUCCESSOR = "openmpi4.1.0-ubuntu22.04"
"""Azure ML's base image that is maintained in the place of the deprecated ones."""

DEPRECATED = frozenset(
    (
        "base",
        "base-gpu",
        "base-lite",
        "intelmpi2018.3-cuda10.0-cudnn7-ubuntu16.04",
        "intelmpi2018.3-cuda9.0-cudnn7-ubuntu16.04",
        "intelmpi2018.3-ubuntu16.04",
        "o16n-base/python-slim",
        "openmpi3.1.2-cuda10.0-cudnn7-ubuntu16.04",
        "openmpi3.1.2-ubuntu16.04",
        "openmpi3.1.2-cuda10.0-cudnn7-ubuntu18.04",
        "openmpi3.1.2-cuda10.1-cudnn7-ubuntu18.04",
        "openmpi3.1.2-cuda10.2-cudnn7-ubuntu18.04",
        "openmpi3.1.2-cuda10.2-cudnn8-ubuntu18.04",
        "openmpi3.1.2-ubuntu18.04",
        "openmpi4.1.0-cuda11.0.3-cudnn8-ubuntu18.04",
        "openmpi4.1.0-cuda11.1-cudnn8-ubuntu18.04",
        "openmpi4.1.0-ubuntu20.04",
    )
)
"""Azure ML images that "Troubleshoot environments" (2026-07-02) lists as deprecated."""

INFERENCE = (
    "minimal-py312-inference",
    "minimal-ubuntu22.04-py39-cpu-inference",
    "minimal-ubuntu22.04-py39-cuda11.8-gpu-inference",
)
"""Prebuilt images with the inference server that are supported ("Prebuilt Docker images", 2025-09-24)."""

SYSTEMS = {
    "ubuntu14.04": "2019-04",
    "ubuntu16.04": "2021-04",
    "ubuntu18.04": "2023-05",
    "ubuntu20.04": "2025-05",
    "debian9": "2022-06",
    "debian10": "2024-06",
    "centos7": "2024-06",
    "centos8": "2021-12",
}
"""When free security updates of an operating system ended."""

_ALIASES = {
    "trusty": "ubuntu14.04",
    "xenial": "ubuntu16.04",
    "bionic": "ubuntu18.04",
    "focal": "ubuntu20.04",
    "stretch": "debian9",
    "buster": "debian10",
}

_PREBUILT = r"(?:minimal|sklearn|pytorch|tensorflow|onnxruntime|xgboost)\b.*-inference"

WITHOUT_CONDA = frozenset(("alpine", "busybox", "debian", "fedora", "nginx", "python", "ubuntu"))
"""Docker Hub's own images that have no conda."""


def _is_unsupported(image: Image) -> bool:
    """Whether this is an image of Azure ML that gets no updates any more."""
    name = image.azureml or ""
    return name in DEPRECATED or (re.fullmatch(_PREBUILT, name) is not None and name not in INFERENCE)


@rule(Level.NOTE)
def image_without_tag(environment: Environment) -> Iterator[Problem]:
    """An image has neither a tag nor a digest.

    Docker then takes the tag `latest`, whatever that is on the day of the build: the environment cannot be made again,
    which is why "Troubleshoot environments" asks for a version. Not reported for those images of Azure that get no
    updates any more, for which a tag would not help.

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    for each in images(environment):
        if each.parts and not each.parts.tag and not each.parts.digest and not _is_unsupported(each.parts):
            yield Problem(each.span, f"this image has no tag; say which one, {each.text + ':TAG'!r}")


@rule(Level.NOTE)
def image_latest(environment: Environment) -> Iterator[Problem]:
    """An image has the tag `latest`, which is another image at every build.

    Azure builds a registered environment once and keeps the result, so the tag is resolved on the day of the build
    and nobody can tell afterwards what it was. Base images are patched about every two weeks ("Vulnerability
    management"); take the newest dated tag instead, and raise the environment's version with it. Not reported for
    those images of Azure that get no updates any more.

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    for each in images(environment):
        if each.parts and each.parts.tag == "latest" and not each.parts.digest and not _is_unsupported(each.parts):
            yield Problem(each.span, "the tag 'latest' is another image at every build; take a dated tag or a digest")


@rule(Level.WARNING)
def deprecated_image(environment: Environment) -> Iterator[Problem]:
    """The environment starts from an image of Azure ML that is deprecated.

    Such images get no updates any more, and Azure gives no support for builds that start from them ("Troubleshoot
    environments", list of 2026-07-02). `openmpi4.1.0-ubuntu20.04` was last built in February 2025.

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20250209.v1

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    for each in images(environment):
        if each.parts and each.parts.azureml in DEPRECATED:
            message = f"the image {each.parts.azureml!r} is deprecated and gets no updates; take {SUCCESSOR!r}"
            yield Problem(each.span, message)


@rule(Level.WARNING)
def unsupported_inference_image(environment: Environment) -> Iterator[Problem]:
    """The environment starts from a prebuilt inference image that Azure does not support any more.

    Three of them are supported today ("Prebuilt Docker images for inference", 2025-09-24), and only in tags at most
    six months older than the newest one. Others get no updates.

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:20240115.v1

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/minimal-py312-inference:20260514.v1
    """
    for each in images(environment):
        name = (each.parts.azureml or "") if each.parts else ""
        if name not in INFERENCE and re.fullmatch(_PREBUILT, name):
            yield Problem(each.span, f"the image {name!r} is not supported any more; {listed(INFERENCE)} are")


@rule(Level.WARNING)
def end_of_life_image(environment: Environment) -> Iterator[Problem]:
    """The environment starts from an operating system or a Python without security updates.

    Azure patches its base images, and not what their makers no longer patch. Told by the image's name or tag. Azure's
    own deprecated images have a rule of their own.

    Bad::

        # environment.yml
        name: scikit-env
        image: ubuntu:18.04
        inference_config:
          liveness_route: {path: /, port: 5001}
          readiness_route: {path: /, port: 5001}
          scoring_route: {path: /score, port: 5001}

    Good::

        # environment.yml
        name: scikit-env
        image: ubuntu:24.04
        inference_config:
          liveness_route: {path: /, port: 5001}
          readiness_route: {path: /, port: 5001}
          scoring_route: {path: /score, port: 5001}
    """
    for each in images(environment):
        if each.parts is None or each.parts.azureml in DEPRECATED or re.fullmatch(_PREBUILT, each.parts.azureml or ""):
            continue
        ended = next(_ended(each.parts), None)
        if ended:
            yield Problem(each.span, f"{ended[0]} has had no security updates since {ended[1]}; take a newer image")


def _is_inference(parts: Image) -> bool:
    return (parts.azureml or "").endswith("-inference")


def _ended(parts: Image) -> Iterator[tuple[str, str]]:
    """What an image has that is no longer maintained, and since when."""
    official, tag = parts.official or "", parts.tag or ""
    number = re.match(r"\d+(?:\.\d+)?", tag)
    if official == "python" and number and number[0] in END_OF_LIFE:
        yield f"Python {number[0]}", END_OF_LIFE[number[0]]
    words = re.split(r"[-/]", f"{parts.azureml or ''}-{tag}")
    if number and official in ("ubuntu", "debian", "centos"):
        words.append(official + (number[0] if official == "ubuntu" else number[0].partition(".")[0]))
    for word in words:
        system = _ALIASES.get(word, word)
        if system in SYSTEMS:
            yield system, SYSTEMS[system]


@rule(Level.WARNING)
def image_without_conda(environment: Environment) -> Iterator[Problem]:
    """A conda file is to be installed on an image that has no conda.

    Azure runs `conda env create` in the image; "Troubleshoot environments" describes the failure under `conda command
    not found`. Docker Hub's `python`, `ubuntu` and `debian` come without conda, Azure ML's base images with it.

    Bad::

        # environment.yml
        name: scikit-env
        image: python:3.12-slim
        conda_file: conda.yaml

        # conda.yaml
        dependencies: [python=3.12]

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
        conda_file: conda.yaml

        # conda.yaml
        dependencies: [python=3.12]
    """
    conda = environment.find("conda_file")
    for each in images(environment) if conda else ():
        if each.span.source is environment.source and each.parts and each.parts.official in WITHOUT_CONDA:
            related = (Related(conda.key.span, "conda is to install this"),) if conda else ()
            message = f"the image {each.parts.name!r} has no conda; take one that has, such as Azure ML's {SUCCESSOR!r}"
            yield Problem(each.span, message, related)


@rule(Level.ERROR)
def image_without_server(deployment: Deployment, environment: Environment) -> Iterator[Problem]:
    """A scoring script is to run in a base image that has no inference server, and no conda file installs one.

    Azure ML's base images (`openmpi...`) hold an operating system, MPI and conda, and no Python packages to serve with
    (their Dockerfiles in Azure/AzureML-Containers). The container fails with `A required package
    azureml-inference-server-http is missing`. Take a prebuilt inference image, or add a conda file.

    Bad::

        # deployment.yml
        environment:
          image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # deployment.yml
        environment:
          image: mcr.microsoft.com/azureml/minimal-py312-inference:20260514.v1
    """
    if not runs_inference_server(deployment) or environment.find("conda_file") or environment.find("build"):
        return
    for each in images(environment):
        name = (each.parts.azureml or "") if each.parts else ""
        if re.match(r"(?:openmpi|intelmpi)[\d.]+-", name):
            message = f"the image {name!r} has no inference server; add a conda_file with azureml-inference-server-http"
            yield Problem(each.span, f"{message}, or take a prebuilt image such as {INFERENCE[0]!r}")


@rule(Level.WARNING)
def routes_of_prebuilt_image(environment: Environment) -> Iterator[Problem]:
    """An environment says where its server listens, although its image says so already.

    Prebuilt inference images have their routes built in; with an `inference_config` beside them the service answers
    `Cannot override existing endpoint: InferenceLiveness` (Azure/AML-Kubernetes issue 251). It belongs to images with
    a server of one's own.

    Bad::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/minimal-py312-inference:20260514.v1
        inference_config:
          liveness_route: {path: /, port: 5001}
          readiness_route: {path: /, port: 5001}
          scoring_route: {path: /score, port: 5001}

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/minimal-py312-inference:20260514.v1
    """
    routes = environment.find("inference_config")
    node = environment.get("image")
    for each in images(environment) if routes and isinstance(node, Scalar) else ():
        if routes and node and each.span == node.span and each.parts and _is_inference(each.parts):
            related = (Related(each.span, "this image has its own routes"),)
            yield Problem(routes.key.span, "a prebuilt inference image has these routes already; delete this", related)


@rule(Level.NOTE)
def registry_needs_role(deployment: Deployment, environment: Environment, endpoint: Endpoint) -> Iterator[Problem]:
    """The image is in a registry that the endpoint's own identity has to be allowed to pull from.

    A system-assigned identity gets the role AcrPull on the workspace's registry by itself; a user-assigned one gets
    nothing ("Troubleshoot online endpoints", authorization error). Without it the deployment fails with
    `ImagePullFailed` or `Authentication failed for container registry`.

    Bad::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: user_assigned
          user_assigned_identities:
            - resource_id: /subscriptions/x/resourceGroups/y/providers/M.ManagedIdentity/userAssignedIdentities/z

        # deployment.yml
        environment:
          image: ours.azurecr.io/server:3
          inference_config:
            liveness_route: {path: /, port: 5001}
            readiness_route: {path: /, port: 5001}
            scoring_route: {path: /score, port: 5001}

    Good::

        # endpoint.yml
        name: my-endpoint
        identity:
          type: system_assigned

        # deployment.yml
        environment:
          image: ours.azurecr.io/server:3
          inference_config:
            liveness_route: {path: /, port: 5001}
            readiness_route: {path: /, port: 5001}
            scoring_route: {path: /score, port: 5001}
    """
    kind = endpoint.find("identity", "type")
    if not kind or str(getattr(kind.value, "value", "")).lower().replace("_", "") != "userassigned":
        return
    used = deployment.find("environment")
    for each in images(environment):
        if each.parts and each.parts.host.lower().endswith(".azurecr.io"):
            related = [Related(kind.value.span, "this identity is the one")]
            related += (
                [Related(used.key.span, "this deployment pulls it")] if used and environment.inside is None else []
            )
            yield Problem(
                each.span, f"the endpoint's own identity needs the role AcrPull on {each.parts.host!r}", tuple(related)
            )

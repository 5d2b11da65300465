"""The names of container images, in specs and in Dockerfiles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Scalar
from ...frozen import frozen
from ...images import Image, image
from ...source import Span
from ...specs import Environment
from .. import rule
from ..deployment.names import is_template


@frozen
class Named:
    """An image where it is named: in a spec, or in the FROM of a Dockerfile."""

    text: str
    span: Span
    parts: Image | None


def images(environment: Environment) -> Iterator[Named]:
    """The images that an environment starts from; those that are still to be filled in are left out."""
    node = environment.get("image")
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value and not is_template(node.value):
        yield Named(node.value, node.span, image(node.value))
    stages = {"scratch"}
    for each in environment.build.instructions if environment.build else ():
        words = each.arguments
        if each.name != "FROM" or not words:
            continue
        name = words[0].text
        if words[0].is_fixed and name.lower() not in stages:
            yield Named(name, words[0].span, image(name))
        if len(words) == 3 and words[1].text.upper() == "AS":
            stages.add(words[2].text.lower())


@rule(Level.ERROR)
def invalid_image(environment: Environment) -> Iterator[Problem]:
    """The name of an image is none that Docker can read.

    It is HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST, the repository in lower case, without a scheme. Docker answers
    `invalid reference format` (docker 28.2 run on each form); azure-ai-ml takes any text.

    Bad::

        # environment.yml
        name: scikit-env
        image: https://mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1

    Good::

        # environment.yml
        name: scikit-env
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1
    """
    for each in images(environment):
        if each.parts is None:
            yield Problem(each.span, f"{each.text!r} is no image's name: {_why(each.text)}")


def _why(text: str) -> str:
    scheme = re.match(r"\w+://", text)
    if scheme:
        return f"leave out {scheme[0]!r}"
    if "@" in text.split("/")[0] and "@sha256:" not in text:
        return "there is no place for a user in it; give the endpoint's identity the role AcrPull"
    if re.search(r"\s", text):
        return "it has a space in it"
    repository = re.split(r"[:@]", text.rpartition("/")[2])[0]
    if repository != repository.lower():
        return f"a repository is in lower case, {text.replace(repository, repository.lower())!r}"
    return "write HOST/REPOSITORY:TAG, such as mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250701.v1"


@rule(Level.WARNING)
def image_without_tag(environment: Environment) -> Iterator[Problem]:
    """An image has neither a tag nor a digest.

    Docker then takes the tag `latest`, whatever that is on the day of the build: the environment cannot be made again,
    and "Troubleshoot environments" counts it among what keeps one from being registered.

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
        if each.parts and not each.parts.tag and not each.parts.digest:
            yield Problem(each.span, f"this image has no tag; say which one, {each.text + ':TAG'!r}")


@rule(Level.NOTE)
def image_latest(environment: Environment) -> Iterator[Problem]:
    """An image has the tag `latest`, which is another image at every build.

    Azure builds a registered environment once and keeps the result, so the tag is resolved on the day of the build
    and nobody can tell afterwards what it was. Base images are patched about every two weeks ("Vulnerability
    management"); take the newest dated tag instead, and raise the environment's version with it.

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
        if each.parts and each.parts.tag == "latest" and not each.parts.digest:
            yield Problem(each.span, "the tag 'latest' is another image at every build; take a dated tag or a digest")

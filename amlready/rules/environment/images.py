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


OFFICIAL = frozenset(
    (
        *("almalinux", "alpine", "amazoncorretto", "amazonlinux", "archlinux", "bash", "buildpack-deps", "busybox"),
        *("caddy", "cassandra", "centos", "clojure", "couchdb", "dart", "debian", "docker", "eclipse-temurin"),
        *("elasticsearch", "elixir", "erlang", "fedora", "flink", "gcc", "golang", "gradle", "haproxy", "haskell"),
        *("hello-world", "httpd", "ibmjava", "influxdb", "jetty", "julia", "kong", "mageia", "mariadb", "maven"),
        *("memcached", "mongo", "mono", "mysql", "neo4j", "nginx", "node", "openjdk", "oraclelinux", "perl", "photon"),
        *("php", "postgres", "pypy", "python", "r-base", "rabbitmq", "redis", "registry", "rockylinux", "ruby", "rust"),
        *("sapmachine", "scratch", "solr", "spark", "swift", "swipl", "tomcat", "traefik", "ubuntu", "varnish"),
    )
)
"""Images that Docker Hub has under a name alone."""


@rule(Level.NOTE)
def image_without_registry(environment: Environment) -> Iterator[Problem]:
    """An image's name has no registry, so it is looked for among Docker Hub's own images.

    The name of an image on one's own machine, as `docker build --tag` gave it, means nothing to Azure: Docker adds
    `docker.io/library/` to it. Push the image to Azure Container Registry, and write that registry's name in front.

    Bad::

        # environment.yml
        name: scikit-env
        image: churn-server:1

    Good::

        # environment.yml
        name: scikit-env
        image: contoso.azurecr.io/churn-server:1
    """
    for each in images(environment):
        name = each.parts.official if each.parts and not each.parts.host else None
        if name and name not in OFFICIAL and not each.text.startswith("library/"):
            message = f"this is looked for on Docker Hub; write the registry that has it, 'NAME.azurecr.io/{each.text}'"
            yield Problem(each.span, message)


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

"""What a container image's reference says: host, repository, tag, digest. Nothing is asked of any registry."""

from __future__ import annotations

import re

from .frozen import frozen

_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?)*(?::\d+)?"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}))?"
)


@frozen
class Image:
    """An image's name as Docker reads it; `host` is empty for Docker Hub."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}" if self.host else self.repository

    @property
    def azureml(self) -> str | None:
        """The name of one of Azure ML's own images, such as `openmpi4.1.0-ubuntu22.04`."""
        is_ours = self.host.lower() == "mcr.microsoft.com" and self.repository.startswith("azureml/")
        return self.repository.removeprefix("azureml/") if is_ours else None

    @property
    def official(self) -> str | None:
        """The name of one of Docker Hub's own images, such as `python`."""
        is_hub = self.host.lower() in ("", "docker.io", "index.docker.io", "registry-1.docker.io")
        name = self.repository.removeprefix("library/")
        return name if is_hub and "/" not in name else None


def image(text: str) -> Image | None:
    """The parts of an image's name, or None when Docker would call its format invalid."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    host, repository = found["host"] or "", found["repository"]
    if host and not re.search(r"[.:A-Z]|^localhost$", host):  # without a dot or a port it is no host but a folder
        host, repository = "", f"{host}/{repository}"
        if not re.fullmatch(rf"{_PART}(?:/{_PART})*", repository):
            return None
    return Image(host, repository, found["tag"], found["digest"])

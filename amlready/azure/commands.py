"""The `az ml` commands on the road from files to a serving deployment, as values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..overrides import Override

_NAMED = ("--name", "--endpoint-name", "--version")


class Kind(StrEnum):
    """What a command is about."""

    ENDPOINT = "endpoint"
    ENDPOINT_UPDATE = "endpoint-update"
    ENVIRONMENT = "environment"
    MODEL = "model"
    DATA = "data"
    DEPLOYMENT = "deployment"
    DEPLOYMENT_UPDATE = "deployment-update"
    TRAFFIC = "traffic"

    @property
    def verb(self) -> str:
        """The words after `az ml`."""
        match self:
            case Kind.ENDPOINT | Kind.DEPLOYMENT:
                return f"online-{self} create"
            case Kind.ENDPOINT_UPDATE | Kind.TRAFFIC:
                return "online-endpoint update"
            case Kind.DEPLOYMENT_UPDATE:
                return "online-deployment update"
            case _:
                return f"{self} create"


@dataclass(frozen=True)
class Command:
    """One `az ml` command.

    `settings` are its `--set`, `--name`, `--endpoint-name` and `--version`; `traffic` is what it asks for or keeps, in
    percent by deployment; `referenced` are the names of assets, by kind as in the management API, that must exist
    already.
    """

    kind: Kind
    file: Path | None = None
    settings: tuple[Override, ...] = ()
    name: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    referenced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """As it is typed, without `--resource-group` and `--workspace-name`."""
        return shlex.join(["az", "ml", *self.kind.verb.split(), *self._arguments()])

    def _arguments(self) -> list[str]:
        arguments = ["--file", str(self.file)] if self.file else ["--name", self.name]
        for each in self.settings:
            option = str(each.source.path)
            arguments += [option, each.value] if option in _NAMED else [option, each.source.text]
        for option, shares in (("--traffic", self.traffic), ("--mirror-traffic", self.mirror_traffic)):
            if shares:
                arguments += [option, " ".join(f"{name}={share}" for name, share in shares.items())]
        return arguments

    @property
    def instructions(self) -> dict[str, Any]:
        """For the child process."""
        settings: list[dict[str, object]] = [{_key(each): each.value} for each in self.settings]
        shares = {"traffic": self.traffic, "mirror_traffic": self.mirror_traffic}
        settings += [{key: value} for key, value in shares.items() if value]
        return {
            "kind": self.kind,
            "file": str(self.file) if self.file else None,
            "settings": settings,
            "name": self.name,
            "traffic": self.traffic,
            "referenced": {kind: list(names) for kind, names in self.referenced.items()},
        }


def _key(setting: Override) -> str:
    """A setting's path as `az ml` hands it to the SDK: a.b[0].c"""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in setting.path)
    return path.removeprefix(".")

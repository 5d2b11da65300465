"""What runs on this machine, and the files and variables Azure would give it in a container.

The scoring script runs where it lies, so that a traceback names the user's own file; only the model folder and the
Collector's configuration are laid out afresh. Python is told to write no bytecode, so nothing appears beside the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PAYLOAD_COLLECTIONS = frozenset({"request", "response"})
"""Collections that Azure's proxy records from the wire; the scoring script has no part in them."""


@dataclass(frozen=True)
class Collection:
    """One entry of `data_collector.collections`.

    `sampling_rate` is a fraction from 0 to 1, as in the YAML; the entry of the deployment where the collection has
    none of its own. `path` is relative to the datastore; None is Azure's default,
    `modelDataCollector/<endpoint>/<deployment>/<collection>`.
    """

    name: str
    enabled: bool = True
    sampling_rate: float = 1.0
    datastore: str = "workspaceblobstore"
    path: str | None = None


@dataclass(frozen=True)
class LocalDeployment:
    """One deployment as it can run on this machine: every reference resolved to a path here.

    `scoring_script` and `model` are absolute. `code` is the folder that would be uploaded (None if there is none).
    `model_name` and `model_version` name the folder Azure mounts the model in; a model that is not registered gets
    version 1. `pins` maps a distribution to the version the environment's conda file pins.
    """

    endpoint: str
    deployment: str
    scoring_script: Path
    code: Path | None = None
    model: Path | None = None
    model_name: str = "model"
    model_version: str = "1"
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    collections: tuple[Collection, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    request_timeout_ms: int = 5000

    def folder(self, collection: Collection) -> str:
        """Where a collection's hour folders lie, relative to the root of collected data, with forward slashes."""
        path = collection.path
        if path is None:
            path = f"modelDataCollector/{self.endpoint}/{self.deployment}/{collection.name}"
        return f"{collection.datastore}/{path.strip('/')}"

    def enabled(self) -> Mapping[str, Collection]:
        """The collections the scoring script may collect into, by the lower-case name the Collector knows them by."""
        return {c.name.lower(): c for c in self.collections if c.enabled and c.name.lower() not in PAYLOAD_COLLECTIONS}

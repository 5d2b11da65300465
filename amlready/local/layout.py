"""What runs on this machine, and the files and variables Azure would give it in a container.

The scoring script runs where it lies, so that a traceback names the user's own file; only the model folder and the
Collector's configuration are laid out afresh. Python is told to write no bytecode, so nothing appears beside the
script. As in Azure's images, the working directory is the folder of the scoring script.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PAYLOAD_COLLECTIONS = frozenset({"request", "response"})
"""Collections that Azure's proxy records from the wire; the scoring script has no part in them."""

_OURS = re.compile(r"AZUREML_|AML_|WORKER_|APP_INSIGHTS_|SERVICE_(NAME|PATH_PREFIX|VERSION)$|WORKSPACE_NAME$")
_OTHERS = frozenset(
    {
        "GUNICORN_CMD_ARGS",
        "HEALTH_PORT",
        "HTTP_X_MS_SERVER_VERSION",
        "PYTHONPATH",  # the container has only the code folder and the environment's packages
        "SCORING_TIMEOUT_MS",
        "SEPERATE_HEALTH_ENDPOINT",  # the server spells it so
        "SERVER_PORT",
        "SERVER_VERSION_LOG_RESPONSE_ENABLED",
        "TRANSPORT_PROTOCOL",
    }
)
_SECRET = re.compile(r"\$\{\{\s*(azureml://connections/|keyvault:)")


class LayoutError(ValueError):
    """Something the container needs is not on this machine; the message is one sentence for the user."""


@dataclass(frozen=True)
class Collection:
    """One entry of `data_collector.collections`.

    `sampling_rate` is a fraction from 0 to 1, as in the YAML; the deployment's where the collection has none of its
    own. `path` is relative to the datastore; None is Azure's default,
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
        """The collections the scoring script may collect into, by the lower-case name the Collector knows."""
        named = {collection.name.lower(): collection for collection in self.collections if collection.enabled}
        return {name: collection for name, collection in named.items() if name not in PAYLOAD_COLLECTIONS}


@dataclass(frozen=True)
class Container:
    """What the inference server is started with: its folder, the script relative to it, its whole environment."""

    app_root: Path
    entry_script: str
    environment: Mapping[str, str]


def lay_out(deployment: LocalDeployment, directory: Path, agent: tuple[str, int]) -> Container:
    """Make the container's files in `directory` (empty, and not beneath the code) and say how to start the server.

    `agent` is the host and port the Collector is to post to. Raises LayoutError where something is missing.
    """
    script = deployment.scoring_script
    if not script.is_file():
        raise LayoutError(f"the scoring script {script} does not exist")
    runtime = directory / "run"
    runtime.mkdir(parents=True)
    variables = {
        **_variables(deployment),
        "AML_APP_ROOT": str(script.parent),
        "AZUREML_ENTRY_SCRIPT": script.name,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "XDG_RUNTIME_DIR": str(runtime),  # where gunicorn 25 and later puts a control socket; else below $HOME
    }
    if deployment.model is not None:
        variables["AZUREML_MODEL_DIR"] = str(_mount_model(deployment, directory / "azureml-models"))
    if deployment.collections:
        variables |= _collector(deployment, directory / "mdc-config.json", agent)
    return Container(script.parent, script.name, variables)


def collector_configuration(collections: tuple[Collection, ...]) -> dict[str, object]:
    """The JSON that azureml-ai-monitoring 1.0.0 reads from AZUREML_MDC_CONFIG_PATH; rates in per cent."""
    return {
        "collections": {
            collection.name: {
                "enabled": collection.enabled,
                "sampleRatePercentage": round(collection.sampling_rate * 100, 6),
            }
            for collection in collections
        }
    }


def remarks(deployment: LocalDeployment) -> Iterator[str]:
    """What differs from Azure in this deployment's environment variables, a sentence each."""
    for name, value in deployment.environment_variables.items():
        if _reserved(name):
            yield f"environment variable {name} is Azure's own to set; its value is not used here"
        elif _is_secret(value) and name not in os.environ:
            yield f"environment variable {name} names a secret that only Azure resolves; export {name} to set it here"


def _variables(deployment: LocalDeployment) -> dict[str, str]:
    """This shell's variables without those of the server and the Collector, then the deployment's own."""
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name) and name not in _OTHERS}
    for name, value in deployment.environment_variables.items():
        if not (_is_secret(value) and name in kept):
            kept[name] = str(value)
    # The Collector posts through `requests`, which would send even this to a proxy.
    bypass = ",".join(filter(None, (kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1,localhost")))
    return kept | {"no_proxy": bypass, "NO_PROXY": bypass}


def _reserved(name: str) -> bool:
    return name.startswith("AZUREML_MDC_") or name in {
        "AML_APP_ROOT",
        "AZUREML_ENTRY_SCRIPT",
        "AZUREML_MODEL_DIR",
    }


def _is_secret(value: str) -> bool:
    return _SECRET.match(str(value)) is not None


def _collector(deployment: LocalDeployment, path: Path, agent: tuple[str, int]) -> dict[str, str]:
    path.write_text(json.dumps(collector_configuration(deployment.collections), indent=2), encoding="utf-8")
    host, port = agent
    return {"AZUREML_MDC_CONFIG_PATH": str(path), "AZUREML_MDC_HOST": host, "AZUREML_MDC_PORT": str(port)}


def _mount_model(deployment: LocalDeployment, models: Path) -> Path:
    """Make `<models>/<name>/<version>` with the file in it, or the folder by its own name.

    Folders are real and files are links, so that a script finds them by walking, as it does in Azure.
    """
    model = deployment.model
    if model is None or not model.exists():
        raise LayoutError(f"the model {model} does not exist")
    for part in (deployment.model_name, deployment.model_version):
        if "/" in part or part in {"", ".", ".."}:
            raise LayoutError(f"{part!r} cannot be the name or version of a model")
    mounted = models / deployment.model_name / deployment.model_version
    mounted.mkdir(parents=True)
    if model.is_dir():
        _link_folder(model, mounted / model.name)
    else:
        _link(model, mounted / model.name)
    return mounted


def _link_folder(source: Path, target: Path) -> None:
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            _link_folder(entry, target / entry.name)
        else:
            _link(entry, target / entry.name)


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # a file system without symbolic links
        shutil.copyfile(source, target)

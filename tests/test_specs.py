"""The endpoint's own specs: the real SDK reads every one, and what they say agrees with the rest of the repository.

Specs are found by their `$schema`, so that a new variant cannot be forgotten here.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.filterwarnings(
    # azure-ai-ml's hundreds of schema classes are written for marshmallow 3.
    "ignore::marshmallow.warnings.Marshmallow4Warning",
)

ROOT = Path(__file__).resolve().parent.parent

# What the schema's name is, how the SDK loads it, and as what.
KINDS = {
    "managedOnlineEndpoint": ("load_online_endpoint", "ManagedOnlineEndpoint"),
    "kubernetesOnlineEndpoint": ("load_online_endpoint", "KubernetesOnlineEndpoint"),
    "managedOnlineDeployment": ("load_online_deployment", "ManagedOnlineDeployment"),
    "kubernetesOnlineDeployment": ("load_online_deployment", "KubernetesOnlineDeployment"),
    "model": ("load_model", "Model"),
    "environment": ("load_environment", "Environment"),
    "Schedule": ("load_schedule", "MonitorSchedule"),
}


def read(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def kind(path: Path) -> str:
    """Of an Azure ML spec; empty for any other YAML file."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema = content.get("$schema", "") if isinstance(content, dict) else ""
    return schema.rsplit("/", 1)[-1].removesuffix(".json").removesuffix(".schema") if "azureml" in schema else ""


def specs(*ending: str) -> list[Path]:
    """The specs at the root and in variants/, all of them or those whose kind ends like this."""
    candidates = [*ROOT.glob("*.yml"), *ROOT.glob("variants/*")]
    return sorted(path for path in candidates if kind(path) and kind(path).endswith(ending or ("",)))


def each(paths: list[Path]) -> Any:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.relative_to(ROOT).as_posix())


DEPLOYMENTS = specs("Deployment")
ENDPOINTS = specs("Endpoint")


def pins(conda: Path) -> dict[str, str]:
    """Package to version, from `pip`'s list and conda's own."""
    *conda_packages, pip = read(conda)["dependencies"]
    return dict([*(spec.split("=") for spec in conda_packages), *(spec.split("==") for spec in pip["pip"])])


def test_the_root_and_the_variants_hold_every_kind_of_spec() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in specs()}

    assert names == {
        "endpoint.yml",
        "deployment.yml",
        "model.yml",
        "environment.yml",
        "monitor.yml",
        "variants/local-model.yml",
        "variants/payload-logging.yml",
        "variants/custom-storage-endpoint.yml",
        "variants/custom-storage.yml",
        "variants/kubernetes-endpoint.yml",
        "variants/kubernetes-deployment.yml",
        "variants/green.yml",
    }


@each(specs())
def test_the_sdk_loads_the_spec_as_what_it_claims_to_be(path: Path) -> None:
    from azure.ai.ml.entities import _load_functions

    loader, expected = KINDS[kind(path)]

    loaded = getattr(_load_functions, loader)(path)

    assert type(loaded).__name__ == expected


@each(specs("Endpoint", "Deployment"))
def test_the_sdk_turns_the_spec_into_what_it_would_send(path: Path) -> None:
    """Names and lengths are checked only here, late in `az ml ... create`."""
    import azure.ai.ml

    loaded = getattr(azure.ai.ml, KINDS[kind(path)][0])(path)
    sent = loaded._to_rest_online_endpoint("westeurope") if path in ENDPOINTS else loaded._to_rest_object("westeurope")

    assert sent.properties is not None
    assert loaded.name == read(path)["name"], "the SDK would send another name"


def test_the_sdk_turns_the_monitor_into_what_it_would_send() -> None:
    from azure.ai.ml.entities._load_functions import load_schedule

    sent = load_schedule(ROOT / "monitor.yml")._to_rest_object().as_dict()["properties"]

    assert sent["action"]["actionType"] == "CreateMonitor"
    assert set(sent["action"]["monitorDefinition"]["signals"]) == set(
        read(ROOT / "monitor.yml")["create_monitor"]["monitoring_signals"]
    )


@each(specs())
def test_every_variant_says_when_to_use_it_and_every_spec_starts_with_why(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]

    assert first.startswith("# When to use it: " if path.parent.name == "variants" else "# ")


@each(DEPLOYMENTS)
def test_the_paths_of_a_deployment_exist_seen_from_its_file(path: Path) -> None:
    deployment = read(path)
    code = path.parent / deployment["code_configuration"]["code"]
    script = code / deployment["code_configuration"]["scoring_script"]
    inline = [
        deployment["model"].get("path") if isinstance(deployment["model"], dict) else None,
        deployment["environment"].get("conda_file") if isinstance(deployment["environment"], dict) else None,
    ]

    assert script.resolve() == ROOT / "src" / "score.py"
    assert script.is_file()
    assert all((path.parent / name).exists() for name in inline if name)


def test_the_paths_of_model_and_environment_exist() -> None:
    assert (ROOT / read(ROOT / "model.yml")["path"]).is_dir()
    assert (ROOT / read(ROOT / "environment.yml")["conda_file"]).is_file()


@each(DEPLOYMENTS)
def test_a_deployment_refers_to_an_endpoint_a_model_and_an_environment_that_are_declared_here(path: Path) -> None:
    deployment = read(path)
    endpoints = {read(spec)["name"]: kind(spec) for spec in ENDPOINTS}
    references = {f"azureml:{spec['name']}:{spec['version']}" for spec in map(read, specs("model", "environment"))}
    inline = path.name == "local-model.yml"

    assert endpoints[deployment["endpoint_name"]] == kind(path).replace("Deployment", "Endpoint")
    assert inline or {deployment["model"], deployment["environment"]} == references


def test_endpoint_names_are_valid_and_none_is_declared_twice() -> None:
    names = [read(path)["name"] for path in ENDPOINTS]

    assert len(set(names)) == len(names)
    assert all(3 <= len(name) <= 32 and "_" not in name and "--" not in name for name in names)


def test_the_root_endpoint_takes_keys_and_leaves_traffic_to_commands() -> None:
    endpoint = read(ROOT / "endpoint.yml")

    assert endpoint["auth_mode"] == "key"
    assert not {"traffic", "mirror_traffic"} & set(endpoint)


def test_the_root_deployment_is_blue_by_registered_model_and_environment() -> None:
    deployment = read(ROOT / "deployment.yml")

    assert deployment["name"] == "blue"
    assert deployment["model"] == "azureml:scikit-model:1"
    assert deployment["environment"] == "azureml:scikit-env:1"


@each(DEPLOYMENTS)
def test_there_are_as_many_workers_as_requests_at_a_time(path: Path) -> None:
    deployment = read(path)

    workers = deployment["environment_variables"]["WORKER_COUNT"]

    assert isinstance(workers, str)
    assert int(workers) == deployment["request_settings"]["max_concurrent_requests_per_instance"]


@each(DEPLOYMENTS)
def test_probes_and_timeouts_agree(path: Path) -> None:
    deployment = read(path)
    request = deployment["request_settings"]["request_timeout_ms"] / 1000
    readiness, liveness = deployment["readiness_probe"], deployment["liveness_probe"]

    assert 0 < request <= 180
    for probe in readiness, liveness:
        assert request < probe["timeout"] < probe["period"], "a busy worker is not a dead one"
        assert probe["initial_delay"] >= 1
    assert liveness["success_threshold"] == 1
    given_up = {id(probe): probe["period"] * probe["failure_threshold"] for probe in (readiness, liveness)}
    assert given_up[id(readiness)] < given_up[id(liveness)], "first out of the traffic, only then restarted"


@each(specs("managedOnlineDeployment"))
def test_the_instance_type_stays_available(path: Path) -> None:
    """From the list of sizes for managed endpoints, without those announced for retirement (DSv2, Fsv2, Lsv2)."""
    deployment = read(path)

    assert deployment["instance_type"] == "Standard_D2as_v4"
    assert 1 <= deployment["instance_count"] <= 50


@each(DEPLOYMENTS)
def test_inputs_and_outputs_are_collected_whole_and_into_hour_folders(path: Path) -> None:
    collector = read(path)["data_collector"]

    assert {"model_inputs", "model_outputs"} <= set(collector["collections"])
    assert all(collection["enabled"] == "true" for collection in collector["collections"].values())
    assert collector["sampling_rate"] == 1.0
    assert collector["rolling_rate"] == "hour"


def test_payload_logging_collects_bodies_and_no_credentials() -> None:
    collector = read(ROOT / "variants" / "payload-logging.yml")["data_collector"]
    headers = {header.lower() for header in collector["request_logging"]["capture_headers"]}

    assert {"request", "response"} <= set(collector["collections"])
    assert headers
    assert "authorization" not in headers


def test_custom_storage_names_versions_and_separates_its_data_assets() -> None:
    deployment = read(ROOT / "variants" / "custom-storage.yml")
    collections = deployment["data_collector"]["collections"]
    endpoint = next(read(path) for path in ENDPOINTS if read(path)["name"] == deployment["endpoint_name"])

    for name, collection in collections.items():
        assert collection["data"]["version"] == "1"
        assert collection["data"]["path"].startswith("azureml://datastores/")
        assert collection["data"]["path"].endswith(f"/{deployment['endpoint_name']}/{deployment['name']}/{name}")
    assert len({collection["data"]["name"] for collection in collections.values()}) == len(collections)
    assert endpoint["identity"]["type"] == "system_assigned", "nothing could write to that storage"


def test_a_variant_differs_from_the_root_deployment_only_in_what_it_is_for() -> None:
    root = read(ROOT / "deployment.yml")

    differences = {
        path.name: {
            key for key in root | read(path) if root.get(key) != read(path).get(key) and key != "code_configuration"
        }
        for path in DEPLOYMENTS
    }

    assert differences == {
        "deployment.yml": set(),
        "green.yml": {"name"},
        "payload-logging.yml": {"data_collector"},
        "custom-storage.yml": {"endpoint_name", "data_collector"},
        "local-model.yml": {"model", "environment", "instance_count"},
        "kubernetes-deployment.yml": {
            *("$schema", "type", "endpoint_name", "instance_type", "resources"),
            *("environment_variables", "request_settings"),
        },
    }


def test_the_local_variant_is_the_registered_one_inline() -> None:
    inline = read(ROOT / "variants" / "local-model.yml")
    environment = read(ROOT / "environment.yml")

    assert inline["environment"]["image"] == environment["image"]
    assert (ROOT / "variants" / inline["environment"]["conda_file"]).resolve() == ROOT / environment["conda_file"]
    assert (ROOT / "variants" / inline["model"]["path"]).resolve() == ROOT / read(ROOT / "model.yml")["path"]


def test_the_base_image_is_current_and_dated() -> None:
    image, _, tag = read(ROOT / "environment.yml")["image"].partition(":")

    assert image == "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
    assert tag[:8].isdigit()


def test_this_interpreter_has_what_conda_yaml_pins() -> None:
    wanted = pins(ROOT / "conda.yaml")
    python, _pip = wanted.pop("python"), wanted.pop("pip")

    assert {name: importlib.metadata.version(name) for name in wanted} == wanted
    assert python.split(".")[:2] == [str(number) for number in sys.version_info[:2]]


def test_conda_yaml_pins_exactly_what_the_container_needs() -> None:
    assert set(pins(ROOT / "conda.yaml")) == {
        "python",
        "pip",
        "azureml-inference-server-http",
        "azureml-ai-monitoring",
        "scikit-learn",
        "numpy",
        "pandas",
        "joblib",
    }
    assert all(version.count(".") == 2 for version in pins(ROOT / "conda.yaml").values())


def test_the_sample_request_is_two_rows_of_the_data_the_model_learnt() -> None:
    from sklearn.datasets import load_diabetes

    request = json.loads((ROOT / "sample-request.json").read_text(encoding="utf-8"))

    assert list(request) == ["data"]
    assert request["data"] == load_diabetes(scaled=False).data[:2].tolist()


@pytest.fixture
def used_source(tmp_path: Path) -> Iterator[Path]:
    """src/ as it is after a run on this machine."""
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "score.cpython-311.pyc").write_bytes(b"left behind")
    return source


def test_a_run_on_this_machine_leaves_nothing_that_would_be_uploaded(used_source: Path) -> None:
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    uploaded = get_upload_files_from_folder(used_source, ignore_file=get_ignore_file(used_source))

    assert {Path(name).name for _, name in uploaded} == {
        "score.py",
        "data_collection.py",
        ".amlignore",
    }

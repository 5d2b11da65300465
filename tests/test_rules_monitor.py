"""Rules about monitors, against what azure-ai-ml does when it creates one for a deployment."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml

from amlready import project, rules
from amlready.diagnostic import Level

MINE = {name for name, rule in rules.rules().items() if rule.module == "monitor"}

BASE: dict[str, Any] = {
    "name": "monitor",
    "trigger": {"type": "recurrence", "frequency": "day", "interval": 1},
    "create_monitor": {
        "compute": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
        "monitoring_target": {"ml_task": "regression", "endpoint_deployment_id": "azureml:ep-one:blue"},
    },
}
BOTH = {"model_inputs": "true", "model_outputs": "true"}
REFERENCE = {"input_data": {"type": "mltable", "path": "azureml:training:1"}, "data_context": "training"}
PRODUCTION = {"input_data": {"type": "uri_folder", "path": "azureml:own:1"}, "data_context": "model_inputs"}
DRIFT = {"type": "data_drift", "reference_data": REFERENCE}
QUALITY = {"type": "data_quality"}
OWN = {"type": "data_drift", "production_data": PRODUCTION, "reference_data": REFERENCE}
PREDICTION = {
    "type": "prediction_drift",
    "metric_thresholds": {"numerical": {"normalized_wasserstein_distance": 0.1}},
}
ATTRIBUTION = {
    "type": "feature_attribution_drift",
    "reference_data": REFERENCE,
    "metric_thresholds": {"normalized_discounted_cumulative_gain": 0.9},
}
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ARM = WORKSPACE + "/onlineEndpoints/{}/deployments/{}"


def monitor(**changes: Any) -> dict[str, Any]:
    """The plain monitor with values changed by dotted keys (`__` for the dot); ... deletes one."""
    spec = copy.deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = spec
        for key in parents:
            place = place.setdefault(key, {})
        if value is ...:
            place.pop(last, None)
        else:
            place[last] = value
    return spec


def signals(**each: Any) -> dict[str, Any]:
    return monitor(create_monitor__monitoring_signals=each)


def target(text: Any) -> dict[str, Any]:
    return monitor(create_monitor__monitoring_target__endpoint_deployment_id=text)


def check(folder: Path, spec: dict[str, Any], collections: dict[str, str] | None, **collector: Any) -> set[str]:
    deployment: dict[str, Any] = {"name": "blue", "endpoint_name": "ep-one", "instance_type": "Standard_D2as_v4"}
    deployment["model"] = "azureml:m:1"
    if collections is not None:
        deployment["data_collector"] = {"collections": {k: {"enabled": v} for k, v in collections.items()}, **collector}
    write(folder / "deployment.yml", deployment)
    write(folder / "monitor.yml", spec)
    return {each.rule for each in rules.run(project.load([folder])) if each.rule in MINE}


def write(path: Path, spec: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")


# --- azure-ai-ml -----------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[dict[str, Any], dict[str, str] | None, set[str]]] = {
    "default signals": (monitor(), BOTH, set()),
    "default signals, no signal": (signals(), BOTH, set()),
    "capitals": (monitor(), {"model_inputs": "True", "model_outputs": "TRUE"}, set()),
    "own collections too": (monitor(), {**BOTH, "model_inputs_outputs": "true"}, set()),
    "inputs only": (monitor(), {"model_inputs": "true"}, {"monitor-collection-missing"}),
    "outputs only": (monitor(), {"model_outputs": "true"}, {"monitor-collection-missing"}),
    "own names": (monitor(), {"own": "true"}, {"monitor-collection-missing"}),
    "payload": (monitor(), {"request": "true", "response": "true"}, {"monitor-collection-missing"}),
    "no collections": (monitor(), {}, {"monitor-collection-missing"}),
    "own data, inputs only": (signals(s=OWN), {"model_inputs": "true"}, {"monitor-collection-missing"}),
    "no collector": (monitor(), None, {"monitor-without-data"}),
    "outputs off": (monitor(), {**BOTH, "model_outputs": "false"}, {"monitor-without-data"}),
    "inputs off": (monitor(), {**BOTH, "model_inputs": "false"}, {"monitor-without-data"}),
    "outputs off, drift": (signals(s=DRIFT), {**BOTH, "model_outputs": "false"}, set()),
    "inputs off, drift": (signals(s=DRIFT), {**BOTH, "model_inputs": "false"}, {"monitor-without-data"}),
    "inputs off, quality": (signals(s=QUALITY), {**BOTH, "model_inputs": "false"}, {"monitor-without-data"}),
    "outputs off, predictions": (signals(s=PREDICTION), {**BOTH, "model_outputs": "false"}, {"monitor-without-data"}),
    "inputs off, predictions": (signals(s=PREDICTION), {**BOTH, "model_inputs": "false"}, set()),
    "inputs off, attribution": (signals(s=ATTRIBUTION), {**BOTH, "model_inputs": "false"}, {"monitor-without-data"}),
    "attribution": (signals(s=ATTRIBUTION), BOTH, set()),
    "one of two": (signals(s=OWN, t=PREDICTION), {**BOTH, "model_outputs": "false"}, {"monitor-without-data"}),
    "own data": (signals(s=OWN), None, set()),
    "own data, all off": (signals(s=OWN), {"model_inputs": "false", "model_outputs": "false"}, set()),
    "no target": (monitor(create_monitor__monitoring_target=...), BOTH, {"monitor-without-data"}),
    "no target, own data": (
        monitor(create_monitor__monitoring_target=..., create_monitor__monitoring_signals={"s": OWN}),
        BOTH,
        set(),
    ),
    "no target, drift": (
        monitor(create_monitor__monitoring_target=..., create_monitor__monitoring_signals={"s": DRIFT}),
        BOTH,
        {"monitor-without-data"},
    ),
    "empty target": (target(""), BOTH, {"monitor-without-data"}),
    "endpoint only": (target("azureml:ep-one"), BOTH, {"monitor-target-form"}),
    "three parts": (target("azureml:ep-one:blue:1"), BOTH, {"monitor-target-form"}),
    "slash": (target("ep-one/blue"), BOTH, {"monitor-target-form"}),
    "prefix only": (target("azureml:"), BOTH, {"monitor-target-form"}),
    "without prefix": (target("ep-one:blue"), BOTH, set()),
    "another case": (target("azureml:EP-One:Blue"), BOTH, set()),
    "ARM id": (target(ARM.format("ep-one", "blue")), BOTH, set()),
    "prefixed ARM id": (target("azureml:" + ARM.format("ep-one", "blue")), BOTH, set()),
    "runtime 3.3": (monitor(create_monitor__compute__runtime_version="3.3"), BOTH, {"monitor-runtime"}),
    "runtime 3.5": (monitor(create_monitor__compute__runtime_version="3.5"), BOTH, set()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_monitor_gets_the_findings_that_it_should(name, tmp_path):
    spec, collections, expected = CASES[name]
    assert check(tmp_path, spec, collections) == expected


@pytest.mark.filterwarnings("ignore")  # the SDK's own
@pytest.mark.parametrize("name", CASES)
def test_an_error_is_what_azure_ai_ml_refuses_to_create(name, tmp_path):
    spec, collections, _ = CASES[name]
    errors = {each for each in check(tmp_path, spec, collections) if rules.rules()[each].level is Level.ERROR}
    assert bool(errors) == (refusal(tmp_path / "monitor.yml", collections) is not None)


def refusal(path: Path, collections: dict[str, str] | None) -> Exception | None:
    """What azure-ai-ml raises between a monitor's file and the request that it would send."""
    from azure.ai.ml.entities._load_functions import load_schedule

    schedule = load_schedule(path)
    try:
        operations(collections)._resolve_monitor_schedule_arm_id(schedule)
        schedule._to_rest_object()
    except Exception as error:
        return error
    return None


def operations(collections: dict[str, str] | None) -> Any:
    """The SDK's own code, with the service's answers made up: the deployment has these collections."""
    from azure.ai.ml.entities import DataCollector, DeploymentCollection
    from azure.ai.ml.operations._schedule_operations import ScheduleOperations

    asset = (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/{}/versions/1"
    )
    made = {k: DeploymentCollection(enabled=v, data=asset.format(k)) for k, v in (collections or {}).items()}
    collector = DataCollector(collections=made) if collections is not None else None
    answers = {
        "_online_deployment_operations": SimpleNamespace(
            get=lambda *_: SimpleNamespace(data_collector=collector, tags={})
        ),
        "_data_operations": SimpleNamespace(get=lambda *_: SimpleNamespace(type="uri_folder")),
        "_job_operations": MagicMock(),
        "_subscription_id": "s",
        "_resource_group_name": "g",
        "_workspace_name": "w",
    }
    made_up = type("MadeUp", (ScheduleOperations,), answers)
    instance = made_up.__new__(made_up)
    instance._orchestrators = SimpleNamespace(get_asset_arm_id=lambda **_: None)
    return instance


# --- warnings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "deployment", "expected"),
    [
        ("ep-one", "blue", set()),
        ("ep-one", "bleu", {"monitor-target-unknown"}),
        ("ep-one", "green", {"monitor-target-unknown"}),
        ("ep-onne", "blue", {"monitor-target-unknown"}),
        ("elsewhere", "blue", set()),
        ("${{ENDPOINT}}", "blue", set()),
    ],
)
def test_a_target_that_is_not_here_is_reported_where_its_endpoint_is(endpoint, deployment, expected, tmp_path):
    assert check(tmp_path, target(f"azureml:{endpoint}:{deployment}"), BOTH) == expected


def test_of_two_files_of_one_deployment_the_nearer_counts(tmp_path):
    check(tmp_path, monitor(), BOTH)
    write(tmp_path / "variants" / "deployment.yml", {"name": "blue", "endpoint_name": "ep-one", "data_collector": {}})
    assert rules.run(project.load([tmp_path]), [rules.rules()[name] for name in MINE]) == []


@pytest.mark.parametrize(
    ("rate", "expected"),
    [("hour", set()), ("Hour", set()), ("minute", {"monitor-rolling-rate"}), ("DAY", {"monitor-rolling-rate"})],
)
def test_monitoring_reads_hour_folders(rate, expected, tmp_path):
    assert check(tmp_path, monitor(), BOTH, rolling_rate=rate) == expected


def produced(path: str, **more: Any) -> dict[str, Any]:
    return signals(s={**OWN, "production_data": {"input_data": {"type": "uri_folder", "path": path}, **more}})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("azureml:ep-one-blue-model_inputs:1", set()),
        ("azureml:ep-one-blue-model_inputs@latest", set()),
        ("azureml:training-data:7", set()),
        ("azureml:ep-one-green-model_inputs:1", set()),
        ("azureml:ep-one-blue-inputs:1", {"monitor-data-differs"}),
        ("azureml:ep-one-blue-model_inputs:2", {"monitor-data-differs"}),
        ("azureml:ep-one-blue-request:1", {"monitor-reads-payload"}),
    ],
)
def test_a_signal_reads_what_the_collections_make(path, expected, tmp_path):
    assert check(tmp_path, produced(path), {**BOTH, "request": "true"}) == expected


def test_payload_with_a_preprocessing_component_is_a_table(tmp_path):
    spec = produced("azureml:ep-one-blue-request:1", pre_processing_component="azureml:table:1")
    assert check(tmp_path, spec, {**BOTH, "request": "true"}) == set()


GOOD = ("15 3 * * *", "*/15 * * * *", "0 0 1,15 * *", "0 9-17 * * mon-fri", "0 0 * JAN,JUN SUN", "0 0 * * 7")
BAD = ("abc", "* * * *", "0 0 0 * *", "60 * * * *", "* 24 * * *", "0 0 * 13 *", "0 0 * * 8", "a b c d e")


@pytest.mark.parametrize(
    ("expression", "good"), [*[(each, True) for each in (*GOOD, "${{CRON}}")], *[(each, False) for each in BAD]]
)
def test_a_cron_expression_has_five_fields_in_their_ranges(expression, good, tmp_path):
    spec = monitor(trigger={"type": "cron", "expression": expression})
    assert check(tmp_path, spec, BOTH) == (set() if good else {"monitor-cron"})


@pytest.mark.parametrize(
    ("window", "good"),
    [
        *[(each, True) for each in ("P7D", "P1M", "PT6H", "P1DT12H", "P0D", "p7d", "default", "P2W", "${{W}}")],
        *[(each, False) for each in ("7 days", "7D", "P", "PT", "P7", "7", "a week")],
    ],
)
def test_a_window_is_a_duration(window, good, tmp_path):
    spec = produced("azureml:own:1", data_window={"lookback_window_size": window, "lookback_window_offset": "P0D"})
    assert check(tmp_path, spec, BOTH) == (set() if good else {"monitor-window"})


@pytest.mark.parametrize(
    ("size", "good"),
    [("standard_e4s_v3", True), ("Standard_E64s_v3", True), ("Standard_DS3_v2", False), ("standard_e4_v3", False)],
)
def test_monitors_run_on_spark_sizes(size, good, tmp_path):
    spec = monitor(create_monitor__compute__instance_type=size)
    assert check(tmp_path, spec, BOTH) == (set() if good else {"monitor-instance-type"})

"""The scripts for an endpoint that is there, against a fake `az`: all but deploy and rollout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_az.stage import CONNECT, NAME, ROOT, Stage

from amlready import rules

pytest_plugins = ("fake_az.fixtures",)

BLUE = f"--name blue --endpoint-name {NAME}"
SCALE = f"{NAME}.blue"


def after_connect(ran: Any) -> list[str]:
    assert [call for call in ran.calls if not call.startswith("amlready")][: len(CONNECT)] == CONNECT
    return [call for call in ran.calls if call not in CONNECT]


# --- invoke.sh, logs.sh ----------------------------------------------------------------------------------------------


def test_the_answer_of_the_endpoint_is_all_that_is_printed(deployed):
    for _ in range(2):
        ran = deployed.run("invoke.sh")
        assert (ran.status, ran.out) == (0, "[152.13, 68.9]\n")
        assert after_connect(ran) == [f"ml online-endpoint invoke --name {NAME} --request-file sample-request.json"]


def test_a_request_of_ones_own_goes_to_the_deployment_that_is_named(deployed, tmp_path):
    (tmp_path / "mine.json").write_text("{}", encoding="utf-8")
    ran = deployed.run("invoke.sh", "--deployment-name", "Blue", "mine.json", folder=tmp_path)
    assert ran.calls[-1].endswith(f"--request-file {tmp_path / 'mine.json'} --deployment-name blue")
    ran = deployed.run("invoke.sh", "missing.json")
    assert (ran.status, ran.calls) == (1, [])


def test_a_call_that_fails_says_why(deployed):
    message = "Operation returned an invalid status 'Failed Dependency'"
    deployed.outcome("ml online-endpoint invoke", {"stderr": message})
    ran = deployed.run("invoke.sh")
    assert (ran.status, ran.out) == (1, "")
    assert message in ran.err
    assert "likely cause: run() raised an exception" in ran.err


def test_the_end_of_a_log_is_printed_with_what_it_means(deployed):
    deployed.state["logs"] = {
        "inference-server": "one\ntwo\nUser's init function failed\n",
        "storage-initializer": "fetched\n",
    }
    for _ in range(2):
        ran = deployed.run("logs.sh", "--lines", "2")
        assert (ran.status, ran.out) == (0, "two\nUser's init function failed\n")
        assert "explain init-fails" in ran.err
        assert after_connect(ran) == [f"ml online-deployment get-logs {BLUE} --container inference-server --lines 2"]
    ran = deployed.run("logs.sh", "--container=storage-initializer")
    assert (ran.out, ran.err) == ("fetched\n", "")
    ran = deployed.run("logs.sh", "--deployment-name", "green")
    assert (ran.status, ran.out) == (1, "")
    assert "There is no container" in ran.err


def test_a_cause_names_rules_that_exist():
    text = (ROOT / "scripts").joinpath("azure.sh").read_text(encoding="utf-8")
    text += "".join(file.read_text(encoding="utf-8") for file in (ROOT / "scripts").glob("*.sh"))
    named = set(re.findall(r"amlready explain ([a-z-]+)", text))
    assert len(named) > 10
    assert named <= set(rules.rules())


# What Azure, az, the inference server and the Collector say, and a word of what is made of it.
MESSAGES = {
    "UnboundLocalError: local variable 'debug' referenced before assignment": "az extension update",
    "Endpoint name needs to be unique within a region": "--endpoint-name NAME",
    "(OutOfQuota) Not enough quota available for Standard_D2as_v4": "quota",
    "(SubscriptionNotRegistered) Resource provider is not registered": "az provider register",
    "(AuthorizationFailed) The client does not have authorization to perform action": "role",
    "SecretsInjectionError: cannot read secret": "malformed-secret-reference",
    "ModuleNotFoundError: No module named 'azureml.contrib'": "contrib-hidden",
    "A required package azureml-inference-server-http is missing": "server-missing",
    "ModuleNotFoundError: No module named 'azureml.ai'": "monitoring-missing",
    "ModuleNotFoundError: No module named 'joblib'": "imports a package",
    "Exception: collection model_inputs is not enabled, drop the data": "collector-not-enabled",
    "ImageBuildFailure: Pip subprocess error": "conflicting-requirements",
    "container terminated with exit code 137": "small-instance-type",
    "azmlinfsrv - User's init function failed": "init-fails",
    '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}': "run-raises",
    "User container has crashed: Liveness probe failed: HTTP probe failed with statuscode: 502": "init-slow",
    "Cannot create a deployment in endpoint x because it is in Updating provisioning state": "run this again",
    "No valid deployments to route to.": "--all-traffic",
    "Operation returned an invalid status 'Request Timeout'": "run-slow",
    "Operation returned an invalid status 'Too Many Requests'": "workers-differ",
    "Operation returned an invalid status 'Unauthorized'": "auth_mode",
}


def causes(file: Path, message: str) -> str:
    file.write_text(message, encoding="utf-8")
    command = ["bash", "-euc", 'source scripts/azure.sh; likely_cause "$1"', "bash", file]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def test_every_line_of_the_table_of_causes_is_found_by_a_message(tmp_path):
    table = re.search(r"<<'TABLE'\n(.*?)\nTABLE", (ROOT / "scripts/azure.sh").read_text(encoding="utf-8"), re.DOTALL)
    assert table
    wanted = [line.split(" => ")[1] for line in table[1].splitlines()]
    found = [causes(tmp_path / "errors", message).partition("likely cause: ")[2].strip() for message in MESSAGES]
    assert found == wanted
    assert [word for word, cause in zip(MESSAGES.values(), found, strict=True) if word not in cause] == []


def test_a_healthy_log_has_no_cause(tmp_path):
    healthy = """azmlinfsrv.user_script - Invoking user's init function
        azmlinfsrv.user_script - Users's init has completed successfully
        gunicorn.access - 127.0.0.1 - - "GET / HTTP/1.1" 200 7 "-" "kube-probe/1.18"
        gunicorn.access - 127.0.0.1 - - "POST /score HTTP/1.1" 404 424 "-" "curl"
        azmlinfsrv - Scoring timeout is set to 3600000"""
    assert causes(tmp_path / "log", healthy) == ""
    assert causes(tmp_path / "log", healthy + "Worker failed to boot") != ""


# --- collected.sh ----------------------------------------------------------------------------------------------------


def fetch(pattern: str, into: str = ".amlready/azure") -> str:
    return (
        f"storage blob download-batch --account-name store --source blobs --pattern {pattern} "
        f"--destination {into}/workspaceblobstore --overwrite true --auth-mode login --no-progress"
    )


def test_the_hours_of_a_short_window_are_fetched_and_shown(deployed):
    root = f"modelDataCollector/{NAME}/blue/model_inputs"
    now = datetime.now(UTC)
    names = [f"{root}/{now - timedelta(hours=hours):%Y/%m/%d/%H}/a.jsonl" for hours in (0, 2, 9)]
    deployed.state["blobs"] = dict.fromkeys(names, "{}\n")
    for _ in range(2):
        ran = deployed.run("collected.sh", "--since", "2h")
        assert ran.status == 0, ran.err
        datastore, *fetched, shown = after_connect(ran)
        assert datastore == "ml datastore show --name workspaceblobstore"
        assert len(fetched) in (3, 4)  # the clock may strike in between
        hours = [datetime.strptime(call.split("/*/*/")[1][:13], "%Y/%m/%d/%H").replace(tzinfo=UTC) for call in fetched]
        assert hours == [hours[0] + timedelta(hours=number) for number in range(len(hours))]
        assert fetched[0] == fetch(f"modelDataCollector/{NAME}/*/*/{hours[0]:%Y/%m/%d/%H}/*")
        assert shown == f"amlready collected .amlready/azure --since 2h --endpoint {NAME}"
    found = (deployed.root / ".amlready/azure").rglob("*.jsonl")
    assert sorted(str(file).split("workspaceblobstore/")[1] for file in found) == sorted(names[:2])


def test_the_days_of_a_long_window_are_fetched_for_what_is_asked(deployed):
    window = ("--since", "2026-01-30T12:00", "--until", "2026-02-01")
    wanted = ("--deployment-name", "blue", "--collection", "model_inputs", "--join")
    ran = deployed.run("collected.sh", *window, *wanted)
    into = ".amlready/azure-1769774400-1769904000"
    prefix = f"modelDataCollector/{NAME}/blue/model_inputs"
    assert after_connect(ran)[1:] == [
        *(fetch(f"{prefix}/{day}/*", into) for day in ("2026/01/30", "2026/01/31", "2026/02/01")),
        f"amlready collected {into} --since 2026-01-30T12:00 --until 2026-02-01 --endpoint {NAME} --deployment blue "
        "--collection model_inputs --join",
    ]


def test_data_in_a_storage_of_ones_own_is_found(deployed):
    deployed.state["datastore"]["inferencedata"] = {"account_name": "mine", "filesystem": "lake"}
    ran = deployed.run(
        "collected.sh", "--since", "1h", "--datastore", "inferencedata", "--path", "a/b", "--into", "here"
    )
    assert "--account-name mine --source lake --pattern a/b/*/*/" in ran.calls[-2]
    assert "--destination here/inferencedata" in ran.calls[-2]
    ran = deployed.run("collected.sh", "--datastore", "nothing")
    assert (ran.status, "the workspace has no datastore nothing" in ran.err) == (1, True)


def test_a_missing_right_to_read_is_said(deployed):
    deployed.outcome("storage blob download-batch", {"stderr": "AuthorizationPermissionMismatch"})
    ran = deployed.run("collected.sh", "--since", "1h")
    assert ran.status == 1
    assert "Storage Blob Data Reader" in ran.err
    assert not ran.calls[-1].startswith("amlready collected")


# --- autoscale.sh ----------------------------------------------------------------------------------------------------


def rule(condition: str, scale: str) -> str:
    return (
        f"monitor autoscale rule create --autoscale-name {SCALE} "
        f"--condition CpuUtilizationPercentage {condition} avg 5m --scale {scale} 1"
    )


def test_autoscaling_is_created_once_and_changed_when_it_differs(deployed):
    target = f"/subscriptions/s/resourceGroups/g/onlineEndpoints/{NAME}/deployments/blue"
    asked = [f"ml online-deployment show {BLUE}", "monitor autoscale list"]
    counts = "--min-count 3 --max-count {} --count 3"
    assert after_connect(deployed.run("autoscale.sh")) == [
        *asked,
        f"monitor autoscale create --name {SCALE} --resource {target} --location westeurope {counts.format(6)}",
        rule("> 70", "out"),
        rule("< 30", "in"),
    ]
    again = deployed.run("autoscale.sh")
    assert (again.status, after_connect(again)) == (0, asked)
    assert after_connect(deployed.run("autoscale.sh", "--max", "8", "--above", "60")) == [
        *asked,
        f"monitor autoscale update --name {SCALE} {counts.format(8)}",
        f"monitor autoscale rule delete --autoscale-name {SCALE} --index *",
        rule("> 60", "out"),
        rule("< 30", "in"),
    ]
    assert len(deployed.state["autoscale"][SCALE]["profiles"][0]["rules"]) == 2


def test_autoscaling_that_was_half_made_is_completed_and_can_be_removed(deployed):
    deployed.outcome("monitor autoscale rule create", {"stderr": "(Conflict) no"})
    assert deployed.run("autoscale.sh").status == 1
    assert deployed.run("autoscale.sh").status == 0
    assert len(deployed.state["autoscale"][SCALE]["profiles"][0]["rules"]) == 2
    for calls in (["monitor autoscale list", f"monitor autoscale delete --name {SCALE}"], ["monitor autoscale list"]):
        ran = deployed.run("autoscale.sh", "--delete")
        assert (ran.status, after_connect(ran)) == (0, calls)


@pytest.mark.parametrize("script", ["autoscale", "monitor"])
def test_nothing_is_scaled_or_watched_that_is_not_there(deployed, script):
    ran = deployed.run(f"{script}.sh", "--deployment-name", "green")
    assert (ran.status, [call for call in ran.changes if not call.startswith("amlready")]) == (1, [])
    assert f"there is no deployment green of {NAME}; scripts/deploy.sh makes one" in ran.err


@pytest.mark.parametrize("script", ["autoscale", "monitor"])
def test_the_deployment_that_serves_is_found(deployed, script):
    assert deployed.run("deploy.sh", "--file", "variants/green.yml", "--all-traffic").status == 0
    ran = deployed.run(f"{script}.sh", "--live")
    assert ran.status == 0, ran.err
    assert f"ml online-deployment show --name green --endpoint-name {NAME}" in ran.calls
    deployed.state["endpoints"][NAME]["traffic"] = {"blue": 50, "green": 50}
    ran = deployed.run(f"{script}.sh", "--live")
    assert ran.status == 1
    assert "not one deployment serves, but: blue=50 green=50; give --deployment-name" in ran.err


# --- monitor.sh ------------------------------------------------------------------------------------------------------


def watch(target: str, name: str = f"{NAME}-monitor") -> str:
    key = "create_monitor.monitoring_target.endpoint_deployment_id"
    return f"ml schedule create --file monitor.yml --name {name} --set {key}=azureml:{target}"


def test_the_monitor_is_created_and_applied_again(deployed):
    for _ in range(2):
        ran = deployed.run("monitor.sh")
        assert ran.status == 0, ran.err
        assert ran.calls == [
            "amlready check monitor.yml",
            *CONNECT,
            f"ml online-deployment show {BLUE}",
            watch(f"{NAME}:blue"),
        ]


def test_the_monitor_follows_the_options(deployed):
    ran = deployed.run("monitor.sh", "--email", "a@example.com", "--set", "trigger.frequency=week")
    assert (
        ran.calls[-1]
        == f"{watch(f'{NAME}:blue')} create_monitor.alert_notification.emails[0]=a@example.com trigger.frequency=week"
    )
    assert deployed.run("deploy.sh", "--endpoint-name", "other", "--file", "variants/green.yml").status == 0
    ran = deployed.run("monitor.sh", "--endpoint-name", "other", "--deployment-name", "green")
    assert ran.calls[-1] == watch("other:green", "other-monitor")


def test_a_monitor_needs_both_collections(deployed):
    collections = deployed.state["endpoints"][NAME]["deployments"]["blue"]["data_collector"]["collections"]
    collections["model_outputs"]["enabled"] = "false"
    ran = deployed.run("monitor.sh")
    assert (ran.status, ran.changes) == (1, ["amlready check monitor.yml"])
    assert "does not collect both model_inputs and model_outputs" in ran.err


def test_a_monitor_that_is_refused_says_so(deployed):
    deployed.outcome("ml schedule create", {"stderr": "(AuthorizationFailed) no"})
    ran = deployed.run("monitor.sh")
    assert ran.status == 1
    assert "likely cause: you have no role" in ran.err


def test_a_monitor_is_stopped_before_it_is_deleted(deployed):
    assert deployed.run("monitor.sh").status == 0
    show = f"ml schedule show --name {NAME}-monitor"
    for changes in ([f"ml schedule {verb} --name {NAME}-monitor" for verb in ("disable", "delete")], []):
        ran = deployed.run("monitor.sh", "--delete")
        assert (ran.status, after_connect(ran)) == (0, [show, *changes])


# The SDK is loaded in a process of its own, where its warnings are nobody's.
_LOAD = """
import json, sys
from azure.ai.ml.entities._load_functions import load_schedule
overrides = [dict(each.split("=", 1) for each in sys.argv[2:])] if sys.argv[2:] else []
print(json.dumps(load_schedule(sys.argv[1], params_override=overrides)._to_rest_object().as_dict(), default=str))
"""


def sent(*settings: str) -> dict[str, Any]:
    """What the real SDK makes of monitor.yml."""
    command = [sys.executable, "-W", "ignore", "-c", _LOAD, str(ROOT / "monitor.yml"), *settings]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)["properties"]
    return found


def test_the_sdk_takes_the_monitor_as_it_is_meant():
    monitor = sent()["action"]["monitorDefinition"]
    assert monitor["monitoringTarget"] == {"taskType": "regression", "deploymentId": f"azureml:{NAME}:blue"}
    signals = monitor["signals"].values()
    assert {each["signalType"] for each in signals} == {"DataDrift", "PredictionDrift", "DataQuality"}
    assert {each["mode"] for each in signals} == {"Enabled"}


def test_the_sdk_takes_what_the_script_sets():
    key = "create_monitor.monitoring_target.endpoint_deployment_id"
    properties = sent(
        f"{key}=azureml:other:green", "create_monitor.alert_notification.emails[0]=a@example.com", "trigger.interval=2"
    )
    monitor = properties["action"]["monitorDefinition"]
    assert monitor["monitoringTarget"]["deploymentId"] == "azureml:other:green"
    assert "a@example.com" in str(monitor)
    assert properties["trigger"]["interval"] == 2


# --- delete.sh -------------------------------------------------------------------------------------------------------


def removed(stage: Stage) -> list[str]:
    return [
        f"ml online-endpoint delete --name {NAME} --yes",
        "monitor autoscale list",
        *(
            f"monitor autoscale delete --name {name}"
            for name in stage.state["autoscale"]
            if name.startswith(f"{NAME}.")
        ),
        f"ml schedule show --name {NAME}-monitor",
        *(f"ml schedule {verb} --name {NAME}-monitor" for verb in ("disable", "delete") if stage.state["schedule"]),
    ]


def test_the_endpoint_goes_with_all_that_belongs_to_it_and_nothing_else(deployed):
    for script in ("autoscale", "monitor"):
        assert deployed.run(f"{script}.sh").status == 0
    deployed.state["autoscale"][f"{NAME}-other.blue"] = {"profiles": []}
    expected = [f"ml online-endpoint show --name {NAME}", *removed(deployed)]
    ran = deployed.run("delete.sh", "--yes")
    assert (ran.status, after_connect(ran)) == (0, expected)
    assert (deployed.state["endpoints"], list(deployed.state["autoscale"])) == ({}, [f"{NAME}-other.blue"])
    assert list(deployed.state["model"]) == ["scikit-model:1"]
    again = deployed.run("delete.sh", "--yes")
    assert again.status == 0
    assert f"there is no endpoint {NAME}" in again.err


@pytest.mark.parametrize(("answer", "status"), [(f"{NAME}\n", 0), ("y\n", 1), ("", 1)])
def test_who_deletes_is_asked_for_the_name(deployed, answer, status):
    ran = deployed.run("delete.sh", answer=answer)
    assert ran.status == status
    assert f"the endpoint and all its deployments: {NAME}, in the workspace space" in ran.err
    assert (NAME in deployed.state["endpoints"]) == bool(status)


def test_a_deployment_is_deleted_unless_it_serves(deployed):
    ran = deployed.run("delete.sh", "--yes", "--deployment-name", "blue")
    assert (ran.status, [call for call in ran.calls if "delete" in call]) == (1, [])
    assert "blue has live traffic (blue=100)" in ran.err
    assert deployed.run("deploy.sh", "--file", "variants/green.yml").status == 0
    deployed.state["autoscale"] = {f"{NAME}.{name}": {"profiles": []} for name in ("green", "greener")}
    ran = deployed.run("delete.sh", "--deployment-name", "green", answer="green\n")
    assert ran.changes == [
        f"ml online-deployment delete --name green --endpoint-name {NAME} --yes",
        f"monitor autoscale delete --name {NAME}.green",
    ]
    assert list(deployed.state["autoscale"]) == [f"{NAME}.greener"]
    ran = deployed.run("delete.sh", "--deployment-name", "green", "--yes")
    assert (ran.status, ran.changes) == (0, [])
    assert f"there is no deployment green of {NAME}" in ran.err


def test_who_may_not_see_autoscaling_may_delete_all_the_same(deployed):
    deployed.outcome("monitor autoscale list", {"stderr": "(AuthorizationFailed) no"})
    ran = deployed.run("delete.sh", "--yes")
    assert (ran.status, deployed.state["endpoints"]) == (0, {})
    assert f"autoscale: if {NAME} has settings, they stay" in ran.err


def test_what_cannot_be_deleted_is_not_said_to_be(deployed):
    deployed.outcome("ml online-endpoint delete", {"stderr": "(ScopeLocked) no"})
    ran = deployed.run("delete.sh", "--yes")
    assert (ran.status, ran.calls[-1]) == (1, f"ml online-endpoint delete --name {NAME} --yes")

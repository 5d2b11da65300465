"""Which commands a plan consists of, and what it would change in what is there."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from amlready.azure import changes
from amlready.azure.changes import Change, compare
from amlready.azure.commands import Command, Kind
from amlready.azure.road import Road, Wish, road
from amlready.azure.session import Outcome
from amlready.azure.state import State, read
from amlready.misuse import Misuse
from amlready.overrides import override
from amlready.plan import plan

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "tests" / "data" / "state.json"

ENDPOINT = "name: my-endpoint\nauth_mode: key\n"
DEPLOYMENT = "name: Blue\nendpoint_name: my-endpoint\ninstance_type: Standard_D2as_v4\n"
MODEL = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: m\nversion: '1'\npath: m.pkl\n"
ENVIRONMENT = "name: e\nversion: '3'\nimage: x:1\nconda_file: conda.yaml\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yml").write_text(text, encoding="utf-8")


def state(*printed: dict[str, Any]) -> State:
    Path("state.json").write_text(json.dumps(printed), encoding="utf-8")
    return read(Path("state.json"))


def lines(way: Road) -> list[str]:
    return [each.line.removeprefix("az ml ") for each in way.commands]


def last_put(command: dict[str, Any]) -> dict[str, Any]:
    return [each for each in command["sent"] if each.get("method") == "PUT"][-1]


def there(**keys: Any) -> dict[str, Any]:
    return {"name": "my-endpoint", "auth_mode": "key", **keys}


# --- the road ---


def test_the_road_registers_what_the_deployment_refers_to():
    references = "model: azureml:m:1\nenvironment: azureml:e@latest\n"
    put(endpoint=ENDPOINT, deployment=DEPLOYMENT + references, model=MODEL, environment=ENVIRONMENT)
    way = road(Wish(), State())
    assert lines(way) == [
        "online-endpoint create --file endpoint.yml",
        "environment create --file environment.yml",
        "model create --file model.yml",
        "online-deployment create --file deployment.yml",
        "online-endpoint update --name my-endpoint --traffic blue=100",
    ]
    assert way.assumed == ()


def test_another_version_is_registered_from_the_same_file():
    put(deployment=DEPLOYMENT + "model: azureml:m:1\nenvironment: azureml:e:4\n", model=MODEL, environment=ENVIRONMENT)
    way = road(Wish(settings=(override("model=azureml:m:2"),)), State())
    assert lines(way) == [
        "environment create --file environment.yml --version 4",
        "model create --file model.yml --version 2",
        "online-deployment create --file deployment.yml --set model=azureml:m:2",
    ]
    assert way.assumed == ("endpoint my-endpoint",)


def test_what_is_registered_already_is_not_registered_again():
    put(deployment=DEPLOYMENT + "model: azureml:m:1\nenvironment: azureml:e:4\n", model=MODEL, environment=ENVIRONMENT)
    models = [{"id": f"azureml:/subscriptions/s/workspaces/w/models/m/versions/{each}", "name": "m"} for each in (1, 2)]
    environment = {"id": "azureml:/subscriptions/s/workspaces/w/environments/e/versions/3", "name": "e"}
    way = road(Wish(), state(*models, environment))
    assert lines(way) == [
        "environment create --file environment.yml --version 4",
        "online-deployment create --file deployment.yml",
    ]
    assert way.assumed == ("endpoint my-endpoint",)


@pytest.mark.parametrize(
    ("reference", "asset"),
    [
        ("azureml:other:1", "model other:1"),
        ("azureml:other@latest", "model other in its latest version"),
        ("azureml:m@stable", "model m:stable"),
    ],
)
def test_other_assets_and_labels_are_taken_for_granted(reference, asset):
    put(deployment=DEPLOYMENT + f"model: {reference}\n", model=MODEL)
    way = road(Wish(), State())
    assert lines(way) == ["online-deployment create --file deployment.yml"]
    assert way.assumed == ("endpoint my-endpoint", asset)


def test_a_version_that_is_not_said_is_taken_to_be_the_first():
    put(deployment=DEPLOYMENT + "model: azureml:m@latest\n", model=MODEL.replace("version: '1'\n", ""))
    assert road(Wish(), State()).assumed == ("endpoint my-endpoint", "no earlier version of m")
    assert road(Wish(Path("model.yml")), State()).assumed == ("no earlier version of m",)


def test_names_given_as_options_go_to_every_command_that_needs_them():
    put(endpoint=ENDPOINT, deployment=DEPLOYMENT)
    way = road(Wish(settings=(override("instance_count=2"),), endpoint_name="theirs"), State())
    assert lines(way) == [
        "online-endpoint create --file endpoint.yml --name theirs",
        "online-deployment create --file deployment.yml --set instance_count=2 --endpoint-name theirs",
        "online-endpoint update --name theirs --traffic blue=100",
    ]


def test_settings_are_for_the_deployment_and_what_follows_from_it():
    put(endpoint=ENDPOINT, deployment=DEPLOYMENT)
    settings = (override("instance_count=2"), override("name=Green"))
    assert lines(road(Wish(settings=settings), State())) == [
        "online-endpoint create --file endpoint.yml",
        "online-deployment create --file deployment.yml --set instance_count=2 --set name=Green",
        "online-endpoint update --name my-endpoint --traffic green=100",
    ]


def test_traffic_that_somebody_decided_stays():
    put(endpoint=ENDPOINT + "traffic:\n  green: 100\n", deployment=DEPLOYMENT)
    assert "--traffic" not in " ".join(lines(road(Wish(), State())))
    put(endpoint=ENDPOINT)
    live = state(there(traffic={"green": 100, "blue": 0}, mirror_traffic={"blue": 10}))
    assert lines(road(Wish(), live)) == [
        "online-endpoint update --file endpoint.yml --traffic green=100 --mirror-traffic blue=10",
        "online-deployment create --file deployment.yml",
    ]


def test_an_endpoint_without_traffic_gets_some():
    put(endpoint=ENDPOINT, deployment=DEPLOYMENT)
    assert lines(road(Wish(), state(there(traffic={"blue": 0}))))[-1].endswith("--traffic blue=100")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("endpoint", ENDPOINT, "online-endpoint create --file endpoint.yml"),
        ("deployment", DEPLOYMENT, "online-deployment create --file deployment.yml"),
        ("model", MODEL, "model create --file model.yml"),
        ("environment", ENVIRONMENT, "environment create --file environment.yml"),
        ("data", "name: d\ntype: uri_folder\npath: azureml://x\n", "data create --file data.yml"),
    ],
)
def test_a_file_stands_for_its_own_command(name, text, line):
    put(**{name: text})
    assert lines(road(Wish(Path(f"{name}.yml")), State())) == [line]


def test_what_cannot_be_planned_is_said_in_one_sentence():
    with pytest.raises(Misuse, match=r"there is no file 'nope\.yml'"):
        road(Wish(Path("nope.yml")), State())
    put(a=DEPLOYMENT, b=DEPLOYMENT, workflow="on: push\njobs: {}\n", endpoint=ENDPOINT)
    with pytest.raises(Misuse, match=r"there are 2 deployments .*; choose one with -f FILE"):
        road(Wish(), State())
    with pytest.raises(Misuse, match=r"'workflow\.yml' is no endpoint, deployment, model"):
        road(Wish(Path("workflow.yml")), State())
    with pytest.raises(Misuse, match="--endpoint-name goes with deployments"):
        road(Wish(Path("endpoint.yml"), endpoint_name="x"), State())


def test_a_missing_sdk_is_said_with_the_remedy(monkeypatch):
    put(endpoint=ENDPOINT)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Misuse, match=r"azure-ai-ml.* is not installed for .*: pip install 'amlready\[azure\]'"):
        plan(Path("endpoint.yml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "state.json is not JSON"),
        ("[" * 100_000, "state.json is not JSON"),
        ('"x"', "state.json holds what is no endpoint, deployment, model or environment"),
        ('[{"name": "a"}]', "state.json holds what is no endpoint, deployment, model or environment"),
    ],
)
def test_a_state_that_is_none_is_refused(text, message):
    Path("state.json").write_text(text)
    with pytest.raises(Misuse, match=message):
        read(Path("state.json"))


def test_a_state_that_is_not_there_is_refused():
    with pytest.raises(Misuse, match=r"none\.json cannot be read"):
        read(Path("none.json"))


# --- changes ---


def changed(kind: Kind, wanted: dict[str, Any], printed: dict[str, Any]) -> dict[str, Change]:
    """The changes that a command brings about, by key."""
    (compared,) = compare([Outcome(Command(kind), result=wanted)], state(printed))
    assert compared.existing is not None
    return {each.key: each for each in compared.changes}


def deployed(**keys: Any) -> dict[str, Any]:
    return {"name": "blue", "endpoint_name": "my-endpoint", "instance_type": "Standard_D2as_v4", **keys}


def test_defaults_that_azure_spells_out_are_no_change():
    probe = {"failure_threshold": 30, "initial_delay": 10, "period": 10, "success_threshold": 1, "timeout": 2}
    settings = {"max_concurrent_requests_per_instance": 1, "max_queue_wait_ms": 500, "request_timeout_ms": 5000}
    printed = deployed(
        app_insights_enabled=False,
        egress_public_network_access="Enabled",
        instance_count=1,
        liveness_probe=probe,
        readiness_probe=probe,
        request_settings=settings,
        scale_settings={"type": "Default"},
        provisioning_state="Succeeded",
        resourceGroup="g",
        tags={},
        properties={"AzureAsyncOperationUri": "https://x"},
    )
    assert changed(Kind.DEPLOYMENT, deployed(), printed) == {}
    assert (
        changed(Kind.ENDPOINT, there(), there(public_network_access="enabled", identity={"type": "SystemAssigned"}))
        == {}
    )


def test_assets_are_compared_by_name_and_version():
    def model(scope: str, version: int) -> str:
        workspace = f"/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/{scope}"
        return f"azureml:/subscriptions/{scope}{workspace}/models/m/versions/{version}"

    assert changed(Kind.DEPLOYMENT, deployed(model=model("AML", 1)), deployed(model=model("real", 1))) == {}
    (change,) = changed(Kind.DEPLOYMENT, deployed(model=model("AML", 2)), deployed(model=model("real", 1))).values()
    assert (change.before, change.after, change.sign) == ("m:1", "m:2", "~")


@pytest.mark.parametrize(
    ("kind", "wanted", "printed", "key"),
    [
        (Kind.DEPLOYMENT, deployed(), deployed(instance_type="Standard_DS3_v2"), "instance_type"),
        (Kind.DEPLOYMENT, deployed(type="kubernetes"), deployed(type="managed"), "type"),
        (Kind.DEPLOYMENT, deployed(properties={"a": "2"}), deployed(properties={"a": "1"}), "properties.a"),
        (Kind.ENDPOINT, there(identity={"type": "user_assigned"}), there(), "identity.type"),
        (Kind.ENDPOINT, there(compute="azureml:a"), there(compute="azureml:b"), "compute"),
        (Kind.ENDPOINT, there(), there(compute="azureml:b"), "compute"),
    ],
)
def test_what_cannot_be_changed_in_place_is_marked_and_explained(kind, wanted, printed, key):
    found = changed(kind, wanted, printed)
    assert list(found) == [key]
    assert found[key].sign == "!"
    assert found[key].note


def test_what_can_be_changed_is_not_marked():
    wanted = deployed(tags={"b": "2"}, environment_variables={"A": "2", "C": "3"}, instance_count=2)
    printed = deployed(tags={"a": "1"}, environment_variables={"A": "1", "B": "1"})
    found = changed(Kind.DEPLOYMENT, {**wanted, "properties": {"new": "1"}}, printed)
    assert {key: each.sign for key, each in found.items()} == {
        "environment_variables.A": "~",
        "environment_variables.B": "-",
        "environment_variables.C": "+",
        "instance_count": "~",
        "properties.new": "+",
        "tags.a": "-",
        "tags.b": "+",
    }


def test_traffic_that_would_be_lost_is_pointed_out():
    found = changed(Kind.ENDPOINT, there(traffic={}), there(traffic={"blue": 100}))
    assert found["traffic.blue"].note == "live traffic is taken away"
    found = changed(Kind.ENDPOINT, there(auth_mode="aml_token"), there())
    assert found["auth_mode"].note == "callers who sign in with key are refused from then on"


def test_what_is_not_there_yet_is_new():
    (compared,) = compare([Outcome(Command(Kind.DEPLOYMENT), result=deployed(name="green"))], state(deployed()))
    assert list(changes.lines(compared)) == ["deployment green: new"]


def test_a_plan_against_a_state_says_what_would_change(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert plan(against=STATE) == 1
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith("az ml online")] == [
        "az ml online-endpoint update --file endpoint.yml --traffic 'blue=90 green=10'",
        "az ml online-deployment update --file deployment.yml",
    ]
    assert printed.out.partition(f"against {STATE}:\n")[2] == (
        "endpoint diabetes-regression: changes\n"
        "  - tags.team: risk\n"
        "deployment blue: changes\n"
        "  ~ data_collector.collections.model_outputs.enabled: false -> true\n"
        "  + environment_variables.COLLECTION_EVENT_BYTES: 1000000\n"
        "  + environment_variables.COLLECTION_EVENT_ROWS: 5000\n"
        "  + environment_variables.COLLECTION_FLUSH_SECONDS: 1\n"
        "  + environment_variables.COLLECTION_GRACE_SECONDS: 8\n"
        "  + environment_variables.COLLECTION_QUEUE_BYTES: 100000000\n"
        "  + environment_variables.COLLECTION_SAMPLING_RATE: 1.0\n"
        "  - environment_variables.LOG_LEVEL: debug\n"
        "  ~ environment_variables.WORKER_COUNT: 1 -> 2\n"
        "  ! instance_type: Standard_DS3_v2 -> Standard_D2as_v4  (a deployment keeps its instance type; make a second "
        "one and move the traffic)\n"
        "  ~ liveness_probe.timeout: 2 -> 6\n"
        "  ~ readiness_probe.failure_threshold: 30 -> 3\n"
        "  ~ readiness_probe.timeout: 2 -> 6\n"
        "  ~ request_settings.max_concurrent_requests_per_instance: 1 -> 2\n"
        "  ? code_configuration.code: sent again; Azure finds the same content by its hash\n"
    )
    assert "1 change not possible in place" in printed.err


def test_an_update_replaces_what_is_there(capsys):
    collecting = {"model_inputs": {"enabled": "true", "data": {}}}
    printed = deployed(
        environment_variables={"A": "1", "OLD": "1"},
        request_settings={"request_timeout_ms": 3000, "max_queue_wait_ms": 0},
        data_collector={"collections": collecting, "rolling_rate": "Hour", "sampling_rate": 1.0},
        id="/subscriptions/s/x",
        provisioning_state="Succeeded",
        resourceGroup="g",
        tags=None,
    )
    state(there(), printed)
    put(deployment=DEPLOYMENT + "environment_variables: {A: '2'}\nrequest_settings: {request_timeout_ms: 2500}\n")
    assert plan(Path("deployment.yml"), format="json", against=Path("state.json")) == 0
    planned = json.loads(capsys.readouterr().out)
    properties = last_put(planned["commands"][0])["body"]["properties"]
    assert properties["environmentVariables"] == {"A": "2"}
    assert "dataCollector" not in properties
    changes = {each["key"]: each for each in planned["changes"]}
    assert {key: (each["before"], each["after"]) for key, each in changes.items()} == {
        "data_collector.collections.model_inputs.enabled": ("true", None),
        "environment_variables.A": ("1", "2"),
        "environment_variables.OLD": ("1", None),
        "request_settings.max_queue_wait_ms": (0, 500),
        "request_settings.request_timeout_ms": (3000, 2500),
    }
    assert changes["data_collector.collections.model_inputs.enabled"]["note"] == "it is collected no more"


def test_times_that_az_prints_in_whole_seconds_may_be_no_change():
    update = Outcome(
        Command(Kind.DEPLOYMENT_UPDATE),
        result=deployed(request_settings={"request_timeout_ms": 2000, "max_queue_wait_ms": 0}),
        asked=deployed(request_settings={"request_timeout_ms": 2500}),
    )
    printed = deployed(request_settings={"request_timeout_ms": 2000, "max_queue_wait_ms": 0})
    ((change,),) = (each.changes for each in compare([update], state(printed)))
    assert (change.key, change.note) == (
        "request_settings.request_timeout_ms",
        "or as it is: az prints whole seconds",
    )


def test_an_update_on_the_road_keeps_traffic_and_one_from_the_file_alone_does_not(capsys):
    put(endpoint=ENDPOINT + "description: new\nidentity:\n  type: system_assigned\n", deployment=DEPLOYMENT)
    identity = {"type": "user_assigned", "user_assigned_identities": [{"resource_id": "/subscriptions/s/x/scorer"}]}
    tags = {"a": "1", "amlready": "v1-2"}
    printed = there(traffic={"blue": 90, "green": 10}, tags=tags, identity=identity, location="westeurope")
    state(printed, deployed())
    assert plan(format="json", against=Path("state.json")) == 1
    planned = json.loads(capsys.readouterr().out)
    body = last_put(planned["commands"][0])["body"]
    assert body["properties"]["traffic"] == {"blue": 90, "green": 10}
    assert body["tags"] == {}
    assert body["identity"] == {"type": "SystemAssigned"}
    of_endpoint = {each["key"]: each["in_place"] for each in planned["changes"] if each["resource"] == "endpoint"}
    assert of_endpoint == {
        "description": True,
        "identity.type": False,
        "identity.user_assigned_identities": False,
        "tags.a": True,
    }

    assert plan(Path("endpoint.yml"), format="json", against=Path("state.json")) == 1
    lost = json.loads(capsys.readouterr().out)
    assert last_put(lost["commands"][0])["body"]["properties"]["traffic"] == {}
    assert lost["commands"][0]["command"] == "az ml online-endpoint update --file endpoint.yml"
    assert {"traffic.blue", "traffic.green"} <= {each["key"] for each in lost["changes"]}

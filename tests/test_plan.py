"""plan: the real azure-ai-ml against the control plane on loopback, and what is made of what it sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documented import undocumented
from plan_bodies import faults, model_of

from amlready.azure import refusal, tree
from amlready.azure.commands import Command, Kind
from amlready.azure.describe import describe
from amlready.azure.session import Outcome, Request, Upload, Warned, carry_out
from amlready.overrides import override
from amlready.plan import plan

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "tests" / "data" / "state.json"
SECONDS = 300.0
DEPLOYMENTS = [ROOT / "deployment.yml", *sorted((ROOT / "variants").glob("*.yml"))]
DEPLOYMENTS = [file for file in DEPLOYMENTS if "endpoint" not in file.stem]

DEPLOYMENT = {
    "name": "blue",
    "endpoint_name": "my-endpoint",
    "model": "azureml:m:1",
    "environment": "azureml:e:1",
    "instance_type": "Standard_D2as_v4",
    "instance_count": 1,
}
SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"


def put(path: Path, content: object) -> Path:
    """A file with a text, or a YAML file (all JSON is)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def requests(outcomes: list[Outcome]) -> list[Request]:
    return [event for each in outcomes for event in each.events if isinstance(event, Request)]


def uploads(outcomes: list[Outcome]) -> dict[str, Upload]:
    found = [event for each in outcomes for event in each.events if isinstance(event, Upload)]
    return {each.source.name: each for each in found}


def last_put(command: dict[str, Any]) -> dict[str, Any]:
    return [each for each in command["sent"] if each.get("method") == "PUT"][-1]


def kind_of(path: Path) -> Kind:
    if "endpoint" in path.stem:
        return Kind.ENDPOINT
    return Kind(path.stem) if path.stem in ("model", "environment") else Kind.DEPLOYMENT


@pytest.fixture(scope="module")
def everything() -> dict[str, Outcome]:
    """What came of each spec of this repository, root and variants, by its path."""
    names = ["endpoint.yml", "environment.yml", "model.yml", "deployment.yml"]
    files = [ROOT / name for name in names] + sorted((ROOT / "variants").glob("*.yml"))
    outcomes = carry_out([Command(kind_of(path), path) for path in files], seconds=SECONDS)
    return {path.relative_to(ROOT).as_posix(): outcome for path, outcome in zip(files, outcomes, strict=True)}


# --- what is sent ---


def test_the_sdk_applies_every_spec_of_this_repository(everything):
    assert {name: each.failure for name, each in everything.items()} == dict.fromkeys(everything)
    assert all(each.reached and each.result for each in everything.values())
    assert len(everything) >= 11


def test_every_body_is_one_that_the_management_api_documents(everything):
    bodies = [each for each in requests(list(everything.values())) if each.method == "PUT"]
    assert {describe(each).what.split()[0] for each in bodies} == {
        "endpoint",
        "environment",
        "model",
        "data",
        "code",
        "deployment",
    }
    # A property is documented as text; this one is the SDK's own, the same for everybody.
    theirs = "properties.properties.hash_version: 202208 is no str"
    assert {fault for each in bodies for fault in faults(model_of(each.url), each.body)} == {theirs}


def test_every_body_is_the_one_of_azures_own_specification(everything):
    bodies = [each for each in requests(list(everything.values())) if each.method == "PUT"]
    found = {fault for each in bodies for fault in undocumented(each.url, each.body)}
    assert found == {"body.properties.properties.hash_version: 202208 is no string"}  # as above


def test_traffic_is_set_by_a_documented_body():
    traffic = Command(Kind.TRAFFIC, name="my-endpoint", traffic={"blue": 90, "green": 10})
    (sent,) = [each for each in requests(carry_out([traffic], seconds=SECONDS)) if each.method == "PUT"]
    assert sent.body["properties"]["traffic"] == {"blue": 90, "green": 10}
    assert undocumented(sent.url, sent.body) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("location", None, "body.location is missing"),
        ("properties.liveProbe", {}, "body.properties.liveProbe is unknown"),
        (
            "properties.endpointComputeType",
            "Own",
            "body.properties.endpointComputeType: 'Own' is none of Managed, Kubernetes",
        ),
        ("properties.environmentVariables.A", 1, "body.properties.environmentVariables.A: 1 is no string"),
        ("properties.livenessProbe.timeout", "6 s", "body.properties.livenessProbe.timeout: '6 s' is no duration"),
        ("properties.dataCollector.collections", None, "body.properties.dataCollector.collections is missing"),
        (
            "properties.dataCollector.rollingRate",
            "week",
            "body.properties.dataCollector.rollingRate: 'week' is not 'Day' | 'Hour' | 'Minute' | 'Month' | 'Year'",
        ),
        ("sku.capacity", "3", "body.sku.capacity: '3' is no int"),
        ("tags", [], "body.tags: [] is no dict"),
    ],
)
def test_a_body_that_differs_from_the_specification_is_noticed(everything, path, value, fault):
    (sent,) = [
        each
        for each in requests([everything["deployment.yml"]])
        if each.method == "PUT" and "/deployments/" in each.url
    ]
    body = json.loads(json.dumps(sent.body))
    *outer, last = path.split(".")
    place = body
    for key in outer:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert undocumented(sent.url, body) == [fault]


@pytest.mark.parametrize("file", DEPLOYMENTS, ids=[file.stem for file in DEPLOYMENTS])
def test_an_update_sends_all_that_a_creation_sends(file):
    """What is collected too: `az ml online-deployment update --file` does not merge, it replaces."""
    outcomes = carry_out([Command(kind, file) for kind in (Kind.DEPLOYMENT, Kind.DEPLOYMENT_UPDATE)], seconds=SECONDS)
    assert [each.failure for each in outcomes] == [None, None]
    created, updated = ([each for each in requests([one]) if "/deployments/" in each.url] for one in outcomes)
    assert [each.method for each in updated] == [each.method for each in created] == ["GET", "PUT", "GET"]
    assert updated[1].body == created[1].body
    assert updated[1].body["properties"]["dataCollector"]["collections"]


def test_an_update_takes_no_setting_within_a_key(tmp_path):
    path = put(tmp_path / "deployment.yml", DEPLOYMENT)
    settings = (override("environment_variables.A=1"),)
    outcomes = carry_out(
        [Command(kind, path, settings) for kind in (Kind.DEPLOYMENT, Kind.DEPLOYMENT_UPDATE)], seconds=SECONDS
    )
    assert outcomes[0].failure is None
    assert outcomes[1].failure is not None
    assert "takes no --set within environment_variables" in refusal.sentence(outcomes[1].failure)


def test_a_body_that_is_not_documented_is_noticed(tmp_path):
    path = put(tmp_path / "deployment.yml", {**DEPLOYMENT, "environment_variables": {"WORKER_COUNT": 4}})
    (sent,) = [each for each in requests(carry_out([Command(Kind.DEPLOYMENT, path)], seconds=SECONDS)) if each.body]
    assert faults(model_of(sent.url), sent.body) == ["properties.environmentVariables.WORKER_COUNT: 4 is no str"]
    body = {
        **sent.body,
        "properties": {**sent.body["properties"], "liveProbe": {}, "scaleSettings": {"scaleType": "x"}},
    }
    del body["location"]
    assert set(faults(model_of(sent.url), body)) == {
        "location is missing",
        "properties.liveProbe is unknown",
        "properties.scaleSettings.scaleType: 'x' is none of Default, TargetUtilization",
        "properties.environmentVariables.WORKER_COUNT: 4 is no str",
    }


def test_the_whole_road_is_printed_in_order(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert plan() == 0
    printed = capsys.readouterr()
    commands = [line for line in printed.out.splitlines() if line.startswith("az ml")]
    assert commands == [
        "az ml online-endpoint create --file endpoint.yml",
        "az ml environment create --file environment.yml",
        "az ml model create --file model.yml",
        "az ml online-deployment create --file deployment.yml",
        "az ml online-endpoint update --name diabetes-regression --traffic blue=100",
    ]
    puts = [line.split()[1:3] for line in printed.out.splitlines() if line.startswith("  PUT")]
    assert puts == [
        ["endpoint", "diabetes-regression"],
        ["environment", "scikit-env:1"],
        ["model", "scikit-model:1"],
        ["data", "asset"],
        ["data", "asset"],
        ["code", "content"],
        ["deployment", "blue"],
        ["endpoint", "diabetes-regression"],
    ]
    assert "PUT     endpoint diabetes-regression  auth key, identity system-assigned, no traffic" in printed.out
    assert "3 x Standard_D2as_v4" in printed.out
    assert "collects model_inputs, model_outputs (100 %, a folder each hour)" in printed.out
    assert "traffic blue=100%" in printed.out
    assert "taken for granted" not in printed.out
    assert "nothing has left this machine" in printed.err
    assert max(map(len, printed.out.splitlines())) < 130


def test_two_plans_of_the_same_files_are_the_same(capsys, monkeypatch):
    monkeypatch.chdir(ROOT / "variants")
    plan(Path("local-model.yml"), format="json")
    first = json.loads(capsys.readouterr().out)
    plan(Path("local-model.yml"), format="json")
    assert json.loads(capsys.readouterr().out) == first
    (command,) = first["commands"]
    assert command["failure"] is None
    assert last_put(command)["body"]["properties"]["model"].split("/")[-5:-3] == ["AML_WORKSPACE", "models"]
    assert first["assumed"] == ["endpoint diabetes-regression"]


def test_settings_change_what_is_sent(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = ["instance_count=7", "environment_variables.WORKER_COUNT=1", "model=azureml:scikit-model:2"]
    plan(Path("deployment.yml"), settings=settings, name="green", endpoint_name="other", format="json")
    planned = json.loads(capsys.readouterr().out)
    sent = last_put(planned["commands"][0])
    assert "/onlineEndpoints/other/deployments/green?" in sent["url"]
    assert sent["body"]["sku"]["capacity"] == 7
    assert sent["body"]["properties"]["environmentVariables"]["WORKER_COUNT"] == "1"
    assert sent["body"]["properties"]["model"].endswith("/models/scikit-model/versions/2")
    assert planned["commands"][0]["command"].endswith("--name green --endpoint-name other")
    assert planned["assumed"] == ["environment scikit-env:1", "model scikit-model:2", "endpoint other"]


def test_the_script_of_curl_commands_sends_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = ['environment_variables.QUOTED=it\'s "$HOME" `id` \\ ü']
    plan(Path("variants/local-model.yml"), settings=settings, as_curl=True)
    script = capsys.readouterr().out
    plan(Path("variants/local-model.yml"), settings=settings, format="json")
    sent = [each for each in json.loads(capsys.readouterr().out)["commands"][0]["sent"] if each["kind"] == "request"]
    fake = put(tmp_path / "bin" / "curl", f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    fake.chmod(0o755)
    names = {name for name in script.replace('"', " ").replace("$", " ").split() if name.startswith("AML_")}
    variables = {name: name.replace("AML_STORAGE_ACCOUNT", "amlstorageaccount") for name in names}
    run = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script,
        env={"PATH": f"{fake.parent}:{os.environ['PATH']}", "AZURE_TOKEN": "secret", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stderr == ""
    calls = [json.loads(line) for line in run.stdout.splitlines()]
    expected = [each for each in sent if "listSecrets" not in each["url"]]
    assert [(each[2], each[3]) for each in calls] == [(each["method"], each["url"]) for each in expected]
    bodies = [json.loads(each[each.index("--data") + 1]) if "--data" in each else None for each in calls]
    assert bodies == [each["body"] for each in expected]
    assert all("Authorization: Bearer secret" in each for each in calls)
    assert bodies[-1] is None
    assert bodies[-2]["properties"]["environmentVariables"]["QUOTED"] == 'it\'s "$HOME" `id` \\ ü'
    assert "sig=" not in script


# --- uploads ---


def test_uploads_are_summarised_and_bounded(tmp_path):
    code = tmp_path / "code"
    put(code / "score.py", SCRIPT)
    put(code / "data" / "train.csv", "1\n")
    put(code / "notes.md", "x")
    put(code / ".amlignore", "*.md\ndata/\n.amlignore\n")
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    spec = {
        **DEPLOYMENT,
        "model": {"path": "huge.bin"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
    }
    path = put(tmp_path / "deployment.yml", spec)
    outcomes = carry_out([Command(Kind.DEPLOYMENT, path)], seconds=SECONDS)
    assert outcomes[0].failure is None
    sent = uploads(outcomes)
    assert [name for name, _ in sent["code"].sent.listed] == ["score.py"]
    assert [name for name, _ in sent["code"].kept.listed] == [".amlignore", "data/train.csv", "notes.md"]
    assert (sent["code"].ignore, sent["code"].read) == (".amlignore", True)
    assert (sent["huge.bin"].sent.bytes, sent["huge.bin"].read) == (1 << 40, False)


def test_a_command_that_takes_too_long_fails_and_the_rest_is_not_reached():
    commands = [Command(kind_of(ROOT / name), ROOT / name) for name in ("deployment.yml", "model.yml")]
    outcomes = carry_out(commands, seconds=0)
    assert [each.failure and each.failure.type for each in outcomes] == ["TimeoutError", None]
    assert not outcomes[1].reached


# --- nothing leaves ---

ESCAPE = """
import _socket, socket, ssl, sys
from amlready.azure.certificates import Authority
from amlready.azure.confine import confine
from amlready.azure.control_plane import ControlPlane
from amlready.azure.exchange import Answered

seen, refused = [], []
with ControlPlane(Authority(), lambda asked: Answered(), lambda asked, _: seen.append(asked.url)) as plane:
    confine(plane.port, refused.append)

    def attempt(act):
        try:
            act()
        except PermissionError:
            return
        raise SystemExit("something got out")

    attempt(lambda: socket.socket().connect(("192.0.2.1", 443)))
    attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
    attempt(lambda: socket.socket().connect_ex(("192.0.2.1", 443)))
    attempt(lambda: socket.socket().connect(("example.com", 443)))
    attempt(lambda: _socket.socket().connect(("192.0.2.1", 443)))
    attempt(lambda: socket.gethostbyname("example.com"))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("example.com", 443), 5), server_hostname="example.com") as tls:
        tls.sendall(b"GET /x HTTP/1.1\\r\\nHost: example.com\\r\\nConnection: close\\r\\n\\r\\n")
        tls.recv(100)
print(seen, refused)
"""


def test_no_connection_leaves_a_confined_process():
    run = subprocess.run([sys.executable, "-c", ESCAPE], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        "['https://example.com/x'] ['192.0.2.1:443', '192.0.2.1:53', '192.0.2.1:443', 'example.com:443', "
        "'192.0.2.1:443', 'example.com']\n"
    )


def test_proxies_and_other_clouds_do_not_lead_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:8080")
    monkeypatch.setenv("https_proxy", "http://192.0.2.1:8080")
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureChinaCloud")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))
    outcomes = carry_out([Command(Kind.ENDPOINT, ROOT / "endpoint.yml")], seconds=SECONDS)
    assert outcomes[0].failure is None
    assert {each.url.split("/")[2] for each in requests(outcomes)} == {"management.azure.com"}
    assert not [event for event in outcomes[0].events if isinstance(event, Warned)]


def test_what_the_sdk_asks_of_a_registry_is_asked_here(tmp_path):
    spec = {**DEPLOYMENT, "model": "azureml://registries/shared/models/m/versions/1"}
    outcomes = carry_out([Command(Kind.DEPLOYMENT, put(tmp_path / "d.yml", spec))], seconds=SECONDS)
    assert outcomes[0].failure is None
    assert any("api.azureml.ms/" in each.url and "/registries/shared/" in each.url for each in requests(outcomes))


def test_an_attempt_to_reach_something_else_is_shown():
    outcome = Outcome(Command(Kind.ENDPOINT, Path("e.yml")), events=(Warned("192.0.2.1:443", contact=True),))
    assert list(tree.lines(outcome, 100))[1:] == ["  warning tried to reach 192.0.2.1:443, and was kept from it"]

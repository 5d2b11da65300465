"""Rules about deployments: what they must find, and what they must leave alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amlready import project, rules
from amlready.fix import apply, edits
from amlready.rules.deployment.resources import quantity

MINE = [each for each in rules.rules().values() if each.module in ("deployment", "endpoint")]

MANAGED = """\
name: blue
endpoint_name: churn-prediction
model: azureml:churn:1
environment: azureml:churn-env:1
code_configuration:
  code: src
  scoring_script: score.py
instance_type: Standard_D2as_v4
instance_count: 1
"""
KUBERNETES = MANAGED.replace("instance_type: Standard_D2as_v4\n", "type: kubernetes\n")
CONTAINER = """\
name: blue
endpoint_name: churn-prediction
environment:
  image: my.azurecr.io/server:1
  inference_config:
    liveness_route: {port: 8000, path: /live}
    readiness_route: {port: 8000, path: /ready}
    scoring_route: {port: 8000, path: /score}
instance_type: Standard_D2as_v4
instance_count: 1
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/score.py").write_text("def init(): ...\ndef run(data): return data\n")


def changed(base: str, text: str) -> str:
    """A spec with some of its keys replaced: those that the text has too."""
    for key in re.findall(r"^(\S+?):", text, flags=re.MULTILINE):
        base = re.sub(rf"^{re.escape(key)}:.*\n(?:[ -].*\n)*", "", base, flags=re.MULTILINE)
    return base + text


def found(text: str, **others: str) -> dict[str, list[str]]:
    """The texts that are pointed at, by rule, in a deployment and the files around it."""
    for name, other in {"deployment": text, **others}.items():
        Path(f"{name}.yml").write_text(other, encoding="utf-8", newline="")
    by_rule: dict[str, list[str]] = {}
    for each in rules.run(project.load([Path(".")]), MINE):
        by_rule.setdefault(each.rule, []).append(each.problem.span.text)
    return by_rule


@pytest.mark.parametrize("text", [MANAGED, KUBERNETES, CONTAINER], ids=["managed", "kubernetes", "container"])
def test_a_deployment_as_documented_gets_no_finding(text):
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "instance_count: '2'\n",
        "instance_count: 2.0\n",
        "instance_count: 1_0\n",
        "instance_count: 0x0A\n",
        "instance_count: 10\n",
        "instance_type: STANDARD_D2AS_V4\n",
        "name: a-1\n",
        "name: " + "a" * 32 + "\n",
        "endpoint_name: abc\n",
        "model: azureml:churn@latest\n",
        "model: azureml:churn:2024-01-01.rc_1\n",
        "model: azureml://registries/azureml/models/phi/versions/3\n",
        "model: azureml:azureml://registries/azureml/models/phi/labels/latest\n",
        "environment: azureml:AzureML-sklearn-1.5\n",
        "environment: azureml:AzureML-sklearn-1.5@stable\n",
        "environment: azureml://registries/azureml/environments/minimal-py312-inference/labels/latest\n",
        "environment_variables: {}\n",
        "environment_variables:\n  SINCE: 2024-01-01\n  EMPTY: ''\n  SCALE: 1e3\n  A.B-c: x\n",
        "environment_variables:\n  WORKER_COUNT: ' 1 '\n  WORKER_TIMEOUT: '0'\n  SCORING_TIMEOUT_MS: '5000.0'\n",
        "environment_variables:\n  AML_CORS_ORIGINS: '*'\n  AZUREML_LOG_LEVEL: verbose\n",
        "request_settings:\n  request_timeout_ms: 180000\n",
        "request_settings: {}\nliveness_probe: {}\nreadiness_probe: {}\n",
        "liveness_probe:\n  success_threshold: '1'\nreadiness_probe:\n  success_threshold: 3\n",
        "scale_settings:\n  type: Default\n",
        "egress_public_network_access: enabled\n",
        "code_configuration:\n  code: azureml:my-code:1\n  scoring_script: score.py\n",
        "tags:\n  count: 1\n  on: 'yes'\n  day: 2024-01-01\n",
        "$schema: http://azureml/sdk-2-0/OnlineDeployment.json\n",
        "data_collector:\n  collections:\n    model_inputs:\n      enabled: 'true'\n",
    ],
)
def test_forms_that_work_on_a_managed_endpoint_are_left_alone(text):
    assert found(changed(MANAGED, text)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "instance_type: defaultinstancetype\n",
        "request_settings:\n  request_timeout_ms: 150000\n  max_queue_wait_ms: 3000\n",
        "scale_settings:\n  type: default\n",
        "resources:\n  requests: {cpu: '0.1', memory: 0.1Gi}\n  limits: {cpu: 200m, memory: 200Mi}\n",
        "resources:\n  requests: {nvidia.com/gpu: '1'}\n  limits: {nvidia.com/gpu: '1'}\n",
        "resources:\n  requests: {cpu: '1', memory: '1073741824'}\n  limits: {cpu: '1000m', memory: 1Gi}\n",
        "environment_variables:\n  WORKER_COUNT: '1'\n",
    ],
)
def test_forms_that_work_on_kubernetes_are_left_alone(text):
    assert found(changed(KUBERNETES, text)) == {}


def test_an_autoscaler_with_room_is_left_alone():
    text = (
        "scale_settings:\n  type: TargetUtilization\n  min_instances: 2\n  max_instances: 4\n  polling_interval: 10\n"
    )
    assert found(changed(KUBERNETES, text).replace("instance_count: 1\n", "")) == {}


@pytest.mark.parametrize(
    "text",
    [
        "request_settings:\n  max_concurrent_requests_per_instance: 256\n",
        "environment_variables:\n  WORKER_COUNT: auto\n  AZUREML_MODEL_DIR: /models\n  SERVER_PORT: '8000'\n",
        "model: azureml:big:1\nmodel_mount_path: /models\nenvironment_variables:\n  MODEL_BASE_PATH: /models/big/1\n",
        "model: azureml:big:1\nenvironment_variables:\n  MODEL_BASE_PATH: /opt/baked-in\n",
        "code_configuration:\n  code: scripts\n  scoring_script: plumber.R\n",
    ],
)
def test_a_container_with_routes_of_its_own_follows_its_own_rules(text):
    Path("scripts").mkdir()
    Path("scripts/plumber.R").write_text("")
    assert found(changed(CONTAINER, text)) == {}


@pytest.mark.parametrize("kind", ["mlflow_model", "MLFLOW_MODEL", "triton_model"])
def test_a_model_that_needs_no_code_needs_no_environment(kind):
    model = f"model:\n  name: churn\n  version: '1'\n  path: model\n  type: {kind}\n"
    text = re.sub(r"^(?:environment|code_configuration|model|instance_type):.*\n(?: .*\n)*", "", MANAGED, flags=re.M)
    assert found(text + model + "instance_type: Standard_D4as_v4\n") == {}


FAULTS = [
    ("name: ''\n", "invalid-deployment-name", "''"),
    ("name: bl\n", "invalid-deployment-name", "bl"),
    ("name: blue-\n", "invalid-deployment-name", "blue-"),
    ("name: 'é-blue'\n", "invalid-deployment-name", "'é-blue'"),
    ("endpoint_name: ''\n", "invalid-endpoint-reference", "''"),
    ("endpoint_name: 1st\n", "invalid-endpoint-reference", "1st"),
    ("instance_count: -1\n", "too-few-instances", "-1"),
    ("instance_count: '0'\n", "too-few-instances", "'0'"),
    ("instance_count: 0.9\n", "too-few-instances", "0.9"),
    ("instance_count: 0.9\n", "altered-number", "0.9"),
    ("instance_count: 1:30\n", "altered-number", "1:30"),
    ("instance_type: ''\n", "unknown-instance-type", "''"),
    ("instance_type: 'Standard_DS3_v2 '\n", "unknown-instance-type", "'Standard_DS3_v2 '"),
    ("instance_type: Standard_NC24rs_v3\n", "retired-instance-type", "Standard_NC24rs_v3"),
    ("instance_type: standard_nc6s_v2\n", "retired-instance-type", "standard_nc6s_v2"),
    ("instance_type: Standard_F2s_v2\n", "small-instance-type", "Standard_F2s_v2"),
    ("instance_type: Standard_NC4as_T4_v3\n", "quota-above-default", "Standard_NC4as_T4_v3"),
    ("request_settings:\n  request_timeout_ms: -1\n", "request-setting-too-low", "-1"),
    ("request_settings:\n  request_timeout_ms: 0\n", "dropped-zero", "0"),
    ("request_settings:\n  max_queue_wait_ms: '0'\n", "dropped-zero", "'0'"),
    ("request_settings:\n  request_timeout_ms: 180001\n", "request-timeout-too-long", "180001"),
    ("request_settings:\n  max_concurrent_requests_per_instance: 4\n", "workers-differ", "4"),
    ("liveness_probe:\n  success_threshold: 0\n", "liveness-success-threshold", "0"),
    ("liveness_probe:\n  period: -10\n", "probe-setting-too-low", "-10"),
    ("readiness_probe:\n  success_threshold: 0\n", "probe-setting-too-low", "0"),
    ("environment_variables:\n  WORKER_COUNT: 4\n", "workers-differ", "4"),
    ("environment_variables:\n  WORKER_COUNT: '0'\n", "server-setting-unreadable", "'0'"),
    ("environment_variables:\n  WORKER_COUNT: ''\n", "server-setting-unreadable", "''"),
    ("environment_variables:\n  WORKER_COUNT: true\n", "server-setting-unreadable", "true"),
    ("environment_variables:\n  WORKER_TIMEOUT: 30.5\n", "server-setting-unreadable", "30.5"),
    ("environment_variables:\n  A:\n", "variable-not-text", ""),
    ("environment_variables:\n  A: [1]\n", "variable-not-text", "[1]"),
    ("environment_variables:\n  A: 2024-01-01 10:00:00\n", "variable-not-text", "2024-01-01 10:00:00"),
    ("environment_variables:\n  1: x\n", "invalid-variable-name", "1"),
    ("environment_variables:\n  A B: x\n", "invalid-variable-name", "A B"),
    ("environment_variables:\n  '': x\n", "invalid-variable-name", "''"),
    ("environment_variables:\n  AZUREML_MDC_CONFIG_PATH: /x\n", "reserved-variable", "AZUREML_MDC_CONFIG_PATH"),
    ("environment_variables:\n  SERVER_PORT: '80'\n", "reserved-variable", "SERVER_PORT"),
    ("model: 'azureml:'\n", "malformed-reference", "'azureml:'"),
    ("model: 'azureml:m:'\n", "malformed-reference", "'azureml:m:'"),
    ("model: azureml::1\n", "malformed-reference", "azureml::1"),
    ("model: azureml:m@\n", "malformed-reference", "azureml:m@"),
    ("model: 'azureml: m:1'\n", "malformed-reference", "'azureml: m:1'"),
    ("model: azureml://registries/r/models/m\n", "malformed-reference", "azureml://registries/r/models/m"),
    ("environment: azureml:e\n", "reference-without-version", "azureml:e"),
    ("environment: azureml:e:Latest\n", "latest-as-version", "azureml:e:Latest"),
    ("model: azureml:m@Latest\n", "unknown-label", "azureml:m@Latest"),
    ("code_configuration: {}\n", "half-code-configuration", "code_configuration"),
    ("code_configuration: {code: src}\n", "half-code-configuration", "code_configuration"),
    (
        "code_configuration:\n  code: git+https://x/y.git\n  scoring_script: s.py\n",
        "remote-code",
        "git+https://x/y.git",
    ),
    ("type: Kubernetes\n", "kubernetes-type-case", "Kubernetes"),
    ("id: /x\n", "read-only-key", "id"),
    ("properties:\n  azureml.flag: yes\n", "changed-tag", "yes"),
]


@pytest.mark.parametrize(("text", "rule", "place"), FAULTS)
def test_a_fault_in_a_managed_deployment_is_found_at_its_place(text, rule, place):
    assert found(changed(MANAGED, text)).get(rule) == [place]


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("instance_count: 0\n", "too-few-instances", "0"),
        ("instance_type: standard_d2as_v4\n", "vm-size-on-kubernetes", "standard_d2as_v4"),
        ("request_settings:\n  request_timeout_ms: 300001\n", "request-timeout-too-long", "300001"),
        ("environment_variables:\n  WORKER_COUNT: '4'\n", "workers-differ", "'4'"),
        ("scale_settings:\n  type: target_utilization\n", "autoscale-without-room", "target_utilization"),
        ("scale_settings:\n  type: target_utilization\n  min_instances: 2\n", "autoscale-bounds", "2"),
        ("scale_settings:\n  type: target_utilization\n  polling_interval: 0\n", "dropped-zero", "0"),
        ("resources: {requests: {memory: 512 MB}}\n", "invalid-quantity", "512 MB"),
        ("resources: {limits: {nvidia.com/gpu: '0.5'}}\n", "invalid-quantity", "'0.5'"),
        ("resources: {requests: {cpu: 500M}}\n", "implausible-quantity", "500M"),
        ("resources: {requests: {cpu: '2'}, limits: {cpu: 1500m}}\n", "request-above-limit", "'2'"),
    ],
)
def test_a_fault_in_a_kubernetes_deployment_is_found_at_its_place(text, rule, place):
    assert found(changed(KUBERNETES, text)).get(rule) == [place]


def test_a_size_for_managed_endpoints_is_not_looked_for_on_kubernetes():
    endpoint = "name: churn-prediction\ncompute: azureml:cluster\nauth_mode: key\n"
    names = found(MANAGED.replace("Standard_D2as_v4", "cpu-small"), endpoint=endpoint)
    assert list(names) == ["managed-on-kubernetes"]


@pytest.mark.parametrize(
    ("endpoint", "reported"), [("churn-production", True), ("Churn-Prediction", False), ("fraud", True)]
)
def test_an_endpoint_in_the_same_folder_is_compared(endpoint, reported):
    assert ("unknown-endpoint" in found(MANAGED, endpoint=f"name: {endpoint}\nauth_mode: key\n")) == reported


def test_endpoints_far_away_are_not_compared():
    Path("fraud/front").mkdir(parents=True)
    Path("fraud/front/endpoint.yml").write_text("name: churn-prediktion\nauth_mode: key\n")
    Path("churn/blue").mkdir(parents=True)
    Path("churn/blue/deployment.yml").write_text(MANAGED.replace("code: src", "code: ../../src"))
    assert [each.rule for each in rules.run(project.load([Path(".")]), MINE)] == []


# --- text that YAML changes, and its fix ---


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("010", "8"),
        ("1.10", "1.1"),
        ("12:30:45", "45045"),
        ("yes", "true"),
        ("Off", "false"),
        ("1_000", "1000"),
        ("0x1F", "31"),
    ],
)
def test_what_yaml_makes_of_a_variable_is_said_and_mended(written, sent):
    text = changed(MANAGED, f"environment_variables:\r\n  # a comment\r\n  VALUE: {written}  # and another\r\n")
    Path("deployment.yml").write_text(text, newline="")
    one = rules.rules()["variable-not-text"]
    problems = rules.run(project.load([Path("deployment.yml")]), [one])
    assert [f"{written} is sent as {sent}; quote it" in each.problem.message for each in problems] == [True]
    mended = apply(edits(problems))["deployment.yml"]
    assert mended == text.replace(f"VALUE: {written}", f'VALUE: "{written}"')
    Path("deployment.yml").write_text(mended, newline="")
    assert rules.run(project.load([Path("deployment.yml")]), [one]) == []


def test_a_variable_that_is_an_alias_is_reported_where_it_is_used_and_not_mended():
    text = changed(MANAGED, "instance_count: &many 3\nenvironment_variables:\n  COPIES: *many\n")
    Path("deployment.yml").write_text(text)
    problems = rules.run(project.load([Path("deployment.yml")]), [rules.rules()["variable-not-text"]])
    assert [(each.problem.span.text, each.problem.fix) for each in problems] == [("COPIES", ())]


def test_an_anchor_keeps_its_name_when_its_number_is_wrong():
    text = changed(MANAGED, "instance_count: &many 010\n")
    assert found(text)["altered-number"] == ["&many 010"]


def test_a_value_from_the_command_line_is_reported_in_it():
    from amlready.overrides import override
    from amlready.project import Reading

    Path("deployment.yml").write_text(MANAGED)
    reading = Reading(settings=(override("instance_count=0"),))
    problems = rules.run(project.load([Path("deployment.yml")], reading), MINE)
    assert [(each.rule, each.problem.span.text) for each in problems] == [("too-few-instances", "0")]


@pytest.mark.parametrize("name", ["${NAME}", "<name>", "{{NAME}}", "__NAME__", "#{NAME}#"])
def test_a_placeholder_is_not_judged(name):
    text = changed(MANAGED, f"name: {name}\ninstance_type: {name}\nmodel: azureml:{name}\n")
    Path("deployment.yml").write_text(text)
    assert {each.rule for each in rules.run(project.load([Path("deployment.yml")]))} <= {
        "unfilled-placeholder",
        "schema",
    }


# --- quantities and values without end ---


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500m", 0.5),
        ("2", 2),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", 1000),
        ("2k", 2000),
        ("1GB", None),
        ("1K", None),
        ("", None),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text, amount):
    assert quantity(text) == amount


@pytest.mark.parametrize(
    "text", ["0x" + "F" * 5000, "9" * 4000, "-" + "9" * 50, ".inf", "-.inf", ".nan", "1:" * 2000 + "1"]
)
def test_a_number_without_end_breaks_nothing(text):
    settings = f"instance_count: {text}\nenvironment_variables:\n  WORKER_COUNT: {text}\ntags:\n  a: {text}\n"
    assert not {"too-few-instances", "altered-number"} & found(changed(MANAGED, settings)).keys()


def test_a_long_value_is_searched_in_one_pass():
    long = "azureml://connections/" * 20_000 + ".vault.azure.net/secrets/" * 20_000 + "sk-" * 20_000
    assert "malformed-secret-reference" in found(changed(MANAGED, f"environment_variables:\n  TOKEN: '{long}'\n"))

"""Rules about deployments: what they must find, what they must leave alone, and that azure-ai-ml does what they say."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from test_rules import blocks, completed, files

from amlready import project, rules, skus
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


# --- secrets ---

SECRETS = {
    "STORAGE": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + "Ab3+" * 21 + "==",
    "SAS_URL": "https://x.blob.core.windows.net/c?sv=2024&sig=" + "aB3%2F" * 8,
    "AWS_ID": "AKIA" + "ABCDEFGHIJ234567",
    "GITHUB": "ghp_" + "a1B2c3D4e5" * 4,
    "OPENAI_API_KEY": "sk-" + "a1B2c3D4e5" * 4,
    "ANYTHING": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".SflKxwRJSMeKKF2QT4",
    "PEM": "-----BEGIN RSA " + "PRIVATE KEY-----\nMII",
    "DATABASE_URL": "postgresql://scoring:" + "hunter22" + "@db.example.com/churn",
    "AZURE_OPENAI_KEY": "0123456789abcdef" * 2,
    "azureSearchKey": "aB3dE5gH7jK9mN1pQ3sT5vW7",
    "DB_PASSWORD": "s3cret-enough".replace("secret", "x"),
}
NO_SECRETS = {
    "MAX_NEW_TOKENS": "2048",
    "PAD_TOKEN": "<pad>",
    "EOS_TOKEN": "</s>",
    "PARTITION_KEY": "customer_id",
    "PRIMARY_KEY": "CustomerIdAndOrderIdOfTheYear",
    "SECRET_NAME": "churn-database-password",
    "DB_PASSWORD": "churn-database-password",
    "DB_PASSWORD_FILE": "/mnt/secrets/db",
    "PASSWORD": "",
    "KEY_VAULT_URI": "https://churn.vault.azure.net/",
    "SECRET_URI": "https://churn.vault.azure.net/secrets/db/0123456789abcdef0123456789abcdef",
    "API_KEY": "not-needed",
    "CACHE_KEY": "features/2024/v3/customers.parquet",
    "TOKENIZER": "bert-base-uncased",
    "AZURE_CLIENT_ID": "3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718",
    "REDIS_URL": "redis://cache:6379/0",
    "MODEL_URL": "https://models.example.com:8443/churn@v3",
    "DIGEST_KEY": "0" * 40,
    "HF_TOKEN": "${{azureml://connections/hf/credentials/token}}",
    "PW": "${{keyvault:https://churn.vault.azure.net/secrets/db/0123456789abcdef}}",
    "TARGET": "${{azureml://connections/search/target}}",
    "VERSION": "${{azureml://connections/search/metadata/ApiVersion}}",
    "ALL": "${{azureml://connections/search}}",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_and_not_repeated(name):
    Path("deployment.yml").write_text(changed(MANAGED, f"environment_variables:\n  {name}: {SECRETS[name]!r}\n"))
    (one,) = rules.run(project.load([Path("deployment.yml")]), [rules.rules()["literal-secret"]])
    assert one.problem.span.text == name
    assert SECRETS[name][-8:] not in one.problem.message


@pytest.mark.parametrize("name", NO_SECRETS)
def test_what_only_looks_like_a_secret_is_left_alone(name):
    assert found(changed(MANAGED, f"environment_variables:\n  {name}: {NO_SECRETS[name]!r}\n")) == {}


@pytest.mark.parametrize(
    ("reference", "advice"),
    [
        ("azureml://connections/hf/credentials/token", "${{azureml://connections/hf/credentials/token}}"),
        ("${{ azureml://connections/hf/credentials/token }}", "${{azureml://connections/hf/credentials/token}}"),
        ("${azureml://connections/hf}", "${{azureml://connections/hf}}"),
        ("${{azureml://connections/hf/token}}", "/credentials/KEY"),
        ("${{keyvault:https://v.vault.azure.net/secrets/db}}", "version is missing"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/db/1)", "${{keyvault:https://"),
        ("Bearer ${{azureml://connections/hf/credentials/token}}", "/credentials/KEY"),
    ],
)
def test_a_reference_to_a_secret_that_azure_does_not_know_is_found(reference, advice):
    Path("deployment.yml").write_text(changed(MANAGED, f"environment_variables:\n  TOKEN: '{reference}'\n"))
    (one,) = rules.run(project.load([Path("deployment.yml")]), [rules.rules()["malformed-secret-reference"]])
    assert advice in one.problem.message


# --- sizes and quantities ---


def test_the_list_has_eighty_five_sizes_and_none_of_them_is_unknown():
    assert len(skus.sizes()) == 85
    for size in skus.sizes().values():
        assert "unknown-instance-type" not in found(changed(MANAGED, f"instance_type: {size.name.upper()}\n"))


@pytest.mark.parametrize(
    ("name", "instances", "cores"),
    [
        ("Standard_DS3_v2", 10, 48),
        ("Standard_D2as_v4", 1, 4),
        ("Standard_F4s_v2", 5, 24),
        ("Standard_NC24ads_A100_v4", 2, 48),
    ],
)
def test_quota_is_counted_as_azure_counts_it(name, instances, cores):
    size = skus.find(name)
    assert size is not None
    assert size.quota(instances) == cores


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("Standard_DS3_v2 ", ["Standard_DS3_v2"]),
        ("DS3_v2", ["Standard_DS3_v2"]),
        ("Standrd_DS3_v2", ["Standard_DS3_v2"]),
        ("Standard_D3_v2", ["Standard_DS3_v2"]),
        ("Standard_D4s_v5", ["Standard_D4as_v4", "Standard_D4a_v4"]),
        ("Standard_B2ms", []),
        ("Standard_NC6", []),
        ("large", []),
    ],
)
def test_the_size_that_was_meant_is_proposed_and_no_other(name, alike):
    assert skus.alike(name) == alike


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
    assert isinstance(found(changed(MANAGED, settings)), dict)


def test_a_long_value_is_searched_in_one_pass():
    long = "azureml://connections/" * 20_000 + ".vault.azure.net/secrets/" * 20_000 + "sk-" * 20_000
    assert isinstance(found(changed(MANAGED, f"environment_variables:\n  TOKEN: '{long}'\n")), dict)


# --- what azure-ai-ml does ---

pytestmark = pytest.mark.filterwarnings(
    "ignore::marshmallow.warnings.Marshmallow4Warning", "ignore::DeprecationWarning"
)


def loaded(path: Path, kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import azure.ai.ml

        return getattr(azure.ai.ml, f"load_online_{kind}")(path)


def sent(text: str, kind: str = "deployment", **options: Any) -> dict[str, Any]:
    """The request that azure-ai-ml makes of a file, given to a service that says yes to everything."""
    path = Path(f"{kind}.yml")
    path.write_text(text)
    entity = loaded(path, kind)
    from azure.ai.ml._scope_dependent_operations import OperationScope
    from azure.ai.ml.operations import OnlineDeploymentOperations, OnlineEndpointOperations

    scope = OperationScope("3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718", "group", "workspace")
    if kind == "endpoint":
        pipeline = MagicMock()
        operations: Any = OnlineEndpointOperations(
            scope, MagicMock(), MagicMock(), MagicMock(), MagicMock(), None, requests_pipeline=pipeline
        )
        service = operations._online_operation
    else:
        operations = OnlineDeploymentOperations(scope, MagicMock(), MagicMock(), MagicMock(), MagicMock(), None)
        service = operations._online_deployment
    operations.begin_create_or_update(entity, **options)
    body: dict[str, Any] = service.begin_create_or_update.call_args.kwargs["body"].as_dict()
    return body


def test_azure_ai_ml_drops_zeros_cuts_fractions_and_sends_what_yaml_read():
    text = changed(
        MANAGED,
        "instance_count: 2.7\n"
        "request_settings:\n  request_timeout_ms: 0\n  max_concurrent_requests_per_instance: 0\n"
        "liveness_probe:\n  initial_delay: 0\n  period: -5\n  failure_threshold: 0\n"
        "environment_variables:\n  A: 010\n  B: 1.10\n  C: yes\n  D: 12:30:45\n  E:\n  no: x\n"
        "tags:\n  release: 1.10\n",
    )
    body = sent(text)
    assert body["sku"]["capacity"] == 2
    assert body["properties"]["requestSettings"] == {"maxConcurrentRequestsPerInstance": 0}
    assert body["properties"]["livenessProbe"] == {"period": "-PT5S", "failureThreshold": 0}
    variables = body["properties"]["environmentVariables"]
    assert {key: variables[key] for key in "ABCD"} == {"A": 8, "B": 1.1, "C": True, "D": 45045}
    assert set(variables) & {"false", False}
    assert body["tags"] == {"release": 1.1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: blue_1\n", "only consist of '-'s and alphanumeric"),
        ("name: bl\n", "at least 3 and at most 32"),
        ("scale_settings: {type: target_utilization}\n", "supports DefaultScaleSettings only"),
        ("code_configuration: {code: src}\n", "not NoneType"),
        ("code_configuration: {scoring_script: score.py}\n", "'NoneType' object has no attribute 'startswith'"),
        ("code_configuration: {}\n", "'NoneType' object has no attribute 'startswith'"),
        ("code_configuration: {code: 'https://x/y.git', scoring_script: score.py}\n", "Failed to open scoring script"),
        ("model: azureml:churn\n", "Version must be provided"),
        ("model: 'azureml:churn:'\n", "Version must be provided"),
    ],
)
def test_azure_ai_ml_loads_these_and_refuses_them_later(text, complaint):
    text = changed(MANAGED, text)
    with pytest.raises(Exception, match=re.escape(complaint)):
        sent(text)
    assert set(found(text)) & {
        "invalid-deployment-name",
        "autoscale-on-managed",
        "half-code-configuration",
        "remote-code",
        "reference-without-version",
        "malformed-reference",
    }


@pytest.mark.parametrize(
    ("reference", "end"),
    [("azureml:churn:latest", "models/churn/versions/latest"), ("azureml::1", "models//versions/1")],
)
def test_azure_ai_ml_makes_ids_of_references_that_lead_nowhere(reference, end):
    assert sent(changed(MANAGED, f"model: {reference}\n"))["properties"]["model"].endswith(end)


def test_azure_ai_ml_reads_kubernetes_with_a_capital_letter_as_managed():
    assert sent(changed(MANAGED, "type: Kubernetes\n"))["properties"]["endpointComputeType"] == "Managed"
    assert sent(KUBERNETES)["properties"]["endpointComputeType"] == "Kubernetes"


@pytest.mark.parametrize("rule", [each.name for each in MINE])
def test_azure_ai_ml_loads_what_is_reported_here(rule):
    """What it refuses is for the rule `schema` to say."""
    texts = files(blocks(rules.rules()[rule])["Bad"])
    for name, text in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        body = completed(name, text, texts)
        if name == "deployment.yml" and "type: kubernetes" not in body and "instance_type:" not in body:
            body += "instance_type: Standard_D2as_v4\n"
        Path(name).write_text(body)
    for name in texts:
        if name in ("deployment.yml", "endpoint.yml"):
            assert loaded(Path(name), name.removesuffix(".yml")) is not None

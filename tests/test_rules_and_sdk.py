"""azure-ai-ml does what the rules about endpoints and deployments say that it does."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from test_rules import blocks, completed, files
from test_rules_deployment import KUBERNETES, MANAGED, MINE, changed, found, here

from amlready import rules

__all__ = ["here"]

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


ENDPOINT = "name: churn-prediction\nauth_mode: key\n"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("traffic: {Blue: 100, green: 0}\n", "traffic", {"blue": 100}),
        ("traffic: {Blue: 50, blue: 50}\n", "traffic", {"blue": 50}),
        ("traffic: {blue: 150, green: -50}\n", "traffic", {"blue": 150, "green": -50}),
        ("traffic: {a: 33.4, b: 33.4, c: 33.4}\n", "traffic", {"a": 33, "b": 33, "c": 33}),
        ("mirror_traffic: {green: 500, red: 10}\n", "mirrorTraffic", {"green": 500, "red": 10}),
        ("compute: azureml:k\nauth_mode: aad_token\n", "authMode", "AADToken"),
    ],
)
def test_azure_ai_ml_sends_traffic_and_access_as_the_rules_say(text, key, value):
    assert sent(changed(ENDPOINT, text), "endpoint")["properties"][key] == value


@pytest.mark.parametrize(
    ("identity", "value"),
    [
        ("{type: user_assigned}", {"type": "UserAssigned"}),
        ("{type: none}", {"type": "None"}),
        (
            "{type: system_assigned, user_assigned_identities: [{resource_id: x}]}",
            {"type": "SystemAssigned", "userAssignedIdentities": {"x": {}}},
        ),
    ],
)
def test_azure_ai_ml_sends_an_identity_as_it_is(identity, value):
    assert sent(changed(ENDPOINT, f"identity: {identity}\n"), "endpoint")["identity"] == value


def test_azure_ai_ml_refuses_the_length_of_a_name_only_when_it_makes_the_request():
    with pytest.raises(Exception, match="at least 3 and at most 32"):
        sent("name: ab\n", "endpoint")

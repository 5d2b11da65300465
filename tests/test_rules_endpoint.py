"""Rules about endpoints: what they must find, and what they must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rules_deployment import KUBERNETES, MANAGED, MINE, changed, here

from amlready import project, rules
from amlready.fix import apply, edits

__all__ = ["here"]

ENDPOINT = "name: churn-prediction\nauth_mode: key\n"
IDENTITY = (
    "/subscriptions/3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718/resourceGroups/ml/providers/Microsoft.ManagedIdentity/"
    "userAssignedIdentities/scoring"
)


def found(text: str, **others: str) -> dict[str, list[str]]:
    """The texts that are pointed at, by rule, in an endpoint and the files around it."""
    for name, other in {"endpoint": text, **others}.items():
        Path(f"{name}.yml").write_text(other, encoding="utf-8")
    by_rule: dict[str, list[str]] = {}
    for each in rules.run(project.load([Path(".")]), MINE):
        by_rule.setdefault(each.rule, []).append(each.problem.span.text)
    return by_rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auth_mode: AADToken\n",
        "auth_mode: aml_token\n",
        "identity:\n  type: SystemAssigned\n",
        f"identity:\n  type: user_assigned\n  user_assigned_identities:\n    - resource_id: {IDENTITY}\n",
        f"identity:\n  type: UserAssigned\n  user_assigned_identities:\n    - resource_id: {IDENTITY.lower()}\n",
        "identity:\n  type: user_assigned\n  user_assigned_identities:\n    - resource_id: ${IDENTITY}\n",
        "public_network_access: disabled\n",
        "properties:\n  enforce_access_to_default_secret_stores: Enabled\n",
        "traffic: {}\n",
        "traffic:\n  blue: 0\n  green: 0\n",
        "mirror_traffic:\n  green: 0\n  red: 10\n",
        "compute: azureml:cluster\n",
        "tags:\n  cost: '0815'\n  stage: prod\n  since: 2024-01-01\n",
        "description: x\n",
    ],
)
def test_forms_that_work_are_left_alone(text):
    assert found(changed(ENDPOINT, text)) == {}


@pytest.mark.parametrize(
    "traffic", ["{blue: 100}", "{Blue: 100}", "{blue: '90', GREEN: 10}", "{blue: 100, red: 0}", "{blue: 60, green: 40}"]
)
def test_traffic_to_deployments_that_are_declared_only_warns_of_its_creation(traffic):
    green = MANAGED.replace("name: blue", "name: green")
    names = found(changed(ENDPOINT, f"traffic: {traffic}\n"), blue=MANAGED, green=green)
    assert names == {"traffic-at-creation": ["traffic"]}


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("name: ab\n", "endpoint-name-length", "ab"),
        ("name: " + "a" * 33 + "\n", "endpoint-name-length", "a" * 33),
        ("name: Churn\n", "endpoint-capital", "Churn"),
        ("name: churn--prediction\n", "endpoint-double-dash", "churn--prediction"),
        ("name: Test-Endpoint\n", "sample-endpoint-name", "Test-Endpoint"),
        ("traffic: {blue: 50}\n", "traffic-sum", "traffic"),
        ("traffic: {Blue: 50, blue: 50}\n", "colliding-traffic", "blue"),
        ("traffic: {blue: 150, green: -50}\n", "negative-traffic", "-50"),
        ("traffic: {blue: -50}\n", "negative-traffic", "-50"),
        ("traffic: {blue: 99.9}\n", "altered-weight", "99.9"),
        ("traffic: {blue: 99.9}\n", "traffic-sum", "traffic"),
        ("traffic: {blue: 0144}\n", "altered-weight", "0144"),
        ("mirror_traffic: {green: -5}\n", "mirror-out-of-range", "-5"),
        ("mirror_traffic: {green: 10, red: 10}\n", "mirror-to-several", "red"),
        ("traffic: {blue: 100}\nmirror_traffic: {Blue: 10}\n", "mirror-of-live-deployment", "Blue"),
        ("compute: azureml:k\nmirror_traffic: {green: 10}\n", "mirror-on-kubernetes", "mirror_traffic"),
        ("compute: azureml:k\nauth_mode: AADToken\n", "aad-token-on-kubernetes", "AADToken"),
        (
            "identity: {type: user_assigned, user_assigned_identities: []}\n",
            "user-identity-missing",
            "user_assigned_identities",
        ),
        (
            "identity: {type: user_assigned, user_assigned_identities: [{client_id: x}]}\n",
            "user-identity-missing",
            "client_id",
        ),
        (
            "identity: {type: user_assigned, user_assigned_identities: [{}]}\n",
            "user-identity-missing",
            "user_assigned_identities",
        ),
        ("identity: {type: None}\n", "identity-none", "None"),
        ("properties: {enforce_access_to_default_secret_stores: on}\n", "secret-stores-value", "on"),
        ("tags: {release: 1.10}\n", "changed-endpoint-tag", "1.10"),
        ("scoring_uri: https://x\n", "endpoint-read-only-key", "scoring_uri"),
    ],
)
def test_a_fault_is_found_at_its_place(text, rule, place):
    assert found(changed(ENDPOINT, text)).get(rule) == [place]


@pytest.mark.parametrize(
    "identity",
    [
        "scoring",
        "/subscriptions/00000000-0000-0000-000-000000000000/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ml/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x",
        IDENTITY.replace("userAssignedIdentities", "systemAssignedIdentities"),
    ],
)
def test_an_id_that_cannot_be_an_identity_is_found(identity):
    text = f"identity:\n  type: user_assigned\n  user_assigned_identities:\n    - resource_id: {identity}\n"
    assert found(changed(ENDPOINT, text)) == {"malformed-identity": [identity]}


def test_traffic_to_an_unknown_deployment_names_the_one_that_is_meant():
    Path("endpoint.yml").write_text(changed(ENDPOINT, "traffic: {bleu: 100}\n"))
    Path("blue.yml").write_text(MANAGED)
    (one,) = rules.run(project.load([Path(".")]), [rules.rules()["traffic-without-deployment"]])
    assert one.problem.span.text == "bleu"
    assert "did you mean 'blue'?" in one.problem.message


@pytest.mark.parametrize(
    "deployment",
    [
        MANAGED.replace("name: blue\n", ""),
        MANAGED.replace("endpoint_name: churn-prediction\n", ""),
        MANAGED.replace("endpoint_name: churn-prediction", "endpoint_name: ${ENDPOINT}"),
    ],
    ids=["name on the command line", "endpoint on the command line", "endpoint filled in"],
)
def test_traffic_is_not_judged_while_a_deployment_has_no_name_yet(deployment):
    names = found(changed(ENDPOINT, "traffic: {green: 100}\n"), blue=deployment, red=MANAGED)
    assert "traffic-without-deployment" not in names


def test_two_files_with_one_endpoint_are_noticed_once():
    other = ENDPOINT.replace("churn-prediction", "Churn-Prediction")
    names = found(ENDPOINT, other=other)
    assert names["duplicate-endpoint"] == ["Churn-Prediction"]


def test_more_than_twenty_deployments_of_one_endpoint_are_noticed():
    deployments = {f"d{n}": MANAGED.replace("name: blue", f"name: blue-{n}") for n in range(20)}
    assert found(ENDPOINT, **deployments) == {}
    one_more = MANAGED.replace("name: blue", "name: blue-20")
    assert found(ENDPOINT, **deployments, d20=one_more) == {"too-many-deployments": ["churn-prediction"]}


def test_a_kubernetes_deployment_of_a_managed_endpoint_is_noticed():
    assert found(ENDPOINT, blue=KUBERNETES) == {"kubernetes-on-managed": ["kubernetes"]}
    assert found(ENDPOINT + "compute: azureml:cluster\n", blue=KUBERNETES) == {}


def test_the_small_name_is_written_by_the_fix():
    Path("endpoint.yml").write_text("# our name\nname: 'Churn-Prediction'  # here\nauth_mode: key\n")
    problems = rules.run(project.load([Path(".")]), [rules.rules()["endpoint-capital"]])
    assert apply(edits(problems))["endpoint.yml"] == "# our name\nname: 'churn-prediction'  # here\nauth_mode: key\n"

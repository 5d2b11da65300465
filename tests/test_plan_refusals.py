"""What the SDK refuses only while it deploys, each as the failing step of a plan, and the rule that says it at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amlready.azure import refusal
from amlready.azure.commands import Command, Kind
from amlready.azure.session import Failure, Outcome, Request, carry_out
from amlready.plan import plan

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20260514.v1"
SCHEMAS = {Kind.DEPLOYMENT: "managedOnlineDeployment", Kind.ENDPOINT: "managedOnlineEndpoint"}
NAMES = "only consist of '-'s and alphanumeric characters"
ATTRIBUTE = "azure-ai-ml stops with AttributeError: 'NoneType' object has no attribute"


def deployment(**changed: Any) -> tuple[Kind, dict[str, Any]]:
    usual = {"name": "blue", "endpoint_name": "my-endpoint", "model": "azureml:m:1", "environment": "azureml:e:1"}
    return Kind.DEPLOYMENT, {**usual, "instance_type": "Standard_D2as_v4", "instance_count": 1, **changed}


def endpoint(**changed: Any) -> tuple[Kind, dict[str, Any]]:
    return Kind.ENDPOINT, {"name": "my-endpoint", **changed}


def environment(**changed: Any) -> tuple[Kind, dict[str, Any]]:
    return Kind.ENVIRONMENT, {"name": "e", "version": "1", **changed}


def model(**changed: Any) -> tuple[Kind, dict[str, Any]]:
    return Kind.MODEL, {"name": "m", "version": "1", "type": "custom_model", **changed}


def data(**changed: Any) -> tuple[Kind, dict[str, Any]]:
    return Kind.DATA, {"name": "d", "version": "1", **changed}


def code(**given: str) -> tuple[Kind, dict[str, Any]]:
    return deployment(code_configuration=given)


def script(name: str) -> tuple[Kind, dict[str, Any]]:
    return code(code="src", scoring_script=name)


COLLECTOR = {"collections": {"model_inputs": {"enabled": "true", "data": "azureml:d:1"}}}
SCALE = {"type": "target_utilization", "max_instances": 3}
BUILD = {"path": "src"}

CASES = [
    (deployment(name="b" * 33), "at least 3 and at most 32 characters long", "invalid-deployment-name"),
    (deployment(name="ab"), "at least 3 and at most 32 characters long", "invalid-deployment-name"),
    (deployment(name="blue_1"), NAMES, "invalid-deployment-name"),
    (deployment(name="blue-"), NAMES, "invalid-deployment-name"),
    (deployment(name=""), "ValueError: No value for given attribute", "invalid-deployment-name"),
    (endpoint(name="e" * 33), "at least 3 and at most 32 characters long", "endpoint-name-length"),
    (deployment(scale_settings=SCALE), "ManagedOnlineEndpoint supports DefaultScaleSettings", "autoscale-on-managed"),
    (code(code="src"), "azure-ai-ml stops with TypeError", "half-code-configuration"),
    (code(scoring_script="score.py"), ATTRIBUTE, "half-code-configuration"),
    (code(), ATTRIBUTE, "half-code-configuration"),
    (deployment(data_collector=COLLECTOR), "'str' object has no attribute 'name'", "data-reference"),
    (script("nope.py"), "Failed to open scoring script", "missing-script"),
    (code(code="nope", scoring_script="score.py"), "Failed to open scoring script", "missing-code"),
    (script("bad.py"), "syntax errors in scoring script bad.py. Error on line 1: def init(:", "syntax"),
    (script("latin.py"), "azure-ai-ml stops with UnicodeDecodeError", "unreadable"),
    (deployment(environment="azureml:e"), "Version must be provided", "reference-without-version"),
    (deployment(model="azureml:m"), "Version must be provided", "reference-without-version"),
    (deployment(model="azureml:m@stable"), "Asset m with version label stable does not exist", "unknown-label"),
    (deployment(environment={"image": IMAGE, "build": BUILD}), "should be provided not both", "image-and-build"),
    (deployment(environment={"conda_file": "conda.yaml"}), "Docker image or Dockerfile is required", "missing-image"),
    (deployment(environment={}), "Docker image or Dockerfile is required", "missing-image"),
    (environment(image=IMAGE, build=BUILD), "should be provided not both", "image-and-build"),
    (environment(conda_file="conda.yaml"), "Docker image or Dockerfile is required", "missing-image"),
    (deployment(model={"name": "m", "version": "1", "path": "nope.pkl"}), "No such file or dir", "missing-model"),
    (model(path="nope"), "No such file or directory", "missing-model"),
    (deployment(model={}), "Error with model: 'NoneType' object has no attribute", "model-without-path"),
    (model(), ATTRIBUTE, "model-without-path"),
    (code(code="azureml:c", scoring_script="score.py"), "Version must be provided", "code-without-version"),
    (code(code="left-out", scoring_script="score.py"), "must be a non-empty directory", "empty-code"),
    (code(code="linked", scoring_script="score.py"), "FileNotFoundError", "broken-code-link"),
    (
        deployment(code_configuration={"code": ".", "scoring_script": "conda.yaml"}, environment={"image": IMAGE}),
        "syntax errors in scoring script conda.yaml",
        "script-not-python",
    ),
    (
        deployment(model={"name": "m", "version": "1", "path": "azureml://models/m/versions/1"}),
        "Invalid AzureML datastore path URI",
        "inline-model-address",
    ),
    (model(path="linked"), "FileNotFoundError", "broken-model-link"),
    (data(path="nope"), "does not match asset type uri_folder", "data-path-unfit"),
    (data(path="conda.yaml"), "does not match asset type uri_folder", "data-path-unfit"),
    (data(path="src", type="uri_file"), "does not match asset type uri_file", "data-path-unfit"),
    (model(path="empty"), "path or local_path must be a non-empty directory", "empty-model"),
]
"""A command and its file, what the SDK says, and the rule's name."""


def put(folder: Path, case: tuple[Kind, dict[str, Any]]) -> Command:
    """A case's file with all that it may refer to, and the command for it."""
    kind, spec = case
    for name in ("src", "empty", "left-out", "linked"):
        (folder / name).mkdir(parents=True)
    for name in ("left-out", "linked"):
        (folder / name / "score.py").write_text(SCRIPT)
    (folder / "left-out" / ".amlignore").write_text("*\n")
    (folder / "linked" / "weights").symlink_to("gone")
    (folder / "src" / "score.py").write_text(SCRIPT)
    (folder / "src" / "bad.py").write_text("def init(:\n")
    (folder / "src" / "latin.py").write_bytes(SCRIPT.encode() + b"# caf\xe9\n")
    (folder / "conda.yaml").write_text("name: e\nchannels: [conda-forge]\ndependencies: [python=3.11, pip]\n")
    schema = f"https://azuremlschemas.azureedge.net/latest/{SCHEMAS.get(kind, kind)}.schema.json"
    path = folder / f"{kind}.yml"
    path.write_text(json.dumps({"$schema": schema, **spec}))
    return Command(kind, path)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[Outcome]:
    """What came of each case, in one process."""
    root = tmp_path_factory.mktemp("refusals")
    commands = [put(root / str(number), case) for number, (case, _, _) in enumerate(CASES)]
    return carry_out(commands, seconds=60, go_on=True)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[text for _, text, _ in CASES])
def test_what_is_refused_late_is_the_failing_step_in_one_sentence(outcomes, number):
    failure = outcomes[number].failure
    assert failure is not None
    sentence = refusal.sentence(failure)
    assert CASES[number][1] in sentence
    assert "\n" not in sentence
    assert "\x1b" not in sentence
    assert "Resolutions" not in sentence
    assert "http" not in sentence


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{rule}: {text}" for _, text, rule in CASES])
def test_check_says_it_at_once(outcomes, number):
    found = refusal.findings(outcomes[number].command)
    assert found
    assert CASES[number][2] in {each.rule for each in found}


def test_some_are_refused_only_after_assets_were_registered(tmp_path):
    """Why it matters: a data asset is left behind by a deployment that never was."""
    spec = deployment(name="b" * 33, data_collector={"collections": {"model_inputs": {"enabled": "true"}}})
    (outcome,) = carry_out([put(tmp_path, spec)], seconds=60)
    assert outcome.failure is not None
    registered = [each for each in outcome.events if isinstance(each, Request) and each.method == "PUT"]
    assert ["/data/my-endpoint-" in each.url for each in registered] == [True]


def test_a_refusal_ends_the_road_and_is_printed_with_its_rule(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, deployment(name="blue_1", data_collector=COLLECTOR))
    Path("endpoint.yml").write_text("name: my-endpoint\nauth_mode: key\n")
    assert plan() == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert "  REFUSED azure-ai-ml stops with AttributeError: 'str' object has no attribute 'name'" in lines
    assert any("[invalid-deployment-name]" in line for line in lines)
    assert any("[data-reference]" in line for line in lines)
    assert lines[lines.index("az ml online-endpoint update --name my-endpoint --traffic blue_1=100") + 1] == (
        "  not reached"
    )
    assert "`az ml online-deployment create --file deployment.yml` fails" in printed.err


def test_a_file_that_is_not_even_yaml_is_the_failing_step(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("deployment.yml").write_text("endpoint_name: a\nname: [\n")
    assert plan(Path("deployment.yml"), format="json") == 1
    (command,) = json.loads(capsys.readouterr().out)["commands"]
    assert [each["rule"] for each in command["failure"]["findings"]] == ["yaml"]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (
            Failure(
                "ValidationError",
                'Validation for X failed:\n\n {"name": ["Not a text."], "a": {"b": {"value": {"c": ["No."]}}}} \n',
            ),
            "name: Not a text; a.b.c: No",
        ),
        (
            Failure(
                "ValidationError",
                'Validation for X failed:\n\n {"model": [{"_schema": ["Say azureml:"]}, '
                '["FileNotFoundError: no m.pkl from     with open(f)"]]} \n',
            ),
            "model: FileNotFoundError: no m.pkl",
        ),
        (
            Failure("ValidationError", 'Validation for X failed:\n\n {"model": [{"_schema": ["Say azureml:"]}]} \n'),
            "model: none of the accepted forms",
        ),
        (
            Failure(
                "MlException", "\n\x1b[31m(x) One\n thing.\x1b[39m\n(x) Another.\n\nResolutions: \n1) See http://x"
            ),
            "One thing; Another",
        ),
        (Failure("KeyError", "'x'"), "azure-ai-ml stops with KeyError: 'x'"),
        (Failure("RecursionError", ""), "azure-ai-ml stops with RecursionError"),
        (Failure("MlException", "y" * 1000), "y" * 297 + "..."),
    ],
)
def test_the_sdks_message_becomes_a_sentence(failure, sentence):
    assert refusal.sentence(failure) == sentence

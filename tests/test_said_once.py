"""One slip, one finding: what follows from it in the other files is not reported as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready import project, rules

FILES = {
    "endpoint.yml": "name: churn-prediction\nauth_mode: key\n",
    "deployment.yml": """\
name: blue
endpoint_name: churn-prediction
model: azureml:churn:1
environment: azureml:churn-env:1
code_configuration:
  code: src
  scoring_script: score.py
instance_type: Standard_D2as_v4
instance_count: 1
data_collector:
  collections:
    model_inputs:
      enabled: 'true'
    model_outputs:
      enabled: 'true'
""",
    "monitor.yml": """\
name: churn-monitor
trigger: {type: recurrence, frequency: day, interval: 1}
create_monitor:
  compute: {instance_type: standard_e4s_v3, runtime_version: '3.4'}
  monitoring_target:
    ml_task: classification
    endpoint_deployment_id: azureml:churn-prediction:blue
""",
    "src/score.py": """\
from azureml.ai.monitoring import Collector


def init():
    global inputs, outputs
    inputs = Collector(name="model_inputs", on_error=print)
    outputs = Collector(name="model_outputs", on_error=print)


def run(data):
    return data
""",
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(file: str = "", old: str = "", new: str = "") -> list[str]:
    """The rules that report something when a text in one of the files is replaced."""
    assert not file or old in FILES[file]
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text.replace(old, new, 1) if name == file else text)
    return [each.rule for each in rules.run(project.load([Path(".")])) if each.rule != "unused-collector"]


def test_the_files_themselves_are_without_a_finding():
    assert found() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("endpoint.yml", "churn-prediction", "churn_prediction", ["schema"]),
        ("deployment.yml", "endpoint_name: churn-prediction", "endpoint_name: churn-predicton", ["unknown-endpoint"]),
        (
            "deployment.yml",
            "instance_type: Standard_D2as_v4",
            "type: Kubernetes\nresources: {requests: {cpu: '1', memory: 1Gi}}",
            ["kubernetes-type-case"],
        ),
        ("deployment.yml", FILES["deployment.yml"].partition("  collections:")[2], " {}\n", None),
        ("deployment.yml", "  collections:", "  sampling_rate: 1.0\n  collection:", ["schema"]),
        ("src/score.py", '"model_inputs"', '"model_input"', ["collector-not-enabled"]),
    ],
    ids=["endpoint", "reference", "Kubernetes", "empty", "misspelled key", "Collector"],
)
def test_a_slip_is_said_once(file, old, new, expected):
    reported = found(file, old, new)
    if expected is None:  # without collections, which azure-ai-ml takes, each Collector is in vain, and the monitor too
        assert set(reported) == {"collector-not-enabled", "monitor-collection-missing"}
    else:
        assert reported == expected


@pytest.mark.parametrize("key", ["emails: [${x}]", "tags: {team: ${x}}"])
def test_a_placeholder_in_a_list_of_one_line_is_no_broken_yaml(key):
    file, at = ("monitor.yml", "create_monitor:\n") if "emails" in key else ("deployment.yml", "instance_count: 1\n")
    new = f"{at}  alert_notification: {{emails: [${{x}}]}}\n" if "emails" in key else f"{at}{key}\n"
    assert found(file, at, new) == ["unfilled-placeholder"]

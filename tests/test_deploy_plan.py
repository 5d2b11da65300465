"""The plan and scripts/deploy.sh: the same commands, in the same order, for the same wishes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_az.stage import NAME, WHERE, Stage

from amlready.plan import plan

pytest_plugins = ("fake_az.fixtures",)

# What deploy.sh passes besides: where to, no output, values as text; and a tag by which it knows what it applied last.
ITS_OWN = (*WHERE, "--output", "--force-string")
TAG = "tags.amlready="
OF_THE_FILE = {"--name": "name", "--endpoint-name": "endpoint_name", "--version": "version"}


def meant(words: list[str], root: Path) -> tuple[str, dict[str, Any]]:
    """A command and its options, with the names that its file gives where it has none of its own."""
    options: dict[str, list[str]] = {}
    for word in words[3:]:
        if word.startswith("--"):
            option = word
            options.setdefault(option, [])
        else:
            options[option].append(word)
    options["--set"] = [each for each in options.get("--set", []) if not each.startswith(TAG)]
    if "--file" in options:
        spec = yaml.safe_load((root / options["--file"][0]).read_text(encoding="utf-8"))
        options = {option: [spec[key]] for option, key in OF_THE_FILE.items() if key in spec} | options
    return " ".join(words[:3]), {option: given for option, given in options.items() if given and option not in ITS_OWN}


def deployed_commands(stage: Stage, *arguments: str) -> list[tuple[str, dict[str, Any]]]:
    ran = stage.run("deploy.sh", *arguments)
    assert ran.status == 0, ran.err
    return [meant(call, stage.root) for call in ran.raw if call[0] == "ml" and call[2] in ("create", "update")]


def planned_commands(stage: Stage, capsys: pytest.CaptureFixture[str], **wishes: Any) -> list[Any]:
    plan(format="json", **wishes)
    commands = json.loads(capsys.readouterr().out)["commands"]
    assert [each["failure"] for each in commands] == [None] * len(commands)
    return [meant(shlex.split(each["command"])[1:], stage.root) for each in commands]


@pytest.mark.parametrize(
    ("arguments", "wishes"),
    [
        ([], {}),
        (["--set", "model=azureml:scikit-model:2"], {"settings": ["model=azureml:scikit-model:2"]}),
        (
            ["--set", "environment=azureml:scikit-env@latest", "instance_count=1"],
            {"settings": ["environment=azureml:scikit-env@latest", "instance_count=1"]},
        ),
        (["--set", "model=azureml:another:2"], {"settings": ["model=azureml:another:2"]}),
        (["--endpoint-name", "theirs", "--deployment-name", "red"], {"endpoint_name": "theirs", "name": "red"}),
    ],
)
def test_the_plan_is_what_deploy_does_in_an_empty_workspace(stage, capsys, monkeypatch, arguments, wishes):
    monkeypatch.chdir(stage.root)
    stage.state["model"]["another:2"] = {"version": "2"}
    assert planned_commands(stage, capsys, **wishes) == deployed_commands(stage, *arguments)


def test_the_plan_of_one_file_is_the_command_that_deploy_runs_with_it(stage, capsys, monkeypatch):
    monkeypatch.chdir(stage.root)
    endpoint = planned_commands(stage, capsys, file=Path("endpoint.yml"))
    deployment = planned_commands(stage, capsys, file=Path("variants/local-model.yml"))
    traffic = planned_commands(stage, capsys)[-1:]
    assert endpoint + deployment + traffic == deployed_commands(stage, "--local-model")


def shown(stage: Stage) -> Path:
    """What is there, as the show commands print it, in one file."""
    endpoint = dict(stage.state["endpoints"][NAME])
    deployments = endpoint.pop("deployments").values()
    place = "azureml:/subscriptions/s/resourceGroups/g/workspaces/w"
    assets = [
        f"{kind}s/{key.replace(':', '/versions/')}" for kind in ("model", "environment") for key in stage.state[kind]
    ]
    things = [endpoint, *deployments, *({"id": f"{place}/{each}"} for each in assets)]
    file = stage.root / "state.json"
    file.write_text(json.dumps(things), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("traffic", "settings"),
    [({"blue": 100}, []), ({}, []), ({"blue": 100}, ["model=azureml:scikit-model:2", "instance_count=2"])],
)
def test_the_plan_against_what_is_there_is_what_deploy_does_again(deployed, capsys, monkeypatch, traffic, settings):
    monkeypatch.chdir(deployed.root)
    deployed.state["endpoints"][NAME]["traffic"] = traffic
    planned = planned_commands(deployed, capsys, settings=settings, against=shown(deployed))
    assert planned == deployed_commands(deployed, *(["--set", *settings] if settings else []))


def test_the_plan_keeps_the_traffic_as_deploy_does_when_the_endpoint_changes(deployed, capsys, monkeypatch):
    monkeypatch.chdir(deployed.root)
    file = deployed.root / "endpoint.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("Progression", "The progression", 1), encoding="utf-8")
    planned = planned_commands(deployed, capsys, against=shown(deployed))
    assert planned[0][1]["--traffic"] == ["blue=100"]
    assert planned == deployed_commands(deployed)

"""The CI definitions: what they run exists, nothing hides a failure, and no job may do more than it has to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from fake_az.stage import ROOT

WORKFLOW = ".github/workflows/deploy.yml"
FILES = (WORKFLOW, "azure-pipelines.yml")


def read(name: str) -> Any:
    # YAML 1.1 takes `on` for true.
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8").replace("\non:", '\n"on":'))


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(inner)


def commands(name: str) -> list[str]:
    keys = ("run", "bash", "script", "inlineScript")
    return [each[key] for each in mappings(read(name)) for key in keys if isinstance(each.get(key), str)]


def options_of(script: str) -> set[str]:
    text = (ROOT / script).read_text(encoding="utf-8")
    known = re.search(r"^options [\"'](.*?)[\"']", text, re.DOTALL | re.MULTILINE)
    assert known, script
    return {f"--{word.rstrip(':')}" for word in known[1].replace("\\\n", " ").split()}


@pytest.mark.parametrize("name", FILES)
def test_ci_runs_scripts_that_exist_with_options_they_have(name):
    runs = re.findall(r"^\s*(scripts/\w+\.sh)(.*)$", "\n".join(commands(name)), re.MULTILINE)
    assert {script for script, _ in runs} >= {"scripts/deploy.sh", "scripts/rollout.sh", "scripts/invoke.sh"}
    for script, arguments in runs:
        assert set(re.findall(r"--[a-z-]+", arguments)) <= options_of(script)


@pytest.mark.parametrize("name", FILES)
def test_no_step_hides_a_failure(name):
    for each in mappings(read(name)):
        assert not {"continue-on-error", "continueOnError"} & set(each)
        assert each.get("failOnStandardError") is not True  # the scripts say what they do there
        assert "always()" not in str(each.get("if", each.get("condition", "")))
    for command in commands(name):
        assert not re.search(r"\|\| *(true|:)|set \+e|exit 0", command)
        # A shell that goes on after a failure hides it, unless the whole workflow has one that does not.
        assert "\n" not in command.strip() or command.startswith("set -euo pipefail\n") or name == WORKFLOW
    assert name != WORKFLOW or read(name)["defaults"] == {"run": {"shell": "bash"}}


def test_actions_are_pinned_to_a_commit():
    used = [each["uses"] for each in mappings(read(WORKFLOW)) if "uses" in each]
    assert "./" in used
    assert all(each == "./" or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
    assert re.search(r"az extension add --name ml --version \d+\.\d+\.\d+ ", "\n".join(commands(WORKFLOW)))


def test_a_job_may_do_what_it_has_to_and_no_more():
    workflow = read(WORKFLOW)
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert jobs["check"]["permissions"] == {"contents": "read", "security-events": "write"}
    assert "environment" not in jobs["check"]
    for name, needs in (("staging", "check"), ("production", "staging")):
        assert (jobs[name]["needs"], jobs[name]["environment"]) == (needs, name)
        assert jobs[name]["permissions"] == {"contents": "read", "id-token": "write"}
        assert "github.event_name != 'pull_request'" in jobs[name]["if"]
        assert "github.ref == 'refs/heads/main'" in jobs[name]["if"]
    assert all("timeout-minutes" in job for job in jobs.values())
    assert "secrets." not in (ROOT / WORKFLOW).read_text(encoding="utf-8")


def test_pipelines_deploy_from_main_only_and_one_stage_after_the_other():
    stages = {stage["stage"]: stage for stage in read("azure-pipelines.yml")["stages"]}
    assert list(stages) == ["check", "staging", "production"]
    for name, needs in (("staging", "check"), ("production", "staging")):
        assert stages[name]["dependsOn"] == needs
        assert "succeeded()" in stages[name]["condition"]
        assert "'refs/heads/main'" in stages[name]["condition"]
        assert stages[name]["jobs"][0]["environment"] == name
    assert all("timeoutInMinutes" in job for stage in stages.values() for job in stage["jobs"])


def test_both_check_the_whole_repository_and_show_what_was_found():
    assert "amlready check . --format junit >amlready.xml" in "\n".join(commands("azure-pipelines.yml"))
    (step,) = (each for each in mappings(read(WORKFLOW)) if each.get("uses") == "./")
    assert "fork != true" in step["with"]["upload-sarif"]
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(step["with"]) <= set(action["inputs"])
    assert action["inputs"]["paths"]["default"] == "."

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
WORKFLOWS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(".github/workflows/*"))


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


@pytest.mark.parametrize("name", [*WORKFLOWS, "azure-pipelines.yml"])
def test_no_step_hides_a_failure(name):
    for each in mappings(read(name)):
        assert not {"continue-on-error", "continueOnError"} & set(each)
        assert each.get("failOnStandardError") is not True  # the scripts say what they do there
        assert "always()" not in str(each.get("if", each.get("condition", "")))
    for command in commands(name):
        assert not re.search(r"\|\| *(true|:)|set \+e|exit 0", command)
        # A shell that goes on after a failure hides it, unless the whole workflow has one that does not.
        assert "\n" not in command.strip() or command.startswith("set -euo pipefail\n") or name in WORKFLOWS
    assert name not in WORKFLOWS or read(name)["defaults"] == {"run": {"shell": "bash"}}


@pytest.mark.parametrize("name", [*WORKFLOWS, "action.yml"])
def test_actions_are_pinned_to_a_commit_with_its_tag_beside_it(name):
    used = [line.partition("uses: ")[2] for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    used = [each for each in used if each and each != "./"]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_the_same_action_is_the_same_everywhere():
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in (*WORKFLOWS, "action.yml")]
    used = set(re.findall(r"uses: (.*?)@(\w{40})", "\n".join(texts)))
    assert len(used) == len(dict(used))


@pytest.mark.parametrize("name", FILES)
def test_the_extension_is_pinned(name):
    assert re.search(r"az extension add --name ml --version \d+\.\d+\.\d+ ", "\n".join(commands(name)))


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", "azure-pipelines.yml"])
def test_the_wheel_is_built_and_used_elsewhere(name):
    text = "\n".join(commands(name))
    assert "\npython -m build\n" in text
    assert re.search(r"elsewhere/bin/python\" -m pip install .*dist/\*\.whl\n", text)
    assert "elsewhere/bin/amlready check made" in text
    locked = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8").splitlines()
    assert set(re.findall(r"\bbuild==\S+", text)) <= set(locked)


def test_a_release_is_tested_and_may_write_nothing_but_itself():
    workflow = read(".github/workflows/release.yml")
    (job,) = workflow["jobs"].values()
    assert (workflow["permissions"], job["permissions"]) == ({}, {"contents": "write"})
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    runs = [each["run"].split()[0] for each in job["steps"] if "run" in each]
    assert runs == ["python", ".ci/run", ".venv/bin/python", "gh"]


def test_every_job_has_a_time_limit():
    assert all("timeout-minutes" in job for name in WORKFLOWS for job in read(name)["jobs"].values())


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

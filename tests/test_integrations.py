"""The pre-commit hook and the GitHub action, run as their definitions say, on a repository that is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from wheelhouse import pip_settings

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

ENDPOINT = "name: churn-scoring\nauth_mode: key\n"
DEPLOYMENT = """\
name: champion
endpoint_name: churn-scoring
model: azureml:churn:3
environment: azureml:churn-env:7
code_configuration:
  code: ../src
  scoring_script: online_score.py
instance_type: Standard_D2as_v4
instance_count: 1
"""
SCRIPT = "import json\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return json.loads(data)\n"


@pytest.fixture
def repository(tmp_path) -> Path:
    """Somebody's endpoint, laid out in a way of their own."""
    made = tmp_path / "theirs"
    for name, text in {
        "deploy/front.yml": ENDPOINT,
        "deploy/champion.YAML": DEPLOYMENT,
        "src/online_score.py": SCRIPT,
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    git(made, "init", "--quiet")
    git(made, "add", ".")
    return made


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=300)


def damage(repository: Path) -> None:
    path = repository / "deploy" / "champion.YAML"
    path.write_text(DEPLOYMENT.replace("churn-scoring", "churn_scoring"))
    git(repository, "add", ".")


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    given = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run(
        command,
        cwd=folder,
        env=given | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def hook_source(tmp_path_factory) -> Path:
    """This repository as pre-commit would clone it: the working tree's package and definitions, committed."""
    made = tmp_path_factory.mktemp("hook")
    copied = ["pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", "amlready"]
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in copied), str(made)], check=True, timeout=300)
    git(made, "init", "--quiet")
    git(made, "add", ".")
    git(made, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message", "x")
    return made


def test_the_hook_runs_from_another_repository_with_the_base_install(repository, hook_source, tmp_path):
    command = [str(BIN / "pre-commit"), "try-repo", str(hook_source), "amlready", "--all-files", "--verbose"]
    (tmp_path / "wheelhouse").mkdir()
    settings = {"PRE_COMMIT_HOME": str(tmp_path / "cache"), **pip_settings(tmp_path / "wheelhouse")}
    clean = run(command, repository, **settings)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "2 specs checked: no problems" in clean.stdout
    damage(repository)
    damaged = run(command, repository, **settings)
    assert damaged.returncode == 1
    assert "deploy/champion.YAML:2:16: error:" in damaged.stdout


def steps() -> list[dict]:
    return yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]


def act(repository: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's own check step, with its inputs as GitHub would pass them."""
    (step,) = (each for each in steps() if each.get("name") == "Check")
    values = {"PATHS": ".", "ARGUMENTS": "", "SARIF_FILE": "amlready.sarif"} | inputs
    assert set(step["env"]) == set(values)
    return run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], repository, **values)


def test_the_action_annotates_and_writes_sarif(repository):
    clean = act(repository)
    assert (clean.returncode, clean.stdout) == (0, ""), clean.stderr
    damage(repository)
    damaged = act(repository)
    assert damaged.returncode == 1
    assert damaged.stdout.startswith("::error file=deploy/champion.YAML,line=2,")
    report = json.loads((repository / "amlready.sarif").read_text())
    assert report["runs"][0]["results"][0]["level"] == "error"


def test_the_action_passes_arguments_on_and_reports_misuse(repository):
    damage(repository)
    assert act(repository, ARGUMENTS="--only duplicate-key --level error", PATHS="deploy src").returncode == 0
    assert act(repository, PATHS="nowhere").returncode == 2


def test_every_step_of_the_action_has_a_shell_or_a_pinned_action():
    for step in steps():
        assert step.get("shell") == "bash" or "@" in step["uses"]

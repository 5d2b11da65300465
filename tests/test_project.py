"""Finding specs by content and tying them together."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from amlready import project
from amlready.specs import Conda, Deployment, Endpoint, Environment, Model

DEPLOYMENT = """\
name: blue
endpoint_name: my-endpoint
model: azureml:my-model:1
environment: azureml:my-env:1
code_configuration:
  code: ../src
  scoring_script: score.py
instance_type: Standard_D2as_v4
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path: str, text: str) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def test_specs_are_found_by_what_they_say_whatever_they_are_called():
    put("a/champion.YAML", DEPLOYMENT)
    put("b/front.yml", "name: my-endpoint\nauth_mode: key\n")
    put("c/weights.yml", "name: my-model\ntype: custom_model\npath: model.pkl\n")
    put("d/runtime.yml", "name: my-env\nimage: x:1\nconda_file: packages.yaml\n")
    put("d/packages.yaml", "channels: [conda-forge]\ndependencies: [python=3.11]\n")
    found = project.load([Path(".")])
    assert {type(each): str(each.source.path) for each in found.specs} == {
        Deployment: "a/champion.YAML",
        Endpoint: "b/front.yml",
        Model: "c/weights.yml",
        Environment: "d/runtime.yml",
        Conda: "d/packages.yaml",
    }


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  web:\n    image: x\n",
        "endpoint_name: sagemaker-ep\nname: x\ninstance_type: ml.g5.2xlarge\n",
        "model: resnet\nenvironment: prod\ninstance_type: t3.micro\n",
        "endpoint_name: anything\nregion: eu\n",
        "model: resnet\nenvironment: prod\ninstance_type: large\n",
        "name: CI\non: [push]\njobs: {}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n",
        "{{ .Values.helm }}\n",
        "dependencies:\n  - name: redis\n    repository: https://example.com\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ncommand: echo\nenvironment: a\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json\n"
        "name: b\nendpoint_name: e\nmodel: azureml:m:1\nmini_batch_size: 10\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\nname: b\nauth_mode: key\n",
        "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: c\ntype: amlcompute\n",
    ],
)
def test_other_files_are_passed_over_in_silence(text):
    put("other.yml", text)
    found = project.load([Path(".")])
    assert found.specs == ()
    assert found.faults == ()


def test_hidden_and_vendored_folders_and_links_are_not_entered(tmp_path):
    for folder in (".git", ".venv", "node_modules", "venv"):
        put(f"{folder}/deployment.yml", DEPLOYMENT)
    put("odd/pyvenv.cfg", "")
    put("odd/deployment.yml", DEPLOYMENT)
    put("real/deployment.yml", DEPLOYMENT)
    Path("real/loop").symlink_to(tmp_path, target_is_directory=True)
    found = project.load([Path(".")])
    assert [str(each.source.path) for each in found.specs] == ["real/deployment.yml"]


def test_a_broken_file_that_is_meant_to_be_a_spec_is_a_fault():
    put("deployment.yml", "name: blue\nendpoint_name: [my-endpoint\n")
    assert [each.kind for each in project.load([Path(".")]).faults] == ["yaml"]


def test_a_named_file_that_is_no_spec_is_a_fault():
    put("notes.yml", "hello: world\n")
    put("notes.txt", "hello")
    assert [each.kind for each in project.load([Path("notes.yml"), Path("notes.txt")]).faults] == ["unrecognised"] * 2


def test_paths_are_relative_to_the_file_and_references_are_followed():
    put("deploy/deployment.yml", DEPLOYMENT)
    put("deploy/endpoint.yml", "name: My-Endpoint\nauth_mode: key\n")
    put("deploy/model.yml", "name: my-model\nversion: 1\ntype: custom_model\npath: ../model/m.pkl\n")
    put("deploy/environment.yml", "name: my-env\nversion: 1\nimage: x:1\nconda_file: ../env/conda.yaml\n")
    put("env/conda.yaml", "channels: [conda-forge]\ndependencies: [python=3.11, pip, {pip: [joblib==1.6.0]}]\n")
    put("model/m.pkl", "")
    put("src/score.py", "def init(): ...\ndef run(data): ...\n")
    (deployment,) = project.load([Path("deploy")]).deployments
    assert deployment.endpoint is not None
    assert deployment.model is not None
    assert deployment.model.path.exists
    assert deployment.environment.conda.packages.named("joblib")[0].version == "1.6.0"
    assert set(deployment.script.main.functions) == {"init", "run"}


def test_of_several_specs_of_one_name_the_nearest_is_meant():
    put("one/deployment.yml", DEPLOYMENT)
    put("one/endpoint.yml", "name: my-endpoint\nauth_mode: key\n")
    put("two/deployment.yml", DEPLOYMENT)
    put("two/endpoint.yml", "name: my-endpoint\nauth_mode: aml_token\n")
    for each in project.load([Path(".")]).deployments:
        assert each.endpoint.folder == each.folder


def test_a_path_that_exists_only_from_the_root_of_the_repository_says_so(tmp_path):
    (tmp_path / ".git").mkdir()
    put("deploy/deployment.yml", DEPLOYMENT.replace("../src", "src"))
    put("src/score.py", "")
    (deployment,) = project.load([Path(".")]).deployments
    assert not deployment.code.exists
    assert deployment.code.elsewhere == "../src"


def test_a_file_is_read_once_however_it_is_named():
    put("deployment.yml", DEPLOYMENT)
    found = project.load([Path("."), Path("./deployment.yml"), Path("x/../deployment.yml")])
    assert len(found.deployments) == 1


def test_a_conda_file_that_only_an_environment_refers_to_is_read_whatever_is_in_it():
    put("environment.yml", "name: e\nimage: x:1\nconda_file: odd.yaml\n")
    put("odd.yaml", "name: nothing\n")
    found = project.load([Path("environment.yml")])
    assert [type(each) for each in found.specs] == [Environment, Conda]


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments], check=True, timeout=300)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_git_ignores_is_passed_over_unless_it_is_named():
    git("init", "--quiet")
    put(".gitignore", "generated/\n*.local.yml\n")
    for name in ("generated/deployment.yml", "mine.local.yml", "kept/deployment.yml", "kept/é ü.yml"):
        put(name, DEPLOYMENT)
    put("generated/broken.yml", "endpoint_name: [")
    found = project.load([Path(".")])
    assert {str(each.source.path) for each in found.specs} == {"kept/deployment.yml", "kept/é ü.yml"}
    assert found.faults == ()
    assert len(project.load([Path("mine.local.yml")]).deployments) == 1
    assert len(project.load([Path("generated")]).deployments) == 1
    put("many/.keep", "")
    for number in range(400):
        put(f"many/{'x' * 100}{number}.local.yml", DEPLOYMENT)
    assert len(project.load([Path(".")]).deployments) == 2


def test_without_git_nothing_is_ignored(monkeypatch):
    put("deployment.yml", DEPLOYMENT)
    monkeypatch.setenv("PATH", "")
    assert len(project.load([Path(".")]).deployments) == 1

"""Which files around a deployment are taken for its sample requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready import project

DEPLOYMENT = "name: blue\nendpoint_name: churn\nmodel: azureml:churn:1\ninstance_type: Standard_D2as_v4\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(*files: str, deployments: tuple[str, ...] = ("deploy",), content: str = '{"data": []}') -> list[str]:
    for folder in deployments:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "deployment.yml").write_text(DEPLOYMENT)
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(content)
    first = project.load([Path(".")]).deployments[0]
    return [str(each.source.path) for each in first.requests]


@pytest.mark.parametrize(
    "name",
    [
        *("sample-request.json", "sample_request.json", "sample-request-2.json", "Sample-Request.JSON", "request.json"),
        *(
            "test-request.json",
            "test_request.json",
            "sample.json",
            "sample_data.json",
            "input.json",
            "test_payload.json",
        ),
    ],
)
def test_names_that_people_give_to_a_request(name):
    assert found(f"deploy/{name}") == [f"deploy/{name}"]


@pytest.mark.parametrize(
    "name",
    [
        *("bad-request.json", "request-schema.json", "pull_request.json", "response.json", "config.json", "data.json"),
        *("test-results.json", "sample-requests/one.json"),
    ],
)
def test_names_of_something_else(name):
    assert found(f"deploy/{name}") == []


@pytest.mark.parametrize("content", ["[1, 2]", '{"name": "x"}', "{", '{"data": 1, "a": 2, "b": 3}'])
def test_a_sample_that_does_not_look_like_a_request_is_none(content):
    assert found("deploy/sample.json", content=content) == []


def test_a_file_called_a_request_is_one_whatever_it_says():
    assert found("deploy/request.json", content="{") == ["deploy/request.json"]


@pytest.mark.parametrize("name", ["request.json", "data/sample_request.json", "tests/test-request.json"])
def test_the_only_deployments_may_have_it_above_them(name):
    assert found(name) == [name]


def test_the_nearer_one_counts():
    assert found("request.json", "deploy/request.json") == ["deploy/request.json"]


def test_with_deployments_in_several_folders_nobody_knows_whose_it_is():
    assert found("request.json", deployments=("one", "two")) == []


def test_nothing_above_the_working_directory_is_looked_at(monkeypatch):
    Path("request.json").write_text("{}")
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    assert found() == []
    assert found(deployments=(".",)) == []

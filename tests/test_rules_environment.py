"""Rules about environments: what they must find, what they must leave alone, and that pip and the SDK agree."""

from __future__ import annotations

import importlib.metadata
import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from sklearn.linear_model import LinearRegression

from amlready import inference_server, packages, project, rules
from amlready.fix import apply, edits
from amlready.images import image
from amlready.rules.environment import python
from amlready.rules.environment.images import images
from amlready.versions import stretch

MINE = [each for each in rules.rules().values() if each.module == "environment"]

DEPLOYMENT = """\
name: blue
endpoint_name: my-endpoint
model: azureml:ours:1
environment: azureml:ours:1
code_configuration:
  code: src
  scoring_script: score.py
instance_type: Standard_D2as_v4
instance_count: 1
"""
ENVIRONMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: ours
version: "1"
image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20260514.v1
conda_file: conda.yaml
"""
CONDA = """\
channels: [conda-forge]
dependencies:
  - python=3.12
  - pip=26.1.1
  - pip:
      - azureml-inference-server-http==1.5.1
      - azureml-ai-monitoring==1.0.0
      - scikit-learn==1.9.1
"""
INFERENCE = """\
inference_config:
  liveness_route: {path: /, port: 5001}
  readiness_route: {path: /, port: 5001}
  scoring_route: {path: /score, port: 5001}
"""


SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\n"

pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/score.py").write_text("def init(): ...\ndef run(data): return data\n")


def found(**others: str) -> dict[str, list[str]]:
    """The texts that are pointed at, by rule; `environment`, `conda` and `deployment` have good ones otherwise."""
    texts = {"deployment.yml": DEPLOYMENT, "environment.yml": ENVIRONMENT, "conda.yaml": CONDA}
    texts |= {f"{name}.yaml" if name == "conda" else f"{name}.yml": text for name, text in others.items()}
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8", newline="")
    by_rule: dict[str, list[str]] = {}
    for each in rules.run(project.load([Path(".")]), MINE):
        by_rule.setdefault(each.rule, []).append(each.problem.span.text)
    return by_rule


def messages(name: str) -> list[str]:
    """What a rule says about the files that are there."""
    return [each.problem.message for each in rules.run(project.load([Path(".")]), [rules.rules()[name]])]


def conda(*pip: str, python: str = "python=3.12", others: tuple[str, ...] = ()) -> str:
    """A conda file with these entries."""
    lines = [f"  - {each}\n" for each in (python, *others, "pip=26.1.1") if each]
    entries = "".join(f"      - {each}\n" for each in pip)
    return "channels: [conda-forge]\ndependencies:\n" + "".join(lines) + (f"  - pip:\n{entries}" if pip else "")


def test_a_complete_environment_is_left_alone():
    assert found() == {}


# --- what an environment is made from ---


@pytest.mark.parametrize(
    "environment",
    [
        "image: ours.azurecr.io/server:3\n" + INFERENCE,
        "image: mcr.microsoft.com/azureml/minimal-py312-inference@sha256:" + "a" * 64 + "\n",
        "image: mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:20260514.v1\n",
        "image: nvcr.io/nvidia/tritonserver:26.05-py3\n" + INFERENCE,
        "image: localhost:5000/a/b:1\n" + INFERENCE,
        "image: ubuntu:24.04\n" + INFERENCE,
        "image: python:3.12-slim\n" + INFERENCE,
        "build: {path: src, dockerfile_path: score.py}\n",
        "build: {path: 'https://github.com/ours/server.git#main:docker'}\n",
        "image: ${IMAGE}\nconda_file: conda.yaml\n",
        "image: mcr.microsoft.com/azureml/{{image}}:1\nconda_file: conda.yaml\n",
        "image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04:20260514.v1\nconda_file: conda.yaml\nos_type: linux\n",
    ],
)
def test_environments_that_work_are_left_alone(environment):
    Path("src/score.py").write_text("ARG X\nFROM ours.azurecr.io/base:1\nCOPY --from=base /x /y\nCOPY score.py /app/\n")
    deployment = DEPLOYMENT.replace("code_configuration:\n  code: src\n  scoring_script: score.py\n", "")

    assert found(environment=f"{SCHEMA}name: ours\nversion: '1'\n{environment}", deployment=deployment) == {}


def test_a_conda_file_may_stand_in_the_environment_itself():
    inline = "".join(f"  {line}\n" for line in conda("azureml-inference-server-http=1.5.1").splitlines())
    spec = ENVIRONMENT.replace("conda_file: conda.yaml\n", "conda_file:\n" + inline)

    assert found(environment=spec) == {"single-equals": ["azureml-inference-server-http=1.5.1"]}


def test_what_an_inline_conda_file_lacks_is_said_where_it_stands():
    spec = ENVIRONMENT.replace("conda_file: conda.yaml\n", "conda_file:\n  channels: [conda-forge]\n")

    rule = rules.rules()["unknown-conda-section"]
    Path("environment.yml").write_text(spec)
    (problem,) = rules.run(project.load([Path(".")]), [rule])

    assert problem.problem.span.line == 6


@pytest.mark.parametrize(
    "environment", ["conda_file: conda.yaml\n", "image: ''\nconda_file: conda.yaml\n", "description: nothing\n"]
)
def test_an_environment_without_an_image_cannot_be_registered(environment):
    from azure.ai.ml import load_environment

    reported = found(environment=f"{SCHEMA}name: ours\nversion: '1'\n{environment}")

    assert "missing-image" in reported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_environment("environment.yml")
        if loaded.image is None:
            with pytest.raises(Exception, match="Docker image or Dockerfile is required"):
                loaded._to_rest_object()
        else:
            assert not loaded._to_rest_object().properties.image


def test_an_image_and_a_build_context_cannot_be_registered():
    from azure.ai.ml import load_environment

    reported = found(environment=ENVIRONMENT + "build: {path: src, dockerfile_path: score.py}\n")

    assert reported["image-and-build"] == ["image"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match="not both"):
            load_environment("environment.yml")._to_rest_object()


@pytest.mark.parametrize(
    ("version", "sent"),
    [("1.10", "1.1"), ("010", "8"), ("0x10", "16"), ("1:30", "90"), ("true", "True"), ("1e3", None), ("7", None)],
)
def test_the_version_is_the_one_that_the_sdk_sends(version, sent):
    from azure.ai.ml import load_environment

    reported = found(environment=ENVIRONMENT.replace('"1"', version))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_environment("environment.yml").version == (sent or version)
    assert ("environment-version-altered" in reported) == (sent is not None)


@pytest.mark.parametrize("name", ["scikit env", "a/b", "a:b", "a@b", "a#b", "-a"])
def test_a_name_that_no_reference_can_have_is_reported(name):
    assert found(environment=ENVIRONMENT.replace("name: ours", f"name: '{name}'"))["environment-name-characters"]


@pytest.mark.parametrize("name", ["scikit.env-1_0", "AzureMLx".lower(), "ours"])
def test_other_names_are_left_alone(name):
    assert found(environment=ENVIRONMENT.replace("name: ours", f"name: {name}")) == {}


@pytest.mark.parametrize("name", ["AzureML-ours", "Microsoft-ours", "x" * 256])
def test_reserved_and_long_names_are_reported(name):
    assert found(environment=ENVIRONMENT.replace("name: ours", f"name: {name}"))["invalid-environment-name"] == [name]


@pytest.mark.parametrize(
    ("port", "reported"),
    [
        ("8080", False),
        ("'8080'", False),
        ("65535", False),
        ("65536", True),
        ("0", True),
        ("-1", True),
        ("'99999'", True),
    ],
)
def test_ports_go_from_1_to_65535(port, reported):
    spec = f"{SCHEMA}name: ours\nversion: '1'\nimage: ours.azurecr.io/x:1\n{INFERENCE.replace('5001', port, 1)}"
    assert ("invalid-route-port" in found(environment=spec)) == reported


# --- images ---


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", "deprecated-image"),
        ("MCR.microsoft.com/azureml/openmpi3.1.2-ubuntu18.04:1", "deprecated-image"),
        ("mcr.microsoft.com/azureml/o16n-base/python-slim:1", "deprecated-image"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.3-cudnn8-ubuntu20.04:1", "end-of-life-image"),
        ("mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference:1", "end-of-life-image"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:1", "unsupported-inference-image"),
        ("mcr.microsoft.com/azureml/pytorch-1.9-ubuntu18.04-py37-cpu-inference:1", "unsupported-inference-image"),
        ("ubuntu:focal-20240216", "end-of-life-image"),
        ("docker.io/library/ubuntu:20.04", "end-of-life-image"),
        ("nvidia/cuda:11.8.0-runtime-ubuntu20.04", "end-of-life-image"),
        ("python:3.8-slim", "end-of-life-image"),
        ("python:3.12-slim-buster", "end-of-life-image"),
        ("debian:10-slim", "end-of-life-image"),
    ],
)
def test_images_that_are_no_longer_looked_after(name, rule):
    routes = "" if name.endswith("-inference:1") else INFERENCE
    reported = found(environment=f"{SCHEMA}name: ours\nversion: '1'\nimage: {name}\n{routes}")

    assert set(reported) - {"image-latest"} == {rule}
    assert reported[rule] == [name]


# Each form was given to docker 28.2, which calls these and only these `invalid reference format`.
@pytest.mark.parametrize(
    "name",
    [
        *("a/B", "https://mcr/x:1", "docker://x", "a b:1", "x:", "x:tag with", "x@sha256:abc", "a:.1", "a/b/", "a//b"),
        *("x:" + "t" * 129, "x:latest ", "user:pw@h.io/x:1", "a.b/c:1:2", "a-/b", "a._b", "a___b", "a/b:5000/c"),
    ],
)
def test_names_that_docker_cannot_read(name):
    assert image(name) is None
    assert found(environment=f"{SCHEMA}name: ours\nversion: '1'\nimage: '{name}'\n{INFERENCE}")["invalid-image"]


@pytest.mark.parametrize(
    ("name", "host", "repository", "tag"),
    [
        ("ubuntu", "", "ubuntu", None),
        ("Foo/bar:1", "Foo", "bar", "1"),
        ("a_b/c", "", "a_b/c", None),
        ("localhost/x:1", "localhost", "x", "1"),
        ("a__b/c--d:UPPER_1.2-3", "", "a__b/c--d", "UPPER_1.2-3"),
        ("my_acr.azurecr.io/x@sha256:" + "a" * 64, "my_acr.azurecr.io", "x", None),
    ],
)
def test_names_that_docker_can_read(name, host, repository, tag):
    parts = image(name)
    assert parts is not None
    assert (parts.host, parts.repository, parts.tag) == (host, repository, tag)


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("churn-server:1", {"image-without-registry"}),
        ("team/churn-server:1", set()),
        ("ours.azurecr.io/churn-server:1", set()),
        ("localhost:5000/churn-server:1", set()),
        ("library/churn-server:1", set()),
        ("docker.io/churn-server:1", set()),
        ("r-base:4.5.1", set()),
    ],
)
def test_a_name_alone_is_an_image_of_docker_hub(name, reported):
    assert set(found(environment=f"{SCHEMA}name: ours\nversion: '1'\nimage: {name}\n{INFERENCE}")) == reported


def test_images_of_a_dockerfile_are_checked_where_they_stand():
    Path("context").mkdir()
    Path("context/Dockerfile").write_text(
        "ARG BASE=x\nFROM $BASE\nFROM scratch\nFROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:1 AS Base\n"
        "FROM base\nFROM --platform=linux/amd64 python\n"
    )
    reported = found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n")

    assert reported["deprecated-image"] == ["mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:1"]
    assert reported["image-without-tag"] == ["python"]
    environment = project.load([Path("environment.yml")]).environments[0]
    assert [each.span.source.path.name for each in images(environment)] == ["Dockerfile", "Dockerfile"]


def test_a_finding_in_a_dockerfile_can_be_ignored_there():
    Path("context").mkdir()
    Path("context/Dockerfile").write_text("# amlready: ignore[image-without-tag] the newest is wanted\nFROM ubuntu\n")
    assert found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n") == {}


@pytest.mark.parametrize(
    ("image_name", "reported"),
    [
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", {"deprecated-image"}),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference", {"unsupported-inference-image"}),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", {"image-without-tag"}),
        ("mcr.microsoft.com/azureml/minimal-py312-inference", {"image-without-tag"}),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest", {"image-latest"}),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", {"deprecated-image"}),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest", {"unsupported-inference-image"}),
    ],
)
def test_an_image_that_needs_another_name_is_not_asked_for_a_tag_as_well(image_name, reported):
    text = f"{SCHEMA}name: ours\nversion: '1'\nimage: {image_name}\nconda_file: conda.yaml\n"
    assert found(environment=text).keys() == reported


def test_an_image_below_docker_is_a_fault_of_the_schema_alone():
    text = f"{SCHEMA}name: ours\nversion: '1'\ndocker:\n  image: ours.azurecr.io/x:1\nconda_file: conda.yaml\n"
    assert "missing-image" not in found(environment=text)


def test_a_package_that_is_listed_again_with_a_version_is_not_called_unpinned():
    reported = found(conda=conda("scikit-learn==1.9.1", "scikit-learn", "pandas"))
    assert reported["duplicate-requirement"] == ["scikit-learn"]
    assert messages("unpinned-requirements") == ["no version is stated for pandas; pin each, as NAME==VERSION"]


@pytest.mark.parametrize("kind", ["user_assigned", "UserAssigned"])
def test_an_identity_of_the_endpoints_own_needs_a_role(kind):
    endpoint = f"name: my-endpoint\nauth_mode: key\nidentity:\n  type: {kind}\n"
    environment = f"name: ours\nversion: '1'\nimage: ours.azurecr.io/x:1\n{INFERENCE}"

    assert found(endpoint=endpoint, environment=environment) == {"registry-needs-role": ["ours.azurecr.io/x:1"]}


# --- build contexts ---


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("COPY conda.yaml /x/", False),
        ("COPY ./conda.yaml /x/", False),
        ("COPY /conda.yaml /x/", False),
        ("COPY . /x/", False),
        ("COPY *.yaml missing* /x/", False),
        ("COPY $FILE ${FILE} /x/", False),
        ("COPY --from=builder /nowhere /x/", False),
        ("ADD https://example.org/x.tgz /x/", False),
        ("ADD git@example.org:ours/x.git /x/", False),
        ('COPY ["conda.yaml", "/x/"]', False),
        ("COPY <<EOF /x/file\nmissing.txt here\nEOF", False),
        ("RUN cp missing.txt /x/", False),
        ("copy missing.txt /x/", True),
        ("COPY conda.yaml \\\n  missing.txt /x/", True),
        ('COPY --chown=1:1 ["missing.txt", "/x/"]', True),
        ("COPY ../environment.yml /x/", True),
        ("COPY left.out /x/", True),
        ("COPY empty /x/", True),
    ],
)
def test_what_a_dockerfile_copies_has_to_be_in_the_context(line, reported):
    Path("context/empty").mkdir(parents=True)
    Path("context/conda.yaml").write_text("dependencies: [python=3.12]\n")
    Path("context/left.out").write_text("x")
    Path("context/.amlignore").write_text("*.out\n")
    Path("context/Dockerfile").write_text(f"FROM ours.azurecr.io/base:1\n{line}\n")

    rules_found = found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n")

    assert ("missing-copy-source" in rules_found) == reported


def test_a_dockerfile_of_another_name_is_proposed():
    Path("context").mkdir()
    Path("context/server.Dockerfile").write_text("FROM ours.azurecr.io/base:1\n")
    found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n")

    (problem,) = rules.run(project.load([Path(".")]), [rules.rules()["missing-dockerfile"]])

    assert "server.Dockerfile" in problem.problem.message


def test_one_line_that_is_no_instruction_is_enough():
    Path("context").mkdir()
    Path("context/Dockerfile").write_text("FROM ours.azurecr.io/base:1\nRUN apt-get update\n  apt-get install x\n  y\n")

    reported = found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n")

    assert reported == {"unknown-instruction": ["apt-get"]}


def test_large_contexts_and_dockerfiles_are_noted():
    Path("context").mkdir()
    Path("context/Dockerfile").write_text("FROM ours.azurecr.io/base:1\n" + "# x\n" * 30_000)
    Path("context/data.bin").write_bytes(bytes(2_000_000))

    reported = found(environment=SCHEMA + "name: ours\nversion: '1'\nbuild: {path: context}\n")

    assert reported == {"large-build-context": ["", "context"]}


# --- the form of the conda file ---


@pytest.mark.parametrize(
    "text",
    [
        CONDA,
        CONDA.replace("python=3.12", "python==3.12.1"),
        CONDA.replace("python=3.12", "'python>=3.11,<3.13'"),
        CONDA.replace("python=3.12", "python 3.12"),
        CONDA.replace("python=3.12", "conda-forge::python=3.12=h0_cpython"),
        CONDA.replace("pip=26.1.1", "pip>=24.0"),
        CONDA.replace("channels: [conda-forge]", "name: ours\nchannels:\n- conda-forge\n- nodefaults\nprefix: /x"),
        CONDA + "      - --extra-index-url https://example.org/simple\n",
        CONDA + "      - ours @ https://example.org/ours-1.0-py3-none-any.whl\n",
        CONDA + "      - https://example.org/ours-1.0-1-py3-none-any.whl\n",
        CONDA + "      - git+https://example.org/ours.git@v1#egg=ours\n",
        CONDA + "      - torch==2.9.0+cpu\n",
        CONDA + "      - numpy==2.4.6 ; python_version >= '3.11'\n      - numpy==1.26.4 ; python_version < '3.11'\n",
        CONDA + "      - inference-schema[numpy-support]==1.8\n",
        CONDA + "      - pandas (==3.1.1)\n",
        CONDA + "      - mlflow== 3.5.0  # a comment\n",
        CONDA + "variables:\n  A: b\n",
    ],
)
def test_conda_files_that_work_are_left_alone(text):
    assert found(conda=text) == {}


@pytest.mark.parametrize(
    ("text", "rule", "at"),
    [
        ("", "conda-without-mapping", ""),
        ("- python=3.12\n", "conda-without-mapping", ""),
        (CONDA.replace("dependencies", "dependancies"), "unknown-conda-section", "dependancies"),
        (CONDA.replace("channels", "channel"), "unknown-conda-section", "channel"),
        (CONDA.replace("channels: [conda-forge]\n", ""), "missing-channels", "dependencies"),
        (CONDA.replace("channels: [conda-forge]", "channels: []"), "missing-channels", "channels"),
        (CONDA.replace("python=3.12", "3.12"), "invalid-dependency", "3.12"),
        (CONDA.replace("python=3.12", "python: 3.12"), "invalid-dependency", "python"),
        (CONDA.replace("python=3.12", "[python]"), "invalid-dependency", "[python]"),
        ("channels: [x]\ndependencies: python=3.12\n", "invalid-dependency", "python=3.12"),
        ("channels: [x]\ndependencies:\n  - python=3.12\n  - pip:\n", "invalid-dependency", "pip"),
        ("channels: [x]\ndependencies:\n  - python=3.12\n  - pip: [1]\n", "invalid-dependency", "1"),
        (CONDA.replace("python=3.12", "python"), "python-not-stated", "python"),
        (CONDA.replace("  - python=3.12\n", ""), "python-not-stated", "dependencies"),
        (CONDA.replace("pip=26.1.1", "python=3.11"), "python-stated-twice", "python=3.11"),
        (CONDA.replace("  - pip=26.1.1\n", ""), "pip-not-stated", "pip"),
        (CONDA.replace("pip=26.1.1", "pip"), "unpinned-requirements", "pip"),
        (CONDA.replace("python=3.12", "python=>3.12"), "malformed-conda-entry", "python=>3.12"),
        (CONDA.replace("python=3.12", "python="), "malformed-conda-entry", "python="),
        (CONDA.replace("python=3.12", "python3.12"), "malformed-conda-entry", "python3.12"),
        (CONDA + "      - Scikit_Learn\n", "duplicate-requirement", "Scikit_Learn"),
        (CONDA + "      - scikit-learn<1.5\n", "conflicting-requirements", "scikit-learn<1.5"),
        (CONDA.replace("pip=26.1.1", "scikit-learn=1.9"), "installed-twice", "scikit-learn==1.9.1"),
        (
            CONDA.replace("  - pip=26.1.1\n", "  - pip=26.1.1\n  - azureml-defaults\n"),
            "not-a-conda-package",
            "azureml-defaults",
        ),
    ],
)
def test_faults_of_conda_files(text, rule, at):
    assert found(conda=text)[rule] == [at]


def test_a_conda_file_that_nothing_uses_is_only_asked_for_what_fails_anywhere():
    Path("conda.yaml").unlink(missing_ok=True)
    other = "dependencies:\n  - python=3.8\n  - pip\n  - pip:\n      - numpy\n      - pandas=1\n"
    deployment = DEPLOYMENT.replace("environment: azureml:ours:1\n", "")

    assert found(conda=other, deployment=deployment, environment="# nothing\n") == {"single-equals": ["pandas=1"]}


# --- entries ---

ENTRIES = [
    *("numpy", "numpy==1.26", "numpy==1.26.*", "numpy>=1.20,<2", "numpy >= 1.20, < 2", "numpy~=1.26", "numpy!=1"),
    *(
        "numpy===1.26.4",
        "python_dateutil (==2.8)",
        "a[b,c]==1",
        "a[]==1",
        "a @ https://x/y.whl",
        "numpy==1; python_version<'3'",
    ),
    *(
        "numpy=1.26",
        "numpy=>1.26",
        "numpy 1.26",
        "numpy==",
        "numpy==1.26,",
        "numpy~1.26",
        "numpy>1.20<2",
        "numpy=1.26.*",
    ),
    *("numpy[", "numpy>=1.20,<2,", "numpy><1", "-numpy", "numpy-", "numpy=<2", "numpy==1.0==2", "==1", "numpy ,1"),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_reported_when_pip_cannot_read_it(entry):
    reported = found(conda=conda(f'"{entry}"'))
    wrong = {"single-equals", "malformed-requirement"} & reported.keys()
    if entry.startswith("-"):
        assert not wrong
        return
    try:
        Requirement(entry)
    except InvalidRequirement:
        assert wrong
    else:
        assert not wrong


@pytest.mark.parametrize(
    ("entry", "fixed"),
    [("numpy=2.4.6", "numpy==2.4.6"), ("Foo[a]=1.0", "Foo[a]==1.0"), ("'numpy=2.4.6'", "'numpy==2.4.6'")],
)
def test_a_single_equals_sign_is_doubled(entry, fixed):
    found(conda=conda(entry))
    loaded = project.load([Path(".")])

    changes = apply(edits(rules.run(loaded, [rules.rules()["single-equals"]])))

    assert changes[str(Path("conda.yaml"))] == conda(fixed)


@pytest.mark.parametrize(
    ("entry", "reported"),
    [
        *(("-r requirements.txt", True), ("--requirement=requirements.txt", True), ("-e .", True), ("./ours", True)),
        *(("../ours.whl", True), ("ours-1.0-py3-none-any.whl", True), ("file:ours", True), ("-c limits.txt", True)),
        *(("-r https://example.org/r.txt", False), ("--index-url https://example.org", False), ("/opt/ours", False)),
        *(("-e git+https://example.org/ours.git#egg=ours", False), ("ours", False), ("-r ${FILE}", False)),
        *(("--find-links https://example.org", False), ("--pre", False), ("git+ssh://git@example.org/x", False)),
    ],
)
def test_files_of_this_machine_are_not_there_when_the_image_is_built(entry, reported):
    assert ("local-requirement" in found(conda=conda(f'"{entry}"'))) == reported


@pytest.mark.parametrize(("name", "right"), [("sklearn", "scikit-learn"), ("pytorch", "torch")])
def test_a_package_that_only_says_its_right_name_is_renamed(name, right):
    found(conda=conda(name))

    changes = apply(edits(rules.run(project.load([Path(".")]), [rules.rules()["wrong-package-name"]])))

    assert changes[str(Path("conda.yaml"))] == conda(right)


def test_the_conda_package_of_pytorch_is_called_pytorch():
    assert "wrong-package-name" not in found(conda=conda(others=("pytorch=2.9",)))


# --- Python ---


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        *(("python=3.8", "3.8"), ("python==3.9.18", "3.9"), ("python=3.10.*", "3.10"), ("python>=3.8,<3.9", "3.8")),
        *(("python=3.11", None), ("python>=3.8", None), ("python=3", None), ("python~=3.8", None), ("python<4", None)),
        *(("python=3.7|3.8", None), ("python 3.8", "3.8"), ("python=3.8.20=h0", "3.8"), ("python=3.14", None)),
    ],
)
def test_a_python_at_its_end_of_life_is_told_when_it_is_certain(asked, version):
    reported = found(conda=conda("ours==1", python=f'"{asked}"'))
    assert ("python-end-of-life" in reported) == (version is not None)


@pytest.mark.parametrize("name", sorted(python.REQUIRES_PYTHON))
def test_what_is_installed_here_needs_the_python_that_the_table_says(name):
    distribution = importlib.metadata.distribution(name)
    root = packages.Requirement(None, packages.normalise(name), f"=={distribution.version}", "pip")
    declared = distribution.metadata.get("Requires-Python")

    needed = python.needed_python(root)

    assert needed is not None
    if declared is not None and name != "azureml-ai-monitoring":  # its limit is that of the pandas it requires
        limits = SpecifierSet(declared)
        assert needed in limits
        assert f"{needed.partition('.')[0]}.{int(needed.partition('.')[2]) - 1}" not in limits


@pytest.mark.parametrize(
    ("runs", "entry", "reported"),
    [
        ("3.8", "numpy==1.25.0", True),
        ("3.8", "numpy==1.24.4", False),
        ("3.8", "numpy>=1.20", False),
        ("3.10", "scikit-learn~=1.8.0", True),
        ("3.10", "pandas>=3.0", True),
        ("3.10", "pandas", False),
        ("3.7", "azureml-ai-monitoring", True),
    ],
)
def test_versions_that_do_not_install_on_an_old_python(runs, entry, reported):
    assert ("python-too-old" in found(conda=conda(entry, python=f"python={runs}"))) == reported


# --- the inference server ---


def test_the_newest_release_requires_what_it_declares():
    distribution = importlib.metadata.distribution("azureml-inference-server-http")
    release = next(each for each in inference_server.RELEASES if each.version == distribution.version)
    declared = {
        packages.normalise(requirement.name): str(requirement.specifier)
        for requirement in map(Requirement, distribution.requires or ())
        if requirement.specifier and not (requirement.marker and "extra" in str(requirement.marker))
    }

    assert f">={release.python}" == distribution.metadata.get("Requires-Python")
    for name, condition in release.requires.items():
        assert SpecifierSet(condition) == SpecifierSet(declared[name])


def test_releases_are_listed_from_the_newest_on():
    versions = [each.version for each in inference_server.RELEASES]
    assert versions == sorted(versions, key=lambda each: [int(part) for part in each.split(".")], reverse=True)
    assert all(stretch(condition) for each in inference_server.RELEASES for condition in each.requires.values())


SERVER, COLLECTOR = "azureml-inference-server-http", "azureml-ai-monitoring==1.0.0"


@pytest.mark.parametrize(
    ("entries", "runs", "at"),
    [
        ((f"{SERVER}==1.4.0", COLLECTOR), "3.11", f"{SERVER}==1.4.0"),
        ((f"{SERVER}<1.4.1", COLLECTOR), "3.11", f"{SERVER}<1.4.1"),
        ((f"{SERVER}~=1.3.0", COLLECTOR), "3.11", f"{SERVER}~=1.3.0"),
        ((SERVER, COLLECTOR), "3.8", "python=3.8"),
        ((SERVER, COLLECTOR, "pydantic==2.9.2"), "3.11", "pydantic==2.9.2"),
        ((SERVER, COLLECTOR, "flask<3"), "3.11", "flask<3"),
        ((f"{SERVER}==1.4.1", COLLECTOR), "3.11", None),
        ((f"{SERVER}>=1.3", COLLECTOR), "3.11", None),
        ((SERVER, COLLECTOR), "3.11", None),
        ((f"{SERVER}==1.4.0",), "3.11", None),
        ((f"{SERVER}==1.4.0", COLLECTOR, "azureml-defaults"), "3.11", None),
        ((f"{SERVER}==1.4.0", COLLECTOR, "azureml-core==1.58.0"), "3.11", None),
        (("azureml-defaults==1.59.0", COLLECTOR), "3.8", None),
        ((f"{SERVER}==1.4.0", COLLECTOR, "-r more.txt"), "3.11", None),
        ((f"{SERVER}==9.0", COLLECTOR), "3.11", None),
    ],
)
def test_servers_that_cannot_start_beside_the_collector(entries, runs, at):
    reported = found(conda=conda(*entries, python=f"python={runs}"))
    assert reported.get("contrib-hidden", [None]) == [at]


@pytest.mark.parametrize(
    ("entries", "at"),
    [
        ((f"{SERVER}==1.5.1", "flask==2.3.2"), ["flask==2.3.2"]),
        ((f"{SERVER}==1.5.1", "pydantic<2.12", "werkzeug==2.2"), ["pydantic<2.12", "werkzeug==2.2"]),
        ((f"{SERVER}==1.2.1", "Werkzeug==3.0.1"), ["Werkzeug==3.0.1"]),
        (("azureml-defaults==1.61.0", "flask==2.2"), ["flask==2.2"]),
        ((f"{SERVER}==1.5.1", "flask>=2", "pydantic>=2"), None),
        ((SERVER, "pydantic==1.10.13"), None),
        ((f"{SERVER}==1.5.1", "gunicorn==23.0.0"), None),
        (("azureml-defaults", "flask==2.2.5"), None),
        (("flask==2.2.5",), None),
    ],
)
def test_pins_that_leave_no_server(entries, at):
    assert found(conda=conda(*entries, python="python=3.11")).get("server-conflict") == at


def test_a_pin_that_makes_pip_go_back_to_an_old_server_is_told():
    reported = found(conda=conda(SERVER, "pydantic==1.10.13", python="python=3.11"))
    assert reported["server-held-back"] == ["pydantic==1.10.13"]


@pytest.mark.parametrize(
    ("entry", "servers"),
    [
        ("azureml-defaults~=1.48.0", ["0.7.7"]),
        ("azureml-defaults==1.48.0.*", ["0.7.7"]),
        ("azureml-defaults>=1.55,<1.58", ["1.2.2", "1.2.1", "1.0.0"]),
        ("azureml-defaults==1.57.0", ["1.2.2", "1.2.1"]),
        ("azureml-defaults==1.20.0", []),
        ("azureml-defaults @ https://ours.example/azureml_defaults.zip", []),
    ],
)
def test_a_range_of_the_defaults_lets_through_what_its_releases_bring(entry, servers):
    listed = [packages.Requirement(None, "azureml-defaults", entry.removeprefix("azureml-defaults").strip(), "pip")]
    choice = inference_server.choose(packages.Packages(tuple(listed)), None)
    assert [each.version for each in (choice.candidates if choice else ())] == servers


def test_a_range_of_the_defaults_is_not_said_to_bring_a_server_that_it_excludes():
    reported = found(conda=conda("azureml-defaults~=1.48.0", "inference-schema==1.5.0", python="python=3.8"))
    assert "server-held-back" not in reported
    reported = found(conda=conda("azureml-defaults~=1.48.0", "inference-schema==1.3.0", python="python=3.8"))
    assert reported["server-conflict"] == ["inference-schema==1.3.0"]


@pytest.mark.parametrize("name", ["missing-channels", "duplicate-requirement", "image-without-tag"])
def test_what_builds_all_the_same_is_a_note(name):
    assert rules.rules()[name].level is rules.Level.NOTE


def test_an_outdated_server_is_to_be_replaced_not_joined():
    found(conda=conda("azureml-defaults==1.53.0"))
    (message,) = messages("outdated-server")
    assert message.endswith(f"write {SERVER}=={inference_server.NEWEST} instead of this line")


def test_an_inline_environment_with_name_and_version_is_said_to_be_registered_under_them():
    inline = "environment:\n  name: ours\n  version: '1'\n  image: ours.azurecr.io/server:3\n"
    reported = found(deployment=DEPLOYMENT.replace("environment: azureml:ours:1\n", inline))
    assert reported["named-inline-environment"] == ["name"]
    (message,) = messages("named-inline-environment")
    assert message.startswith("every deployment registers this name and version again, changed or not")


@pytest.mark.parametrize(
    ("entries", "at"),
    [
        ((f"{SERVER}==1.5.1", "Jinja2==3.1.6", "click"), ["Jinja2==3.1.6"]),
        ((f"{SERVER}==1.5.1", "flask==2.3.2"), None),
        (("Flask==3.1.3",), None),
    ],
)
def test_packages_that_the_server_brings_itself(entries, at):
    assert found(conda=conda(*entries, python="python=3.11")).get("server-dependency-listed") == at


@pytest.mark.parametrize(
    ("entry", "reported"),
    [
        ("azureml-ai-monitoring~=0.1.0b1", True),
        ("azureml-ai-monitoring==0.1.0b4", True),
        ("azureml-ai-monitoring>=0.1.0b1", False),
        ("azureml-ai-monitoring", False),
        ("azureml-ai-monitoring==1.0.0", False),
    ],
)
def test_betas_of_the_collector(entry, reported):
    assert ("prerelease-monitoring" in found(conda=conda(entry))) == reported


@pytest.mark.parametrize(
    ("image_name", "extra", "reported"),
    [
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:1", "", True),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:1", INFERENCE, False),
        ("mcr.microsoft.com/azureml/minimal-py312-inference:1", "", False),
        ("ours.azurecr.io/anything:1", "", False),
    ],
)
def test_a_base_image_by_itself_has_no_server(image_name, extra, reported):
    rules_found = found(environment=f"{SCHEMA}name: ours\nversion: '1'\nimage: {image_name}\n{extra}")
    assert ("image-without-server" in rules_found) == reported


# --- compiled packages, and what the model needs ---


@pytest.mark.parametrize(
    ("entries", "runs", "at"),
    [
        (("scikit-learn==1.2.2",), "3.11", "scikit-learn==1.2.2"),
        (("scikit-learn==1.2.2", "numpy"), "3.11", "numpy"),
        (("scikit-learn==1.2.2", "numpy==2.0.0"), "3.11", "numpy==2.0.0"),
        (("scikit-learn==1.2.2", "numpy>=1.20"), "3.11", "numpy>=1.20"),
        (("pandas==2.0.3", SERVER, COLLECTOR), "3.11", "pandas==2.0.3"),
        (("scikit-learn==1.2.2", "numpy<2"), "3.11", None),
        (("scikit-learn==1.2.2", "numpy==1.26.4"), "3.11", None),
        (("scikit-learn==1.2.2", "numpy~=1.26"), "3.11", None),
        (("scikit-learn==1.2.2", "scipy==1.10.1"), "3.11", None),
        (("scikit-learn==1.2.2", "ours"), "3.11", None),
        (("scikit-learn==1.2.2",), "3.8", None),
        (("scikit-learn==1.9.1",), "3.11", None),
        (("scikit-learn",), "3.11", None),
    ],
)
def test_packages_that_were_compiled_for_numpy_1(entries, runs, at):
    assert found(conda=conda(*entries, python=f"python={runs}")).get("numpy-too-new", [None]) == [at]


def with_model(value: object, text: str, name: str = "model.pkl", script: str = "") -> dict[str, list[str]]:
    """The findings for a model that is dumped here, beside the conda file with this text."""
    joblib.dump(value, name)
    Path("src/score.py").write_text(f"def init(): ...\ndef run(data): return data\n{script}")
    deployment = DEPLOYMENT.replace("azureml:ours:1\nenv", f"\n  path: {name}\nenv", 1)
    return found(deployment=deployment, conda=text)


MODEL = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
VERSION = importlib.metadata.version("scikit-learn")
MINOR = ".".join(VERSION.split(".")[:2])


@pytest.mark.parametrize(
    ("entry", "reported"),
    [
        (f"scikit-learn=={VERSION}", False),
        (f"scikit-learn=={MINOR}.*", False),
        (f"scikit-learn=={MINOR}.0", False),
        (f"scikit-learn>={MINOR}", False),
        ("scikit-learn", False),
        ("scikit-learn==1.2.0", True),
        ("scikit-learn<1.5", True),
    ],
)
def test_the_version_in_the_pickle_is_compared_with_the_one_installed(entry, reported):
    assert ("scikit-learn-differs" in with_model(MODEL, conda("numpy==2.4.6", entry))) == reported


def test_a_pickle_that_nothing_loads_is_not_compared():
    Path("models").mkdir()
    joblib.dump(MODEL, "models/old.pkl")
    Path("models/model.onnx").write_text("x")
    deployment = DEPLOYMENT.replace("azureml:ours:1\nenv", "\n  path: models\nenv", 1)
    text = conda("scikit-learn==1.2.0", "numpy<2")

    assert "scikit-learn-differs" not in found(deployment=deployment, conda=text)
    Path("src/score.py").write_text("NAME = 'models/old.pkl'\ndef init(): ...\ndef run(data): return data\n")
    assert "scikit-learn-differs" in found(deployment=deployment, conda=text)


def test_a_pickle_of_another_version_than_is_deployed_is_not_compared():
    joblib.dump(MODEL, "model.pkl")
    model = "name: ours\ntype: custom_model\nversion: '%s'\npath: model.pkl\n"
    text = conda("scikit-learn==1.2.0", "numpy<2")

    assert "scikit-learn-differs" in found(model=model % 1, conda=text)
    assert "scikit-learn-differs" not in found(model=model % 2, conda=text)


@pytest.mark.parametrize(
    ("value", "entry", "reported"),
    [
        ([np.float64(1)], "numpy==1.24.4", True),
        ([np.float64(1)], "numpy==1.26.4", False),
        ([np.float64(1)], "numpy<1.26", True),
        ([np.float64(1)], "numpy>=1.20", False),
        (np.random.RandomState(1), "numpy==1.26.4", True),
        (np.random.RandomState(1), "numpy==2.0.0", False),
        ([1], "numpy==1.20.0", False),
    ],
)
def test_a_model_of_numpy_2_needs_a_numpy_that_can_read_it(value, entry, reported):
    assert ("numpy-older-than-model" in with_model(value, conda(entry, python="python=3.11"))) == reported


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        (("scikit-learn==1.9.1",), False),
        (("azureml-inference-server-http==1.5.1",), True),
        (("azureml-inference-server-http==1.5.1", "azureml-ai-monitoring==1.0.0"), True),
        (("mlflow==3.5.0",), False),
        (("ours==1",), False),
        (("azureml-inference-server-http==1.5.1", "-r more.txt"), False),
    ],
)
def test_what_a_pickle_imports_has_to_be_installed(entries, missing):
    assert ("pickle-needs-package" in with_model(MODEL, conda(*entries))) == missing


def test_every_rule_of_this_package_points_at_a_place_in_its_file():
    """With an environment that has as many faults as possible."""
    Path("context").mkdir()
    everything = CONDA.replace("python=3.12", "python=3.6") + "      - numpy=1\n      - sklearn\n      - flask==1.0\n"
    found(
        environment=ENVIRONMENT.replace("name: ours", "name: 'Microsoft x'") + "build: {path: context}\n",
        conda=everything,
    )

    reported = rules.run(project.load([Path(".")]), MINE)

    assert len({each.rule for each in reported}) >= 8
    for each in reported:
        span = each.problem.span
        assert 0 <= span.start <= span.end <= len(span.source.text)
        assert re.match(r"[^A-Z]|[A-Z]\w*[A-Z.]|Python|Docker|Git|Azure|Triton", each.problem.message)

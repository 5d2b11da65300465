"""The wheel: what is in it, and that it works elsewhere, with nothing but PyYAML beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from wheelhouse import pip_settings

from amlready import __version__, schema

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "README.md", "LICENSE")
DEPLOYMENT = """\
name: blue
endpoint_name: churn
model: azureml:churn:1
environment: azureml:churn-env:1
instance_type: Standard_D2as_v4
instance_count: 1
code_configuration:
  code: src
  scoring_script: score.py
"""
SCRIPT = """\
from azureml.ai.monitoring import Collector


def init():
    global inputs
    inputs = Collector(name="model_inputs")


def run(data):
    return []
"""


def run(*command: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A program on its own: nothing of this repository is on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env=kept | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def offline(tmp_path_factory) -> dict[str, str]:
    return pip_settings(tmp_path_factory.mktemp("wheelhouse"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """What `python -m build` makes of a copy of this repository, with all that auto-discovery could take for a package.

    The wheel is made from the source distribution, so that both are whole.
    """
    copy = tmp_path_factory.mktemp("copy")
    for name in NEEDED:
        shutil.copy(ROOT / name, copy)
    for name in ("amlready", "src", "tests", "tools", "model"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", target, copy, folder=target)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(each.suffix for each in target.iterdir()) == [".gz", ".whl"]
    return target


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (made,) = built.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def files(wheel) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


@pytest.fixture(scope="module")
def installed(wheel, offline, tmp_path_factory) -> Path:
    """The folder of the programs of a virtual environment in which the wheel was installed."""
    made = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(made, with_pip=True)
    programs = made / ("Scripts" if os.name == "nt" else "bin")
    done = run(programs / "python", "-m", "pip", "install", "--quiet", wheel, folder=made, **offline)
    assert done.returncode == 0, done.stderr[-2000:]
    return programs


def test_the_wheel_holds_the_package_and_nothing_else(files):
    assert {each.partition("/")[0] for each in files} == {"amlready", f"amlready-{__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(files):
    here = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("amlready/**/*") if path.is_file()}
    wanted = {each for each in here if "__pycache__" not in each}
    assert {each for each in wanted if each.endswith(".in")}
    assert {f"amlready/schemas/{kind}.json" for kind in schema.KINDS} <= wanted
    assert {each for each in files if each.startswith("amlready/")} == wanted


def test_the_wheel_needs_pyyaml_and_nothing_else(metadata):
    base = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert [re.match(r"[\w-]+", each)[0] for each in base] == ["PyYAML"]
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"


def test_installing_brings_pyyaml_and_nothing_else(installed, tmp_path):
    done = run(installed / "python", "-m", "pip", "list", "--format", "json", folder=tmp_path)
    names = {each["name"].lower() for each in json.loads(done.stdout)}
    assert names - {"pip", "setuptools", "wheel"} == {"amlready", "pyyaml"}


def test_the_installed_command_is_not_this_repositorys(installed, tmp_path):
    done = run(installed / "python", "-c", "import amlready; print(amlready.__file__)", folder=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)


def test_the_installed_command_says_its_version_and_its_manual(installed, tmp_path):
    done = run(installed / "amlready", "--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"amlready {__version__} (schemas of {schema.SDK})\n")
    done = run(installed / "amlready", "explain", "no-on-error", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no-on-error" in done.stdout


def test_the_installed_command_prints_a_schema(installed, tmp_path):
    done = run(installed / "amlready", "schema", "model", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, schema.schema("model"))


def test_the_installed_command_checks_a_repository_elsewhere(installed, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "deployment.yml").write_text(DEPLOYMENT)
    (tmp_path / "src" / "score.py").write_text(SCRIPT)
    done = run(installed / "amlready", "check", "--format", "json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert {"no-on-error", "collector-not-enabled"} <= {each["rule"] for each in json.loads(done.stdout)}


@pytest.mark.parametrize("kind", ["sklearn", "custom"])
def test_the_installed_command_makes_an_endpoint_that_it_finds_in_order(installed, tmp_path, kind):
    done = run(installed / "amlready", "init", "churn", "--kind", kind, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(installed / "amlready", "check", "churn", "--format", "text", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_runs_an_endpoint_says_how_to_install_it(installed, tmp_path):
    run(installed / "amlready", "init", "churn", folder=tmp_path)
    done = run(installed / "amlready", "score", folder=tmp_path / "churn")
    assert done.returncode == 2, done.stderr
    assert "amlready[local]" in done.stderr
    assert "Traceback" not in done.stderr

"""What `amlready check` says about settings of the collection, and about scripts that collect the common way."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml
from agents import ROOT

from amlready import project, rules
from amlready.diagnostic import Diagnostic
from amlready.rules.deployment.collecting import limits
from data_collection import SETTINGS

DEPLOYMENT = """\
name: blue
endpoint_name: churn-prediction
code_configuration:
  code: src
  scoring_script: score.py
environment_variables:
"""

COMMON = """
    import pandas as pd
    from azureml.ai.monitoring import Collector

    def init():
        global inputs, outputs
        inputs = Collector(name="model_inputs", on_error=print)
        outputs = Collector(name="model_outputs", on_error=print)

    def keep(collector, rows, context=None):
        return collector.collect(pd.DataFrame(rows), context)

    def run(data):
        context = keep(inputs, [{"x": 1.0}])
        keep(outputs, [{"y": 1.0}], context)
        return [1.0]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose scoring script is ours."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    for name in ("score.py", "data_collection.py"):
        (tmp_path / "src" / name).write_bytes((ROOT / "src" / name).read_bytes())
    return tmp_path


def found(folder: Path, rule: str, variables: str = "  {}\n") -> list[Diagnostic]:
    (folder / "deployment.yml").write_text(DEPLOYMENT + variables)
    return rules.run(project.load([Path("deployment.yml")]), [rules.rules()[rule]])


def test_the_limits_are_those_of_the_module() -> None:
    (deployment,) = project.load([ROOT / "deployment.yml"]).deployments

    assert deployment.script is not None
    assert limits(deployment.script) == {f"COLLECTION_{name}": values for name, values in SETTINGS.items()}


@pytest.mark.parametrize(
    "path", ["deployment.yml", *(f"variants/{name}.yml" for name in ("green", "local-model", "kubernetes-deployment"))]
)
def test_every_setting_is_declared_with_its_default(path: str) -> None:
    declared = yaml.safe_load((ROOT / path).read_text())["environment_variables"]

    assert {name: float(declared[f"COLLECTION_{name}"]) for name in SETTINGS} == {
        name: default for name, (default, _, _) in SETTINGS.items()
    }


@pytest.mark.parametrize(
    ("line", "at", "message"),
    [
        ('COLLECTION_SAMPLING_RATE: "30"', '"30"', "'30' must be a number from 0 to 1; 1 is used instead"),
        ("COLLECTION_EVENT_ROWS: many", "many", "'many' must be a number from 1 to 100000; 5000 is used instead"),
        (
            'COLLECTION_FLUSH_SECOND: "1"',
            "COLLECTION_FLUSH_SECOND",
            "the scoring script knows no setting 'COLLECTION_FLUSH_SECOND'; did you mean 'COLLECTION_FLUSH_SECONDS'?",
        ),
        ("COLLECTION_GRACE_SECONDS: 26", "26", "'26' must be a number from 0 to 25; 8 is used instead"),
    ],
)
def test_a_setting_that_cannot_be_used_is_reported_at_its_place(folder: Path, line: str, at: str, message: str) -> None:
    (problem,) = found(folder, "collection-setting", f"  {line}\n")

    assert (problem.problem.span.text, problem.problem.message) == (at, message)


@pytest.mark.parametrize("line", ['COLLECTION_FLUSH_SECONDS: "0.5"', 'COLLECTOR: "x"', "COLLECTION_EVENT_ROWS: 10"])
def test_what_can_be_used_is_left_alone(folder: Path, line: str) -> None:
    assert found(folder, "collection-setting", f"  {line}\n") == []


def test_a_script_without_the_module_may_have_such_variables_of_its_own(folder: Path) -> None:
    (folder / "src/score.py").write_text("def init(): pass\ndef run(data): return data\n")

    assert found(folder, "collection-setting", "  COLLECTION_SAMPLING_RATE: all\n") == []


@pytest.mark.parametrize(
    "settings", ["SETTINGS = read()", 'SETTINGS = {"A": 1, **more}', 'SETTINGS = {"A": (1, 2)}', ""]
)
def test_a_module_that_was_changed_beyond_reading_is_left_alone(folder: Path, settings: str) -> None:
    (folder / "src/data_collection.py").write_text(settings + "\nclass DataCollection: pass\n")

    assert found(folder, "collection-setting", "  COLLECTION_B: x\n") == []


def test_the_common_way_gets_one_note_at_the_first_of_its_collects(folder: Path) -> None:
    (folder / "src/score.py").write_text(textwrap.dedent(COMMON))

    (note,) = found(folder, "collect-within-request")

    assert (note.level, note.problem.span.text) == ("note", "collector.collect")
    assert "each request collects 2 events of its own" in note.problem.message


def test_our_own_way_gets_none(folder: Path) -> None:
    assert found(folder, "collect-within-request") == []

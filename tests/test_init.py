"""`init`: the files of an endpoint for a model of one's own, and that they work."""

from __future__ import annotations

import errno
import json
import os
import pickle
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, StackingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from amlready import cli
from amlready.inference_server import NEWEST
from amlready.local.endpoint import LocalEndpoint
from amlready.local.resolve import choose, resolve
from amlready.misuse import Misuse
from amlready.rules.deployment.names import unfit
from amlready.scaffold import columns, init, pins
from amlready.scaffold.kinds import made_name

ROOT = Path(__file__).parents[1]
NAMES = ["age", "bmi", "bp"]
ROWS = pd.DataFrame([[59, 32.1, 101], [48, 21.6, 87], [72, 30.5, 93], [24, 25.3, 84]], columns=NAMES, dtype=float)
TARGET = ROWS["bmi"] * 3 + ROWS["bp"]

MLMODEL = """\
flavors:
  python_function:
    env:
      conda: conda.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "site", "required": true}]'
"""
CONDA = """\
channels: [conda-forge]
dependencies:
- python=3.12
- pip=26.1.1
- pip:
  - mlflow==3.5.0
  - scikit-learn==1.9.1
name: theirs
"""


@pytest.fixture
def model(tmp_path) -> Path:
    """A small model that knows the names of its features."""
    path = tmp_path / "ridge.pkl"
    joblib.dump(Ridge().fit(ROWS, TARGET), path)
    return path


@pytest.fixture
def mlflow_model(tmp_path, model) -> Path:
    """The folder of an MLflow model, as far as anybody looks at it before Azure does."""
    folder = tmp_path / "run" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "conda.yaml").write_text(CONDA)
    (folder / "model.pkl").write_bytes(model.read_bytes())
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a command in a folder: its exit status and findings."""

    def command(folder: Path, *arguments: str) -> tuple[int, list[dict]]:
        monkeypatch.chdir(folder)
        capsys.readouterr()
        status = cli.main([*arguments, "--format", "json"])
        return status, json.loads(capsys.readouterr().out)

    return command


def spec(folder: Path, name: str) -> dict:
    return yaml.safe_load((folder / name).read_text(encoding="utf-8"))


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- what is made, and that it works ---------------------------------------------------------------------------------


def asked(kind: str, tmp_path: Path) -> dict:
    """The options for a kind, by a name that says with what."""
    return {
        "sklearn": {"model": tmp_path / "ridge.pkl"},
        "sklearn without a model": {"kind": "sklearn"},
        "mlflow": {"model": tmp_path / "run" / "artifacts"},
        "custom": {"kind": "custom"},
        "custom with a model": {"kind": "custom", "model": tmp_path / "ridge.pkl"},
        "custom with an image": {"image": "docker.io/tensorflow/serving:2.19.1", "model": tmp_path / "run"},
    }[kind]


EVERY = ["sklearn", "sklearn without a model", "mlflow", "custom", "custom with a model", "custom with an image"]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.usefixtures("model", "mlflow_model")
def test_what_is_made_passes_check_without_even_a_note(tmp_path, run, kind):
    assert init(tmp_path / "churn", **asked(kind, tmp_path)) == 0
    assert run(tmp_path / "churn", "check") == (0, [])
    assert not [
        name for name, text in tree(tmp_path / "churn").items() if b"{{" in text and name.endswith(("ml", "md"))
    ]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.usefixtures("model", "mlflow_model")
def test_the_sdk_loads_what_is_made(tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        from azure.ai.ml import load_environment, load_model, load_online_deployment, load_online_endpoint

        made = tmp_path / "churn"
        init(made, **asked(kind, tmp_path))
        assert load_online_endpoint(made / "endpoint.yml").name == "churn"
        deployment = load_online_deployment(made / "deployment.yml")
        assert deployment.endpoint_name == "churn"
        if (made / "environment.yml").exists():
            environment = load_environment(made / "environment.yml")
            assert deployment.environment.removeprefix("azureml:") == f"{environment.name}:{environment.version}"
        if (made / "model.yml").exists():
            loaded = load_model(made / "model.yml")
            assert deployment.model.removeprefix("azureml:") == f"{loaded.name}:{loaded.version}"
            assert Path(made, loaded.path).exists()
        assert (made / "model.yml").exists() is (kind != "custom")


def models() -> dict[str, object]:
    bare = ROWS.to_numpy()
    some = ColumnTransformer([("scaled", StandardScaler(), ["bmi", "bp"])], remainder="drop")
    return {
        "named": Ridge().fit(ROWS, TARGET),
        "without names": Ridge().fit(bare, TARGET),
        "pipeline": make_pipeline(StandardScaler(), PolynomialFeatures(), Ridge()).fit(ROWS, TARGET),
        "some columns": make_pipeline(some, Ridge()).fit(ROWS, TARGET),
        "stacked": StackingRegressor([("one", Ridge()), ("two", Ridge(2))], cv=2).fit(ROWS, TARGET),
        "classes": LogisticRegression().fit(ROWS, ["low", "high", "low", "high"]),
        "forest": RandomForestClassifier(3, random_state=0).fit(ROWS, [0, 1, 0, 1]),
        "several outputs": Ridge().fit(ROWS, np.column_stack([TARGET, TARGET])),
        "one feature": Ridge().fit(ROWS[["bmi"]], TARGET),
    }


@pytest.mark.parametrize("name", ["named", "without names", "some columns", "classes", "several outputs"])
def test_the_script_for_any_scikit_learn_model_passes_its_unit_test(tmp_path, run, name):
    path = tmp_path / "the model.pkl"
    path.write_bytes(pickle.dumps(models()[name]))
    init(tmp_path / "made", model=path)
    assert run(tmp_path / "made", "check") == (0, [])
    assert run(tmp_path / "made", "score") == (0, [])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("compress", [0, 3])
def test_the_names_of_features_are_read_from_any_pickle(tmp_path, protocol, compress):
    path = tmp_path / "model"
    wanted = dict.fromkeys(models(), (NAMES, 3))
    wanted |= {"without names": (None, 3), "one feature": (["bmi"], 1), "stacked": (NAMES, 2)}
    for name, fitted in models().items():
        joblib.dump(fitted, path, compress=compress, protocol=protocol)
        assert columns.features(path) == wanted[name], name
        path.write_bytes(pickle.dumps(fitted, protocol))
        assert columns.features(path) == wanted[name], name


def test_an_endpoint_that_was_made_answers_and_collects(tmp_path, model):
    made = tmp_path / "made"
    init(made, model=model)
    (made / "sample-request.json").write_text('{"data": [{"age": 59, "bmi": 32.1, "bp": 101}, [48, 21.6, 87]]}')
    deployment = resolve(choose(made / "deployment.yml", made)[0])
    collected = tmp_path / "collected"
    with LocalEndpoint([deployment], root=collected, port=0, logs=tmp_path / "logs", startup_timeout=120) as endpoint:
        uri = endpoint.running[0].scoring_uri
        status, answer = post(uri, (made / "sample-request.json").read_bytes())
        assert status == 200
        assert answer == pytest.approx(joblib.load(model).predict(ROWS[:2]).tolist())
        for wrong in (
            "",
            "{}",
            '{"data": []}',
            '{"data": [[1, 2]]}',
            '{"data": [{"age": 1}]}',
            '{"data": [["a", 1, 2]]}',
        ):
            status, answer = post(uri, wrong.encode())
            assert status == 400, wrong
            assert "age, bmi, bp" in answer["message"]
    assert {name: count.rows for name, count in endpoint.counts["blue"].items()} == {
        "model_inputs": 2,
        "model_outputs": 2,
    }
    events = {path.parts[-6]: json.loads(path.read_text()) for path in collected.rglob("*.jsonl")}
    rows = {name: [list(row) for row in event["data"]] for name, event in events.items()}
    assert rows == {"model_inputs": [NAMES] * 2, "model_outputs": [["prediction", "request_id"]] * 2}
    assert len({event["correlationid"] for event in events.values()}) == 1


def post(uri: str, body: bytes) -> tuple[int, object]:
    request = urllib.request.Request(uri, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("compiled", ["src/score.py", "container/server.py"])
def test_the_programs_that_are_made_compile(tmp_path, model, compiled):
    init(tmp_path / "made", kind="sklearn" if "score" in compiled else "custom", model=model)
    compile((tmp_path / "made" / compiled).read_text(), compiled, "exec")


# --- without a model -------------------------------------------------------------------------------------------------


def test_without_a_model_the_unit_test_says_what_to_put_where(tmp_path, run, capsys):
    init(tmp_path / "made")
    said = capsys.readouterr().out
    assert "model/: put the model there" in said
    assert "fill in FEATURES" in said
    status, (found,) = run(tmp_path / "made", "score")
    assert (status, found["rule"]) == (1, "init-fails")
    assert "must hold one model.pkl" in found["message"]


def test_features_that_are_not_the_models_are_named(tmp_path, run, model):
    init(tmp_path / "made")
    (tmp_path / "made" / "model" / "model.pkl").write_bytes(model.read_bytes())
    status, (found,) = run(tmp_path / "made", "score")
    assert (status, found["rule"]) == (1, "init-fails")
    assert "FEATURES in score.py has []" in found["message"]
    assert "['age', 'bmi', 'bp']" in found["message"]


# --- pins ------------------------------------------------------------------------------------------------------------


def pickled(path: Path, version: str) -> Path:
    path.write_bytes(pickle.dumps({"_sklearn_version": version}))
    return path


@pytest.mark.parametrize("version", ["1.8.0", "1.7.2", "1.5.2", "1.4.2", "1.2.2", "1.1.3"])
def test_the_pins_go_with_the_version_in_the_pickle(tmp_path, run, version):
    init(tmp_path / "made", model=pickled(tmp_path / "old.pkl", version))
    assert run(tmp_path / "made", "check") == (0, [])
    *_, by_pip = spec(tmp_path / "made", "conda.yaml")["dependencies"]
    assert f"scikit-learn=={version}" in by_pip["pip"]
    assert all("==" in each for each in by_pip["pip"])


def test_a_version_that_no_living_python_runs_is_pinned_all_the_same_and_check_says_so(tmp_path, run):
    init(tmp_path / "made", model=pickled(tmp_path / "old.pkl", "0.24.2"))
    assert {each["rule"] for each in run(tmp_path / "made", "check")[1]} == {"python-end-of-life"}


def test_packages_of_the_models_classes_are_listed(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x8c\x10lightgbm.sklearn\x8c\x0dLGBMRegressor\x93.")
    init(tmp_path / "made", model=path)
    *_, by_pip = spec(tmp_path / "made", "conda.yaml")["dependencies"]
    assert any(each.startswith("lightgbm") for each in by_pip["pip"])


def test_the_templates_pin_what_this_repository_pins():
    conda = spec(ROOT, "conda.yaml")["dependencies"]
    assert spec(ROOT, "environment.yml")["image"] == pins.BASE_IMAGE
    assert conda[:2] == [f"python={pins.PYTHON}", f"pip={pins.PIP}"]
    newest = pins.ROWS[0]
    assert set(conda[2]["pip"]) == {
        f"azureml-inference-server-http=={NEWEST}",
        f"azureml-ai-monitoring=={pins.MONITORING}",
        f"scikit-learn=={pins.SCIKIT_LEARN}",
        *(f"{name}=={version}" for name, version in newest.pins().items()),
    }


# --- MLflow ----------------------------------------------------------------------------------------------------------


def test_an_mlflow_models_copy_gets_what_azures_script_needs_and_nothing_else_changes(tmp_path, mlflow_model):
    init(tmp_path / "made", model=mlflow_model)
    model = spec(tmp_path / "made", "model.yml")
    assert (model["type"], model["path"]) == ("mlflow_model", "model/")
    added = "  - azureml-inference-server-http==1.5.1\n  - azureml-ai-monitoring==1.0.0\n"
    copy = tmp_path / "made" / "model"
    assert (copy / "conda.yaml").read_text() == CONDA.replace("==1.9.1\n", f"==1.9.1\n{added}")
    assert {**tree(copy), "conda.yaml": b""} == {**tree(mlflow_model), "conda.yaml": b""}
    assert (mlflow_model / "conda.yaml").read_text() == CONDA


@pytest.mark.parametrize(
    ("signature", "request_body"),
    [
        (MLMODEL.partition("signature")[2], {"columns": ["age", "site"], "index": [0], "data": [[0.0, ""]]}),
        (""": {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'}""", [[0.0, 0.0]]),
        (""": {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int8", "shape": [-1, 9999]}}]'}""", []),
        (": {inputs: 'no JSON'}", []),
        (": {inputs: '[1]'}", []),
    ],
)
def test_the_sample_request_of_an_mlflow_model_follows_its_signature(tmp_path, mlflow_model, signature, request_body):
    (mlflow_model / "MLmodel").write_text(MLMODEL.partition("signature")[0] + "signature" + signature)
    init(tmp_path / "made", model=mlflow_model)
    assert spec(tmp_path / "made", "sample-request.json") == {"input_data": request_body}


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Churn_Model (2026)", "churn-model-2026"),
        ("7 days", "days"),
        ("ml", "ml-endpoint"),
        ("2026", "endpoint"),
        ("Ärger", "rger"),
        ("x" * 40, "x" * 32),
        ("a" * 31 + "-b", "a" * 31),
    ],
)
def test_a_folders_name_becomes_a_valid_one(folder, name):
    assert made_name(folder) == name
    assert unfit(name) is None


@pytest.mark.parametrize("name", ["", "ab", "x" * 33, "1abc", "a_b", "abc-"])
def test_an_invalid_name_is_refused_with_the_rule(tmp_path, name):
    with pytest.raises(Misuse, match="3 to 32 letters, digits and dashes"):
        init(tmp_path / "made", name=name)
    assert not (tmp_path / "made").exists()


def test_a_name_that_yaml_would_take_for_something_else_is_quoted(tmp_path, run):
    init(tmp_path / "made", name="Null")
    assert spec(tmp_path / "made", "endpoint.yml")["name"] == "null"
    assert spec(tmp_path / "made", "deployment.yml")["endpoint_name"] == "null"
    assert run(tmp_path / "made", "check") == (0, [])


# --- what is there already -------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path, model):
    made = tmp_path / "made"
    (made / "src").mkdir(parents=True)
    (made / "model.yml").write_text("mine")
    (made / "src" / "score.py").write_text("mine too")
    before = tree(made)
    with pytest.raises(Misuse) as refused:
        init(made, model=model)
    assert str(refused.value).endswith(f"in the way: {made / 'model.yml'}, {made / 'src' / 'score.py'}")
    assert tree(made) == before


def test_a_file_in_place_of_a_folder_is_in_the_way(tmp_path):
    (tmp_path / "src").write_text("")
    with pytest.raises(Misuse, match=rf"in the way: {tmp_path}/src$"):
        init(tmp_path)
    assert set(tree(tmp_path)) == {"src"}


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misuse, match="file"):
        init(tmp_path / name)
    assert set(tree(tmp_path)) == {"file"}


def test_what_fails_on_the_way_leaves_nothing(tmp_path, mlflow_model, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a file")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(Misuse, match="a file: No space left on device; nothing was written"):
        init(tmp_path / "new" / "made", model=mlflow_model)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("nowhere"), os.mkfifo, lambda path: path.symlink_to("..")]
)
def test_what_cannot_be_copied_is_named(tmp_path, mlflow_model, make):
    make(mlflow_model / "odd")
    with pytest.raises(Misuse, match="odd"):
        init(tmp_path / "made", model=mlflow_model)
    assert not (tmp_path / "made").exists()


def test_a_pipe_in_place_of_a_model_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(Misuse, match="is no file"):
        init(tmp_path / "made", model=tmp_path / "pipe.pkl")


def test_a_readme_stays_and_a_gitignore_gets_the_lines_it_lacks(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("*.log\n/.venv")
    init(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text() == "*.log\n/.venv\n.amlready/\n__pycache__/\n"
    assert "README.md was there" in capsys.readouterr().out


def test_a_model_in_the_folder_stays_where_it_is(tmp_path, run, model):
    made = tmp_path / "made"
    (made / "trained").mkdir(parents=True)
    here = model.rename(made / "trained" / "ridge 1.pkl")
    init(made, model=here)
    assert spec(made, "model.yml")["path"] == "trained/ridge 1.pkl"
    assert not (made / "model").exists()
    assert run(made, "check") == (0, [])
    assert run(made, "score") == (0, [])


# --- what cannot be done ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model": "nowhere"}, "there is no model"),
        ({"kind": "onnx"}, "the kinds are sklearn, mlflow, custom"),
        ({"kind": "mlflow"}, "--model is needed"),
        ({"kind": "mlflow", "model": "ridge.pkl"}, "there is no MLmodel in"),
        ({"kind": "sklearn", "model": "run"}, "is a folder without MLmodel"),
        ({"kind": "sklearn", "image": "ours:1"}, "--image is for --kind custom"),
        ({"image": "not an image"}, "no name of an image"),
        ({"kind": "custom", "model": "empty"}, "there is no model in"),
        ({"model": "cut.pkl"}, "damaged pickle"),
        ({"model": "pointer.pkl"}, "git lfs pull"),
        ({"model": "model.onnx"}, "--kind custom"),
    ],
)
@pytest.mark.usefixtures("mlflow_model")
def test_what_cannot_be_done_is_said_and_nothing_is_written(tmp_path, model, options, reason):
    (tmp_path / "cut.pkl").write_bytes(model.read_bytes()[:100])
    (tmp_path / "pointer.pkl").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"\x08\x07")
    if "model" in options:
        options = options | {"model": tmp_path / options["model"]}
    with pytest.raises(Misuse, match=reason):
        init(tmp_path / "made", **options)
    assert not (tmp_path / "made").exists()


def test_a_folder_inside_the_model_is_refused(mlflow_model):
    before = tree(mlflow_model)
    with pytest.raises(Misuse, match="inside the model"):
        init(mlflow_model / "endpoint", model=mlflow_model)
    assert tree(mlflow_model) == before

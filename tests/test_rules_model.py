"""Rules about models, and about where a script looks for one: what they must find, and what they must leave alone."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import cloudpickle
import joblib
import pytest
import sklearn
from sklearn.linear_model import LinearRegression

from amlready import project, rules
from amlready.fix import apply, edits

MINE = [
    each
    for each in rules.rules().values()
    if each.module == "model" or each.function.__module__.endswith((".score.imports", ".score.modelpath"))
]
SCHEMAS = "$schema: https://azuremlschemas.azureedge.net/latest/"
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
      - scikit-learn==1.9.1
"""
MODEL = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])

pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/score.py").write_text("def init(): ...\ndef run(data): return data\n")
    Path("deployment.yml").write_text(DEPLOYMENT)
    Path("environment.yml").write_text(ENVIRONMENT)
    Path("conda.yaml").write_text(CONDA)


def model(text: str = "path: model\n") -> None:
    Path("model.yml").write_text(f"{SCHEMAS}model.schema.json\nname: ours\nversion: '1'\n{text}")


def files(*names: str, content: str = "x") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def found() -> dict[str, list[str]]:
    """The texts that are pointed at, by rule."""
    by_rule: dict[str, list[str]] = {}
    for each in rules.run(project.load([Path(".")]), MINE):
        by_rule.setdefault(each.rule, []).append(each.problem.span.text)
    return by_rule


def fixed(rule: str, file: str) -> str:
    return apply(edits(rules.run(project.load([Path(".")]), [rules.rules()[rule]])))[file]


# --- names, versions, paths ---


@pytest.mark.parametrize(
    "text",
    [
        "path: model/\n",
        "path: ./model\ntype: custom_model\n",
        "path: model/model.pkl\n",
        "path: azureml://datastores/workspaceblobstore/paths/models/ours/\n",
        "path: azureml://jobs/sharp_dog_1/outputs/artifacts/paths/model/\ntype: mlflow_model\n",
        "path: azureml://jobs/sharp_dog_1/outputs/trained_model\n",
        "path: azureml://subscriptions/x/resourcegroups/y/workspaces/z/datastores/d/paths/m\n",
        "path: azureml://datastores/d/ExperimentRun/dcid.x/m\n",
        "path: runs:/sharp_dog_1/model\ntype: mlflow_model\n",
        "path: https://ours.blob.core.windows.net/models/ours\n",
        "path: wasbs://models@ours.blob.core.windows.net/ours\n",
        "path: azureml://jobs/${{ job }}/outputs/artifacts/paths/model\n",
        "path: <model-path>\n",
    ],
)
def test_models_that_work_are_left_alone(text):
    files("model/readme.md")
    joblib.dump(MODEL, "model/model.pkl")
    model(text)

    assert {name for name in found() if name != "missing-model"} == set()


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("azureml:/datastores/d/paths/m", "invalid-model-address"),
        ("azureml:datastores/d/paths/m", "invalid-model-address"),
        ("azureml:ours:1", "invalid-model-address"),
        ("file:./model", "invalid-model-address"),
        ("azureml://datastore/d/paths/m", "odd-model-address"),
        ("azureml://datastores/d/m", "odd-model-address"),
        ("azureml://jobs/j/m", "odd-model-address"),
        ("runs:/j", "odd-model-address"),
        ("runs://j/m", "odd-model-address"),
    ],
)
def test_addresses_that_are_none(path, rule):
    model(f"path: {path}\n")
    assert found() == {rule: [path]}


def test_backslashes_are_turned_into_slashes_where_that_leads_somewhere():
    files("artifacts/model/m.onnx")
    model("path: artifacts\\model\n")

    assert found() == {"backslash-in-model-path": ["artifacts\\model"]}
    assert fixed("backslash-in-model-path", "model.yml").endswith("path: artifacts/model\n")


@pytest.mark.parametrize(
    ("version", "written"), [("1.10", '"1.10"'), ("010", '"010"'), ("yes", '"yes"'), ("1", None), ("v1.10", None)]
)
def test_a_version_that_yaml_alters_is_put_in_quotes(version, written):
    files("model/m.onnx")
    Path("model.yml").write_text(f"{SCHEMAS}model.schema.json\nname: other\nversion: {version}\npath: model\n")

    assert ("model-version-altered" in found()) == (written is not None)
    if written:
        assert f"version: {written}\n" in fixed("model-version-altered", "model.yml")


@pytest.mark.parametrize(
    ("name", "version", "at"),
    [
        ("team/ours", "1", "team/ours"),
        ("_ours", "1", "_ours"),
        ("modèle", "1", "modèle"),
        ("ours", "1/2", "1/2"),
        ("ours.v1-2_3", "1.2+3-rc_1", None),
        ("{{ team }}/ours", "{{ major }}/1", None),
    ],
)
def test_a_name_or_version_that_no_address_can_have_is_reported(name, version, at):
    files("model/m.onnx")
    Path("model.yml").write_text(
        f"{SCHEMAS}model.schema.json\nname: '{name}'\nversion: '{version}'\npath: model\n", encoding="utf-8"
    )
    assert found().get("model-name-characters") == ([f"'{at}'"] if at else None)


def test_the_sdk_cannot_create_a_model_without_a_path():
    from azure.ai.ml import load_model
    from azure.ai.ml._utils.utils import validate_ml_flow_folder

    model("")

    assert found() == {"model-without-path": ["name"]}
    with pytest.raises(AttributeError, match="as_posix"):
        validate_ml_flow_folder(load_model("model.yml").path, "custom_model")


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        ("name: churn\n  version: 3", "for one that is registered, write model: azureml:churn:3"),
        ("name: azureml:churn\n  version: 3", "for one that is registered, write model: azureml:churn:3"),
        ("name: churn\n  version: latest", "for one that is registered, write model: azureml:churn@latest"),
        ("name: churn", "name its file or folder, or write model: azureml:NAME:VERSION for one that is registered"),
        ("name: churn\n  local_path: model", None),
        ("name: churn\n  model_path: model", None),
        ("uri: azureml:churn:3", None),
    ],
)
def test_a_model_inside_of_a_deployment_that_has_no_path_is_to_refer_to_one(lines, remedy):
    Path("deployment.yml").write_text(DEPLOYMENT.replace("model: azureml:ours:1", f"model:\n  {lines}"))
    reported = rules.run(project.load([Path(".")]), [rules.rules()["model-without-path"]])
    assert [each.problem.message for each in reported] == ([f"this model has no path; {remedy}"] if remedy else [])


def test_an_mlflow_model_without_an_environment_is_reported_once():
    files("model/MLmodel", content=MLMODEL)
    files("model/conda.yaml", content=CONDA)
    text = DEPLOYMENT.partition("code_configuration")[0].replace("model: azureml:ours:1", "model:\n  path: model")
    Path("deployment.yml").write_text(text)
    assert "mlflow-as-custom" in found()
    Path("deployment.yml").write_text(text.replace("environment: azureml:ours:1\n", ""))
    assert "mlflow-as-custom" not in found()
    (error,) = rules.run(project.load([Path(".")]), [rules.rules()["missing-environment"]])
    assert error.problem.message.endswith("this one is of MLflow: write type: mlflow_model")


def test_a_name_without_a_path_is_meant_for_a_registered_model_of_whatever_kind():
    text = DEPLOYMENT.partition("environment:")[0].replace("azureml:ours:1", "{name: ours, version: 1}")
    Path("deployment.yml").write_text(text)
    assert [name for name in found() if "environment" in name or "path" in name] == ["model-without-path"]


@pytest.mark.parametrize(("name", "refused"), [("run.1", True), ("run", False), ("model.pkl", True), ("run/", False)])
def test_the_sdk_refuses_an_mlflow_path_with_a_dot(name, refused):
    from azure.ai.ml._utils.utils import validate_ml_flow_folder

    folder = name.rstrip("/")
    files(f"{folder}/MLmodel" if name != "model.pkl" else name, content="flavors: {}\n")
    model(f"path: {name}\ntype: mlflow_model\n")

    assert ("mlflow-path-with-dot" in found()) == refused
    uploaded = f"azureml://datastores/d/paths/LocalUpload/0/{Path(name).name}"
    if refused:
        with pytest.raises(Exception, match="cannot register a file"):
            validate_ml_flow_folder(uploaded, "mlflow_model")
    else:
        validate_ml_flow_folder(uploaded, "mlflow_model")


# --- files ---


def test_a_folder_of_1500_files_is_as_much_as_azure_takes():
    for number in range(1_500):
        files(f"model/{number}")
    model()

    assert found() == {}
    files("model/one-more")
    assert found() == {"too-many-files": ["model"]}
    files("model/.amlignore", content="one-more\n.amlignore\n")
    assert found() == {}


def test_an_empty_folder_and_an_empty_file_are_no_models():
    Path("model").mkdir()
    model()
    assert found() == {"empty-model": ["model"]}

    Path("model.onnx").touch()
    model("path: model.onnx\n")
    assert found() == {"empty-model": ["model.onnx"]}


def test_the_gitignore_that_dvc_writes_keeps_the_model_from_being_uploaded():
    files("model/model.onnx", "model/model.onnx.dvc")
    files("model/.gitignore", content="/model.onnx\n")
    model()

    assert found() == {"model-file-left-out": ["model"]}
    files("model/.amlignore", content="")
    assert found() == {}


def test_an_ignore_file_may_leave_out_what_is_no_model():
    files("model/model.onnx", "model/notes.txt")
    files("model/.gitignore", content="*.txt\n__pycache__/\n")
    model()

    assert found() == {}


def test_a_git_lfs_pointer_is_no_model():
    files("model/model.onnx", content="version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    files("model/big.bin", content="version https://git-lfs.github.com/spec/v1\n" * 100)
    model()

    assert found() == {"model-is-pointer": ["model"]}


# --- pickles ---


class Runs:
    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> object:
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("true",)),
        (eval, ("1",)),
        (exec, ("pass",)),
        (open, ("/dev/null",)),
        (subprocess.Popen, (["true"],)),
        (__import__, ("os",)),
        (pickle.loads, (b"N.",)),
        (os.execv, ("/bin/true", ["true"])),
        (getattr, (os.path, "__dict__")),
    ],
)
@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump])
def test_pickles_that_do_more_than_build_a_model(function, arguments, dump):
    arguments = tuple(each if each is not os.path else "x" for each in arguments)
    with Path("model.pkl").open("wb") as stream:
        dump([MODEL, Runs(function, *arguments)], stream)
    model("path: model.pkl\n")

    assert found()["pickle-runs-code"] == ["model.pkl"]


def test_real_models_do_no_more_than_build_a_model():
    from sklearn.compose import make_column_transformer
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    data, target = load_iris(return_X_y=True, as_frame=True)
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [0]), remainder="passthrough")
    Path("model").mkdir()
    for estimator in (
        *(MODEL, RandomForestClassifier(5), HistGradientBoostingClassifier(max_iter=3), KNeighborsClassifier()),
        make_pipeline(FunctionTransformer(abs), encoder, LogisticRegression()),
    ):
        joblib.dump(estimator.fit(data, target), f"model/{type(estimator).__name__}.pkl", compress=3)
    model()

    assert found() == {}


def test_a_function_that_cloudpickle_brings_along_is_no_fault():
    import cloudpickle

    Path("model.pkl").write_bytes(cloudpickle.dumps({"model": MODEL, "after": lambda value: value + 1}))
    model("path: model.pkl\n")

    assert "pickle-runs-code" not in found()


MAIN = b"\x80\x04\x8c\x08__main__\x8c\x07Cleaner\x93)\x81."


@pytest.mark.parametrize(
    ("script", "reported"),
    [
        ("class Cleaner: ...\n", True),
        ("if __name__ == '__main__':\n    init()\n", True),
        ("import __main__\n__main__.Cleaner = print\n", False),
        ("import sys\nsys.modules['__main__'].Cleaner = print\n", False),
    ],
)
def test_a_class_of_the_training_script_is_not_found(script, reported):
    Path("model.pkl").write_bytes(MAIN)
    model("path: model.pkl\n")
    Path("src/score.py").write_text(f"def init(): ...\ndef run(data): return data\n{script}")

    assert ("pickle-of-main" in found()) == reported


# --- MLflow ---

MLMODEL = "flavors:\n  python_function:\n    env: {conda: conda.yaml}\n    loader_module: mlflow.sklearn\n"
NO_CODE = "name: blue\nendpoint_name: my-endpoint\nmodel: azureml:ours:1\ninstance_type: Standard_F4s_v2\n"


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        (("mlflow", "azureml-inference-server-http", "azureml-ai-monitoring"), False),
        (("mlflow", "azureml-defaults", "azureml-ai-monitoring"), False),
        (("mlflow", "azureml-inference-server-http"), True),
        (("mlflow",), True),
        (("mlflow", "-r requirements.txt"), False),
    ],
)
def test_what_azures_own_script_for_mlflow_models_needs(entries, missing):
    files("model/MLmodel", content=MLMODEL)
    lines = "".join(f"  - {each}\n" for each in entries)
    files(
        "model/conda.yaml", content=f"channels: [conda-forge]\ndependencies:\n- python=3.12\n- pip=26\n- pip:\n{lines}"
    )
    model("path: model\ntype: mlflow_model\n")

    assert "mlflow-packages" not in found(), "this deployment has a scoring script"
    Path("deployment.yml").write_text(NO_CODE)
    assert ("mlflow-packages" in found()) == missing


def test_the_conda_file_of_an_mlflow_model_is_checked_like_any_other():
    files("model/MLmodel", content=MLMODEL.replace("{conda: conda.yaml}", "conda.yaml"))
    files("model/conda.yaml", content="channels: [conda-forge]\ndependencies:\n- python=3.8\n- pip=26\n")
    model("path: model\ntype: mlflow_model\n")

    reported = {each.rule for each in rules.run(project.load([Path(".")]))}

    assert "python-end-of-life" in reported


@pytest.mark.parametrize(
    ("mlmodel", "at"),
    [
        (MLMODEL, ["conda.yaml"]),
        (MLMODEL + "    model_path: model.pkl\n", ["conda.yaml", "model.pkl"]),
        ("flavors:\n  python_function:\n    data: data\n    env: missing.yaml\n", ["data", "missing.yaml"]),
        ("flavors:\n  python_function: {loader_module: x}\n  sklearn: {pickled_model: m.pkl}\n", ["m.pkl"]),
        ("flavors:\n  python_function: {model_path: m.pkl}\n  sklearn: {pickled_model: ./m.pkl}\n", ["m.pkl"]),
        ("flavors: []\n", None),
        ("flavors:\n  python_function: text\n", None),
    ],
)
def test_files_that_an_mlmodel_names_are_looked_for(mlmodel, at):
    files("model/MLmodel", content=mlmodel)
    model("path: model\ntype: mlflow_model\n")

    assert found().get("mlmodel-names-missing-file") == at


def test_an_mlmodel_that_is_no_yaml_is_a_finding_of_its_own():
    files("model/MLmodel", content="flavors: [\n")
    model("path: model\ntype: mlflow_model\n")

    reported = rules.run(project.load([Path(".")]))

    assert [each.problem.span.source.path.name for each in reported if each.rule == "yaml"] == ["MLmodel"]


@pytest.mark.parametrize(
    ("names", "reported"),
    [
        (["models/ours/1/model.onnx", "models/ours/config.pbtxt"], False),
        (["models/ours/1/model.savedmodel/saved_model.pb"], False),
        (["models/model.onnx"], True),
        (["models/ours/model.onnx"], True),
        (["models/ours/v1/model.onnx"], True),
    ],
)
def test_the_layout_of_a_triton_repository(names, reported):
    files(*names)
    model("path: models\ntype: Triton_Model\n")

    assert ("triton-layout" in found()) == reported


# --- where the script looks for the model: the script itself says whether that works ---

HEADER = "import os\nimport pickle\nimport glob\nfrom pathlib import Path\nimport joblib\n"
PLACES = [
    'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))',
    'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models/model.pkl"))',
    'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "models", "model.pkl"))',
    'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR", "."), "model", "model.pkl"))',
    'joblib.load(os.getenv("AZUREML_MODEL_DIR") + "/models/model.pkl")',
    'joblib.load(os.getenv("AZUREML_MODEL_DIR") + "/model.pkl")',
    'joblib.load(os.getenv("AZUREML_MODEL_DIR") + "models/model.pkl")',
    'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "/models/model.pkl"))',
    "joblib.load(f\"{os.environ['AZUREML_MODEL_DIR']}/models/model.pkl\")",
    "joblib.load(f\"{os.environ['AZUREML_MODEL_DIR']}/model.pkl\")",
    'joblib.load(Path(os.environ["AZUREML_MODEL_DIR"]) / "models" / "model.pkl")',
    'joblib.load(Path(os.environ["AZUREML_MODEL_DIR"]) / "model.pkl")',
    'joblib.load(Path(os.environ["AZUREML_MODEL_DIR"], "models").joinpath("model.pkl"))',
    'joblib.load(str(Path(os.environ.get("AZUREML_MODEL_DIR")).resolve() / "models/other.pkl"))',
    'pickle.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "models/model.pkl").read_bytes())',
    'pickle.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "model.pkl").read_bytes())',
    'pickle.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models/model.pkl"), "rb"))',
    'pickle.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"), mode="rb"))',
    'os.listdir(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models"))',
    'os.listdir(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))',
    'list((Path(os.environ["AZUREML_MODEL_DIR"]) / "nothing").iterdir())',
    'joblib.load(glob.glob(os.path.join(os.environ["AZUREML_MODEL_DIR"], "*", "*.pkl"))[0])',
    'joblib.load(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.pkl")))',
    'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models", "..", "models", "model.pkl"))',
    'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], ".", "models//model.pkl"))',
    'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR") or ".", "models/model.pkl"))',
    'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR") or ".", "model.pkl"))',
]


def runs(script: str, folder: Path) -> bool:
    """Whether init() of a script finds its files, with AZUREML_MODEL_DIR as Azure lays it out."""
    Path("src/score.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-c", "import score; score.init()"],
        cwd="src",
        env={**os.environ, "AZUREML_MODEL_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 or re.search(r"FileNotFoundError|NotADirectoryError", done.stderr), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_script_is_reported_exactly_when_it_does_not_find_the_model(place):
    folder = Path("azureml-models/ours/1/models")
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps([1]))
    Path("models").symlink_to(folder)
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1))

    works = runs(f"{HEADER}\ndef init():\n    {place}\n\ndef run(data):\n    return data\n", folder.parent.absolute())

    reported = found()
    assert ("missing-model-file" not in reported) == works
    assert set(reported) <= {"missing-model-file"}


@pytest.mark.parametrize(
    ("name", "works"), [("model.pkl", True), ("models/model.pkl", False), ("", True), ("model.pkl/x", False)]
)
def test_a_model_that_is_a_file_is_found_by_its_name(name, works):
    Path("model.pkl").write_bytes(pickle.dumps([1]))
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: model.pkl", 1))
    call = f'open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "{name}"))'
    Path("src/score.py").write_text(f"{HEADER}\ndef init():\n    {call}\n\ndef run(data):\n    return data\n")

    assert ("missing-model-file" not in found()) == works


SILENT = {
    "tested first": """
        def init():
            path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl")
            if os.path.exists(path):
                joblib.load(path)
    """,
    "one of two": """
        def init():
            path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl")
            if not os.path.exists(path):
                path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "models/model.pkl")
            joblib.load(path)
    """,
    "tried": """
        def init():
            try:
                joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
            except FileNotFoundError:
                joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models/model.pkl"))
    """,
    "chosen": """
        def init():
            folder = os.environ["AZUREML_MODEL_DIR"]
            here = os.path.isfile(folder)
            joblib.load(os.path.join(folder, "a.pkl") if here else os.path.join(folder, "models/model.pkl"))
    """,
    "a helper that nothing calls": """
        def old():
            return joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
        def init():
            pass
    """,
    "a parameter": """
        def load(folder, name="model.pkl"):
            return joblib.load(os.path.join(folder, name))
        def init():
            load(os.environ["AZUREML_MODEL_DIR"], "models/model.pkl")
    """,
    "another folder": """
        def init():
            os.environ["AZUREML_MODEL_DIR"] = "/elsewhere"
            joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
    """,
    "written, not read": """
        def init():
            open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "log.txt"), "w")
    """,
    "a variable": """
        def init():
            joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], os.environ["NAME"]))
    """,
    "in a loop": """
        def init():
            for name in os.listdir(os.environ["AZUREML_MODEL_DIR"]):
                joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models", name))
    """,
    "under the main guard": """
        def init():
            pass
        if __name__ == "__main__":
            joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
    """,
}


@pytest.mark.parametrize("name", SILENT)
def test_scripts_that_may_well_work_are_left_alone(name):
    files("models/model.pkl")
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1))
    script = HEADER + textwrap.dedent(SILENT[name]) + "\ndef run(data):\n    return data\n"
    Path("src/score.py").write_text(script)

    assert "missing-model-file" not in found()


@pytest.mark.parametrize(
    "change",
    [
        "model_mount_path: /models\n",
        "environment_variables:\n  AZUREML_MODEL_DIR: /models\n",
    ],
)
def test_a_model_that_is_mounted_elsewhere_is_left_alone(change):
    files("models/model.pkl")
    Path("src/score.py").write_text(f"{HEADER}\ndef init():\n    {PLACES[0]}\n\ndef run(data):\n    return data\n")
    deployment = DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1)
    Path("deployment.yml").write_text(deployment)
    assert "missing-model-file" in found()

    Path("deployment.yml").write_text(deployment + change)
    assert "missing-model-file" not in found()


def test_a_path_is_followed_into_functions_names_and_modules_beside_the_script():
    files("models/model.pkl")
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1))
    Path("src/places.py").write_text(
        "import os, joblib\nNAME = 'model.pkl'\ndef load():\n"
        "    folder = os.getenv('AZUREML_MODEL_DIR')\n    path = os.path.join(folder, NAME)\n"
        "    return joblib.load(path)\n"
    )
    Path("src/score.py").write_text(
        "from places import load\ndef init():\n    load()\ndef run(data):\n    return data\n"
    )

    assert found()["missing-model-file"] == ["os.path.join(folder, NAME)"]


@pytest.mark.parametrize(
    ("place", "literal"),
    [
        ('joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))', '"models/model.pkl"'),
        ("joblib.load(Path(os.environ['AZUREML_MODEL_DIR']) / 'model.pkl')", "'models/model.pkl'"),
        ('joblib.load(os.getenv("AZUREML_MODEL_DIR") + "/model.pkl")', '"/models/model.pkl"'),
    ],
)
def test_the_missing_folder_is_put_in(place, literal):
    files("models/model.pkl")
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1))
    script = f"{HEADER}\ndef init():\n    {place}\n\ndef run(data):\n    return data\n"
    Path("src/score.py").write_text(script)

    mended = fixed("missing-model-file", str(Path("src/score.py")))

    assert mended == re.sub(r"""["']/?model\.pkl["']""", literal, script)
    Path("src/score.py").write_text(mended)
    assert "missing-model-file" not in found()


@pytest.mark.parametrize(
    ("call", "reported"),
    [
        ('mlflow.pyfunc.load_model(os.environ["AZUREML_MODEL_DIR"])', True),
        ('mlflow.sklearn.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "models"))', False),
        ('mlflow.pyfunc.load_model(model_uri=os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))', True),
    ],
)
def test_mlflow_looks_for_mlmodel_in_the_folder_it_gets(call, reported):
    files("models/MLmodel", content="flavors: {}\n")
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: models", 1))
    Path("src/score.py").write_text(
        f"import os\nimport mlflow\n\ndef init():\n    {call}\n\ndef run(data):\n    return data\n"
    )

    assert ("missing-model-file" in found()) == reported


@pytest.mark.parametrize(
    ("dump", "reported"),
    [
        (lambda value, path: joblib.dump(value, path), True),
        (lambda value, path: joblib.dump(value, path, compress=3), True),
        (lambda value, path: Path(path).write_bytes(pickle.dumps(value)), False),
    ],
)
@pytest.mark.parametrize(
    "lines",
    [
        'with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"), "rb") as f:\n        pickle.load(f)',
        'pickle.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"), "rb"))',
        'with (Path(os.environ["AZUREML_MODEL_DIR"]) / "m.pkl").open("rb") as f:\n        pickle.load(f)',
    ],
)
def test_pickle_cannot_read_what_joblib_wrote(dump, reported, lines):
    dump(MODEL, "m.pkl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pickle.loads(Path("m.pkl").read_bytes())
        except pickle.UnpicklingError:
            assert reported
        else:
            assert not reported
    Path("deployment.yml").write_text(DEPLOYMENT.replace("azureml:ours:1", "\n  path: m.pkl", 1))
    Path("src/score.py").write_text(f"{HEADER}\ndef init():\n    {lines}\n\ndef run(data):\n    return data\n")

    assert ("pickle-load-of-joblib" in found()) == reported


# --- imports ---

IMPORTED = [
    ("import pandas", True),
    ("import numpy, scipy, joblib, threadpoolctl", False),
    ("import sklearn.linear_model as models", False),
    ("from PIL import Image", True),
    ("import yaml", True),
    ("from azure.identity import DefaultAzureCredential", False),  # the server brings it
    ("from azure.storage.blob import BlobClient", True),
    ("from azure.keyvault.secrets import SecretClient", True),
    ("import azure.nothing", False),
    ("from google.cloud import storage", True),
    ("from azureml.contrib.services.aml_response import AMLResponse", False),
    ("from azureml_inference_server_http.api.aml_response import AMLResponse", False),
    ("from inference_schema.schema_decorators import input_schema", False),
    ("from flask import request", False),
    ("import pydantic", False),
    ("import os, json, importlib.metadata, tomllib", False),
    ("import helper", False),
    ("from package.inner import thing", False),
    ("try:\n    import pandas\nexcept ImportError:\n    pandas = None", False),
    ("try:\n    import pandas\nexcept Exception:\n    pandas = None", False),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas", False),
    ("import os\nif os.environ.get('DEBUG'):\n    import pandas", False),
    ("import contextlib\nwith contextlib.suppress(ImportError):\n    import pandas", False),
    ("def helper():\n    import pandas", False),
    ("if __name__ == '__main__':\n    import pandas", False),
    (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'pandas'])\nimport pandas",
        False,
    ),
    ("import sys\nsys.path.append('/opt/more')\nimport pandas", False),
    ("try:\n    import pandas\nfinally:\n    pass", True),
    ("class Model:\n    import pandas", True),
    ("from beside import frame", True),
]


@pytest.mark.parametrize(("lines", "reported"), IMPORTED)
def test_imports_are_compared_with_the_conda_file(lines, reported):
    files("src/helper.py", content="x = 1\n")
    files("src/package/inner.py", content="thing = 1\n")
    files("src/beside.py", content="import pandas\nframe = 1\n")
    Path("src/score.py").write_text(f"{lines}\n\ndef init(): ...\ndef run(data): return data\n")

    assert ("import-not-installed" in found()) == reported


def test_imports_within_init_and_run_are_made_on_the_server():
    Path("src/score.py").write_text("def init():\n    import pandas\n\ndef run(data):\n    import yaml\n")
    assert found()["import-not-installed"] == ["import pandas", "import yaml"]


@pytest.mark.parametrize("entry", ["our-package==1", "dask", "-r more.txt", "./ours.whl", "uvicorn[odd]==1"])
def test_nothing_is_said_of_imports_that_an_unknown_package_may_bring(entry):
    Path("conda.yaml").write_text(f"{CONDA}      - {entry}\n")
    Path("src/score.py").write_text("import pandas, our_module\ndef init(): ...\ndef run(data): return data\n")

    assert found() == {}


@pytest.mark.parametrize(
    "change",
    [
        ("environment: azureml:ours:1\n", "environment: azureml:another:1\n"),
        ("environment: azureml:ours:1\n", "environment: azureml://registries/azureml/environments/x/versions/1\n"),
    ],
)
def test_nothing_is_said_of_imports_when_the_environment_is_not_here(change):
    Path("deployment.yml").write_text(DEPLOYMENT.replace(*change))
    Path("src/score.py").write_text("import pandas\ndef init(): ...\ndef run(data): return data\n")

    assert found() == {}


def test_a_module_that_nothing_is_known_to_install_is_noted():
    Path("src/score.py").write_text(
        "import our_features, certifi, urllib3, setuptools, azure.mystery, _private\n"
        "def init(): ...\ndef run(data): return data\n"
    )
    assert found() == {
        "import-of-nothing-listed": [
            "import our_features, certifi, urllib3, setuptools, azure.mystery, _private",
        ]
    }


# --- what an MLflow model's own conda file installs ------------------------------------------------------------------

NO_CODE = DEPLOYMENT.partition("environment:")[0].replace("azureml:ours:1", "{path: model, type: mlflow_model}")
SAVED = """\
flavors:
  python_function:
    env: {conda: conda.yaml}
    model_path: model.pkl
    python_version: 3.11.7
"""


@pytest.mark.parametrize(
    ("installs", "deployment", "reported"),
    [
        ("scikit-learn==1.5.2", NO_CODE, 1),
        (f"scikit-learn=={sklearn.__version__}", NO_CODE, 0),
        ("scikit-learn==1.5.2\n      - numpy==1.24.4", NO_CODE, 2),
        ("scikit-learn==1.5.2", NO_CODE + "environment: azureml:elsewhere:1\n", 0),
    ],
)
def test_a_model_without_code_is_compared_with_its_own_conda_file(installs, deployment, reported):
    files("model/MLmodel", content=SAVED)
    files("model/conda.yaml", content=CONDA.replace("scikit-learn==1.9.1", installs))
    joblib.dump(MODEL, "model/model.pkl")
    Path("deployment.yml").write_text(deployment)
    found = rules.run(project.load([Path(".")]), [rules.rules()["mlflow-conda-differs"]])
    assert len(found) == reported
    assert all(each.problem.span.source.path == Path("model/conda.yaml") for each in found)


@pytest.mark.parametrize(
    ("made_by", "python", "is_function", "reported"),
    [
        ("3.10.13", "3.12", True, True),
        ("3.12.1", "3.12", True, False),
        ("3.12.1", "3.12.7", True, False),
        ("3.10.13", "3", True, False),
        ("3.10.13", "3.12", False, False),
        ("unknown", "3.12", True, False),
    ],
)
def test_functions_in_a_model_are_those_of_one_python(made_by, python, is_function, reported):
    files("model/MLmodel", content=SAVED.replace("3.11.7", made_by))
    files("model/conda.yaml", content=CONDA.replace("python=3.12", f"python={python}"))
    Path("model/model.pkl").write_bytes(cloudpickle.dumps((lambda value: value) if is_function else MODEL))
    Path("deployment.yml").write_text(NO_CODE)
    found = rules.run(project.load([Path(".")]), [rules.rules()["code-of-another-python"]])
    assert bool(found) is reported


@pytest.mark.parametrize(
    ("made_by", "is_function", "remedy"),
    [
        ("3.10.13", True, "train and log the model again under 3.11 or 3.12"),
        ("3.10.13", False, "take 3.11 or 3.12"),
        ("3.12.1", True, "take 3.11 or 3.12"),
    ],
)
def test_a_model_bound_to_an_old_python_is_to_be_logged_again(made_by, is_function, remedy):
    files("model/MLmodel", content=SAVED.replace("3.11.7", made_by))
    files("model/conda.yaml", content=CONDA.replace("python=3.12", "python=3.10"))
    Path("model/model.pkl").write_bytes(cloudpickle.dumps((lambda value: value) if is_function else MODEL))
    Path("deployment.yml").write_text(NO_CODE)
    (found,) = rules.run(project.load([Path(".")]), [rules.rules()["python-end-of-life"]])
    assert found.problem.message.endswith(f"; {remedy}")

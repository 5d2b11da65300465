"""Rules about sample requests: each fault against Microsoft's own server, and samples that are somebody else's."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_server import Outcome, outcomes

from amlready import features, project, rules
from amlready.jsonplaces import place
from amlready.source import Source

MINE = {name for name, rule in rules.rules().items() if rule.module == "request"}

DEPLOYMENT = "name: {}\nendpoint_name: my-endpoint\ninstance_type: Standard_D2as_v4\nmodel: azureml:my-model:1\n"
CODE = "code_configuration:\n  code: src\n  scoring_script: {}\n"
MLFLOW = "$schema: model.schema.json\nname: my-model\nversion: 1\ntype: mlflow_model\npath: model\n"
INIT = "def init():\n    pass\n\n\n"
JSON = "import json\n\n\n" + INIT
SCHEMA = (
    "from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType\n"
    "from inference_schema.schema_decorators import input_schema\n\n\n" + INIT
)
SAMPLE = "sample-request.json"


def check(folder: Path, script: str | None, samples: dict[str, str], **others: str) -> list[tuple[str, str, int]]:
    """The rules about requests that report something: their name, the sample's file and the column."""
    texts = {
        "deployment.yml": DEPLOYMENT.format("blue") + (CODE.format("score.py") if script else ""),
        **samples,
        **others,
    }
    if script:
        texts["src/score.py"] = script
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = [each for each in rules.run(project.load([folder])) if each.rule in MINE]
    return [(each.rule, each.problem.span.source.path.name, each.problem.span.column) for each in found]


def names(found: list[tuple[str, str, int]]) -> set[str]:
    return {name for name, _, _ in found}


# --- keys, on the real server ----------------------------------------------------------------------------------------

# The real server gets {"data": [[1, 2], [3, 4]]} in every case.
SENT = '{"data": [[1, 2], [3, 4]]}'
CASES: dict[str, tuple[str, int, set[str]]] = {
    "key": (JSON + "def run(data):\n    return json.loads(data)['data']\n", 200, set()),
    "another key": (JSON + "def run(data):\n    return json.loads(data)['input']\n", 500, {"request-key-missing"}),
    "another key, by a name": (
        JSON + "KEY = 'input'\n\n\ndef run(raw):\n    body = json.loads(raw)\n    rows = body[KEY]\n    return rows\n",
        500,
        {"request-key-missing"},
    ),
    "another key, inside": (
        JSON + "def run(data):\n    return len(sorted(json.loads(data)['input']))\n",
        500,
        {"request-key-missing"},
    ),
    "another key, attempted": (
        JSON + "def run(data):\n    try:\n        return json.loads(data)['input']\n    except KeyError:\n"
        "        rows = json.loads(data)['data']\n    return rows\n",
        200,
        set(),
    ),
    "another key, if it is there": (
        JSON + "def run(data):\n    body = json.loads(data)\n    if 'input' in body:\n        return body['input']\n"
        "    return 1\n",
        200,
        set(),
    ),
    "another key, after a return": (
        JSON + "def run(data):\n    body = json.loads(data)\n    if 'data' in body:\n        return 1\n"
        "    return body['input']\n",
        200,
        set(),
    ),
    "another key, or a default": (JSON + "def run(data):\n    return json.loads(data).get('input', 1)\n", 200, set()),
    "another key, in one branch": (
        JSON
        + "def run(data):\n    body = json.loads(data)\n    return body['data'] if 'data' in body else body['input']\n",
        200,
        set(),
    ),
    "a deeper key": (JSON + "def run(data):\n    body = json.loads(data)\n    return body['data'][0]\n", 200, set()),
    "parameter": (
        SCHEMA + "@input_schema('data', StandardPythonParameterType([[1, 2]]))\ndef run(data):\n    return data\n",
        200,
        set(),
    ),
    "another parameter": (
        SCHEMA + "@input_schema('rows', StandardPythonParameterType([[1, 2]]))\ndef run(rows):\n    return rows\n",
        400,
        {"request-parameter-missing"},
    ),
    "two parameters": (
        SCHEMA
        + "@input_schema('data', StandardPythonParameterType([[1, 2]]))\ndef run(data, method):\n    return data\n",
        400,
        {"request-parameter-missing"},
    ),
    "two parameters, one with a default": (
        SCHEMA + "@input_schema('data', StandardPythonParameterType([[1, 2]]))\n"
        "def run(data, method='x', request_headers=None):\n    return data\n",
        200,
        set(),
    ),
    "columns": (
        "import json\n\nimport pandas as pd\n\n\n" + INIT + "def run(data):\n"
        "    frame = pd.DataFrame(json.loads(data)['data'], columns=['a', 'b'])\n    return len(frame)\n",
        200,
        set(),
    ),
    "three columns": (
        "import json\n\nimport pandas as pd\n\nNAMES = ('a', 'b', 'c')\n\n\n" + INIT + "def run(data):\n"
        "    frame = pd.DataFrame(json.loads(data)['data'], columns=NAMES)\n    return len(frame)\n",
        500,
        {"request-columns"},
    ),
}


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    return outcomes({name: {"score.py": script} for name, (script, _, _) in CASES.items()})


@pytest.mark.parametrize("name", CASES)
def test_a_sample_that_the_server_refuses_is_reported_and_no_other(name, real, tmp_path):
    script, status, expected = CASES[name]
    assert real[name].status == status
    assert names(check(tmp_path, script, {SAMPLE: SENT})) == expected


@pytest.mark.parametrize("text", ["[[1, 2]]", "3", '"text"', "null"])
def test_a_body_that_is_no_object_has_no_keys(text, tmp_path):
    assert names(check(tmp_path / "a", CASES["key"][0], {SAMPLE: text})) == {"request-key-missing"}
    assert names(check(tmp_path / "b", CASES["parameter"][0], {SAMPLE: text})) == {"request-parameter-missing"}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1,}', "[" * 100_000])
def test_what_is_no_json_is_reported_once(text, tmp_path):
    assert names(check(tmp_path, CASES["key"][0], {SAMPLE: text})) == {"request-not-json"}


# --- whose sample it is ----------------------------------------------------------------------------------------------


def test_a_sample_that_fits_is_enough_for_a_deployment(tmp_path):
    samples = {SAMPLE: SENT, "sample-request-2.json": '{"input": [[1]]}'}
    assert check(tmp_path, CASES["key"][0], samples) == []


def test_a_sample_of_another_deployment_is_left_alone(tmp_path):
    other = {
        "green.yml": DEPLOYMENT.format("green") + CODE.format("other.py"),
        "src/other.py": JSON + "def run(data):\n    return json.loads(data)['rows']\n",
    }
    assert check(tmp_path, CASES["key"][0], {SAMPLE: '{"rows": [[1]]}'}, **other) == []


def test_a_sample_that_fits_no_deployment_is_reported_for_each(tmp_path):
    other = {
        "green.yml": DEPLOYMENT.format("green") + CODE.format("other.py"),
        "src/other.py": JSON + "def run(data):\n    return json.loads(data)['rows']\n",
    }
    found = check(tmp_path, CASES["key"][0], {SAMPLE: '{"x": [[1]]}'}, **other)
    assert found == [("request-key-missing", SAMPLE, 1)] * 2


# --- MLflow ----------------------------------------------------------------------------------------------------------

MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
SIGNATURE = MLMODEL + 'signature:\n  inputs: \'[{"name": "a", "type": "double"}, {"name": "b", "type": "long"}]\'\n'


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ('{"input_data": {"columns": ["a", "b"], "data": [[1, 2]]}}', set()),
        ('{"input_data": {"columns": ["b", "a", "c"], "data": [[1, 2, 3]]}}', set()),
        ('{"input_data": [[1, 2]]}', set()),
        ('{"inputs": [[1, 2]]}', {"request-input-data-missing"}),
        ('{"dataframe_split": {"columns": ["a"]}}', {"request-input-data-missing"}),
        ("[[1, 2]]", {"request-input-data-missing"}),
        ('{"input_data": {"columns": ["a"], "data": [[1]]}}', {"request-signature"}),
    ],
)
def test_an_mlflow_model_takes_input_data_with_its_columns(sample, expected, tmp_path):
    found = check(tmp_path, None, {SAMPLE: sample}, **{"model.yml": MLFLOW, "model/MLmodel": SIGNATURE})
    assert names(found) == expected


@pytest.mark.parametrize(
    "inputs",
    ["[]", "not json", '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]', "{}", "null"],
)
def test_a_signature_without_columns_demands_none(inputs, tmp_path):
    text = MLMODEL + f"signature:\n  inputs: '{inputs}'\n"
    sample = '{"input_data": {"columns": ["x"], "data": [[1]]}}'
    assert check(tmp_path, None, {SAMPLE: sample}, **{"model.yml": MLFLOW, "model/MLmodel": text}) == []


def test_optional_columns_may_be_left_out(tmp_path):
    text = SIGNATURE.replace('"type": "long"', '"type": "long", "required": false')
    sample = '{"input_data": {"columns": ["a"], "data": [[1]]}}'
    assert check(tmp_path, None, {SAMPLE: sample}, **{"model.yml": MLFLOW, "model/MLmodel": text}) == []


def test_a_custom_model_takes_what_its_script_takes(tmp_path):
    custom = MLFLOW.replace("mlflow_model", "custom_model")
    assert check(tmp_path, CASES["key"][0], {SAMPLE: SENT}, **{"model.yml": custom, "model/x": ""}) == []


# --- features --------------------------------------------------------------------------------------------------------


def fitted(count: int) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit([[float(x + y) for x in range(count)] for y in range(3)], [1.0, 2.0, 3.0])


PREDICT = (
    "import json\n\nimport joblib\nimport numpy as np\nimport pandas as pd\n\n\n"
    "def init():\n    global model\n    model = joblib.load('/m.pkl')\n\n\n"
    "def run(data):\n    rows = json.loads(data)['data']\n    return model.predict({}).tolist()\n"
)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("rows", {"request-features"}),
        ("np.array(rows)", {"request-features"}),
        ("pd.DataFrame(rows)", {"request-features"}),
        ("prepare(rows)", set()),
        ("np.array(rows)[:, :2]", set()),
    ],
)
def test_rows_that_go_straight_to_the_model_must_have_its_features(rows, expected, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.pkl").write_bytes(pickle.dumps(fitted(3)))
    model = MLFLOW.replace("mlflow_model", "custom_model")
    found = check(tmp_path, PREDICT.format(rows), {SAMPLE: '{"data": [[1, 2, 3], [1, 2]]}'}, **{"model.yml": model})
    assert names(found) == expected


def test_the_row_that_is_wrong_is_pointed_at(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "m.pkl").write_bytes(pickle.dumps(fitted(3)))
    model = MLFLOW.replace("mlflow_model", "custom_model")
    sample = '{"data": [[1, 2, 3], [1, 2]]}'
    assert check(tmp_path, PREDICT.format("rows"), {SAMPLE: sample}, **{"model.yml": model}) == [
        ("request-features", SAMPLE, sample.index("[1, 2]]") + 1)
    ]
    assert names(check(tmp_path, PREDICT.format("rows"), {SAMPLE: '{"data": [[1, 2, 3]]}'})) == set()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_the_number_of_features_is_read_from_pickles_of_every_protocol(protocol, tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(fitted(7), protocol))
    assert features.count(tmp_path / "m.pkl") == 7


def test_the_number_of_features_is_read_from_forests_pipelines_and_compressed_files(tmp_path):
    import joblib
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, answers = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 2.0, 2.0]], [1.0, 2.0, 3.0]
    for model in (RandomForestRegressor(3), make_pipeline(StandardScaler(), RandomForestRegressor(3))):
        for compress in (0, 3):
            joblib.dump(model.fit(rows, answers), tmp_path / "m.pkl", compress=compress)
            assert features.count(tmp_path / "m.pkl") == 3


def test_of_estimators_that_disagree_none_is_believed(tmp_path):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(PCA(2), fitted(2)).fit([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 5.0, 2.0]], [1.0, 2.0, 3.0])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    assert features.count(tmp_path / "m.pkl") is None


@pytest.mark.parametrize("data", [b"", b"text", b"\x80\x04", pickle.dumps({"n_features_in_": None}), pickle.dumps([1])])
def test_what_is_no_model_has_no_features(data, tmp_path):
    (tmp_path / "m.pkl").write_bytes(data)
    assert features.count(tmp_path / "m.pkl") is None
    assert features.count(tmp_path) is None
    assert features.count(tmp_path / "none") is None


# --- places in JSON --------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *[each for key, inner in items for each in paths(inner, (*path, key))]]


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from([None, 1, "\t"]), st.sampled_from(["", " \n"]))
def test_every_value_of_every_json_text_is_found_at_its_place(value, indent, around):
    text = around + json.dumps(value, indent=indent) + around
    source = Source(Path("x.json"), text)
    for path, inner in paths(value):
        span = place(source, *path)
        assert json.JSONDecoder().raw_decode(text, span.start)[0] == inner
        assert span.text in ("{", "[", text[span.start : span.end])
        assert json.loads(span.text) == inner if span.text not in ("{", "[") else isinstance(inner, dict | list)


def test_a_path_that_is_not_there_gives_its_innermost_surrounding():
    source = Source(Path("x.json"), '{"a": [1, {"b": 2}]}')
    assert place(source, "a", 1, "c").start == source.text.index('{"b"')
    assert place(source, "x").start == 0

"""src/score.py in process: the real script, model and Collector, and a sink on loopback where the agent would be."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import pickle
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import pytest
from azureml.ai.monitoring import init as collector_sdk
from hypothesis import given, settings
from hypothesis import strategies as st

import data_collection

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "model"
SAMPLE = (ROOT / "sample-request.json").read_text(encoding="utf-8")
ROWS: list[list[float]] = json.loads(SAMPLE)["data"]
NAMES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
RECORD = dict(zip(NAMES, ROWS[0], strict=True))


@dataclass(frozen=True)
class Event:
    collection: str
    correlation_id: str
    body: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.body)
        return rows


@dataclass
class Sink:
    """Answers 200 to whatever is posted, and keeps it."""

    events: list[Event] = field(default_factory=list)
    port: int = 0
    scripts: list[Any] = field(default_factory=list)

    def start(self) -> Any:
        """The script, as in a worker of the server that has just started."""
        script = load()
        self.scripts.append(script)
        script.init()
        return script

    def collected(self) -> list[Event]:
        """Everything that was collected, as when the worker ends."""
        for script in self.scripts:
            script.collection.close()
        return self.events

    def of(self, collection: str) -> list[Event]:
        return [event for event in self.collected() if event.collection == collection]


def handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            collection = self.headers["ce-type"].removeprefix("azureml.inference.")
            sink.events.append(Event(collection, self.headers["ce-x-request-id"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(sink)) as server:
        sink.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield sink
        sink.collected()
        collector_sdk.teardown(wait_for_flush=True)
        server.shutdown()
        thread.join()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink) -> Callable[..., None]:
    """The container's environment: a model registered from a folder, and these collections."""

    def configure(**collections: bool) -> None:
        content = {"collections": {name: {"enabled": enabled} for name, enabled in collections.items()}}
        (tmp_path / "mdc.json").write_text(json.dumps(content))
        monkeypatch.setenv("AZUREML_MDC_CONFIG_PATH", str(tmp_path / "mdc.json"))

    shutil.copytree(MODEL, tmp_path / "model-dir" / "model")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "model-dir"))
    monkeypatch.setenv("AZUREML_MDC_HOST", "127.0.0.1")
    monkeypatch.setenv("AZUREML_MDC_PORT", str(sink.port))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    configure(model_inputs=True, model_outputs=True)
    return configure


def load() -> Any:
    """The script as the server loads it: under another name, and not in sys.modules."""
    spec = importlib.util.spec_from_file_location("entry_module", ROOT / "src" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def score(configure: Callable[..., None], sink: Sink) -> Any:
    assert configure
    return sink.start()


def body(*rows: object) -> str:
    return json.dumps({"data": rows})


def changed(position: int, value: str) -> str:
    """The body of two good rows and a third, in which one value is this JSON text."""
    cells = [json.dumps(cell) for cell in ROWS[0]]
    cells[position] = value
    return f'{{"data": [{json.dumps(ROWS[0])}, {json.dumps(ROWS[1])}, [{", ".join(cells)}]]}}'


# --- answers ---------------------------------------------------------------------------------------------------------


def test_the_answer_is_the_models_prediction_for_each_row_as_a_plain_list(score: Any) -> None:
    model = joblib.load(MODEL / "sklearn_regression_model.pkl")

    answer = score.run(SAMPLE, {})

    assert answer == model.predict(ROWS).tolist()
    assert [type(value) for value in answer] == [float, float]


def test_rows_may_be_records_in_any_order_and_both_forms_may_be_mixed(score: Any) -> None:
    backwards = dict(reversed(RECORD.items()))

    answer = score.run(body(ROWS[0], RECORD, backwards))

    assert answer[0] == answer[1] == answer[2]


def test_other_members_of_the_body_are_ignored(score: Any) -> None:
    assert score.run(json.dumps({"data": ROWS, "GlobalParameters": 1.0})) == score.run(SAMPLE)


def test_a_body_saved_with_a_byte_order_mark_is_read(score: Any) -> None:
    assert score.run("\ufeff" + SAMPLE) == score.run(SAMPLE)


def test_the_largest_numbers_accepted_still_give_an_answer_that_is_json(score: Any) -> None:
    most = score.LARGEST

    answer = score.run(body([most] * 10, [-most] * 10, [most, -most] * 5))

    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_the_features_are_those_of_the_data_set() -> None:
    from sklearn.datasets import load_diabetes

    assert list(load().FEATURES) == load_diabetes().feature_names == NAMES


# --- what is collected -----------------------------------------------------------------------------------------------


def test_inputs_and_outputs_of_a_request_are_collected_under_one_id(score: Any, sink: Sink) -> None:
    answer = score.run(SAMPLE, {"X-Ms-Client-Request-Id": "order-4711"})

    inputs, outputs = sink.collected()

    assert [inputs.collection, outputs.collection] == ["model_inputs", "model_outputs"]
    assert inputs.correlation_id == outputs.correlation_id == "order-4711"
    assert [list(row) for row in inputs.rows] == [NAMES, NAMES]
    assert [list(row.values()) for row in inputs.rows] == ROWS
    assert [row["prediction"] for row in outputs.rows] == pytest.approx(answer)
    assert [row["request_id"] for row in outputs.rows] == ["order-4711", "order-4711"]


def test_a_column_has_one_type_however_the_numbers_were_written(score: Any, sink: Sink) -> None:
    score.run(body([59, 2, 32, 101, 157, 93, 38, 4, 5, 87]))
    score.run(changed(0, "5.9e1"))
    score.run(body({name: int(value) for name, value in RECORD.items()}))

    values = [value for event in sink.of("model_inputs") for row in event.rows for value in row.values()]

    assert {type(value) for value in values} == {float}


def test_every_row_of_many_requests_joins_its_prediction(score: Any, sink: Sink) -> None:
    """The way model monitoring joins: by correlation id and row."""
    answers = {f"request-{n}": score.run(body(*ROWS * n), {"x-request-id": f"request-{n}"}) for n in range(1, 20)}

    outputs = {(event.correlation_id, n): row for event in sink.of("model_outputs") for n, row in enumerate(event.rows)}
    inputs = [(event.correlation_id, n) for event in sink.of("model_inputs") for n, _ in enumerate(event.rows)]

    assert sorted(outputs) == sorted(inputs)
    assert [outputs[each]["prediction"] for each in inputs] == pytest.approx(
        [prediction for predictions in answers.values() for prediction in predictions]
    )
    assert [outputs[each]["request_id"] for each in inputs] == [own for own in answers for _ in answers[own]]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ms-client-request-id": "order-4711"}, "order-4711"),
        ({"X-MS-CLIENT-REQUEST-ID": "Order_4711"}, "Order_4711"),
        ({"X-Request-Id": "b", "X-Ms-Client-Request-Id": "a"}, "a"),
        ({"X-Request-Id": "b"}, "b"),
        ({"X-Request-Id": "b", "X-Ms-Client-Request-Id": "  "}, "b"),
        ({"X-Request-Id": "b", "X-Ms-Client-Request-Id": "注文"}, "b"),
        ({"X-Request-Id": "  padded\t"}, "padded"),
        ({"X-Request-Id": "orders/2023 #1"}, "orders-2023--1"),
        ({"X-Request-Id": "Müller-€"}, "M-ller--"),
        ({"X-Request-Id": "a\r\nce-type: forged"}, "a--ce-type--forged"),
        ({"X-Request-Id": "0123456789" * 5}, "0123456789" * 4),
        ({"X-Request-Id": "---"}, None),
        ({"X-Request-Id": ""}, None),
        ({"Traceparent": "00-abc"}, None),
        ({}, None),
    ],
)
def test_the_callers_own_id_is_taken_and_made_safe(headers: dict[str, str], expected: str | None) -> None:
    own = data_collection.request_id(data_collection.own_ids(headers))

    assert own == expected if expected else uuid.UUID(own)


def test_an_id_in_any_script_reaches_the_agent_and_collection_goes_on(score: Any, sink: Sink) -> None:
    score.run(SAMPLE, {"x-request-id": "bestellung-№-7"})
    score.run(SAMPLE, {"x-request-id": "next"})

    ids = [row["request_id"] for event in sink.of("model_outputs") for row in event.rows]
    assert ids == ["bestellung---7", "bestellung---7", "next", "next"]


# --- bad requests ----------------------------------------------------------------------------------------------------

A_ROW = "a row is a list of 10 numbers (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6) or a record with these names."

BAD = {
    "empty body": ("", "The body is empty; send JSON, with the header Content-Type: application/json."),
    "blank body": (" \n", "The body is empty; send JSON, with the header Content-Type: application/json."),
    "not JSON": ("age=59", "The body is not JSON: Expecting value: line 1 column 1 (char 0)."),
    "cut off": ('{"data": [[59, 2', "The body is not JSON: Expecting ',' delimiter: line 1 column 17 (char 16)."),
    "too deep": ("[" * 100_000, "The body is nested too deeply to be a request."),
    "too deep in data": ('{"data": ' + "[" * 100_000, "The body is nested too deeply to be a request."),
    "a list": (json.dumps(ROWS), f'The body has no "data"; send {{"data": [row, ...]}}, where {A_ROW}'),
    "a number": ("1", f'The body has no "data"; send {{"data": [row, ...]}}, where {A_ROW}'),
    "MLflow's form": (
        '{"input_data": []}',
        f'The body has no "data"; send {{"data": [row, ...]}}, where {A_ROW}',
    ),
    "no rows": ('{"data": []}', "data is empty; send at least one row."),
    "data null": ('{"data": null}', "data is null; a list of rows is needed."),
    "data text": ('{"data": "59,2"}', "data is text; a list of rows is needed."),
    "data a number": ('{"data": 59}', "data is a number; a list of rows is needed."),
    "columns": ('{"data": {"age": [59]}}', "data is an object; a list of rows is needed."),
    "one flat row": (body(*ROWS[0]), f"data[0] is a number; {A_ROW}"),
    "row null": (body(ROWS[0], None), f"data[1] is null; {A_ROW}"),
    "row empty": (body([]), f"data[0] has 0 values instead of 10; {A_ROW}"),
    "too few": (body(ROWS[0], ROWS[1], ROWS[0], ROWS[0][:9]), f"data[3] has 9 values instead of 10; {A_ROW}"),
    "too many": (body([*ROWS[0], 1]), f"data[0] has 11 values instead of 10; {A_ROW}"),
    "text": (changed(7, '"4"'), "data[2][7] is text; a finite number is needed."),
    "null": (changed(0, "null"), "data[2][0] is null; a finite number is needed."),
    "true": (changed(1, "true"), "data[2][1] is true; a finite number is needed."),
    "false": (changed(1, "false"), "data[2][1] is false; a finite number is needed."),
    "list": (changed(9, "[87]"), "data[2][9] is a list; a finite number is needed."),
    "object": (changed(9, "{}"), "data[2][9] is an object; a finite number is needed."),
    "NaN": (changed(2, "NaN"), "data[2][2] is NaN; a finite number is needed."),
    "infinity": (changed(2, "-Infinity"), "data[2][2] is infinite or too large; a finite number is needed."),
    "overflow": (changed(3, "1e400"), "data[2][3] is infinite or too large; a finite number is needed."),
    "over 32 bits": (changed(3, "-1e39"), "data[2][3] is infinite or too large; a finite number is needed."),
    "huge integer": (changed(4, "9" * 5000), "data[2][4] is infinite or too large; a finite number is needed."),
    "record, null": (body(RECORD | {"bmi": None}), "data[0].bmi is null; a finite number is needed."),
    "record, missing": (
        body({name: value for name, value in RECORD.items() if name not in {"bmi", "s6"}}),
        f"data[0] lacks bmi, s6; {A_ROW}",
    ),
    "record, unknown": (body(RECORD | {"BMI": 1}), f"data[0] has the unknown BMI; {A_ROW}"),
    "record, renamed": (
        body({name.upper() if name == "bmi" else name: value for name, value in RECORD.items()}),
        f"data[0] lacks bmi and has the unknown BMI; {A_ROW}",
    ),
    "record, flooded": (
        body(RECORD | {"x" * 100_000: 1} | {f"y{n}": 1 for n in range(1000)}),
        f"data[0] has the unknown {'x' * 40}, y0, y1; {A_ROW}",
    ),
}


@pytest.mark.parametrize(("request_body", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_request_gets_400_and_one_sentence_that_says_what_and_where(
    score: Any, sink: Sink, request_body: str, message: str
) -> None:
    answer = score.run(request_body, {"x-request-id": "bad"})

    assert answer.status_code == 400
    assert answer.mimetype == "application/json"
    assert json.loads(answer.get_data()) == {"message": message}
    assert sink.collected() == []


def test_a_good_request_after_a_bad_one_is_answered(score: Any, sink: Sink) -> None:
    score.run("{")

    assert len(score.run(SAMPLE)) == 2
    assert len(sink.of("model_inputs")) == 1


CELLS = st.floats(width=32, allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=11) | st.dictionaries(st.sampled_from(["data", *NAMES]), inner, max_size=11),
    max_leaves=40,
)
NEARLY = st.fixed_dictionaries({"data": st.lists(st.lists(CELLS | JSON, min_size=9, max_size=11) | JSON, max_size=3)})


@settings(max_examples=150, deadline=None)
@given(JSON | NEARLY)
def test_whatever_json_is_sent_the_parser_refuses_it_or_gives_finite_rows(value: object) -> None:
    script = load_once()

    with contextlib.suppress(script.BadRequest):
        rows = script.parse(json.dumps(value))

        assert rows.shape[1] == 10
        assert all(math.isfinite(cell) for row in rows for cell in row)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=10, max_size=10), min_size=1, max_size=3))
def test_every_row_of_finite_32_bit_numbers_is_read_as_it_is_in_both_forms(rows: list[list[float]]) -> None:
    records = [dict(zip(NAMES, row, strict=True)) for row in rows]

    assert load_once().parse(json.dumps({"data": rows})).tolist() == rows
    assert load_once().parse(json.dumps({"data": records})).tolist() == rows


_loaded: list[Any] = []


def load_once() -> Any:
    if not _loaded:
        _loaded.append(load())
    return _loaded[0]


# --- collection that fails -------------------------------------------------------------------------------------------


def test_without_any_collection_configured_the_service_serves_and_says_so(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sink: Sink
) -> None:
    assert configure
    monkeypatch.delenv("AZUREML_MDC_CONFIG_PATH")

    script = sink.start()
    answer = script.run(SAMPLE, {})

    assert len(answer) == 2
    assert sum(script.collection.lost.values()) == 1
    assert "custom logging is not enabled" in caplog.text


def test_a_collector_configuration_that_cannot_be_read_stops_nothing_but_collection(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sink: Sink
) -> None:
    assert configure
    monkeypatch.setenv("AZUREML_MDC_CONFIG_PATH", "/nowhere/mdc.json")

    script = sink.start()

    assert len(script.run(SAMPLE)) == 2
    assert sum(script.collection.lost.values()) == 1
    assert "/nowhere/mdc.json" in caplog.text


def test_a_collector_that_raises_costs_events_and_never_an_answer(score: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score.collection, "_put", lambda *_: 1 / 0)

    assert len(score.run(SAMPLE)) == 2
    assert score.collection.lost == {"requests dropped: ZeroDivisionError: division by zero": 1}


# --- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "model", "outputs/model"], ids=["a file", "a folder", "a folder in a folder"])
def test_the_model_is_found_however_it_was_registered(tmp_path: Path, place: str) -> None:
    shutil.copytree(MODEL, tmp_path / "registered" / place, dirs_exist_ok=True)

    assert load().load_model(tmp_path / "registered").n_features_in_ == 10


def test_init_reads_the_model_where_azure_put_it(
    configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    assert configure
    shutil.copy(MODEL / "sklearn_regression_model.pkl", tmp_path)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    shutil.rmtree(tmp_path / "model-dir")

    assert len(sink.start().run(SAMPLE)) == 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "it holds: nothing"),
        (["model/other.pkl"], "it holds: model, model/other.pkl"),
        (
            ["a/sklearn_regression_model.pkl", "b/sklearn_regression_model.pkl"],
            "must hold one sklearn_regression_model",
        ),
    ],
    ids=["nothing", "another file", "two"],
)
def test_a_model_folder_without_the_one_model_says_what_it_holds(
    tmp_path: Path, files: list[str], message: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    with pytest.raises(FileNotFoundError, match=message):
        load().load_model(tmp_path)


def test_a_model_of_other_features_stops_the_start_and_not_every_request(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    other = LinearRegression().fit([[1.0, 2.0], [2.0, 1.0]], [1.0, 2.0])
    (tmp_path / "sklearn_regression_model.pkl").write_bytes(pickle.dumps(other))

    with pytest.raises(ValueError, match=r"takes 2 features, score\.py reads 10"):
        load().load_model(tmp_path)


# --- the server ------------------------------------------------------------------------------------------------------

THROUGH_THE_SERVER = """
import json, sys
from azureml_inference_server_http.server.create_app import create

client, answers = create().test_client(), []
for body in json.load(sys.stdin):
    answer = client.post("/score", data=body, content_type="application/json", headers={"x-request-id": "mine"})
    answers.append([answer.status_code, answer.get_json(), answer.headers["x-request-id"]])
answers.append([client.get("/score?data=[]").status_code])
open(sys.argv[1], "w").write(json.dumps(answers))  # the server has taken stdout and print()
"""


def test_microsofts_server_runs_the_script_and_passes_its_answers_on(
    configure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    assert configure
    monkeypatch.setenv("AML_APP_ROOT", str(ROOT / "src"))
    monkeypatch.setenv("AZUREML_ENTRY_SCRIPT", "score.py")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    done = subprocess.run(
        [sys.executable, "-c", THROUGH_THE_SERVER, str(tmp_path / "answers.json")],
        input=json.dumps([SAMPLE, changed(7, '"4"'), ""]),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    good, bad, empty, get = json.loads((tmp_path / "answers.json").read_text())
    assert (good[0], len(good[1]), good[2]) == (200, 2, "mine")
    assert bad[:2] == [400, {"message": "data[2][7] is text; a finite number is needed."}]
    assert (empty[0], get[0]) == (400, 400)
    assert [(event.collection, event.correlation_id) for event in sink.events] == [
        ("model_inputs", "mine"),
        ("model_outputs", "mine"),
    ]

"""Scoring script of the diabetes regression, collecting what it was asked and what it answered.

Azure's inference server calls `init()` once in every worker process, then `run()` for every request.
The decision worth knowing: the caller comes first. Whatever happens to data collection, the prediction
is returned; what could not be collected is counted, and the count is in the log.

    {"data": [[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87], ...]}          rows as lists, in the order of FEATURES
    {"data": [{"age": 59, "sex": 2, "bmi": 32.1, ..., "s6": 87}, ...]}         rows as records, in any order

Each row is read by itself, so one request may hold both. The answer is a list with one number per row.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from azureml_inference_server_http.api.aml_response import AMLResponse

from data_collection import DataCollection

# The order is the model's. Units are the data set's: years, sex 1 or 2, kg/m², mm Hg, then six blood serum values.
FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
PREDICTION = "prediction"
MODEL_FILE = "sklearn_regression_model.pkl"

# Finite in 32 bits, as scikit-learn's trees demand too: no prediction from such numbers is NaN or infinite, and
# neither has a place in JSON.
LARGEST = float(np.finfo(np.float32).max)

# A child of the server's logger: its lines reach the container log from INFO up, with time and process.
logger = logging.getLogger("azmlinfsrv.score")

model: Any = None
collection: DataCollection


def init() -> None:
    """Load the model and begin to collect."""
    global model, collection
    model = load_model(Path(os.environ["AZUREML_MODEL_DIR"]))
    collection = DataCollection(inputs=dict.fromkeys(FEATURES, float), outputs={PREDICTION: float})


def run(data: str, request_headers: Mapping[str, str] | None = None) -> list[float] | AMLResponse:
    """Predict for every row of the request's body: a list of floats, or an AMLResponse with status 400.

    The server fills `request_headers` because of its name.
    """
    received = time.time()
    try:
        inputs = parse(data)
    except BadRequest as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    predictions: npt.NDArray[np.float64] = model.predict(inputs)
    collection.add(inputs, predictions, request_headers, received)
    return predictions.tolist()


# --- the model -------------------------------------------------------------------------------------------------------


def load_model(folder: Path) -> Any:
    """The model under AZUREML_MODEL_DIR, which holds the file itself where a file was registered, and the
    registered folder, by its own name, where a folder was.
    """
    found = sorted(folder.rglob(MODEL_FILE))
    if len(found) != 1:
        there = ", ".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))) or "nothing"
        raise FileNotFoundError(f"AZUREML_MODEL_DIR ({folder}) must hold one {MODEL_FILE}; it holds: {there}")
    loaded = joblib.load(found[0])
    if loaded.n_features_in_ != len(FEATURES):
        raise ValueError(f"{found[0]} takes {loaded.n_features_in_} features, score.py reads {len(FEATURES)}")
    logger.info("Model loaded from %s", found[0])
    return loaded


# --- the request -----------------------------------------------------------------------------------------------------


class BadRequest(Exception):
    """What is wrong with a request, and where, in one sentence for its sender."""


# Every number as float, whatever its notation: no column changes its type, no huge integer overflows later.
_read_json = json.JSONDecoder(parse_int=float).decode

_RECORD = frozenset(FEATURES)
_BY_POSITION = [f"[{position}]" for position in range(len(FEATURES))]
_BY_NAME = [f".{name}" for name in FEATURES]
_A_ROW = f"a row is a list of {len(FEATURES)} numbers ({', '.join(FEATURES)}) or a record with these names"


def parse(body: str) -> npt.NDArray[np.float64]:
    """The rows of a request body, one line each, in the order of FEATURES.

    Raises:
        BadRequest: for anything but finite numbers in rows of the right shape.
    """
    rows = read_rows(read_body(body))
    return np.array([read_row(row, f"data[{position}]") for position, row in enumerate(rows)], dtype=np.float64)


def read_body(body: str) -> object:
    if not body.strip():
        raise BadRequest("The body is empty; send JSON, with the header Content-Type: application/json.")
    try:
        return _read_json(body.removeprefix("\ufeff"))  # the byte order mark of a file saved by Windows
    except RecursionError:
        raise BadRequest("The body is nested too deeply to be a request.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None


def read_rows(body: object) -> list[object]:
    match body:
        case {"data": []}:
            raise BadRequest("data is empty; send at least one row.")
        case {"data": list() as rows}:
            return rows
        case {"data": other}:
            raise BadRequest(f"data is {kind(other)}; a list of rows is needed.")
        case _:
            raise BadRequest(f'The body has no "data"; send {{"data": [row, ...]}}, where {_A_ROW}.')


def read_row(row: object, place: str) -> list[float]:
    match row:
        case list() if len(row) == len(FEATURES):
            places, values = _BY_POSITION, row
        case dict() if row.keys() == _RECORD:
            places, values = _BY_NAME, [row[name] for name in FEATURES]
        case _:
            raise BadRequest(f"{place} {misfit(row)}; {_A_ROW}.")
    for where, value in zip(places, values, strict=True):
        # NaN is in no range, and true is not a float.
        if type(value) is not float or not -LARGEST <= value <= LARGEST:
            raise BadRequest(f"{place}{where} is {kind(value)}; a finite number is needed.")
    return values


def misfit(row: object) -> str:
    match row:
        case list():
            return f"has {len(row)} values instead of {len(FEATURES)}"
        case dict():
            missing = [name for name in FEATURES if name not in row]
            # The sender's own words, but not a flood of them.
            unknown = [str(name)[:40] for name in row if name not in _RECORD]
            faults = {"lacks": missing, "has the unknown": unknown[:3]}
            return " and ".join(f"{fault} {', '.join(names)}" for fault, names in faults.items() if names)
        case _:
            return f"is {kind(row)}"


def kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float() if value != value:
            return "NaN"
        case float() if abs(value) > LARGEST:
            return "infinite or too large"
        case _:
            return {float: "a number", str: "text", list: "a list"}.get(type(value), "an object")

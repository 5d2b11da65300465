"""The scoring script that tools/bench_collection.py measures, with data collected in several ways.

All read, predict and answer with the same code, that of src/score.py, so that the difference is what collecting costs.
`common` is what scoring scripts do everywhere: two frames and two `collect()` within the request.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.append(str(SOURCE))


class Bare:
    """Collects nothing."""

    def init(self) -> None:
        import score

        self._score = score
        self._model = score.load_model(Path(os.environ["AZUREML_MODEL_DIR"]))

    def run(self, data: str, request_headers: Mapping[str, str]) -> list[float]:  # noqa: ARG002
        return self._predict(data)[1]

    def close(self) -> None:
        """What happens when the process ends."""

    def _predict(self, data: str) -> tuple[Any, list[float]]:
        inputs = self._score.parse(data)
        predictions: list[float] = self._model.predict(inputs).tolist()
        return inputs, predictions


class Ours(Bare):
    """src/score.py as it is."""

    def init(self) -> None:
        import score

        score.init()
        self.run = score.run  # type: ignore[method-assign]
        self.close = lambda: score.collection.close()  # type: ignore[method-assign]


class Common(Bare):
    """Two Collectors, two frames, two `collect()`; nothing at the end, as nobody calls the SDK's teardown()."""

    def init(self) -> None:
        import pandas as pd
        from azureml.ai.monitoring import Collector

        super().init()
        self._frame = pd.DataFrame
        self._inputs = Collector(name="model_inputs")
        self._outputs = Collector(name="model_outputs")

    def run(self, data: str, request_headers: Mapping[str, str]) -> list[float]:  # noqa: ARG002
        inputs, predictions = self._predict(data)
        context = self._inputs.collect(self._frame(inputs, columns=list(self._score.FEATURES)))
        self._outputs.collect(self._frame({"prediction": predictions}), context)
        return predictions


class Lines(Bare):
    """Two lines of JSON through `logging`, into a file."""

    def init(self) -> None:
        super().init()
        self._log = logging.getLogger("lines")
        self._log.propagate = False
        self._log.setLevel(logging.INFO)
        self._log.addHandler(logging.FileHandler(os.environ["BENCH_LINES"]))

    def run(self, data: str, request_headers: Mapping[str, str]) -> list[float]:
        inputs, predictions = self._predict(data)
        own = request_headers["X-Ms-Client-Request-Id"]
        rows = [dict(zip(self._score.FEATURES, row, strict=True)) for row in inputs.tolist()]
        self._log.info(json.dumps({"type": "model_inputs", "id": own, "data": rows}))
        self._log.info(json.dumps({"type": "model_outputs", "id": own, "data": predictions}))
        return predictions


class BentoML(Bare):
    """BentoML's monitor with its file logger: a value at a time."""

    def init(self) -> None:
        bentoml = importlib.import_module("bentoml")

        super().init()
        self._monitor = bentoml.monitor

    def run(self, data: str, request_headers: Mapping[str, str]) -> list[float]:  # noqa: ARG002
        inputs, predictions = self._predict(data)
        for row, prediction in zip(inputs.tolist(), predictions, strict=True):
            with self._monitor("diabetes") as monitor:
                for name, value in zip(self._score.FEATURES, row, strict=True):
                    monitor.log(value, name=name, role="feature", data_type="numerical")
                monitor.log(prediction, name="prediction", role="prediction", data_type="numerical")
        return predictions


VARIANTS: dict[str, Callable[[], Bare]] = {
    "bare": Bare,
    "ours": Ours,
    "common": Common,
    "lines": Lines,
    "bentoml": BentoML,
}


def installed() -> list[str]:
    """The variants whose packages are there."""
    return [name for name in VARIANTS if name != "bentoml" or importlib.util.find_spec("bentoml")]

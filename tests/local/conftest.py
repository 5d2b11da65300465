"""A small deployment with a real scoring script and a model without a pickle."""

import json
import textwrap
from pathlib import Path

import pytest

from amlready.local.layout import Collection, LocalDeployment

SCRIPT = """
    import json
    import os
    from pathlib import Path

    import pandas as pd
    from azureml.ai.monitoring import Collector
    from azureml.ai.monitoring.context import BasicCorrelationContext


    def init():
        global slope, inputs, outputs
        (model,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.json")
        slope = json.loads(model.read_text())["slope"]
        inputs, outputs = Collector(name="model_inputs"), Collector(name="model_outputs")


    def run(data, request_headers):
        rows = json.loads(data)["data"]
        context = BasicCorrelationContext(id=request_headers.get("X-Ms-Client-Request-Id"))
        inputs.collect(pd.DataFrame(rows, columns=["x", "y"], dtype=float), context)
        answer = [slope * x + y for x, y in rows]
        outputs.collect(pd.DataFrame({"answer": answer}), context)
        return answer
"""

COLLECTIONS = (Collection("model_inputs"), Collection("model_outputs"))


@pytest.fixture
def make_deployment(tmp_path):
    """A function that writes a scoring script and a model and gives the deployment of both."""

    def make(script: str = SCRIPT, name: str = "blue", **fields) -> LocalDeployment:
        code = tmp_path / f"code-{name}"
        code.mkdir()
        (code / "score.py").write_text(textwrap.dedent(script))
        model = tmp_path / "model"
        model.mkdir(exist_ok=True)
        (model / "line.json").write_text(json.dumps({"slope": 2}))
        given = {"code": code, "model": model, "model_name": "line", "collections": COLLECTIONS} | fields
        return LocalDeployment("test-endpoint", name, code / "score.py", **given)

    return make


@pytest.fixture
def read_lines():
    """A function that gives every line below a folder, parsed; it fails where a line is not JSON or has no end."""

    def read(folder: Path) -> list[dict]:
        lines = []
        for path in sorted(folder.rglob("*.jsonl")):
            content = path.read_bytes()
            assert content.endswith(b"\n"), path
            lines += [json.loads(line) for line in content.splitlines()]
        return lines

    return read

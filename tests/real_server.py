"""Scoring scripts on Microsoft's own inference server and Collector: what happens at start, and to one request.

The server is imported once; each script then runs in a fork of that process, because it is process-wide state. Run as
a program: JSON with the scripts on standard input, JSON with the outcomes in the file that is its argument.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BODY = '{"data": [[1, 2], [3, 4]]}'
COLLECTIONS = ("model_inputs", "model_outputs")


@dataclass(frozen=True)
class Outcome:
    """`status` is None when the worker does not start; `alive` is the Collector's thread, None if there is none."""

    status: int | None = None
    body: str = ""
    alive: bool | None = None
    events: tuple[tuple[str, str, str], ...] = ()


def outcomes(scripts: dict[str, dict[str, str]]) -> dict[str, Outcome]:
    """The outcome of each script, given as its files by name; the one called score.py is the script."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, f"{folder}/out"],
            input=json.dumps(scripts),
            cwd=folder,
            env={**os.environ, "AZUREML_MODEL_DIR": folder, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(Path(folder, "out").read_text(encoding="utf-8"))
    return {
        name: Outcome(each["status"], each["body"], each["alive"], tuple(map(tuple, each["events"])))
        for name, each in found.items()
    }


# --- in the child ----------------------------------------------------------------------------------------------------


def main() -> None:
    import azureml.ai.monitoring
    import inference_schema.schema_decorators
    import pandas
    from azureml_inference_server_http.server import create_app

    assert azureml.ai.monitoring
    assert inference_schema.schema_decorators
    assert pandas
    scripts = json.load(sys.stdin)
    found = {}
    for name, files in scripts.items():
        folder = Path(tempfile.mkdtemp(dir=os.getcwd()))
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        if os.fork() == 0:
            try:
                _child(folder, create_app)
            finally:
                os._exit(0)
        os.wait()
        found[name] = json.loads((folder / "outcome").read_text(encoding="utf-8"))
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


def _child(folder: Path, create_app: Any) -> None:
    result: dict[str, Any] = {"status": None, "body": "", "alive": None, "events": []}
    _save(folder, result)
    _configure(folder, _sink(result["events"]))
    client = create_app.create().test_client()
    answer = client.post("/score", data=BODY, content_type="application/json", headers={"x-request-id": "mine"})
    result |= {"status": answer.status_code, "body": answer.get_data(as_text=True)}
    result["alive"] = _drained()
    _save(folder, result)


def _save(folder: Path, result: dict[str, Any]) -> None:
    (folder / "outcome").write_text(json.dumps(result), encoding="utf-8")


def _configure(folder: Path, port: int) -> None:
    from azureml_inference_server_http.server.config import config

    config.app_root, config.entry_script = str(folder), "score.py"
    sys.path.append(str(folder))
    (folder / "mdc.json").write_text(json.dumps({"collections": {name: {"enabled": True} for name in COLLECTIONS}}))
    os.environ.update(
        AZUREML_MDC_CONFIG_PATH=str(folder / "mdc.json"), AZUREML_MDC_HOST="127.0.0.1", AZUREML_MDC_PORT=str(port)
    )


def _sink(events: list[tuple[str, str, str]]) -> int:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            events.append((self.headers["ce-type"].rpartition(".")[2], self.headers["ce-x-request-id"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _drained() -> bool | None:
    """Wait until the Collector's queue is sent, or its thread is dead; whether it lives. None without a Collector."""
    from azureml.ai.monitoring import init
    from azureml.ai.monitoring.queue import get_queue
    from azureml.ai.monitoring.worker import get_worker

    if not init.is_sdk_ready():
        return None
    (thread,) = get_worker()._threads
    get_queue().close()  # the thread sends what is queued, then ends by itself
    thread.join(20)
    return get_queue().length() == 0 and not _died.is_set()


_died = threading.Event()
threading.excepthook = lambda _: _died.set()


if __name__ == "__main__":
    main()

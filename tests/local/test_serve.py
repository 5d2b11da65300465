"""The whole road: Microsoft's server and Collector, our agent and store, and `serve` as a process."""

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from waiting import all_ended, until

from amlready.collected import show
from amlready.invoke import invoke, send
from amlready.local.endpoint import LocalEndpoint, differences
from amlready.local.layout import Collection, LayoutError, LocalDeployment
from amlready.local.server import ServerFailed, Stopped

ROOT = Path(__file__).parents[2]
TWO_ROWS = b'{"data": [[1, 10], [2, 20]]}'


def score(uri: str, body: bytes = TWO_ROWS, request_id: str = "request-1"):
    return send(urlsplit(uri), body, request_id, 60)


@pytest.fixture
def run_here(tmp_path):
    """A function that gives the LocalEndpoint of deployments, on free ports, below `tmp_path`."""

    def run(*deployments, **options) -> LocalEndpoint:
        given = {"root": tmp_path / "collected", "logs": tmp_path / "logs", "port": 0} | options
        return LocalEndpoint(deployments, **given)

    return run


def test_a_request_is_answered_and_inputs_and_outputs_are_collected(make_deployment, run_here, tmp_path, read_lines):
    with run_here(make_deployment()) as endpoint:
        answer = score(endpoint.running[0].scoring_uri)
    assert (answer.status, json.loads(answer.body)) == (200, [12.0, 24.0])
    tree = tmp_path / "collected/workspaceblobstore/modelDataCollector/test-endpoint/blue"
    (inputs,) = read_lines(tree / "model_inputs")
    (outputs,) = read_lines(tree / "model_outputs")
    assert inputs["data"] == [{"x": 1.0, "y": 10.0}, {"x": 2.0, "y": 20.0}]
    assert outputs["data"] == [{"answer": 12.0}, {"answer": 24.0}]
    assert inputs["correlationid"] == outputs["correlationid"] == outputs["xrequestid"] == "request-1"
    assert list(inputs) == [
        "specversion", "id", "source", "type", "datacontenttype", "time", "data", "contentrange",
        "correlationid", "xrequestid", "modelversion", "collectdatatype", "agent",
    ]  # fmt: skip
    hour = datetime.fromisoformat(inputs["time"]).astimezone(UTC).strftime("%Y/%m/%d/%H")
    assert len(list((tree / "model_inputs" / hour).glob("*.jsonl"))) == 1
    assert endpoint.counts["blue"]["model_inputs"].rows == 2


def test_two_deployments_run_side_by_side_and_keep_their_data_apart(make_deployment, run_here, tmp_path, read_lines):
    with run_here(make_deployment(), make_deployment(name="green")) as endpoint:
        for each in endpoint.running:
            assert score(each.scoring_uri, request_id=each.deployment.deployment).status == 200
    for name in ("blue", "green"):
        lines = read_lines(tmp_path / "collected/workspaceblobstore/modelDataCollector/test-endpoint" / name)
        assert [line["correlationid"] for line in lines] == [name, name]
        assert all(line["source"].endswith(f"/deployments/{name}") for line in lines)


def test_collections_go_where_the_deployment_says_and_sampling_is_done(make_deployment, run_here, tmp_path, read_lines):
    collections = (
        Collection("model_inputs", datastore="own", path="a/b"),
        Collection("model_outputs", sampling_rate=0.0),
    )
    with run_here(make_deployment(collections=collections)) as endpoint:
        for n in range(5):
            assert score(endpoint.running[0].scoring_uri, request_id=f"r-{n}").status == 200
    assert len(read_lines(tmp_path / "collected/own/a/b")) == 5
    assert not (tmp_path / "collected/workspaceblobstore").exists()


def test_what_was_collected_just_before_the_end_is_still_written(make_deployment, run_here, read_lines, tmp_path):
    with run_here(make_deployment(environment_variables={"WORKER_COUNT": "2"})) as endpoint:
        for n in range(60):
            assert score(endpoint.running[0].scoring_uri, request_id=f"r-{n}").status == 200
    assert len(read_lines(tmp_path / "collected")) == 120


def test_leaving_ends_every_process_and_removes_the_containers_files(make_deployment, run_here):
    with run_here(make_deployment()) as endpoint:
        server = endpoint.running[0].server
        mounted = Path(server.container.environment["AZUREML_MODEL_DIR"])
        assert mounted.is_dir()
        family = psutil.Process(server.pid)
        family = [family, *family.children(recursive=True)]
    until(lambda: all_ended(family))
    assert not mounted.exists()
    assert (server.container.app_root / "score.py").is_file()


def test_when_one_server_fails_to_start_the_other_is_ended_too(make_deployment, run_here):
    broken = make_deployment("def init(): raise ValueError('broken')\ndef run(data): return data\n", name="green")
    endpoint = run_here(make_deployment(), broken)
    with pytest.raises(ServerFailed, match="green did not start") as failed, endpoint:
        pytest.fail("a server that failed is not live")
    assert failed.value.details[-1] == "ValueError: broken"
    assert [each.server.pid for each in endpoint.running] == [None, None]


def test_a_missing_model_is_noticed_before_anything_is_started(make_deployment, run_here):
    with pytest.raises(LayoutError, match="/nowhere does not exist"), run_here(make_deployment(model=Path("/nowhere"))):
        pytest.fail("there is no model")


def test_starting_ends_when_somebody_asks_to_stop(make_deployment, run_here):
    stop = threading.Event()
    stop.set()
    slow = make_deployment("import time\ndef init(): time.sleep(600)\ndef run(data): return data\n")
    with pytest.raises(Stopped), run_here(slow, stop=stop):
        pytest.fail("it was to stop")


def test_the_scoring_script_of_this_repository_runs(run_here, tmp_path, capsys):
    given = {"code": ROOT / "src", "model": ROOT / "model", "model_name": "scikit-model"}
    collections = Collection("model_inputs"), Collection("model_outputs")
    deployment = LocalDeployment("diabetes-regression", "blue", ROOT / "src/score.py", collections=collections, **given)
    with run_here(deployment) as endpoint:
        assert invoke(ROOT / "sample-request.json", endpoint.running[0].scoring_uri, client_request_id="mine") == 0
        assert len(json.loads(capsys.readouterr().out)) == 2
        bad = score(endpoint.running[0].scoring_uri, b'{"data": [[1]]}')
    assert bad.status == 400
    assert show(tmp_path / "collected", join=True, format="json") == 0
    out, err = capsys.readouterr()
    joined = json.loads(out)
    assert [(line["correlationid"], line["row"]) for line in joined] == [("mine", 0), ("mine", 1)]
    assert joined[0]["model_inputs"]["age"] == 59.0
    assert isinstance(joined[0]["model_outputs"]["prediction"], float)
    assert "every row of model_inputs and model_outputs has its partner" in err


# --- serve, as a process ---------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path, PosixPath
from amlready.local.endpoint import serve
from amlready.local.layout import Collection, LocalDeployment
sys.exit(serve([{deployment!r}], root=Path({root!r}), logs=Path({logs!r}), port={port}))
"""


@dataclass
class Serve:
    """A running `serve`, what it has written so far, and how it ended."""

    process: subprocess.Popen
    out_file: Path
    err_file: Path

    @property
    def out(self) -> str:
        return self.out_file.read_text()

    @property
    def err(self) -> str:
        return self.err_file.read_text()

    def until_live(self) -> str:
        """The scoring URI, once it is told."""
        return self.until(lambda: re.search(r"score +POST (\S+)\n", self.out))[1]

    def until(self, happened):
        def look():
            ended = self.process.poll() is not None  # before looking: its last words count
            found = happened()
            assert found or not ended, self.err
            return found

        return until(look)

    def end(self, number: int | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(120)


@pytest.fixture
def start_serve(tmp_path):
    """A function that starts `serve` as a process."""
    started = []

    def start(deployment: LocalDeployment, port: int = 0) -> Serve:
        places = {"root": str(tmp_path / "collected"), "logs": str(tmp_path / "logs")}
        program = PROGRAM.format(deployment=deployment, port=port, **places)
        files = tmp_path / "out.txt", tmp_path / "err.txt"
        with files[0].open("wb") as out, files[1].open("wb") as err:
            process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=out, stderr=err)
        started.append(process)
        return Serve(process, *files)

    yield start
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_to_send_what_and_stops_cleanly(make_deployment, start_serve, tmp_path, read_lines, number):
    collections = Collection("model_inputs"), Collection("model_outputs", sampling_rate=0.5)
    serve = start_serve(make_deployment(collections=collections))
    uri = serve.until_live()
    family = psutil.Process(serve.process.pid).children(recursive=True)
    assert score(uri).status == 200
    assert serve.end(number) == 0
    until(lambda: all_ended(family))
    where = tmp_path / "collected/workspaceblobstore/modelDataCollector/test-endpoint/blue/model_outputs"
    assert f"collect  model_outputs (50 %) into {where}" in serve.out
    assert "blue: model_inputs: 1 event, 2 rows collected" in serve.err
    assert "azmlinfsrv listens on all interfaces" in serve.err
    assert read_lines(tmp_path / "collected")[0]["correlationid"] == "request-1"


def test_a_second_signal_ends_a_request_that_would_not_end(make_deployment, start_serve):
    script = "import time\ndef init(): pass\ndef run(data):\n  print('busy')\n  time.sleep(600)\n"
    serve = start_serve(make_deployment(script))
    connection = http.client.HTTPConnection(urlsplit(serve.until_live()).netloc, timeout=300)
    connection.request("POST", "/score", b"{}", {"Content-Type": "application/json"})
    log = serve.out_file.parent / "logs/test-endpoint-blue.log"
    serve.until(lambda: "busy" in log.read_text())
    family = psutil.Process(serve.process.pid).children(recursive=True)
    serve.process.send_signal(signal.SIGINT)
    serve.until(lambda: "stopping" in serve.err)
    assert serve.end(signal.SIGINT) == 0
    connection.close()
    until(lambda: all_ended(family))


def test_serve_shows_why_init_failed_and_exits_1(make_deployment, start_serve):
    serve = start_serve(make_deployment("def init():\n  open('/nowhere/model.pkl')\ndef run(data): return data\n"))
    assert serve.end() == 1
    assert serve.out == ""
    lines = serve.err.splitlines()
    error = next(line for line in lines if line.startswith("amlready: "))
    assert "blue did not start" in error
    assert lines[lines.index(error) - 1].startswith("FileNotFoundError: [Errno 2] No such file or directory")
    assert "Traceback (most recent call last):" in lines
    assert "gunicorn" not in serve.err
    assert lines[-1] == error, "what was collected is no news where nothing could be"


def test_serve_notices_a_server_that_ends_and_exits_1(make_deployment, start_serve):
    script = "import os\ndef init(): pass\ndef run(data):\n  os.kill(os.getppid(), 9)\n  return data\n"
    serve = start_serve(make_deployment(script, collections=()))
    connection = http.client.HTTPConnection(urlsplit(serve.until_live()).netloc, timeout=300)
    connection.request("POST", "/score", b"{}", {"Content-Type": "application/json"})
    assert serve.end() == 1
    connection.close()
    assert serve.err.splitlines()[-1].startswith("amlready: blue stopped (ended by signal 9)")


def test_serve_that_is_stopped_before_it_is_live_exits_130(make_deployment, start_serve, tmp_path):
    serve = start_serve(make_deployment("import time\ndef init(): time.sleep(600)\ndef run(data): return data\n"))
    log = tmp_path / "logs/test-endpoint-blue.log"
    serve.until(lambda: log.exists() and "Invoking user's init" in log.read_text())
    assert serve.end(signal.SIGTERM) == 130
    assert serve.out == ""


FAMILY = """
    import signal, subprocess, time

    def init():
        subprocess.Popen(["sleep", "600"])
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        {init}

    def run(data):
        print("busy", flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("when", ["live", "in a request", "in init"])
def test_when_serve_is_killed_nothing_of_it_is_left(make_deployment, start_serve, tmp_path, when):
    script = FAMILY.format(init="print('busy', flush=True); time.sleep(600)" if when == "in init" else "pass")
    serve = start_serve(make_deployment(script, environment_variables={"WORKER_COUNT": "2"}))
    log = tmp_path / "logs/test-endpoint-blue.log"
    with ExitStack() as requests:
        if when != "in init":
            connection = http.client.HTTPConnection(urlsplit(serve.until_live()).netloc, timeout=300)
            requests.callback(connection.close)
        if when == "in a request":
            connection.request("POST", "/score", b"{}", {"Content-Type": "application/json"})
        if when != "live":
            serve.until(lambda: log.exists() and "busy" in log.read_text())
        process = psutil.Process(serve.process.pid)
        # The server's master, its two workers, a process of each, and who sees to it that they end.
        serve.until(lambda: len(process.children(recursive=True)) == 6)
        family = process.children(recursive=True)
        process.kill()
        assert serve.end() == -signal.SIGKILL
        until(lambda: all_ended(family))


def test_serve_on_a_port_in_use_is_one_sentence(make_deployment, start_serve, run_here):
    with run_here(make_deployment()) as endpoint:
        port = endpoint.running[0].server.port
        serve = start_serve(make_deployment(name="green"), port=port)
        assert serve.end() == 1
    assert serve.err.splitlines()[-1].startswith(f"amlready: port {port} is in use")


def test_serve_says_what_will_not_be_as_in_azure(make_deployment, start_serve):
    fields = {
        "pins": {"numpy": "1.0", "azureml-inference-server-http": "1.*"},
        "collections": (Collection("request"),),
        "environment_variables": {"STORE_KEY": "${{keyvault:https://v.vault.azure.net/secrets/s/1}}"},
    }
    serve = start_serve(make_deployment("def init(): pass\ndef run(data): return data\n", **fields))
    serve.until_live()
    assert serve.end(signal.SIGTERM) == 0
    assert re.search(r"blue: numpy \S+ installed here, pinned 1\.0\n", serve.err)
    assert "blue: request is recorded by Azure's proxy, and not here yet" in serve.err
    assert "no collection of the scoring script is enabled" in serve.err
    assert "STORE_KEY names a secret" in serve.err
    assert "azureml-inference-server-http" not in serve.err


@pytest.mark.parametrize(
    ("pins", "found"),
    [
        ({"pytest": pytest.__version__}, []),
        ({"pytest": f"{pytest.__version__}.0"}, []),
        ({"pytest": f"{pytest.__version__.split('.')[0]}.*"}, []),
        ({"pytest": "1.*"}, [f"pytest {pytest.__version__} installed here, pinned 1.*"]),
        ({"nosuch-package": "1.0"}, ["nosuch-package is not installed here, pinned 1.0"]),
        ({"python": f"{sys.version_info.major}.{sys.version_info.minor}.*", "pip": "0"}, []),
    ],
)
def test_versions_that_differ_from_the_pins_are_named(pins, found):
    assert differences(pins) == found

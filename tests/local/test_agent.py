import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amlready.local.agent import MAX_BODY, Agent, Count, Refused, event_of
from amlready.local.layout import Collection, LocalDeployment

ROOT = Path(__file__).parents[2]
HEADERS = {
    "Content-Type": "application/json",
    "trace-id": "38cf4147-ccf6-46a3-a71b-8ceb2a573ee8",
    "ce-time": "1672533814",
    "ce-type": "azureml.inference.model_inputs",
    "ce-collect-data-type": "pandas.DataFrame",
    "ce-agent": "azureml-ai-monitoring/1.0.0",
    "ce-x-request-id": "7f16d5b1",
    "ce-model-version": "default",
}
ROWS = b'[{"x":1},{"x":2}]'


@pytest.fixture
def said():
    return []


@pytest.fixture
def agent(tmp_path, said):
    collections = (Collection("model_inputs"), Collection("Model_Outputs"), Collection("debug", enabled=False))
    deployment = LocalDeployment("e", "blue", Path(), collections=collections)
    with Agent(deployment, tmp_path, say=said.append) as running:
        yield running


def post(port: int, body: bytes = ROWS, path: str = "/modeldata/log", drop: tuple = (), **own: str) -> tuple[int, dict]:
    headers = {name: value for name, value in HEADERS.items() if name not in drop}
    headers |= {name.replace("_", "-"): value for name, value in own.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def exchange(port: int, *parts: bytes) -> bytes:
    """Send raw bytes, end the sending side, and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=300) as sender:
        for part in parts:
            sender.sendall(part)
        sender.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sender.recv(65536), b""))


def test_a_post_is_on_disk_when_it_is_answered(agent, tmp_path, read_lines):
    assert post(agent.address[1]) == (200, {"status": "stored"})
    (line,) = read_lines(tmp_path)
    assert list(line) == [
        "specversion", "id", "source", "type", "datacontenttype", "time", "data", "contentrange",
        "correlationid", "xrequestid", "modelversion", "collectdatatype", "agent",
    ]  # fmt: skip
    assert line["id"] == "38cf4147-ccf6-46a3-a71b-8ceb2a573ee8"
    assert line["time"] == "2023-01-01T00:43:34Z"
    assert line["data"] == [{"x": 1}, {"x": 2}]
    assert line["contentrange"] == "bytes 0-16/17"
    assert (tmp_path / "workspaceblobstore/modelDataCollector/e/blue/model_inputs/2023/01/01/00").is_dir()


def test_headers_of_the_correlation_context_become_attributes(agent, tmp_path, read_lines):
    post(agent.address[1], ce_customer="c-1", ce_id="not this one")
    (line,) = read_lines(tmp_path)
    assert line["customer"] == "c-1"
    assert line["id"] == HEADERS["trace-id"]


def test_a_collection_is_known_by_its_lower_case_name(agent, tmp_path):
    post(agent.address[1], ce_type="azureml.inference.model_outputs")
    assert agent.counts["model_outputs"].events == 1
    assert list(tmp_path.glob("workspaceblobstore/modelDataCollector/e/blue/Model_Outputs/2023"))


def test_counts_are_kept_by_collection_and_told(agent, tmp_path):
    for _ in range(3):
        post(agent.address[1])
    post(agent.address[1], b"nothing")
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl"))
    assert agent.counts["model_inputs"] == Count(events=3, rows=6, bytes=size, errors=1)
    connection = http.client.HTTPConnection("127.0.0.1", agent.address[1], timeout=300)
    connection.request("GET", "/")
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told["model_inputs"] == {"events": 3, "rows": 6, "bytes": size, "errors": 1}
    assert told["model_outputs"] == {"events": 0, "rows": 0, "bytes": 0, "errors": 0}


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (b"", {}, 400, "has no data"),
        (b'[{"x":', {}, 400, "not JSON"),
        (b'[{"x":NaN}]', {}, 400, "NaN is not a JSON value"),
        (b"\xff", {}, 400, "not JSON"),
        (b"[" * 200_000, {}, 400, "nested too deeply"),
        (ROWS, {"ce-type": "azureml.inference."}, 400, "ce-type must be"),
        (ROWS, {"ce-type": "something.else"}, 400, "ce-type must be"),
        (ROWS, {"ce-time": "yesterday"}, 400, "ce-time must be"),
        (ROWS, {"ce-time": "-1"}, 400, "ce-time must be"),
        (ROWS, {"ce-time": "nan"}, 400, "ce-time must be"),
        (ROWS, {"ce-time": "1e300"}, 400, "ce-time must be"),
        (ROWS, {"ce-type": "azureml.inference.other"}, 404, "'other' is not enabled"),
        (ROWS, {"ce-type": "azureml.inference.debug"}, 404, "enabled: model_inputs, model_outputs"),
        (ROWS, {"ce-type": "azureml.inference.../../x"}, 404, "not enabled"),
    ],
)
def test_what_azure_could_not_store_is_refused_with_a_sentence(agent, said, tmp_path, body, headers, status, sentence):
    answer, content = post(agent.address[1], body, **headers)
    assert answer == status
    assert sentence in content["error"]
    assert said == [f"event refused ({status}): {content['error']}"]
    assert sum(count.errors for count in agent.counts.values()) == 1
    assert not list(tmp_path.rglob("*"))


def test_a_post_without_a_type_is_refused(agent):
    assert post(agent.address[1], drop=("ce-type",))[0] == 400


def test_the_same_refusal_is_said_once_and_counted_every_time(agent, said):
    for n in range(3):
        post(agent.address[1], ce_type="azureml.inference.other", ce_x_request_id=str(n))
    assert len(said) == 1
    assert agent.counts["other"] == Count(errors=3)


def test_made_up_collections_do_not_fill_the_memory(agent):
    for n in range(200):
        post(agent.address[1], ce_type=f"azureml.inference.c{n}")
    assert len(agent.counts) <= 51
    assert sum(count.errors for count in agent.counts.values()) == 200


def test_only_the_collectors_path_takes_events(agent):
    assert post(agent.address[1], path="/score")[0] == 404
    assert exchange(agent.address[1], b"GET /score HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_an_event_that_is_too_large_is_refused_and_its_sender_sees_why(agent):
    status, content = post(agent.address[1], bytes(MAX_BODY + 1))
    assert status == 413
    assert str(MAX_BODY) in content["error"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"POST /modeldata/log HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"POST /modeldata/log HTTP/1.1\r\n folded: header\r\n\r\n", 400),
        (b"POST /modeldata/log HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 400),
        (b"POST /modeldata/log HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", 431),
        (b"POST /modeldata/log HTTP/1.1\r\n\r\n", 411),
        (b"POST /modeldata/log HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /modeldata/log HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    ],
)
def test_what_is_not_a_whole_http_request_is_refused(agent, request_bytes, status):
    assert exchange(agent.address[1], request_bytes).startswith(b"HTTP/1.1 %d " % status)


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(agent, tmp_path):
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"POST /modeldata/log HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n[1"
    assert exchange(agent.address[1], request.encode()) == b""
    assert not list(tmp_path.rglob("*"))
    assert post(agent.address[1])[0] == 200


def test_one_connection_carries_many_events_and_a_refusal(agent):
    connection = http.client.HTTPConnection("127.0.0.1", agent.address[1], timeout=300)
    connection.connect()
    opened = connection.sock
    for body, status in ((ROWS, 200), (b"nothing", 400), (ROWS, 200)):
        connection.request("POST", "/modeldata/log", body, HEADERS)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    assert connection.sock is opened
    connection.close()


def test_a_sender_that_asks_before_sending_is_told_to_go_on(agent):
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = f"POST /modeldata/log HTTP/1.1\r\n{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n[]"
    answer = exchange(agent.address[1], request.encode())
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1672533814", datetime(2023, 1, 1, 0, 43, 34, tzinfo=UTC)),
        ("1672533814.9", datetime(2023, 1, 1, 0, 43, 34, 900_000, tzinfo=UTC)),
        ("2023-01-01T00:43:34Z", datetime(2023, 1, 1, 0, 43, 34, tzinfo=UTC)),
        ("2023-01-01T05:43:34+05:00", datetime(2023, 1, 1, 0, 43, 34, tzinfo=UTC)),
        ("2023-01-01T00:43:34", datetime(2023, 1, 1, 0, 43, 34, tzinfo=UTC)),
    ],
)
def test_the_time_is_read_in_every_form_a_context_can_give_it(text, time):
    assert event_of({"ce-type": "azureml.inference.x", "ce-time": text}, ROWS).time == time


def test_an_event_without_id_gets_one_and_without_correlation_id_gets_none():
    event = event_of({"ce-type": "azureml.inference.x"}, ROWS)
    assert len(event.id) == 36
    assert event.correlation_id is None


def test_a_refusal_knows_its_collection():
    with pytest.raises(Refused) as refused:
        event_of({"ce-type": "azureml.inference.x"}, b"")
    assert refused.value.collection == "x"


def test_an_agent_whose_collection_leads_out_of_the_root_does_not_start(tmp_path):
    deployment = LocalDeployment("e", "blue", Path(), collections=(Collection("model_inputs", path="../../x"),))
    with pytest.raises(ValueError, match="leads out of the folder"):
        Agent(deployment, tmp_path)


# --- an agent in a process of its own ------------------------------------------------------------------------------


@pytest.fixture
def start_agent(tmp_path):
    """A function that starts an agent process on `tmp_path` and gives it with its port."""
    started = []

    def start(*before: str) -> tuple[subprocess.Popen, int]:
        names = ["--endpoint", "e", "--deployment", "blue", "--collection", "model_inputs"]
        command = [sys.executable, "-m", "amlready.local.agent", "--root", str(tmp_path), *names]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*before, *command], cwd=ROOT, **pipes)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=300)


def test_eight_senders_lose_nothing_acknowledged_when_the_agent_is_killed(start_agent, tmp_path, read_lines):
    process, port = start_agent()
    acknowledged: list[str] = []
    enough = threading.Event()
    rows = json.dumps([{"text": "x" * 1000}] * 300).encode()

    def send(sender: int) -> None:
        for n in range(2000):
            try:
                status, _ = post(port, rows, trace_id=f"{sender}-{n}")
            except (OSError, http.client.HTTPException):
                return
            assert status == 200
            acknowledged.append(f"{sender}-{n}")
            if len(acknowledged) > 100:
                enough.set()

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for sender in senders:
        sender.start()
    assert enough.wait(60)
    process.send_signal(signal.SIGKILL)
    for sender in senders:
        sender.join(60)
    assert process.wait(30) == -signal.SIGKILL
    # A kill rarely strikes within a write; so that it surely has, what a write would have left is added.
    for path in tmp_path.rglob("*.jsonl"):
        with path.open("ab") as file:
            file.write(b'{"specversion":"1.0","id":"never acknowledged"')
    _, port = start_agent()
    assert post(port, trace_id="after")[0] == 200
    ids = [line["id"] for line in read_lines(tmp_path)]
    assert {*acknowledged, "after"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_full_disk_is_an_error_to_the_sender_and_leaves_no_half_line(start_agent, tmp_path, read_lines):
    # A limit on the size of a file: like a full disk, it takes what fits of a write and refuses the rest.
    _, port = start_agent("bash", "-c", 'ulimit -f 8; exec "$0" "$@"')
    answers = {f"event-{n}": post(port, b'["%s"]' % (b"x" * 700), trace_id=f"event-{n}") for n in range(20)}
    stored = [name for name, (status, _) in answers.items() if status == 200]
    refused = [content["error"] for status, content in answers.values() if status == 507]
    assert len(stored) > 3
    assert len(stored) + len(refused) == 20
    assert refused[0] == "the event could not be stored: File too large"
    assert [line["id"] for line in read_lines(tmp_path)] == stored


def test_an_agent_process_ends_when_it_is_asked_to(start_agent):
    process, port = start_agent()
    assert post(port)[0] == 200
    process.terminate()
    assert process.wait(30) == 0

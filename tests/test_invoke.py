"""`invoke` against a server that answers whatever a test wants; the real one is in local/test_serve.py."""

import io
import json
import socketserver
import sys
import threading

import pytest

from amlready.invoke import invoke

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n[1, 2]"


class Answering:
    """A server that notes the request it gets and answers with given bytes."""

    def __init__(self) -> None:
        self.answer = OK
        self.wait = threading.Event()
        self.wait.set()
        self.head = ""
        self.body = b""
        self.uri = ""


@pytest.fixture
def server():
    answering = Answering()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b"".join(iter(self.rfile.readline, b"\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].splitlines()[0])
            answering.head, answering.body = head, self.rfile.read(length)
            answering.wait.wait(30)
            self.wfile.write(answering.answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as running:
        answering.uri = f"http://127.0.0.1:{running.server_address[1]}/score"
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield answering
        answering.wait.set()
        running.shutdown()
        thread.join(30)


@pytest.fixture
def request_file(tmp_path):
    path = tmp_path / "request.json"
    path.write_bytes(b'{"data": [[1]]}')
    return path


def answer(status: bytes, body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)


def test_the_answer_is_standard_output_and_everything_else_is_not(server, request_file, capsys):
    assert invoke(request_file, server.uri, client_request_id="my-id_1") == 0
    out, err = capsys.readouterr()
    assert out == "[1, 2]\n"
    (line,) = err.splitlines()
    assert line.startswith("200 OK in ")
    assert line.endswith(" ms, x-ms-client-request-id: my-id_1")


def test_the_file_is_sent_as_it_is_as_json_with_the_correlation_id(server, request_file):
    invoke(request_file, server.uri, client_request_id="my-id_1")
    assert server.head.startswith("POST /score HTTP/1.1\r\n")
    assert "\r\nContent-Type: application/json\r\n" in server.head
    assert "\r\nx-ms-client-request-id: my-id_1\r\n" in server.head
    assert server.body == b'{"data": [[1]]}'


def test_every_request_has_an_id_of_its_own(server, request_file, capsys):
    ids = set()
    for _ in range(2):
        assert invoke(request_file, server.uri) == 0
        ids.add(capsys.readouterr().err.split()[-1])
    assert len(ids) == 2
    assert all(len(each) == 36 for each in ids)


def test_the_request_can_come_from_standard_input(server, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("[é]".encode())))
    assert invoke(None, server.uri) == 0
    assert server.body == "[é]".encode()


@pytest.mark.parametrize("path", ["", "/"])
def test_a_uri_without_a_path_means_score(server, request_file, path):
    assert invoke(request_file, server.uri.removesuffix("/score") + path) == 0
    assert server.head.startswith("POST /score ")


def test_a_path_and_a_query_are_kept(server, request_file):
    assert invoke(request_file, server.uri.replace("/score", "/api/v1?x=1")) == 0
    assert server.head.startswith("POST /api/v1?x=1 ")


@pytest.mark.parametrize("status", [b"400 Bad Request", b"500 Internal Server Error", b"201 Created"])
def test_any_status_but_200_is_what_azure_turns_into_424(server, request_file, capsys, status):
    server.answer = answer(status, b'{"message": "no"}')
    assert invoke(request_file, server.uri) == 1
    out, err = capsys.readouterr()
    assert out == '{"message": "no"}\n'
    number = status.split()[0].decode()
    assert f"Azure would answer its caller 424, with ms-azureml-model-error-statuscode: {number}" in err


def test_a_request_that_was_refused_and_is_not_json_is_said_to_be_none(server, request_file, capsys):
    request_file.write_text("{'data': 1}")
    server.answer = answer(b"400 Bad Request", b"no")
    assert invoke(request_file, server.uri) == 1
    assert "the request is not JSON: Expecting property name" in capsys.readouterr().err


def test_an_answer_that_is_not_the_json_it_claims_is_said_to_be_none(server, request_file, capsys):
    server.answer = answer(b"200 OK", b"[NaN]")
    assert invoke(request_file, server.uri) == 0
    assert "the answer says it is JSON and is not: NaN is not a JSON value" in capsys.readouterr().err


def test_an_answer_of_another_kind_is_left_alone(server, request_file, capsysbinary):
    server.answer = answer(b"200 OK", b"\xff\x00", b"application/octet-stream")
    assert invoke(request_file, server.uri) == 0
    out, err = capsysbinary.readouterr()
    assert out == b"\xff\x00\n"
    assert err.count(b"\n") == 1


def test_no_server_is_one_sentence_with_the_way_out(request_file, capsys):
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as unused:
        uri = f"http://127.0.0.1:{unused.server_address[1]}/score"
    assert invoke(request_file, uri) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == f"amlready: nothing listens at {uri.removesuffix('/score')}; start the endpoint with `amlready serve`\n"
    )


def test_a_server_that_does_not_answer_is_given_up(server, request_file, capsys):
    server.wait.clear()
    assert invoke(request_file, server.uri, timeout=0.2) == 1
    assert "within 0.2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"", "closed the connection before the answer was whole"),
        (OK[:-2], "closed the connection before the answer was whole"),
        (b"SSH-2.0-OpenSSH\r\n", "is not HTTP"),
    ],
    ids=["nothing", "half", "garbage"],
)
def test_half_an_answer_is_none(server, request_file, capsys, sent, sentence):
    server.answer = sent
    assert invoke(request_file, server.uri) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "uri", ["localhost:5001", "ftp://x/score", "http://", "http://x:port/", "http://x/a b", "http://é/"]
)
def test_what_is_no_uri_is_misuse(request_file, capsys, uri):
    assert invoke(request_file, uri) == 2
    assert "is not a scoring URI" in capsys.readouterr().err


@pytest.mark.parametrize("own", ["", "a b", "x" * 41, "é", "a\r\nb: c"])
def test_an_id_that_azure_would_change_is_misuse(request_file, capsys, own):
    assert invoke(request_file, "http://127.0.0.1:9/score", client_request_id=own) == 2
    assert "up to 40 letters, digits, - and _" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_misuse(tmp_path, capsys):
    assert invoke(tmp_path / "nosuch.json", "http://127.0.0.1:9/score") == 2
    assert "there is no file" in capsys.readouterr().err
    assert invoke(tmp_path, "http://127.0.0.1:9/score") == 2
    assert "cannot be read: Is a directory" in capsys.readouterr().err


def test_a_proxy_is_not_used(server, request_file, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert invoke(request_file, server.uri) == 0
    assert json.loads(server.body) == {"data": [[1]]}

import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import psutil
import pytest
from waiting import all_ended, until

from amlready.local.layout import lay_out
from amlready.local.server import Server, ServerFailed, Stopped, hold_ports, reason, wait_until_live

NEVER = threading.Event()
WORKING = "def init(): pass\ndef run(data): return data\n"


@pytest.fixture
def held():
    with ExitStack() as held:
        yield held


@pytest.fixture
def start_server(make_deployment, tmp_path, held):
    """A function that starts the real server with a scoring script; every one of them is ended."""
    started = []

    def start(script: str, **fields) -> Server:
        fields = {"model": None, "collections": ()} | fields
        container = lay_out(make_deployment(script, **fields), tmp_path / "container", ("127.0.0.1", 9))
        server = Server("blue", container, hold_ports(0, 1, held)[0], tmp_path / "logs/blue.log")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop(grace=0)


def failure_of(server: Server, timeout: float = 60) -> ServerFailed:
    with pytest.raises(ServerFailed) as failed:
        wait_until_live([server], timeout, NEVER)
    return failed.value


def test_a_server_is_live_once_init_is_done(start_server, tmp_path):
    script = f"""
        import pathlib, time
        def init():
            time.sleep(1.5)
            pathlib.Path({str(tmp_path / "done")!r}).touch()
        def run(data): return data
    """
    server = start_server(script)
    wait_until_live([server], 60, NEVER)
    assert (tmp_path / "done").exists()
    assert server.is_live()


def test_when_init_fails_the_reason_is_the_users_own_traceback(start_server):
    script = (
        "def init():\n  load()\ndef load():\n  raise FileNotFoundError('no model.pkl')\ndef run(data): return data\n"
    )
    server = start_server(script)
    failure = failure_of(server)
    script = str(server.container.app_root / "score.py")
    assert failure.details == (
        "Traceback (most recent call last):",
        f'  File "{script}", line 2, in init',
        "    load()",
        f'  File "{script}", line 4, in load',
        "    raise FileNotFoundError('no model.pkl')",
        "FileNotFoundError: no model.pkl",
    )
    assert "blue did not start (exit status 3)" in str(failure)


@pytest.mark.parametrize(
    ("script", "first", "last"),
    [
        ("import nosuch\n" + WORKING, "Traceback", "ModuleNotFoundError: No module named 'nosuch'"),
        ("def init(:\n", "Traceback", "SyntaxError: invalid syntax"),
        ("def init(): pass\n", "User script at ", "does not have a run() function defined."),
        (
            "import sys\ndef init(): sys.exit('no licence')\ndef run(d): return d\n",
            "Traceback",
            "SystemExit: no licence",
        ),
        (
            "def init():\n  try: 1/0\n  except Exception as e: raise KeyError('k') from e\ndef run(d): return d\n",
            "Traceback",
            "KeyError: 'k'",
        ),
    ],
    ids=["import", "syntax", "no run", "exit", "chained"],
)
def test_nothing_of_the_server_is_in_the_reason(start_server, script, first, last):
    details = failure_of(start_server(script)).details
    assert details[0].startswith(first)
    assert details[-1].endswith(last)
    assert "azureml_inference_server_http" not in "\n".join(details)
    assert ("ZeroDivisionError: division by zero" in details) == ("1/0" in script)


def test_a_setting_that_the_server_refuses_is_in_the_reason(start_server):
    details = failure_of(start_server(WORKING, environment_variables={"SCORING_TIMEOUT_MS": "soon"})).details
    assert "SCORING_TIMEOUT_MS: Input should be a valid integer" in "\n".join(details)


def test_a_traceback_that_the_script_only_logged_is_not_the_reason(start_server):
    script = """
        import logging
        def init():
            try:
                1 / 0
            except ZeroDivisionError:
                logging.getLogger("azmlinfsrv").exception("caught")
            raise RuntimeError("the real one")
        def run(data): return data
    """
    assert failure_of(start_server(script)).details[-1] == "RuntimeError: the real one"


def test_a_worker_that_dies_in_init_is_noticed_though_the_server_goes_on(start_server):
    failure = failure_of(start_server("import os\ndef init(): os._exit(9)\ndef run(data): return data\n"))
    assert "a worker died while starting" in str(failure)


def test_a_server_that_takes_too_long_is_given_up_with_the_end_of_its_log(start_server):
    script = "import time\ndef init():\n  print('loading', flush=True)\n  time.sleep(600)\ndef run(d): return d\n"
    server = start_server(script)
    until(lambda: "loading" in server.log.read_text())
    failure = failure_of(server, timeout=0.5)
    assert "blue is not live after 0.5 s" in str(failure)
    assert any("loading" in line for line in failure.details)


def test_waiting_ends_when_somebody_asks_to_stop(start_server):
    server = start_server("import time\ndef init(): time.sleep(600)\ndef run(data): return data\n")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        wait_until_live([server], 60, stop)


def test_stopping_ends_the_server_its_workers_and_what_the_script_started(start_server):
    script = "import subprocess\ndef init(): subprocess.Popen(['sleep', '600'])\ndef run(data): return data\n"
    server = start_server(script, environment_variables={"WORKER_COUNT": "2"})
    wait_until_live([server], 60, NEVER)
    process = psutil.Process(server.pid)
    until(lambda: len(process.children(recursive=True)) == 4)  # a worker may be live before the other has begun
    family = [process, *process.children(recursive=True)]
    server.stop()
    until(lambda: all_ended(family))
    server.stop()


def test_a_server_that_ends_by_itself_is_noticed(start_server):
    server = start_server(WORKING)
    wait_until_live([server], 60, NEVER)
    os.kill(server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ServerFailed, match=r"blue stopped \(ended by signal 9\)"):
        server.check()


def test_a_model_mounted_as_azure_does_it_brings_no_complaint_into_the_log(start_server, tmp_path):
    server = start_server(WORKING, model=tmp_path / "model")
    wait_until_live([server], 60, NEVER)
    assert "Error while fetching model IDs" not in server.log.read_text()


def test_neither_bytecode_nor_sockets_are_left_in_the_users_folders(start_server, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    server = start_server("import helper\n" + WORKING.replace("init(): pass", "init(): helper.VALUE"))
    server.stop(grace=0)
    (server.container.app_root / "helper.py").write_text("VALUE = 1")
    server.start()
    wait_until_live([server], 60, NEVER)
    server.stop()
    assert sorted(path.name for path in server.container.app_root.iterdir()) == ["helper.py", "score.py"]
    assert not (tmp_path / "home").exists()


def test_an_environment_that_no_process_can_have_is_one_sentence(start_server):
    with pytest.raises(ServerFailed, match="could not be started"):
        start_server(WORKING, environment_variables={"BAD": "a\0b"})


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_one_sentence_with_the_way_out(host, held):
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        with pytest.raises(ServerFailed, match=r"port \d+ is in use, .* --port, 0 for any"):
            hold_ports(taken.getsockname()[1], 1, held)


def test_ports_are_different_and_follow_the_first(held):
    assert len(set(hold_ports(0, 5, held))) == 5
    for _ in range(50):  # somebody else may have one of the two
        first = hold_ports(0, 1, held)[0] - 10
        with suppress(ServerFailed):
            assert hold_ports(first, 2, held) == [first, first + 1]
            break
    else:
        pytest.fail("no two neighbouring ports were free")


IP_LOCAL_PORT_RANGE = 51  # since Linux 6.3: the least and the greatest port the kernel may choose for a socket


def socket_for(port: int) -> socket.socket:
    """A socket for which the kernel can choose no other port; an older kernel chooses any."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with suppress(OSError):
        made.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
    return made


def chosen(made: socket.socket, choose: Callable[[], object]) -> int | None:
    """The port that the kernel gave to a socket, None where it gave none."""
    try:
        choose()
    except OSError:
        return None
    return int(made.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server could not listen on a port that is held")
def test_a_held_port_is_given_to_nobody_but_the_server(held):
    (port,) = hold_ports(0, 1, held)
    with socket_for(port) as other:
        assert chosen(other, lambda: other.bind(("127.0.0.1", 0))) != port
    with socket.socket() as other:
        assert chosen(other, lambda: other.bind(("127.0.0.1", port))) is None
    with socket.create_server(("127.0.0.1", 0)) as listening, socket_for(port) as other:
        assert chosen(other, lambda: other.connect(listening.getsockname())) != port
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", port))
        server.listen()
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_one_sentence(port, held):
    with pytest.raises(ServerFailed, match=f"{port} is not a port"):
        hold_ports(port, 1, held)


def test_a_log_without_a_traceback_gives_its_last_lines_without_gunicorns():
    log = "Server Routes\n\n2026-01-01 00:00:00,000 I [1] gunicorn.error - Starting\nsomething else\n"
    assert reason(log) == ("Server Routes", "something else")


def test_a_long_traceback_ends_where_it_ended():
    frames = "".join(f'  File "score.py", line {n}, in f{n}\n    f{n}()\n' for n in range(100))
    details = reason(f"Traceback (most recent call last):\n{frames}ValueError: at the end\n")
    assert details[-1] == "ValueError: at the end"
    assert len(details) == 30

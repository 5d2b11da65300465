import os
import signal
import socket
import threading

import psutil
import pytest

from amlready.local.layout import lay_out
from amlready.local.server import Server, ServerFailed, Stopped, free_ports, reason, wait_until_live

NEVER = threading.Event()
WORKING = "def init(): pass\ndef run(data): return data\n"


@pytest.fixture
def start_server(make_deployment, tmp_path):
    """A function that starts the real server with a scoring script; every one of them is ended."""
    started = []

    def start(script: str, **fields) -> Server:
        fields = {"model": None, "collections": ()} | fields
        container = lay_out(make_deployment(script, **fields), tmp_path / "container", ("127.0.0.1", 9))
        server = Server("blue", container, free_ports(0, 1)[0], tmp_path / "logs/blue.log")
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
    server = start_server("import time\ndef init():\n  print('loading')\n  time.sleep(600)\ndef run(d): return d\n")
    failure = failure_of(server, timeout=4)
    assert "blue is not live after 4 s" in str(failure)
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
    family = [process, *process.children(recursive=True)]
    assert len(family) >= 4
    server.stop()
    assert psutil.wait_procs(family, timeout=30)[1] == []
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
def test_a_port_in_use_is_one_sentence_with_the_way_out(host):
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        with pytest.raises(ServerFailed, match=r"port \d+ is in use, .* --port, 0 for any"):
            free_ports(taken.getsockname()[1], 1)


def test_free_ports_are_different_and_follow_the_first():
    assert len(set(free_ports(0, 5))) == 5
    first = free_ports(0, 1)[0] - 10
    assert free_ports(first, 2) == [first, first + 1]


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_one_sentence(port):
    with pytest.raises(ServerFailed, match=f"{port} is not a port"):
        free_ports(port, 1)


def test_a_log_without_a_traceback_gives_its_last_lines_without_gunicorns():
    log = "Server Routes\n\n2026-01-01 00:00:00,000 I [1] gunicorn.error - Starting\nsomething else\n"
    assert reason(log) == ("Server Routes", "something else")


def test_a_long_traceback_ends_where_it_ended():
    frames = "".join(f'  File "score.py", line {n}, in f{n}\n    f{n}()\n' for n in range(100))
    details = reason(f"Traceback (most recent call last):\n{frames}ValueError: at the end\n")
    assert details[-1] == "ValueError: at the end"
    assert len(details) == 30

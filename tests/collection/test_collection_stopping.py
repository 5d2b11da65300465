"""Stopping loses nothing: Microsoft's server, started and ended in every way, with the scoring script it is for."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from agents import COLLECTIONS, ROOT, Agent, eventually

from amlready.local.layout import Collection, LocalDeployment, lay_out
from amlready.local.server import Server, hold_ports, wait_until_live

ROW = json.loads((ROOT / "sample-request.json").read_text())["data"][0]
Serve = Callable[..., Server]


@pytest.fixture
def serve(agent: Agent, tmp_path: Path) -> Iterator[Serve]:
    """A function that starts azmlinfsrv with src/score.py and waits until it is live."""
    started: list[Server] = []
    held = ExitStack()

    def serve(**variables: object) -> Server:
        deployment = LocalDeployment(
            "endpoint",
            "blue",
            ROOT / "src" / "score.py",
            model=ROOT / "model",
            environment_variables={name: str(value) for name, value in variables.items()},
            collections=tuple(map(Collection, COLLECTIONS)),
        )
        container = lay_out(deployment, tmp_path / f"container-{len(started)}", ("127.0.0.1", agent.port))
        server = Server("blue", container, hold_ports(0, 1, held)[0], tmp_path / f"server-{len(started)}.log")
        started.append(server)
        server.start()
        wait_until_live([server], 120, threading.Event())
        return server

    yield serve
    agent("ok")
    for server in started:
        server.stop(grace=60)
    held.close()


def processes(server: Server) -> tuple[psutil.Process, list[psutil.Process]]:
    """Gunicorn's master, and its workers."""
    assert server._process is not None
    master = psutil.Process(server._process.pid)
    return master, master.children()


def ask(server: Server, number: int) -> bool:
    """Whether the request was answered; the connection may be refused or cut while the server ends."""
    row = [*ROW[:9], float(number)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Content-Type": "application/json", "x-ms-client-request-id": f"request-{number}"}
    try:
        connection.request("POST", "/score", json.dumps({"data": [row]}), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert len(json.loads(answer.read())) == 1
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Traffic:
    """Requests one after the other in a thread of its own, until it is stopped; when each was answered."""

    def __init__(self, server: Server) -> None:
        self.answered: dict[int, float] = {}
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            if ask(self._server, number):
                self.answered[number] = time.monotonic()
            number += 1

    def stop(self) -> set[int]:
        self._stop.set()
        self._thread.join(60)
        return set(self.answered)


def collected(agent: Agent) -> Counter[int]:
    """How often each request is there, with inputs, output and id together."""
    joined = agent.joined()
    assert all(row["request_id"] == f"request-{row['s6']:.0f}" and row["prediction"] for row in joined)
    return Counter(int(row["s6"]) for row in joined)


def end(server: Server) -> str:
    """TERM, as Azure sends it; the log once all has ended by itself."""
    assert server._process is not None
    server.terminate()
    server._process.wait(timeout=60)
    return server.log.read_text()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WORKER_COUNT": 3},
        {"WORKER_COUNT": 2, "WORKER_PRELOAD": "true"},
        {"GUNICORN_CMD_ARGS": "--worker-class gthread --threads 4"},
    ],
    ids=["one worker", "three workers", "preloaded", "threads"],
)
def test_whatever_was_answered_before_the_end_is_collected(
    serve: Serve, agent: Agent, variables: dict[str, Any]
) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=60, **variables)  # the interval does not end before the server does
    eventually(lambda: len(processes(server)[1]) == variables.get("WORKER_COUNT", 1))
    answered = {number for number in range(60) if ask(server, number)}

    end(server)

    assert len(answered) == 60
    assert collected(agent) == dict.fromkeys(answered, 1)


def test_a_slow_agent_gets_everything_within_the_time_of_grace(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=0.1, COLLECTION_GRACE_SECONDS=25)
    agent("slow 0.4")
    traffic = Traffic(server)
    eventually(lambda: len(traffic.answered) > 200)
    answered = traffic.stop()

    end(server)

    assert collected(agent) == dict.fromkeys(answered, 1)


def test_workers_that_are_recycled_lose_nothing(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=60, GUNICORN_CMD_ARGS="--max-requests 20")
    first = processes(server)[1]
    traffic = Traffic(server)
    eventually(lambda: len(traffic.answered) > 65)
    answered = traffic.stop()

    log = end(server)

    assert log.count("Autorestarting worker after current request") >= 3
    assert not any(worker.is_running() for worker in first)
    assert collected(agent) == dict.fromkeys(answered, 1)


def test_a_rolling_restart_loses_nothing(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=60, WORKER_COUNT=2)
    master, workers = processes(server)
    traffic = Traffic(server)
    eventually(lambda: len(traffic.answered) > 20)

    master.send_signal(signal.SIGHUP)
    eventually(lambda: not any(worker.is_running() for worker in workers))
    eventually(lambda: len(traffic.answered) > 60)
    answered = traffic.stop()
    end(server)

    assert collected(agent) == dict.fromkeys(answered, 1)


def test_what_is_not_delivered_within_the_time_of_grace_is_counted(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=0.1, COLLECTION_GRACE_SECONDS=1)
    for number in range(10):
        assert ask(server, number)
    eventually(lambda: len(agent.joined()) == 10)
    agent("hang")
    for number in range(10, 40):
        assert ask(server, number)

    log = end(server)

    reason = "requests dropped: not delivered in the 1 s after the end"
    assert f"Data collection, of 40 requests since this worker started: 30 {reason}" in log
    assert set(collected(agent)) == set(range(10))


def test_a_worker_that_is_killed_loses_no_more_than_its_last_interval(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=0.2)
    (worker,) = processes(server)[1]
    traffic = Traffic(server)
    eventually(lambda: len(collected(agent)) > 20)
    os.kill(worker.pid, signal.SIGKILL)
    killed = time.monotonic()
    traffic.stop()
    end(server)

    there = collected(agent)
    assert set(there.values()) == {1}
    before = sorted(number for number, when in traffic.answered.items() if when < killed)
    missing = [number for number in before if number not in there]
    assert len(missing) < len(before)
    assert missing == before[len(before) - len(missing) :]
    # Far more than the interval, because the machine may be busy.
    assert all(traffic.answered[number] > killed - 10 for number in missing)


def test_an_agent_in_trouble_costs_no_caller_anything(serve: Serve, agent: Agent) -> None:
    server = serve(COLLECTION_FLUSH_SECONDS=0.1)
    for number, fault in enumerate(["500", "reset", "down", "slow 0.2", "hang"]):
        agent(fault)
        assert all(ask(server, number * 20 + each) for each in range(20))
    agent("ok")

    log = end(server)

    assert set(collected(agent)) == set(range(100))
    assert not re.search("requests dropped|Traceback", log)


def test_one_sample_request_makes_one_event_in_each_collection_under_the_callers_id(serve: Serve, agent: Agent) -> None:
    server = serve()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"Content-Type": "application/json", "x-ms-client-request-id": "order-4711"}
    connection.request("POST", "/score", (ROOT / "sample-request.json").read_bytes(), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()

    eventually(lambda: agent.events("model_outputs"))

    events = {name: agent.events(name) for name in COLLECTIONS}
    assert [[event["correlationid"] for event in events[name]] for name in COLLECTIONS] == [["order-4711"]] * 2
    assert [[len(event["data"]) for event in events[name]] for name in COLLECTIONS] == [[2], [2]]
    assert [row["prediction"] for row in agent.joined()] == pytest.approx(answer)

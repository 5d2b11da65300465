"""Nothing lost and nobody disturbed: the agent, the Collector's thread, its queue and our own, each in trouble."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from agents import Agent, eventually
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring import init as sdk
from azureml.ai.monitoring.worker import get_worker

import data_collection

Make = Callable[..., Any]


def collect(collection: Any, numbers: range) -> None:
    for number in numbers:
        collection.add([[number]], [number], {"x-request-id": f"request-{number}"})


def numbers(agent: Agent) -> Counter[int]:
    """How often each number is there as a pair."""
    joined = agent.joined()
    assert all(row["x"] == row["y"] and row["request_id"] == f"request-{int(row['x'])}" for row in joined)
    return Counter(int(row["x"]) for row in joined)


# --- the agent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["slow 0.3", "hang", "500", "reset", "down"])
def test_nothing_is_lost_and_nothing_twice_while_the_agent_is_in_trouble(
    make: Make, agent: Agent, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make()
    collect(collection, range(50))
    eventually(lambda: len(agent.rows("model_outputs")) == 50)

    assert agent(fault) == fault.split()[0]
    for start in range(50, 200, 50):
        collect(collection, range(start, start + 50))
        if fault != "hang":
            eventually(lambda: not collection._requests)
    if fault != "slow 0.3":
        eventually(lambda: collection._events)
        assert len(agent.rows("model_outputs")) == 50
    if fault not in ("slow 0.3", "hang"):
        eventually(lambda: "Collected data does not arrive; it is kept, and sent again" in caplog.text)
    agent("ok")
    collect(collection, range(200, 250))
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(250), 1)
    assert collection.lost == {}


def test_of_a_pair_that_arrived_by_half_only_the_other_half_is_sent_again(make: Make, agent: Agent) -> None:
    collection = make()
    agent("reject request_id")  # a column of the outputs
    collect(collection, range(10))
    eventually(lambda: len(agent.rows("model_inputs")) == 10)
    eventually(lambda: collection._pause)
    agent("ok")
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(10), 1)
    assert len(agent.rows("model_inputs")) == 10


def test_an_event_that_the_agent_stored_without_saying_so_is_stored_twice_and_not_lost(
    make: Make, agent: Agent
) -> None:
    collection = make()
    agent("forget")
    collect(collection, range(1))
    eventually(lambda: agent.rows("model_inputs"))
    agent("ok")
    collection.close()

    assert numbers(agent).keys() == {0}
    assert len(agent.rows("model_inputs")) >= 2
    assert collection.lost == {}


def test_an_agent_that_never_answers_a_connection_does_not_stop_the_next(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(data_collection, "PATIENCE", 0.5)
    collection = make()
    agent("stuck")
    collect(collection, range(10))
    eventually(lambda: "the agent has not answered for 0.5 s" in caplog.text)
    agent("ok")
    collect(collection, range(10, 20))
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(20), 1)
    assert "it is kept, and sent again: the agent has not answered for 0.5 s" in caplog.text


def test_an_agent_that_is_always_slow_gets_only_the_first_event_twice(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_collection, "PATIENCE", 0.3)
    collection = make()
    agent("slow 0.5")
    for number in range(4):
        collection.add([[number]], [number], received=1_700_000_000.0 + number)
    collection.close()
    agent("ok")

    times = Counter(int(row["x"]) for row in agent.rows("model_inputs"))
    assert times.keys() == set(range(4))
    assert times[0] >= 2
    assert times.total() < 8


def test_the_agents_last_word_on_an_event_given_up_is_not_taken_for_another(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first thread hangs; when it is answered after all, another event is under way, and is refused."""
    monkeypatch.setattr(data_collection, "PATIENCE", 0.5)
    collection = make()
    agent("hang")
    collect(collection, range(1))
    eventually(lambda: "the agent has not answered" in caplog.text)
    agent("500")
    collect(collection, range(1, 5))
    eventually(lambda: "failed to send json payload: 500" in caplog.text or collection._pause)
    agent("ok")
    collection.close()

    assert numbers(agent).keys() == set(range(5))


def test_one_event_that_the_agent_refuses_does_not_hold_up_the_others(
    make: Make, agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make(inputs={"x": str})
    agent("reject poison")
    collection.add([["poison"]], [0], received=1_700_000_000.0)
    number = 0
    while not collection.lost:
        number += 1
        collection.add([[str(number)]], [number])
        eventually(lambda: not collection._requests)
    collection.close()

    (reason,) = collection.lost
    assert reason.startswith("requests dropped: others arrived, but not these: 500")
    assert sorted(row["y"] for row in agent.joined()) == list(range(1, number + 1))
    assert f"of {number + 1} requests since this worker started: 1 {reason}" in caplog.text


# --- the Collector's own thread and queue ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_all_arrives_although_microsofts_thread_has_died(make: Make, agent: Agent) -> None:
    collection = make()
    foreign = Collector(name="model_inputs", on_error=pytest.fail)
    foreign.collect(pd.DataFrame([[1, 2]], columns=["a", "a"]))  # ends it
    (thread,) = get_worker()._threads
    thread.join(30)
    assert not thread.is_alive()

    collect(collection, range(10))
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(10), 1)
    assert collection.lost == {}


def test_what_others_collect_is_sent_too_and_what_would_end_microsofts_thread_ends_nothing(
    make: Make, agent: Agent
) -> None:
    collection = make()
    collect(collection, range(10))
    eventually(lambda: len(agent.joined()) == 10)
    foreign = Collector(name="model_inputs", on_error=pytest.fail)
    foreign.collect(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    foreign.collect(pd.DataFrame([{"foreign": 1.0}]))
    collect(collection, range(10, 20))
    collection.close()

    assert [row["foreign"] for row in agent.rows("model_inputs") if "foreign" in row] == [1.0]
    assert numbers(agent) == dict.fromkeys(range(20), 1)
    assert collection.lost == {}


def test_what_others_had_collected_before_is_sent_by_microsofts_thread(make: Make, agent: Agent) -> None:
    collection = make()
    agent("hang")
    foreign = Collector(name="model_outputs", on_error=pytest.fail)
    for _ in range(5):
        foreign.collect(pd.DataFrame([{"foreign": 1.0}]))
    collect(collection, range(10))
    eventually(lambda: collection._events)
    agent("ok")
    eventually(lambda: len([row for row in agent.rows("model_outputs") if "foreign" in row]) == 5)
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(10), 1)


def test_a_queue_of_the_collector_that_is_full_makes_us_wait_and_loses_nothing(make: Make, agent: Agent) -> None:
    collection = make()
    agent("hang")
    collect(collection, range(10))
    eventually(lambda: collection._events)
    errors: list[Exception] = []
    foreign = Collector(name="model_outputs", on_error=errors.append)
    while not errors:
        foreign.collect(pd.DataFrame([{"foreign": 1.0}]))
    collect(collection, range(10, 20))
    agent("ok")
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(20), 1)
    assert collection.lost == {}


def test_it_arrives_where_no_thread_starts_any_more(make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from Python 3.12 on while a process ends."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name != "data-collection":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    collection = make()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        collect(collection, range(10))
        collection.close()

    assert numbers(agent) == dict.fromkeys(range(10), 1)


def test_without_a_thread_of_our_own_every_request_is_counted_until_there_is_one(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    collection = make()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        collect(collection, range(10))
    collect(collection, range(10, 20))
    collection.close()

    assert collection.lost == {"requests dropped: RuntimeError: can't start new thread": 10}
    assert numbers(agent) == dict.fromkeys(range(10, 20), 1)


def test_what_comes_after_the_end_is_dropped_and_counted(make: Make, agent: Agent) -> None:
    collection = make()
    collect(collection, range(10))
    collection.close()
    collect(collection, range(10, 20))

    assert collection.lost == {"requests dropped: RuntimeError: the process is ending": 10}
    assert numbers(agent) == dict.fromkeys(range(10), 1)


def test_a_collector_torn_down_by_somebody_else_starts_again(make: Make, agent: Agent) -> None:
    collection = make()
    collect(collection, range(10))
    eventually(lambda: len(agent.joined()) == 10)
    sdk.teardown(wait_for_flush=True)

    collect(collection, range(10, 20))
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(20), 1)


# --- our own queue ---------------------------------------------------------------------------------------------------


def test_a_full_queue_drops_what_comes_and_every_request_is_collected_or_counted(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COLLECTION_QUEUE_BYTES", "1000000")
    collection = make()
    agent("down")
    collect(collection, range(10_000))
    (reason, dropped), *others = collection.lost.items()
    agent("ok")
    collection.close()

    assert (reason, others) == ("requests dropped: BufferError: the queue is full (COLLECTION_QUEUE_BYTES)", [])
    assert dropped > 1000
    assert numbers(agent) == dict.fromkeys(range(10_000 - dropped), 1)
    assert f"of 10000 requests since this worker started: {dropped} {reason}" in caplog.text


def test_the_queue_takes_requests_again_once_it_was_emptied(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTION_QUEUE_BYTES", "1000000")
    collection = make()
    for _ in range(5):
        collection.add([[x] for x in range(4000)], list(range(4000)))
        eventually(lambda: collection._memory < 1)
    collection.close()

    assert len(agent.joined()) == 20_000
    assert collection.lost == {}


def test_threads_that_collect_together_lose_nothing(make: Make, agent: Agent) -> None:
    collection = make()
    threads = [threading.Thread(target=collect, args=(collection, range(n * 500, n * 500 + 500))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    collection.close()

    assert numbers(agent) == dict.fromkeys(range(4000), 1)
    assert collection.accepted == 4000


# --- configuration ---------------------------------------------------------------------------------------------------


def test_a_collection_that_is_switched_off_is_missed_and_the_other_collected(
    make: Make, agent: Agent, configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    configure(model_inputs=100, model_outputs=None)
    collection = make()
    collect(collection, range(10))
    collection.close()

    assert [row["x"] for row in agent.rows("model_inputs")] == list(range(10))
    reason = "nothing is collected into model_outputs: collection model_outputs is not enabled, drop the data"
    assert collection.lost == {f"requests in part: {reason}": 10}
    assert f"of 10 requests since this worker started: 10 requests in part: {reason}" in caplog.text


@pytest.mark.parametrize("fault", ["no configuration", "not there", "not JSON", "both off"])
def test_without_any_collection_every_request_is_counted(
    make: Make,
    configure: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    match fault:
        case "no configuration":
            monkeypatch.delenv("AZUREML_MDC_CONFIG_PATH")
        case "not there":
            monkeypatch.setenv("AZUREML_MDC_CONFIG_PATH", str(tmp_path / "nowhere.json"))
        case "not JSON":
            (tmp_path / "mdc.json").write_text("{")
        case "both off":
            configure(model_inputs=None, model_outputs=None)
    collection = make()
    collect(collection, range(10))
    collection.close()

    assert sum(collection.lost.values()) == 10
    assert "nothing is collected into model_inputs" in caplog.text
    assert "of 10 requests since this worker started: 10 requests dropped" in caplog.text


@pytest.mark.parametrize(
    ("value", "used"), [("2.5", 2.5), ("0.01", 1.0), ("61", 1.0), ("soon", 1.0), ("", 1.0), ("nan", 1.0)]
)
def test_a_setting_that_cannot_be_used_is_said_and_its_default_holds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str, used: float
) -> None:
    monkeypatch.setenv("COLLECTION_FLUSH_SECONDS", value)

    assert data_collection.setting("FLUSH_SECONDS") == used
    assert (f"COLLECTION_FLUSH_SECONDS is {value!r}; it must be from 0.05 to 60, and 1 is used" in caplog.text) == (
        used == 1.0
    )


def test_the_counts_are_logged_at_once_then_once_a_minute_and_in_the_end(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make()
    clock = [1000.0]
    monkeypatch.setattr(data_collection.time, "monotonic", lambda: clock[0])
    for second in range(150):
        clock[0] = 1000.0 + second
        collection.add(None, [1])
    collection.close()

    counts = [record.args[1] for record in caplog.records if "requests since" in record.msg]
    assert [count.split()[0] for count in counts] == ["1", "61", "121", "150"]
    assert {record.levelno for record in caplog.records if "requests since" in record.msg} == {logging.ERROR}


def test_only_so_many_reasons_are_told_apart(make: Make) -> None:
    collection = make()
    for number in range(1, 1000):
        collection.add([[1]], type(f"Odd{number}", (), {})())
    collection.close()

    assert len(collection.lost) == 51
    assert sum(collection.lost.values()) == 999

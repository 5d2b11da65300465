"""What is collected: rows that join, under the right id and time, in columns that keep their type."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from agents import Agent
from hypothesis import given, settings
from hypothesis import strategies as st

from data_collection import frame_of

Make = Callable[..., Any]


def own(name: object) -> dict[str, str]:
    return {"x-ms-client-request-id": str(name)}


def at(event: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(event["time"]).timestamp())


# --- joining ---------------------------------------------------------------------------------------------------------


def test_every_row_of_many_requests_joins_its_own_output(make: Make, agent: Agent) -> None:
    collection = make()

    for number in range(300):
        rows = [number + part / 100 for part in range(number % 7 + 1)]
        collection.add([[x] for x in rows], [-x for x in rows], own(f"request-{number}"))
    collection.close()

    joined = agent.joined()
    assert len(joined) == len(agent.rows("model_inputs")) == len(agent.rows("model_outputs"))
    assert len(joined) == sum(number % 7 + 1 for number in range(300))
    assert all(row["x"] == -row["y"] for row in joined)
    assert {row["request_id"] for row in joined} == {f"request-{number}" for number in range(300)}
    assert all(row["request_id"] == f"request-{int(row['x'])}" for row in joined)
    assert len(agent.events("model_inputs")) < 100


def test_a_request_that_is_alone_keeps_its_id(make: Make, agent: Agent) -> None:
    collection = make()

    collection.add([[1], [2]], [1, 2], own("order-4711"))
    collection.close()

    assert [event["correlationid"] for event in agent.events("model_inputs")] == ["order-4711"]
    assert [event["correlationid"] for event in agent.events("model_outputs")] == ["order-4711"]
    assert [row["request_id"] for row in agent.rows("model_outputs")] == ["order-4711", "order-4711"]


def test_requests_of_one_interval_share_a_fresh_id_and_have_their_own_in_a_column(make: Make, agent: Agent) -> None:
    collection = make()

    for name in ("a", "b"):
        collection.add([[1]], [1], own(name), received=1_700_000_000.0)
    collection.close()

    (event,) = agent.events("model_outputs")
    assert str(uuid.UUID(event["correlationid"])) == event["correlationid"]
    assert [row["request_id"] for row in event["data"]] == ["a", "b"]


def test_a_caller_that_gives_every_request_the_same_id_does_not_join_them_all(make: Make, agent: Agent) -> None:
    collection = make()

    for second in range(20):
        collection.add([[second]], [second], own("constant"), received=1_700_000_000.0 + second)
    collection.close()

    assert sorted((row["x"], row["y"]) for row in agent.joined()) == [(x, x) for x in range(20)]
    assert {row["request_id"] for row in agent.joined()} == {"constant"}


def test_a_request_without_an_id_gets_one(make: Make, agent: Agent) -> None:
    collection = make()

    collection.add([[1], [2]], [1, 2])
    collection.add([[3]], [3], {})
    collection.close()

    ids = [row["request_id"] for row in agent.rows("model_outputs")]
    assert ids[0] == ids[1] != ids[2]
    assert [str(uuid.UUID(each)) for each in ids] == ids


def test_the_id_is_a_column_of_one_collection_only(make: Make, agent: Agent) -> None:
    """The monitor's joiner puts the columns of both side by side, and cannot store two of one name."""
    for place in ("model_inputs", "model_outputs", None):
        collection = make(request_id_in=place)
        collection.add([[1]], [1], own(place))
        collection.close()

    columns = [
        (set(left), set(right)) for left, right in zip(*map(agent.rows, ("model_inputs", "model_outputs")), strict=True)
    ]
    assert columns == [({"x", "request_id"}, {"y"}), ({"x"}, {"y", "request_id"}), ({"x"}, {"y"})]


def test_a_column_request_id_of_ones_own_stays(make: Make, agent: Agent) -> None:
    collection = make(outputs={"request_id": str})
    collection.add([[1]], [["my own"]], own("the caller's"))
    collection.close()

    assert agent.rows("model_outputs") == [{"request_id": "my own"}]


def test_a_request_too_large_for_one_event_is_cut_and_joins(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTION_EVENT_ROWS", "100")
    collection = make()

    collection.add([[x] for x in range(1050)], list(range(1050)), own("large"))
    collection.close()

    assert sorted((row["x"], row["y"]) for row in agent.joined()) == [(x, x) for x in range(1050)]
    assert {len(event["data"]) for event in agent.events("model_inputs")} == {100, 50}
    assert {row["request_id"] for row in agent.joined()} == {"large"}


def test_events_stay_below_the_size_that_is_set(make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTION_EVENT_BYTES", "50000")
    collection = make(inputs={"text": str}, outputs={"y": float})

    for number in range(500):
        collection.add([["é" * number]], [number])
    collection.close()

    sizes = [len(json.dumps(event["data"])) for event in agent.events("model_inputs")]
    assert len(agent.joined()) == 500
    assert len(sizes) > 5
    assert max(sizes) < 60_000


# --- sampling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["variable", "YAML", "both"])
def test_one_draw_for_each_request_keeps_every_pair(
    make: Make, agent: Agent, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where != "YAML":
        monkeypatch.setenv("COLLECTION_SAMPLING_RATE", "0.3")
    if where != "variable":
        configure(model_inputs=30, model_outputs=30)
    collection = make()

    for number in range(2000):
        collection.add([[number]], [number], own(number), received=1_700_000_000.0 + number // 100)
    collection.close()

    joined = agent.joined()
    assert all(row["x"] == row["y"] for row in joined)
    assert len(joined) == len(agent.rows("model_inputs")) == len(agent.rows("model_outputs"))
    expected = 180 if where == "both" else 600
    assert 0.7 * expected < len(joined) < 1.3 * expected
    assert collection.lost == {}


def test_a_script_that_seeds_the_common_generator_does_not_change_the_draw(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    import random

    monkeypatch.setenv("COLLECTION_SAMPLING_RATE", "0.5")
    collection = make()

    for number in range(400):
        random.seed(7)
        collection.add([[number]], [number])
    collection.close()

    assert 100 < len(agent.joined()) < 300


def test_a_rate_of_0_collects_nothing_and_counts_nothing_as_lost(
    make: Make, agent: Agent, configure: Callable[..., None]
) -> None:
    configure(model_inputs=0, model_outputs=0)
    collection = make()

    for number in range(100):
        collection.add([[number]], [number])
    collection.close()

    assert agent.rows("model_inputs") == []
    assert (collection.accepted, collection.lost) == (0, {})


# --- times -----------------------------------------------------------------------------------------------------------


def test_an_event_has_the_time_of_its_requests_and_lies_in_their_hour(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTION_FLUSH_SECONDS", "1")
    collection = make(inputs={"received": float})
    before_the_hour = 1_700_002_795.5  # 22:59:55.5 UTC

    for number in range(100):
        received = before_the_hour + number / 10
        collection.add([[received]], [number], own(number), received)
    collection.close()

    for event in agent.events("model_inputs"):
        assert {int(row["received"]) for row in event["data"]} == {at(event)}
    hours = {
        path.parent.name: len(path.read_text().splitlines()) for path in agent.root.rglob("model_inputs/**/*.jsonl")
    }
    assert hours.keys() == {"22", "23"}
    assert len(agent.joined()) == 100


def test_no_event_reaches_over_the_hour_however_long_the_interval(
    make: Make, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTION_FLUSH_SECONDS", "7")  # of which one reaches over the hour
    collection = make(inputs={"received": float})
    before_the_hour = 1_700_002_799.5

    for received in (before_the_hour, before_the_hour + 1):
        collection.add([[received]], [1], received=received)
    collection.close()

    assert [at(event) for event in agent.events("model_inputs")] == [1_700_002_799, 1_700_002_800]


# --- columns ---------------------------------------------------------------------------------------------------------

ODD = [1, 2.5, True, None, math.nan, math.inf, "4", "text", b"5", b"\xff", Decimal("6.5"), 10**400, [7], {}, 8j]


def test_a_number_column_holds_numbers_or_null_whatever_it_is_given(make: Make, agent: Agent) -> None:
    collection = make()

    for number, value in enumerate([*ODD, pd.NA, np.float32(0.5), np.int64(9), datetime(2026, 1, 1)]):
        collection.add([[value]], [number], received=1_700_000_000.0 + number)
    collection.close()

    values = [row["x"] for row in sorted(agent.joined(), key=lambda row: row["y"])]
    assert values == [1, 2.5, 1, None, None, None, 4, None, 5, None, 6.5, None, None, None, None, None, 0.5, 9, None]
    assert {type(value) for value in values} == {float, type(None)}
    assert list(collection.lost.items()) == [("values collected as null: x is not always what its column takes", 7)]


def test_one_odd_value_changes_no_other_of_its_event(make: Make, agent: Agent) -> None:
    collection = make()

    collection.add([[1], ["text"], [3]], [1, 2, 3])
    collection.close()

    assert [row["x"] for row in agent.rows("model_inputs")] == [1, None, 3]


def test_a_text_column_holds_text_or_null_whatever_it_is_given(make: Make, agent: Agent) -> None:
    collection = make(inputs={"x": str})

    for number, value in enumerate([*ODD, "Düsseldorf", "\ud800 half", 'a "b"\x00\n', pd.NaT]):
        collection.add([[value]], [number])
    collection.close()

    values = [row["x"] for row in agent.rows("model_inputs")]
    assert values[3:5] == [None, None]
    assert values[5:10] == ["inf", "4", "text", "5", "\ufffd"]
    assert values[-4:] == ["Düsseldorf", "? half", 'a "b"\x00\n', "NaT"]
    assert {type(value) for value in values} == {str, type(None)}
    assert collection.lost == {}


def test_frames_arrays_and_lists_are_taken_alike(make: Make, agent: Agent) -> None:
    collection = make(inputs={"a": float, "b": float})

    collection.add(pd.DataFrame({"a": [1, 2], "b": [3.5, 4]}), pd.Series([1, 2]))
    collection.add(np.array([[1, 3.5], [2, 4]]), np.array([[1], [2]]))
    collection.add([(1, 3.5), [2, 4]], (1, 2))
    collection.close()

    assert agent.rows("model_inputs") == [{"a": 1, "b": 3.5}, {"a": 2, "b": 4}] * 3


def test_a_frame_with_two_columns_of_one_name_is_collected(make: Make, agent: Agent) -> None:
    collection = make(inputs={"a": float, "b": float})

    collection.add(pd.DataFrame([[1, 2]], columns=["a", "a"]), [0])
    collection.add([[3, 4]], [0])
    collection.close()

    assert agent.rows("model_inputs") == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_what_the_script_changes_afterwards_stays_as_it_was(make: Make, agent: Agent) -> None:
    collection = make()
    rows, array = [[1.0]], np.array([[2.0]])

    collection.add(rows, array)
    rows[0][0] = array[0, 0] = 666.0
    collection.close()

    assert [(row["x"], row["y"]) for row in agent.joined()] == [(1, 2)]


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ([[1, 2]], [1], "ValueError: a row has 2 values for 1 columns"),
        (np.array([[1, 2]]), [1], "ValueError: 1 rows have 2 values for 1 columns"),
        (np.array([1, 2]), [1], "ValueError: 2 rows of inputs cannot be joined to 1 of outputs"),
        ([[1], [2]], [1], "ValueError: 2 rows of inputs cannot be joined to 1 of outputs"),
        (None, [1], "TypeError: 'NoneType' object is not iterable"),
        (7, [1], "TypeError: 'int' object is not iterable"),
    ],
)
def test_rows_that_cannot_be_joined_are_dropped_and_counted(
    make: Make, agent: Agent, inputs: Any, outputs: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    collection = make()

    collection.add(inputs, outputs)
    collection.add([[1]], [1])
    collection.close()

    assert len(agent.joined()) == 1
    assert collection.lost == {f"requests dropped: {reason}": 1}
    assert f"requests since this worker started: 1 requests dropped: {reason}" in caplog.text
    assert collection._memory == pytest.approx(0)


def test_a_request_of_no_time_is_dropped_and_costs_no_other(make: Make, agent: Agent) -> None:
    collection = make()

    for received in (1_700_000_000.0, math.nan, math.inf, 1_700_000_000.0):
        collection.add([[1]], [1], received=received)
    collection.close()

    assert len(agent.joined()) == 2
    assert sum(collection.lost.values()) == 2
    assert collection._memory == pytest.approx(0)


def test_a_request_without_rows_is_nothing_to_collect(make: Make, agent: Agent) -> None:
    collection = make()

    collection.add(np.empty((0, 1)), [])
    collection.close()

    assert agent.rows("model_inputs") == []
    assert collection.lost == {}
    assert collection._memory == 0


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.complex_numbers()
    | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ANYTHING, min_size=1, max_size=6))
def test_no_value_can_end_the_sender_thread_or_change_the_type_of_its_column(values: list[Any]) -> None:
    cells = [cell for value in values for cell in (value, value)]

    rows = json.loads(frame_of({"number": float, "text": str}, cells, lambda _: None).to_json(orient="records"))

    assert len(rows) == len(values)
    assert {type(row["number"]) for row in rows} <= {float, type(None)}
    assert {type(row["text"]) for row in rows} <= {str, type(None)}

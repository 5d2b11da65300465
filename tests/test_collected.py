import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from amlready.collected import show
from amlready.local.store import Event, Store, source

NOON = datetime(2026, 1, 31, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def collect(tmp_path):
    """A function that writes an event of an endpoint's deployment as the agent does; `root` is `tmp_path`."""
    stores = {}

    def add(collection, rows, request="r-1", *, time=NOON, endpoint="e", deployment="blue", inline=10_000, **fields):
        store = stores.setdefault((endpoint, deployment), Store(tmp_path, source(endpoint, deployment), inline))
        body = rows if isinstance(rows, bytes) else json.dumps(rows, separators=(",", ":")).encode()
        folder = f"workspaceblobstore/modelDataCollector/{endpoint}/{deployment}/{collection}"
        store.add(folder, Event(collection, body, time, correlation_id=request, **fields))

    yield add
    for store in stores.values():
        store.close()


@pytest.fixture
def shown(tmp_path, capsys, monkeypatch):
    """A function that runs `show` on `tmp_path` and gives exit status, output and remarks."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(**options):
        status = show(tmp_path, **options)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def pair(collect, request="r-1", rows=2, **options):
    collect("model_inputs", [{"age": 50 + n, "bmi": 21.5} for n in range(rows)], request, **options)
    collect("model_outputs", [{"prediction": 100.25 + n} for n in range(rows)], request, **options)


# --- the summary -----------------------------------------------------------------------------------------------------


def test_the_summary_says_what_there_is(collect, shown, tmp_path):
    pair(collect)
    pair(collect, "r-2", time=NOON + timedelta(hours=3))
    pair(collect, deployment="green", rows=1)
    status, out, err = shown()
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["endpoint", "deployment", "collection", "events", "rows", "bytes", "first", "last"]
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*/e/blue/model_inputs/**/*.jsonl"))
    times = ["2026-01-31T12:00:30Z", "2026-01-31T15:00:30Z"]
    assert lines[1] == ["e", "blue", "model_inputs", "2", "4", str(size), *times]
    assert [line[:5] for line in lines[2:]] == [
        ["e", "blue", "model_outputs", "2", "4"],
        ["e", "green", "model_inputs", "1", "1"],
        ["e", "green", "model_outputs", "1", "1"],
    ]


def test_the_summary_is_json_and_csv_too(collect, shown):
    pair(collect)
    (inputs, outputs) = json.loads(shown(format="json")[1])
    assert (inputs["collection"], inputs["rows"], outputs["first"]) == ("model_inputs", 2, "2026-01-31T12:00:30Z")
    read = list(csv.DictReader(io.StringIO(shown(format="csv")[1])))
    assert [{key: str(value) for key, value in line.items()} for line in (inputs, outputs)] == read


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_are_an_aligned_table_numbers_to_the_right(collect, shown):
    collect("model_inputs", [{"name": "Ann", "age": 5, "ok": True}, {"name": "Bartholomew", "age": 105, "ok": None}])
    assert shown(collection="model_inputs")[1].splitlines() == [
        "e/blue/model_inputs",
        "time                  correlationid  row  name         age  ok",
        "2026-01-31T12:00:30Z  r-1              0  Ann            5  true",
        "2026-01-31T12:00:30Z  r-1              1  Bartholomew  105",
    ]


def test_every_collection_is_a_table_of_its_own(collect, shown):
    pair(collect, rows=1)
    status, out, _ = shown(rows=True)
    assert status == 0
    first, second = out.split("\n\n")
    assert first.splitlines()[0] == "e/blue/model_inputs"
    assert second.splitlines()[0] == "e/blue/model_outputs"
    assert second.splitlines()[1].split() == ["time", "correlationid", "row", "prediction"]


def test_columns_of_all_events_are_shown_whichever_has_them(collect, shown):
    collect("model_inputs", [{"a": 1}])
    collect("model_inputs", [{"b": 2}], "r-2")
    (first, second) = csv.DictReader(io.StringIO(shown(collection="model_inputs", format="csv")[1]))
    assert (first["a"], first["b"], second["a"], second["b"]) == ("1", "", "", "2")


def test_a_column_that_is_called_like_ours_keeps_its_values_under_a_longer_name(collect, shown):
    collect("model_inputs", [{"row": 7, "correlationid": "mine"}])
    (read,) = csv.DictReader(io.StringIO(shown(collection="model_inputs", format="csv")[1]))
    assert (read["row"], read["data.row"]) == ("0", "7")
    assert (read["correlationid"], read["data.correlationid"]) == ("r-1", "mine")


def test_csv_and_json_keep_every_digit_and_every_character(collect, shown):
    row = {"x": 0.1234567891, "text": 'a,"b"\nc é', "list": [1, {"k": None}]}
    collect("model_inputs", [row])
    (read,) = csv.DictReader(io.StringIO(shown(collection="model_inputs", format="csv")[1]))
    assert (read["x"], read["text"], read["list"]) == ("0.1234567891", row["text"], '[1, {"k": null}]')
    (line,) = json.loads(shown(collection="model_inputs", format="json")[1])
    assert line["data"] == row
    assert line["correlationid"] == "r-1"


def test_text_cannot_move_the_cursor_of_the_terminal(collect, shown):
    collect("model_inputs", [{"\x1b[2Jtitle": "\x1b[31mred\nline"}])
    out = shown(collection="model_inputs")[1]
    assert "\x1b" not in out
    assert len(out.splitlines()) == 3


def test_wide_characters_stay_aligned(collect, shown):
    collect("model_inputs", [{"name": "日本", "n": 1}, {"name": "abcd", "n": 2}])
    *_, first, second = shown(collection="model_inputs")[1].splitlines()
    assert first.endswith("日本  1")
    assert second.endswith("abcd  2")


@pytest.mark.parametrize(
    ("data", "rows"),
    [([1, 2], [{"data": 1}, {"data": 2}]), ({"a": 1}, [{"a": 1}]), ("text", [{"data": "text"}]), ([], [])],
)
def test_data_in_other_shapes_is_shown_too(collect, shown, data, rows):
    collect("request", data)
    assert [line["data"] for line in json.loads(shown(rows=True, format="json")[1])] == rows


# --- narrow terminals ------------------------------------------------------------------------------------------------


@pytest.fixture
def wide(collect):
    collect(
        "model_inputs",
        [{f"feature_{n}": 0.1234567891 * (n + 1) for n in range(10)}],
        "7f16d5b1-76f9-4b3e-b82d-fc21d29356a5",
    )
    collect("model_outputs", [{"prediction": 151.9876543210}], "7f16d5b1-76f9-4b3e-b82d-fc21d29356a5")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200])
def test_a_table_fits_the_terminal(shown, width):
    status, out, err = shown(join=True, width=width)
    assert status == 0
    assert max(map(len, out.splitlines())) <= width
    heads = out.splitlines()[1].split()
    assert heads[0] == "correlationid"
    assert ("…" in heads) == ("not fit into" in err)
    if width >= 60:
        assert heads[-1] == "prediction"
        assert out.splitlines()[2].endswith(("151.99", "151.987654321"))


@pytest.mark.usefixtures("wide")
def test_a_table_that_fits_keeps_every_digit(shown):
    assert "0.1234567891" in shown(join=True, width=300)[1]
    assert "0.1234567891" in shown(join=True)[1]


@pytest.mark.usefixtures("wide")
def test_the_width_of_the_terminal_is_asked_for(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert max(map(len, shown(join=True)[1].splitlines())) <= 70


# --- joining ---------------------------------------------------------------------------------------------------------


def test_inputs_and_outputs_are_joined_by_correlation_id_and_row(collect, shown):
    pair(collect, "r-1")
    pair(collect, "r-2")
    status, out, err = shown(join=True)
    assert (status, err) == (0, "every row of model_inputs and model_outputs has its partner\n")
    assert out.splitlines() == [
        "e/blue",
        "correlationid  row  age   bmi  prediction",
        "r-1              0   50  21.5      100.25",
        "r-1              1   51  21.5      101.25",
        "r-2              0   50  21.5      100.25",
        "r-2              1   51  21.5      101.25",
    ]


def test_what_has_no_partner_is_counted_on_both_sides(collect, shown):
    pair(collect, "both")
    collect("model_inputs", [{"age": 1}] * 3, "only inputs")
    collect("model_outputs", [{"prediction": 1.0}], "only outputs")
    collect("model_inputs", [{"age": 1}] * 2, "one more")
    collect("model_outputs", [{"prediction": 1.0}] * 3, "one more")
    status, out, err = shown(join=True, format="csv")
    assert status == 0
    assert len(list(csv.reader(io.StringIO(out)))) == 1 + 2 + 2
    assert err.splitlines() == [
        "3 of 7 rows of model_inputs have no partner in model_outputs",
        "2 of 6 rows of model_outputs have no partner in model_inputs",
    ]


def test_events_without_a_correlation_id_join_nothing(collect, shown):
    pair(collect, None)
    status, out, err = shown(join=True)
    assert (status, out) == (1, "")
    assert "2 of 2 rows of model_inputs have no partner" in err
    assert "nothing to show: collected here are model_inputs, model_outputs" in err


def test_one_id_for_all_requests_joins_each_with_every_other_and_that_is_said(collect, shown):
    for _ in range(3):
        pair(collect, "always the same", rows=1)
    pair(collect, "own", rows=1)
    status, out, err = shown(join=True, format="json")
    assert status == 0
    assert len(json.loads(out)) == 9 + 1
    assert "1 correlation id belongs to several events: each is joined with every other" in err


def test_the_same_id_in_two_deployments_is_not_the_same(collect, shown):
    pair(collect, "shared", rows=1)
    pair(collect, "shared", rows=1, deployment="green")
    _, out, err = shown(join=True, format="json")
    assert [line["deployment"] for line in json.loads(out)] == ["blue", "green"]
    assert "several events" not in err


def test_columns_of_one_name_on_both_sides_say_whose_they_are(collect, shown):
    collect("model_inputs", [{"id": 1, "x": 2}])
    collect("model_outputs", [{"id": 3, "y": 4}])
    (read,) = csv.DictReader(io.StringIO(shown(join=True, format="csv")[1]))
    assert read == {
        "endpoint": "e", "deployment": "blue", "correlationid": "r-1", "row": "0",
        "model_inputs.id": "1", "x": "2", "model_outputs.id": "3", "y": "4",
    }  # fmt: skip


def test_two_other_collections_can_be_joined(collect, shown):
    collect("raw", [{"a": 1}])
    collect("scaled", [{"b": 2}])
    status, out, _ = shown(join=True, collection="raw,scaled", format="json")
    assert status == 0
    assert json.loads(out)[0]["scaled"] == {"b": 2}


@pytest.mark.parametrize("collection", ["one", "a,b,c", "a,a"])
def test_a_join_of_anything_but_two_is_misuse(collect, shown, collection):
    pair(collect)
    assert shown(join=True, collection=collection)[0] == 2


# --- choosing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "events"),
    [
        ({}, 6),
        ({"endpoint": "e"}, 4),
        ({"deployment": "green"}, 2),
        ({"since": "2026-01-31T12:00:30Z"}, 6),
        ({"since": "2026-01-31T12:00:31"}, 2),
        ({"since": "2026-01-31T14:00:00+01:00"}, 2),
        ({"since": "2026-01-31"}, 6),
        ({"since": "99999d"}, 6),
        ({"until": "2026-01-31T12:00:31"}, 4),
        ({"until": "2026-01-31T12:00:30"}, 0),
        ({"until": "2026-01-31T14:00:31"}, 6),
        ({"since": "2026-01-31T12:00:31", "until": "2026-01-31T14:00:30"}, 0),
        ({"since": "2026-01-31T12:00:31", "until": "1d"}, 2),
        ({"endpoint": "f", "deployment": "blue"}, 2),
    ],
)
def test_endpoint_deployment_and_time_are_chosen(collect, shown, options, events):
    pair(collect)
    pair(collect, deployment="green", time=NOON + timedelta(hours=2))
    pair(collect, endpoint="f")
    assert sum(line["events"] for line in json.loads(shown(format="json", **options)[1])) == events


def test_the_last_minutes_can_be_chosen(collect, shown):
    pair(collect)
    pair(collect, "now", time=datetime.now(UTC))
    assert {line["correlationid"] for line in json.loads(shown(rows=True, since="10m", format="json")[1])} == {"now"}


def test_a_window_without_time_in_it_is_misuse(collect, shown):
    pair(collect)
    status, out, err = shown(since="2026-02-01", until="2026-02-01T00:00")
    assert (status, out) == (2, "")
    assert "no time is from 2026-02-01 on and before 2026-02-01T00:00" in err


def test_a_time_that_is_none_is_misuse(collect, shown):
    pair(collect)
    status, out, err = shown(since="yesterday")
    assert (status, out) == (2, "")
    assert "'yesterday' is no time" in err


def test_a_folder_that_is_not_there_is_misuse(tmp_path, capsys):
    assert show(tmp_path / "nosuch") == 2
    assert "`amlready serve` collects into .amlready/collected" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_nothing_collected_is_said_and_is_status_1(shown, form):
    status, out, err = shown(format=form)
    assert (status, out) == (1, "[]\n" if form == "json" else "")
    assert "nothing was collected" in err


# --- trees that others wrote -----------------------------------------------------------------------------------------

AZURES = (
    '{"specversion":"1.0","id":"1","source":"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearning'
    'Services/workspaces/w/onlineEndpoints/iris/deployments/main","type":"azureml.inference.model_inputs",'
    '"datacontenttype":"application/json","time":"2023-10-15T17:03:34Z",%s,"contentrange":"bytes 0-88/89",'
    '"correlationid":"7f16d5b1","xrequestid":"7f16d5b1","modelversion":"default",'
    '"collectdatatype":"pandas.core.frame.DataFrame","agent":"azureml-ai-monitoring/1.0.0"}\n'
)


@pytest.fixture
def azures(tmp_path):
    """A function that writes lines into an hour folder as it lies in Azure's container."""

    def write(*lines: str, name: str = "ef484bd292bc4cd4ad462efc33ddbbbe000004.jsonl"):
        hour = tmp_path / "modelDataCollector/iris/main/model_inputs/2023/10/15/17"
        hour.mkdir(parents=True, exist_ok=True)
        (hour / name).write_text("".join(lines))
        return hour

    return write


def test_a_tree_from_azure_is_read_from_any_folder_of_it(azures, capsys):
    hour = azures(AZURES % '"data":[{"x":1}]')
    for root in (*hour.parents[:7], hour, next(hour.iterdir())):
        assert show(root, format="json") == 0
        (line,) = json.loads(capsys.readouterr().out)
        assert (line["endpoint"], line["deployment"], line["collection"]) == ("iris", "main", "model_inputs")


@pytest.mark.parametrize(
    "reference",
    [
        "https://account.blob.core.windows.net/container/modelDataCollector/iris/main/model_inputs/2023/10/15/17/big.json",
        "azureml://datastores/d/paths/modelDataCollector/iris/main/model_inputs/2023/10/15/17/big.json",
        "modelDataCollector/iris/main/model_inputs/2023/10/15/17/big.json",
        "somewhere/else/big.json",
    ],
)
@pytest.mark.parametrize("form", ['"dataref":"%s"', '"datainblob":"true","data":"%s"'])
def test_data_by_reference_is_found_in_the_tree(azures, shown, reference, form):
    hour = azures(AZURES % (form % reference))
    (hour / "big.json").write_text('[{"x":1},{"x":2}]')
    status, out, err = shown(rows=True, format="json")
    assert (status, err) == (0, "")
    assert [line["data"] for line in json.loads(out)] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    "reference", ["https://account.blob.core.windows.net/c/gone.json", "/etc/hostname", "../../secret"]
)
def test_data_that_is_not_in_the_tree_is_named_and_said(azures, shown, reference, tmp_path):
    azures(AZURES % f'"dataref":"{reference}"')
    (tmp_path.parent / "secret").write_text('[{"x":1}]')
    status, out, err = shown(rows=True, format="json")
    assert status == 0
    assert [line["data"] for line in json.loads(out)] == [{"data": reference}]
    assert "holds data by reference, and the data is not here" in err


def test_half_a_line_at_the_end_is_left_out_and_said(azures, shown):
    azures(AZURES % '"data":[{"x":1}]', '{"specversion":"1.0","id":"2","da')
    status, out, err = shown(rows=True, format="json")
    assert status == 0
    assert len(json.loads(out)) == 1
    assert err.count("ends in half a line") == 1


def test_a_whole_last_line_needs_no_newline(azures, shown):
    azures(AZURES % '"data":[{"x":1}]', (AZURES % '"data":[{"x":2}]').rstrip())
    _, out, err = shown(rows=True, format="json")
    assert len(json.loads(out)) == 2
    assert err == ""


def test_lines_that_are_no_records_are_left_out_and_said_with_their_place(azures, shown):
    azures(
        "\ufeff" + AZURES % '"data":[{"x":1}]', "\n", "oops\n", '{"type":"other"}\n', "[1]\n", AZURES % '"data":[NaN]'
    )
    status, out, err = shown(rows=True, format="json")
    assert status == 0
    assert [line["data"] for line in json.loads(out)] == [{"x": 1}, {"data": None}]
    assert "000004.jsonl:3 is not JSON\n" in err
    assert "000004.jsonl:4 is not a record of collected data, and 1 more\n" in err


def test_reading_does_not_take_memory_for_what_was_collected(collect, shown, tmp_path):
    rows = [{"text": "x" * 1000}] * 50
    for n in range(300):
        collect("model_inputs", rows, f"r-{n}", inline=10**6)
        collect("model_outputs", [{"p": 1.0}], f"r-{n}", inline=10**6)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) > 15_000_000
    tracemalloc.start()
    try:
        for options in ({}, {"join": True}, {"join": True, "format": "csv"}):
            assert shown(**options)[0] == 0
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()

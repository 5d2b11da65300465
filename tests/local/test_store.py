import json
import os
import re
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from amlready.local import store
from amlready.local.store import Event, Store, mend, record, source
from amlready.records import Tree

NOON = datetime(2023, 1, 1, 12, 43, 34, tzinfo=UTC)
FOLDER = "workspaceblobstore/modelDataCollector/e/blue/model_inputs"


def event(body: bytes = b'[{"x":1}]', time: datetime = NOON, **fields) -> Event:
    return Event("model_inputs", body, time, **fields)


def only_file(folder, pattern="*.jsonl"):
    (found,) = folder.rglob(pattern)
    return found


def test_a_record_is_the_line_that_azure_writes():
    line = record(
        Event(
            "model_inputs",
            b'[{"sepal_length":1}]',
            datetime(2023, 1, 1, 0, 43, 34, tzinfo=UTC),
            id="38cf4147-ccf6-46a3-a71b-8ceb2a573ee8",
            correlation_id="7f16d5b1",
            attributes={
                "modelversion": "default",
                "collectdatatype": "pandas.core.frame.DataFrame",
                "agent": "azureml-ai-monitoring/1.0.0",
            },
        ),
        "/subscriptions/s/onlineEndpoints/e/deployments/d",
    )
    assert line == (
        b'{"specversion":"1.0","id":"38cf4147-ccf6-46a3-a71b-8ceb2a573ee8",'
        b'"source":"/subscriptions/s/onlineEndpoints/e/deployments/d","type":"azureml.inference.model_inputs",'
        b'"datacontenttype":"application/json","time":"2023-01-01T00:43:34Z","data":[{"sepal_length":1}],'
        b'"contentrange":"bytes 0-19/20","correlationid":"7f16d5b1","xrequestid":"7f16d5b1",'
        b'"modelversion":"default","collectdatatype":"pandas.core.frame.DataFrame",'
        b'"agent":"azureml-ai-monitoring/1.0.0"}\n'
    )


def test_the_source_names_endpoint_and_deployment_as_azure_does():
    assert source("e", "blue").endswith("/onlineEndpoints/e/deployments/blue")


@pytest.mark.parametrize("body", [b'[{"x":1.0,"y":1e5,"z":1234567890123456789}]', rb'["\u00e9\n"]', '["é"]'.encode()])
def test_data_is_kept_byte_for_byte(body):
    assert b'"data":' + body + b"," in record(event(body), "s")


def test_line_breaks_in_the_data_do_not_break_the_line():
    line = record(event(b'[\r\n {"x": "a\\nb"}\n]'), "s")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert json.loads(line)["data"] == [{"x": "a\nb"}]


def test_a_sender_cannot_replace_azures_attributes():
    attributes = {"id": "evil", "data": "evil", "correlationid": "evil", "own": "y"}
    line = record(event(correlation_id="7", attributes=attributes), "s")
    assert b"evil" not in line
    assert json.loads(line)["own"] == "y"
    assert json.loads(line)["correlationid"] == "7"


def test_events_lie_in_the_utc_hour_of_their_own_time(tmp_path):
    Store(tmp_path, "s").add(FOLDER, event(time=NOON.replace(hour=2, tzinfo=timezone(timedelta(hours=5)))))
    file = only_file(tmp_path)
    assert file.parent == tmp_path / FOLDER / "2022/12/31/21"
    assert json.loads(file.read_bytes())["time"] == "2022-12-31T21:43:34Z"


def test_files_are_named_as_azures_and_no_two_stores_share_one(tmp_path):
    for _ in range(2):
        writer = Store(tmp_path, "s")
        writer.add(FOLDER, event())
        writer.add(FOLDER, event(time=NOON + timedelta(hours=1)))
        writer.add(FOLDER, event())
    names = [path.name for path in tmp_path.rglob("*.jsonl")]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{32}00000[01]\.jsonl", name) for name in names)


def test_large_data_has_a_file_of_its_own_and_is_read_back(tmp_path):
    body = json.dumps([{"text": "x" * 100}] * 3).encode()
    size = Store(tmp_path, source("e", "blue"), inline_limit=200).add(FOLDER, event(body))
    line = json.loads(only_file(tmp_path).read_bytes())
    assert "data" not in line
    assert (tmp_path / "workspaceblobstore" / line["dataref"]).read_bytes() == body
    (read,) = Tree(tmp_path).records()
    assert read.rows == [{"text": "x" * 100}] * 3
    assert read.size == size


def test_data_that_is_not_json_is_kept_in_a_file_and_named_in_data(tmp_path):
    Store(tmp_path, "s").add(FOLDER, event(b"\x00\xff", content_type="application/octet-stream"))
    line = json.loads(only_file(tmp_path).read_bytes())
    assert line["datainblob"] == "true"
    assert (tmp_path / "workspaceblobstore" / line["data"]).read_bytes() == b"\x00\xff"


@pytest.mark.parametrize("folder", ["../x", "a/../../x", "/etc", "", "a/\0/b"])
@pytest.mark.parametrize("body", [b"[]", b"[" + b" " * 300 + b"]"])
def test_no_folder_leads_out_of_the_root(tmp_path, folder, body):
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="leads out of the folder"):
        Store(root, "s", inline_limit=200).add(folder, event(body))
    assert not list(tmp_path.rglob("*"))


def test_many_threads_in_more_hours_than_there_are_open_files_lose_nothing(tmp_path, read_lines):
    writer = Store(tmp_path, "s")

    def write(thread: int) -> None:
        for n in range(150):
            writer.add(FOLDER, event(b"[%d]" % n, NOON + timedelta(hours=n % 100), id=f"{thread}-{n}"))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    writer.close()
    found = sorted(line["id"] for line in read_lines(tmp_path))
    assert found == sorted(f"{thread}-{n}" for thread in range(8) for n in range(150))


def test_a_failed_flush_is_an_error_and_the_file_is_not_used_again(tmp_path, monkeypatch, read_lines):
    writer = Store(tmp_path, "s")
    writer.add(FOLDER, event(id="before"))

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_flush", fail)
        with pytest.raises(OSError, match="Input/output error"):
            writer.add(FOLDER, event(id="lost"))
    writer.add(FOLDER, event(id="after"))
    writer.close()
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2
    assert {"before", "after"} <= {line["id"] for line in read_lines(tmp_path)}


def written(tmp_path, content: bytes):
    path = tmp_path / "2023/01/01/12/old.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("whole", [b"", b'{"a":1}\n', b'{"a":1}\n' * 3])
@pytest.mark.parametrize("fragment", [b'{"a":2', b'{"a":"' + b"x" * 200_000, b"\0\0\0"])
def test_half_a_line_is_moved_aside(tmp_path, whole, fragment):
    path = written(tmp_path, whole + fragment)
    (torn,) = mend(tmp_path)
    assert path.read_bytes() == whole
    assert torn.aside.read_bytes() == fragment + b"\n"
    assert (torn.path, torn.size, torn.aside.name) == (path, len(fragment), "old.jsonl.torn")
    assert not list(mend(tmp_path))


def test_a_whole_record_that_lacks_its_newline_gets_it(tmp_path):
    path = written(tmp_path, b'{"a":1}\n{"a":2}')
    assert not list(mend(tmp_path))
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'


def test_what_is_whole_is_left_as_it_is(tmp_path):
    path = written(tmp_path, b'{"a":1}\nnot ours\n')
    assert not list(mend(tmp_path))
    assert path.read_bytes() == b'{"a":1}\nnot ours\n'


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_may_not_be_written_is_left_alone(tmp_path):
    path = written(tmp_path, b'{"half')
    path.chmod(0o444)
    assert not list(mend(tmp_path))


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    writer = Store(tmp_path, "s")
    writer.add(FOLDER, event())
    file = only_file(tmp_path)
    with file.open("ab") as other:
        other.write(b'{"half')
    assert not list(mend(tmp_path))
    writer.close()
    assert [torn.path for torn in mend(tmp_path)] == [file]

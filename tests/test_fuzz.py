"""No input breaks the check: whatever a file holds, the result is findings."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@contextmanager
def limited(seconds: int = 60):
    """End an example that hangs. Not a measurement: a busy machine may need a while for what takes milliseconds."""

    def hung(*_):
        raise TimeoutError(f"no verdict within {seconds} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("endpoint")
    fuzzing.lay_out(made)
    return made


HOSTILE = [
    b"\x00", b"\xff\xfe", b"{{X}}", b"${{ x }}", b"#{X}#", b"<X>", b"&a [*a]", b"*a", b"<<: *a", b"? ", b"- ", b": ",
    b"!!python/object:x", b"!!binary x", b"\t", b"\r", b"\xe2\x80\xa8", b"null", b"1e999", b".nan", b"-.inf", b"010",
    b"9" * 400, b"2024-02-31", b"[" * 60, b"(" * 60, b"lambda: " * 30, b"'", b'"', b"'''", b"azureml:", b"@latest",
    b"..", b"/etc/passwd", b"\\", b"global x", b"async ", b"yield ", b"*", b"**", b"import ", b"from . import x\n",
    b"Collector(name=", b"collect(", b"0x", b"\x80\x04\x95", b"c__builtin__\neval\n", b"\xf0\x9f\x92\xa9",
    b"%YAML 9.9\n",
]  # fmt: skip

pieces = st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=12))
splices = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 80), pieces, st.booleans()), min_size=1, max_size=6
)  # where, how much is cut, what is put in, and whether lines are cut instead


def spliced(data: bytes, changes) -> bytes:
    for where, cut, piece, by_line in changes:
        at = int(where * len(data))
        if by_line:
            at = data.rfind(b"\n", 0, at) + 1
            end = data.find(b"\n", at)
            cut = (end if end >= 0 else len(data)) - at
        data = data[:at] + piece + data[at + cut :]
    return data


@pytest.mark.parametrize("name", fuzzing.TARGETS)
@SETTINGS
@given(changes=splices)
def test_a_damaged_file_gives_findings_and_no_traceback(folder, name, changes):
    with limited():
        fuzzing.check(folder, name, spliced((fuzzing.ROOT / name).read_bytes(), changes))


@pytest.mark.parametrize("name", fuzzing.TARGETS)
@SETTINGS
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_findings_and_no_traceback(folder, name, data):
    with limited():
        fuzzing.check(folder, name, data)


KEYS = """
name endpoint_name model environment code_configuration code scoring_script instance_type instance_count traffic
mirror_traffic identity auth_mode compute type data_collector collections model_inputs enabled data path version
sampling_rate rolling_rate request_settings liveness_probe image conda_file build inference_config dependencies pip
channels environment_variables WORKER_COUNT $schema scale_settings resources tags properties
"""
REFERENCES = ("azureml:m:1", "azureml:m@latest", "azureml:", "src", "score.py", "true", "kubernetes", "=", "<<")

keys = st.sampled_from(KEYS.split())
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.text(max_size=20),
        st.sampled_from(REFERENCES),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize("name", [each for each in fuzzing.TARGETS if each.endswith(("yml", "yaml"))])
@SETTINGS
@given(value=st.dictionaries(keys, values, min_size=1, max_size=12))
def test_any_structure_of_known_keys_gives_findings_and_no_traceback(folder, name, value):
    import yaml

    with limited():
        fuzzing.check(folder, name, yaml.safe_dump(value).encode("utf-8", "replace"))


def test_a_huge_file_and_a_file_that_is_none_are_findings(folder):
    with limited():
        assert fuzzing.check(folder, "deployment.yml", b"x: y\n" * 2_500_000) > 0
        assert fuzzing.check(folder, "src/score.py", b"# " + b"x" * 10_000_000) > 0
        assert fuzzing.check(folder, "deployment.yml", b"endpoint_name: " + b"[" * 10_000 + b"]" * 10_000) > 0

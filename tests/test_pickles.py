"""Reading pickles without loading them: the same names as the real unpickler finds, whatever wrote the file."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import numpy_pickle
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from amlready import pickles
from amlready.pickles.machine import MAX_OPCODES

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(as_frame=True)


def encoded() -> Any:
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["sex"]), remainder="passthrough")
    return make_pipeline(encoder, Ridge()).fit(DIABETES.data, DIABETES.target)


ESTIMATORS = {
    "linear": LinearRegression().fit(*IRIS),
    "pipeline": make_pipeline(StandardScaler(), FunctionTransformer(np.abs), LogisticRegression()).fit(*IRIS),
    "columns": encoded(),
    "forest": RandomForestClassifier(5).fit(*IRIS),
    "boosting": HistGradientBoostingClassifier(max_iter=5).fit(*IRIS),
}
VALUES = {
    "frame": DIABETES.data,
    "objects": np.array([{1: 2}, "a", None], dtype=object),
    "texts": np.array(["a", "bcd"]),
    "dates": pd.date_range("2024-01-01", periods=3).to_numpy(),
    "records": np.array([(1, "x", 2.0)], dtype=[("a", "i4"), ("b", "U3"), ("c", "O")]),
    "no rows": np.zeros((0, 3)),
    "no dimension": np.array(3.0),
    "by columns": np.asfortranarray(IRIS[0]),
    "large": np.zeros((1000, 1000)),
}
ALL = ESTIMATORS | VALUES
COMPRESSIONS = (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3))


class Spy(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """Python's own unpickler, noting what it looks up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.names.add(f"{module}.{name}")
        return super().find_class(module, name)


def found_by_joblib(path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    names: set[str] = set()
    find = numpy_pickle.NumpyUnpickler.find_class

    def noting(self: Any, module: str, name: str) -> Any:
        names.add(f"{module}.{name}")
        return find(self, module, name)

    with monkeypatch.context() as patch:
        patch.setattr(numpy_pickle.NumpyUnpickler, "find_class", noting)
        joblib.load(path)
    return names


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], pickles.Pickle | None]:
    def of(data: bytes) -> pickles.Pickle | None:
        path = tmp_path / "model.pkl"
        path.write_bytes(data)
        return pickles.read(path)

    return of


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ALL)
def test_a_pickle_refers_to_what_the_unpickler_looks_up(read, name, protocol):
    data = pickle.dumps(ALL[name], protocol=protocol)
    spy = Spy(data)
    spy.load()

    facts = read(data)

    assert (facts.names, facts.whole, facts.fault, facts.is_joblib) == (spy.names, True, None, False)
    assert facts.protocol == protocol
    assert facts.scikit_learn == (sklearn.__version__ if name in ESTIMATORS else None)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_a_joblib_file_refers_to_what_joblib_looks_up(tmp_path, monkeypatch, name, compress, protocol):
    path = tmp_path / "model.joblib"
    joblib.dump(ALL[name], path, compress=compress, protocol=protocol)

    facts = pickles.read(path)

    assert facts is not None
    assert (facts.names, facts.whole, facts.fault) == (found_by_joblib(path, monkeypatch), True, None)
    assert facts.is_joblib
    assert facts.scikit_learn == (sklearn.__version__ if name in ESTIMATORS else None)


class Runs:
    """An object whose pickle calls something else when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def test_a_call_is_told_and_not_made(read, tmp_path):
    evidence = tmp_path / "evidence"

    facts = read(pickle.dumps(Runs(os.system, f"touch {evidence}")))

    assert facts.calls == {"posix.system"}
    assert not evidence.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("os.system", b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lstR."),  # GLOBAL, REDUCE
        ("os.system", b"\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n."),  # INST
        ("os.system", b"\x80\x02(cos\nsystem\nX\x02\x00\x00\x00lso."),  # OBJ
        ("os.system", b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x02ls\x85R."),  # STACK_GLOBAL
        ("os.system", b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94\x30\x30h\x01h\x00\x93\x8c\x02ls\x85R."),  # kept texts
        ("os.system", b"\x80\x04cos\nsystem\n\x8c\x02ls\x85}\x92."),  # NEWOBJ_EX
        ("builtins.eval", b"\x80\x00cbuiltins\neval\n(V1+1\ntR.".replace(b"\x80\x00", b"\x80\x02")),  # text opcodes
        ("copyreg._extension_registry[7]", b"\x80\x02\x82\x07)R."),  # EXT1
    ],
)
def test_a_call_is_seen_however_it_is_written(read, name, text):
    assert read(text).calls == {name}


def test_a_function_that_a_call_gives_is_named_by_what_it_is_taken_with(read):
    module = b"cimportlib\nimport_module\n\x8c\x02os\x85R"  # the module os
    facts = read(b"\x80\x04cbuiltins\ngetattr\n" + module + b"\x8c\x06system\x86R" + b"\x8c\x02ls\x85R.")

    assert facts.calls == {"importlib.import_module", "builtins.getattr:system", "builtins.getattr()"}


def test_a_method_is_pickled_as_getattr_of_its_owner(read):
    facts = read(pickle.dumps(OrderedDict.fromkeys))
    assert facts.calls == {"collections.OrderedDict.fromkeys"}


NOISE = np.random.default_rng(0).integers(0, 256, 2_000_000, dtype=np.uint8)  # does not shrink, so nothing is lost


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_said_to_end_in_the_middle(tmp_path, compress, part):
    path = tmp_path / "model.joblib"
    joblib.dump([1, NOISE], path, compress=compress)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])

    facts = pickles.read(path)

    with pytest.raises((EOFError, ValueError)):
        joblib.load(path)
    assert facts is not None
    assert facts.fault == "it ends in the middle, as after an interrupted copy"


def test_a_damaged_compressed_file_has_a_fault(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump([1, NOISE], path, compress=("bz2", 3))
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 0xFF
    path.write_bytes(data)

    facts = pickles.read(path)

    with pytest.raises(OSError, match="Invalid data"):
        joblib.load(path)
    assert facts is not None
    assert facts.fault == "its compressed bytes are damaged"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04", b"\x80\x09.", b"\x1f\x8b", b"x" * 9],
)
def test_other_files_are_no_pickles(read, data):
    assert read(data) is None


def test_a_folder_a_missing_file_and_a_pipe_are_no_pickles(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert [pickles.read(tmp_path / name) for name in (".", "missing", "pipe")] == [None, None, None]


def test_the_version_is_found_behind_a_large_vocabulary(read):
    vectorizer = CountVectorizer().fit([" ".join(f"word{number}" for number in range(60_000))])

    facts = read(pickle.dumps(vectorizer))

    assert not facts.whole
    assert facts.scikit_learn == sklearn.__version__


def test_a_large_array_is_passed_over_and_not_read(tmp_path):
    path = tmp_path / "model.pkl"
    with path.open("wb") as stream:  # 8 GB that take no room
        stream.write(b"\x80\x05\x8e" + struct.pack("<Q", 1 << 33))
        stream.seek(1 << 33, 1)
        stream.write(b"0cos\nsystem\n)R.")

    facts = pickles.read(path)

    assert facts is not None
    assert (facts.calls, facts.whole) == ({"os.system"}, True)


HEADER = b"\x80\x04"
ARRAY = (
    b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(\x8c\x05shapeI999999999999\nI999999999999\n\x86"
    b"\x8c\x05dtypecnumpy\ndtype\n\x8c\x02f8\x85Rub"
)
BOMBS: dict[str, Callable[[], bytes]] = {
    "a size": lambda: HEADER + b"\x8d" + b"\xff" * 8 + b"X",
    "compressed zeros": lambda: bz2.compress(
        HEADER + b"B" + struct.pack("<I", 200_000_000) + bytes(200_000_000) + b"."
    ),
    "marks": lambda: HEADER + b"(" * 400_000 + b".",
    "calls of calls": lambda: HEADER + b"cos\nf\n" + b")R" * 400_000 + b".",
    "long names": lambda: HEADER + b"".join(b"cm\n%d%s\n0" % (each, b"n" * 250) for each in range(60_000)) + b".",
    "tuples of tuples": lambda: HEADER + b")" + b"2\x86" * 400_000 + b".",
    "kept values": lambda: HEADER + b"X\x2c\x01\x00\x00" + b"x" * 300 + b"\x94" * 400_000 + b".",
    "a long line": lambda: HEADER + b"V" + b"x" * 2_000_000 + b"\n.",
    "an array": lambda: HEADER + ARRAY,
}
"""Streams that grow without end for whoever takes them at their word."""


@pytest.mark.parametrize("kind", BOMBS)
def test_hostile_files_cost_little(read, kind):
    data = BOMBS[kind]()
    tracemalloc.start()
    try:
        facts = read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert facts is not None
    assert facts.fault or not facts.whole
    assert peak < 100_000_000


def test_no_more_opcodes_are_followed_than_the_limit(read):
    facts = read(b"\x80\x04" + b"N0" * MAX_OPCODES + b"cos\nsystem\n)R.")

    assert (facts.whole, facts.calls) == (False, frozenset())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_facts_and_no_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "model.pkl"
    path.write_bytes(b"\x80\x04" + data)

    facts = pickles.read(path)

    assert facts is not None
    assert facts.protocol == 4


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_model_gives_facts_and_no_error(tmp_path_factory, data):
    whole = pickle.dumps(ESTIMATORS["pipeline"])
    at = data.draw(st.integers(2, len(whole) - 1))
    path = tmp_path_factory.mktemp("damaged") / "model.pkl"
    path.write_bytes(whole[:at] + data.draw(st.binary(min_size=1, max_size=4)) + whole[at + 1 :])

    assert pickles.read(path) is not None


def test_every_opcode_of_this_python_is_known():
    from amlready.pickles.opcodes import ACTIONS

    assert {each.code.encode("latin-1") for each in pickletools.opcodes} - ACTIONS.keys() == {b"."}


def test_reading_imports_neither_pickle_nor_numpy(tmp_path):
    joblib.dump(ESTIMATORS["linear"], tmp_path / "model.joblib")
    code = (
        "import sys, pathlib, amlready.pickles as p; p.read(pathlib.Path('model.joblib'));"
        "print({'pickle', 'numpy', 'joblib', 'sklearn'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert done.stdout == "set()\n"

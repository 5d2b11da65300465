"""The committed model: it is what scripts/train.py makes, in the scikit-learn that conda.yaml pins."""

from __future__ import annotations

import importlib.util
import pickletools
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "model" / "sklearn_regression_model.pkl"


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train", ROOT / "scripts" / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def retrained(train: ModuleType, tmp_path: Path) -> Path:
    train.main(["--folder", str(tmp_path / "retrained")])
    return tmp_path / "retrained" / MODEL.name


def strings(pickled: Path) -> list[str]:
    """The strings in a pickle, in order, read without running it."""
    return [value for _, value, _ in pickletools.genops(pickled.read_bytes()) if isinstance(value, str)]


def pinned(package: str) -> str:
    *_, pip = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))["dependencies"]
    return str(dict(spec.split("==") for spec in pip["pip"])[package])


def test_retraining_reproduces_the_predictions_of_the_committed_model(train: ModuleType, retrained: Path) -> None:
    train_features, test_features, *_ = train.split()
    features = np.concatenate([train_features, test_features])

    # Not byte for byte: another BLAS may differ in the last bits.
    np.testing.assert_allclose(
        joblib.load(retrained).predict(features), joblib.load(MODEL).predict(features), rtol=1e-9
    )


def test_training_writes_one_readable_file_and_nothing_else(retrained: Path) -> None:
    assert list(retrained.parent.iterdir()) == [retrained]
    assert retrained.stat().st_mode & 0o777 == 0o644


def test_training_that_fails_leaves_the_old_model_and_no_rubbish(train: ModuleType, retrained: Path) -> None:
    before = retrained.read_bytes()

    with pytest.raises(Exception, match="pickle"):
        train.save(lambda: "a function of this test, which cannot be pickled", retrained)

    assert retrained.read_bytes() == before
    assert list(retrained.parent.iterdir()) == [retrained]


def test_train_py_runs_from_anywhere_and_prints_its_metrics(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train.py"), "--folder", "here"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / MODEL.name).is_file()
    assert "R2" in done.stdout
    assert "mean absolute error" in done.stdout
    assert done.stderr == ""


def test_the_model_predicts_better_than_the_mean_of_its_training_data(train: ModuleType) -> None:
    _, test_features, _, test_progression = train.split()

    measures = train.measure(joblib.load(MODEL), test_features, test_progression)

    assert measures["R2"] > 0.4
    assert measures["root mean squared error"] < np.std(test_progression)


def test_the_pickle_is_of_the_scikit_learn_that_conda_yaml_pins() -> None:
    found = strings(MODEL)

    assert found[found.index("_sklearn_version") + 1] == pinned("scikit-learn")


def test_the_pickle_builds_one_estimator_from_numbers_and_runs_nothing_else() -> None:
    loaded = strings(MODEL)
    modules = {value.split(".")[0] for value in loaded if value in sys.modules}

    assert modules == {"sklearn", "numpy"}
    assert MODEL.stat().st_size < 4096


def test_the_model_was_fitted_on_an_array_so_it_asks_for_no_column_names() -> None:
    model = joblib.load(MODEL)

    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 10

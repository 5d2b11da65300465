"""Train the diabetes regression that the endpoint serves, and write it where model.yml looks for it.

    python scripts/train.py [--folder model]

Runs in a second, needs no network (the data set comes with scikit-learn) and gives the same model every time. Train
with the versions that conda.yaml pins: scikit-learn promises nothing about loading a model in another version.

The model is ordinary least squares on the ten features in their own units. It is indifferent to scale, so no scaler
has to travel with it. It is fitted on an array without column names, since that is what the scoring script has.
"""

from __future__ import annotations

import argparse
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).resolve().parent.parent / "model"
FILE = "sklearn_regression_model.pkl"


def split() -> list[Any]:
    """442 patients, ten features as measured (`scaled=False`), and the disease's progression a year later (25 to 346).

    Returns:
        Training and test features, training and test targets; one in five rows is held out.
    """
    features, progression = load_diabetes(return_X_y=True, scaled=False)
    rows: list[Any] = train_test_split(features, progression, test_size=0.2, random_state=42)
    return rows


def measure(model: Any, features: Any, progression: Any) -> dict[str, float]:
    predicted = model.predict(features)
    return {
        "R2": r2_score(progression, predicted),
        "mean absolute error": mean_absolute_error(progression, predicted),
        "root mean squared error": root_mean_squared_error(progression, predicted),
    }


def save(model: Any, path: Path) -> None:
    """Write the model whole or not at all.

    By plain pickle, which joblib loads as well: joblib's own format puts raw arrays between the opcodes, and then
    nobody can inspect the file (pickletools) without running it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".training-", delete=False) as file:
        try:
            pickle.dump(model, file, protocol=5)
            os.fchmod(file.fileno(), 0o644)  # a temporary file is its owner's alone; a model is everybody's
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the diabetes regression that the endpoint serves.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write the model (default: model/)")
    folder: Path = parser.parse_args(arguments).folder

    train_features, test_features, train_progression, test_progression = split()
    model = LinearRegression().fit(train_features, train_progression)
    save(model, folder / FILE)
    print(f"{folder / FILE}: trained on {len(train_features)} rows; on {len(test_features)} rows held out:")
    for name, value in measure(model, test_features, test_progression).items():
        print(f"  {name:<24} {value:8.3f}")


if __name__ == "__main__":
    main()

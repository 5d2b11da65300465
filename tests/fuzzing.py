"""What the fuzz test and tools/fuzz.py share: a project around hostile bytes, checked from end to end."""

from __future__ import annotations

import os
from pathlib import Path

from amlready import formats, project, rules

ROOT = Path(__file__).parents[1]
TARGETS = (
    "endpoint.yml",
    "deployment.yml",
    "model.yml",
    "environment.yml",
    "conda.yaml",
    "src/score.py",
    "sample-request.json",
    "model/sklearn_regression_model.pkl",
)
"""The files of an endpoint that a fuzzer may replace."""


def lay_out(folder: Path) -> None:
    """This repository's own endpoint in a folder."""
    for name in TARGETS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())


def check(folder: Path, name: str, data: bytes) -> int:
    """Check the endpoint with one file replaced, in every format; the number of findings. Restores the file."""
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(data)
    here = os.getcwd()
    os.chdir(folder)
    try:
        found = rules.run(project.load([Path(".")]))
        for each in formats.NAMES:
            formats.get(each)(found)
        return len(found)
    finally:
        os.chdir(here)
        path.write_bytes(before)

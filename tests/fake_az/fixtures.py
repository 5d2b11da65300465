"""Fixtures of the tests that run scripts, loaded by each of them as a plugin."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from .stage import Stage
from .stage import stage as new_stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A copy of the repository, and a workspace with nothing in it."""
    return new_stage(tmp_path)


@pytest.fixture(scope="session")
def after_deploy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is in Azure after one fresh run of deploy.sh."""
    stage = new_stage(tmp_path_factory.mktemp("deployed"))
    assert stage.run("deploy.sh").status == 0
    return stage.state


@pytest.fixture
def deployed(stage: Stage, after_deploy: dict[str, Any]) -> Stage:
    """A copy of the repository that has been deployed: blue has all the traffic."""
    stage.state = copy.deepcopy(after_deploy)
    return stage

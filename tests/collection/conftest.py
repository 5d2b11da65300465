"""An agent for every test, and collections that deliver to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent
from azureml.ai.monitoring import init as sdk

from data_collection import DataCollection


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "collected")
    yield agent
    agent.stop()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Agent) -> Callable[..., None]:
    """The container's environment: these collections, each with its sampling in per cent; None is disabled."""

    def configure(**collections: float | None) -> None:
        content = {
            name: {"enabled": rate is not None, "sampleRatePercentage": rate or 0} for name, rate in collections.items()
        }
        (tmp_path / "mdc.json").write_text(json.dumps({"collections": content}))
        monkeypatch.setenv("AZUREML_MDC_CONFIG_PATH", str(tmp_path / "mdc.json"))

    monkeypatch.setenv("AZUREML_MDC_HOST", "127.0.0.1")
    monkeypatch.setenv("AZUREML_MDC_PORT", str(agent.port))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLLECTION_FLUSH_SECONDS", "0.05")
    monkeypatch.setenv("COLLECTION_GRACE_SECONDS", "25")
    configure(model_inputs=100, model_outputs=100)
    return configure


@pytest.fixture
def make(configure: Callable[..., None]) -> Iterator[Callable[..., Any]]:
    """A function that makes a DataCollection; what it still holds is delivered in the end."""
    assert configure
    made = []

    def make(**given: Any) -> Any:
        given = {"inputs": {"x": float}, "outputs": {"y": float}} | given
        made.append(DataCollection(**given))
        return made[-1]

    yield make
    for collection in made:
        collection.close()
    sdk.teardown(wait_for_flush=True)

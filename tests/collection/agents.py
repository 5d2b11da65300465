"""A real agent in a process of its own that misbehaves on command, and collected data read as the monitor reads it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from waiting import until

ROOT = Path(__file__).resolve().parents[2]

COLLECTIONS = ("model_inputs", "model_outputs")


class Tree:
    """What an agent stored."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def events(self, collection: str) -> list[dict[str, Any]]:
        paths = sorted(self.root.rglob("*.jsonl"))
        events = [
            json.loads(line) for path in paths for line in path.read_bytes().splitlines(keepends=True) if b"\n" in line
        ]
        return [event for event in events if event["type"] == f"azureml.inference.{collection}"]

    def rows(self, collection: str) -> list[dict[str, Any]]:
        return [row for event in self.events(collection) for row in event["data"]]

    def named(self, collection: str) -> dict[str, list[dict[str, Any]]]:
        """The rows by the name that Azure's preprocessor gives them: it numbers those of each event from 0."""
        named = defaultdict(list)
        for event in self.events(collection):
            for number, row in enumerate(event["data"]):
                named[f"{event['correlationid']}_{number}"].append(row)
        return named

    def joined(self) -> list[dict[str, Any]]:
        """Inputs and outputs side by side: an inner join by name, as the monitor makes it."""
        inputs, outputs = (self.named(collection) for collection in COLLECTIONS)
        return [left | right for name in inputs for left in inputs[name] for right in outputs[name]]


class Agent(Tree):
    """A process of tools/misbehaving_agent.py."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tools" / "misbehaving_agent.py", "--root", root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self._lines.get(timeout=60))

    def __call__(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._lines.get(timeout=30)

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._reader.join(30)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())


eventually = partial(until, seconds=60)

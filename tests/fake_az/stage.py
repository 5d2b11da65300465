"""A copy of the repository's specs and scripts, with the fake `az` and a stand-in for amlready first on the PATH."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jmespath
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECRET = "K3y-That-Nobody-Must-See"
SECONDS = 300  # most time for one script
SCRIPTS = ("deploy", "rollout", "invoke", "logs", "delete", "collected", "autoscale", "monitor")
NAME = "diabetes-regression"
# What every script asks before anything else.
CONNECT = ["extension list", "account show", "ml workspace show --name space"]
WHERE = ("--subscription", "--resource-group", "--workspace-name")
_SHARED = ["*.yml", "*.yaml", "sample-request.json", "scripts/*.sh", "variants/*", "src/*", "model/*"]

# Without the start-up of a virtual environment, which takes longer than a call.
_PACKAGES = os.pathsep.join(sorted({str(Path(str(each.__file__)).parents[1]) for each in (jmespath, yaml)}))
_AZ = """#!/bin/sh
PYTHONPATH="{packages}" exec "{python}" -S "{program}" "$@"
"""

# Takes note of its arguments where az's are noted, and ends as the test says.
_AMLREADY = """#!{python}
import json, os, sys
with open(os.environ["FAKE_AZ_CALLS"], "a") as calls:
    calls.write(json.dumps(["amlready", *sys.argv[1:]]) + "\\n")
sys.exit(int(os.environ.get("FAKE_AMLREADY_STATUS", "0")))
"""


@dataclass(frozen=True)
class Result:
    """How one run of a script ended, and the calls it made, as `brief` writes them."""

    status: int
    out: str
    err: str
    calls: list[str]
    raw: list[list[str]]

    @property
    def changes(self) -> list[str]:
        """The calls that are not only questions."""
        asks = re.compile(
            r"(ml [\w-]+ show|resource show|ml online-deployment list|monitor autoscale list"
            r"|account|extension|configure) ?"
        )
        return [call for call in self.calls if not asks.match(call)]


@dataclass
class Stage:
    """The copy in `root`, the small Azure in `state`, and the environment that scripts run in."""

    root: Path
    environment: dict[str, str]
    state: dict[str, Any] = field(default_factory=dict)

    def run(
        self, script: str, *arguments: str, folder: Path | None = None, answer: str = "", **variables: str
    ) -> Result:
        """Run a script of the copy, in `folder`. No secret may show up anywhere."""
        running = self.start(script, *arguments, folder=folder, **variables)
        return self.end(running, answer)

    def start(
        self, script: str, *arguments: str, folder: Path | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Start it in a process group of its own, which `end` ends."""
        self.save()
        return subprocess.Popen(
            [str(self.root / "scripts" / script), *arguments],
            cwd=folder or self.root,
            env=self.environment | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self, running: subprocess.Popen[str], answer: str = "") -> Result:
        """Wait for it; what it left behind. The next one starts a new list of calls."""
        try:
            out, err = running.communicate(answer, timeout=SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        return self.result(running.returncode, out, err)

    def result(self, status: int, out: str, err: str) -> Result:
        """As `end`, for a run that has ended."""
        self.state = json.loads(self.state_file.read_text(encoding="utf-8"))
        noted = self.calls_file.read_text(encoding="utf-8") if self.calls_file.exists() else ""
        self.calls_file.unlink(missing_ok=True)
        assert SECRET not in out + err + noted
        assert "get-credentials" not in noted
        raw = [json.loads(line) for line in noted.splitlines()]
        return Result(status, out, err, [brief(call) for call in raw], raw)

    def save(self) -> None:
        self.state_file.write_text(json.dumps(self.state), encoding="utf-8")

    def outcome(self, command: str, *outcomes: dict[str, Any] | None) -> None:
        """What the next calls of a command come to; None is success."""
        self.state.setdefault("outcomes", {})[command] = list(outcomes)

    @property
    def state_file(self) -> Path:
        return Path(self.environment["FAKE_AZ_STATE"])

    @property
    def calls_file(self) -> Path:
        return Path(self.environment["FAKE_AZ_CALLS"])

    @property
    def traffic(self) -> dict[str, int]:
        traffic: dict[str, int] = self.state["endpoints"]["diabetes-regression"]["traffic"]
        return traffic


def brief(call: list[str]) -> str:
    """A call without what all have: where it goes and how its answer is written."""
    words = iter(call)
    kept = []
    for word in words:
        if word in (*WHERE, "--output", "--query"):
            next(words)
        elif word != "--only-show-errors":
            kept.append(re.sub(r"amlready=v\d+-\d+", "amlready=TAG", word))
    return " ".join(kept)


def stage(folder: Path) -> Stage:
    """A fresh copy in `folder`, for a workspace with nothing in it."""
    root = folder / "repository"
    for pattern in _SHARED:
        for source in ROOT.glob(pattern):
            if source.is_file():
                target = root / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    programs = folder / "bin"
    _program(
        programs / "az", _AZ.format(python=sys.executable, packages=_PACKAGES, program=Path(__file__).parent / "az.py")
    )
    _program(programs / "amlready", _AMLREADY.format(python=sys.executable))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AML_", "AZURE_", "FAKE_"))}
    environment = kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "FAKE_AZ_STATE": str(folder / "state.json"),
        "FAKE_AZ_CALLS": str(folder / "calls.jsonl"),
        "AML_SUBSCRIPTION": "sub-id",
        "AML_RESOURCE_GROUP": "group",
        "AML_WORKSPACE": "space",
        "AML_POLL": "0",
        "AML_WAIT": "120",
        "TMPDIR": str(folder),
    }
    return Stage(root, environment, _empty())


def _program(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


def _empty() -> dict[str, Any]:
    storage = {"account_name": "store", "container_name": "blobs"}
    return {
        "extensions": ["ml"],
        "account": {"id": "sub-id", "name": "sub"},
        "defaults": {},
        "workspace": {"name": "space", "resource_group": "group", "location": "westeurope"},
        "secret": SECRET,
        "logs": {},
        "blobs": {},
        "datastore": {"workspaceblobstore": storage},
    } | {kind: {} for kind in ("endpoints", "model", "environment", "data", "schedule", "autoscale")}

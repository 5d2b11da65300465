"""The two commands of a newcomer fail with one clear line where they cannot work."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("bash", "dirname", "cat", "cksum", "grep", "rm", "mktemp", "head", "tail", "env")


@pytest.fixture
def clone(tmp_path) -> Path:
    """What a clone has of the two commands' own files."""
    made = tmp_path / "clone"
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, made / name)
    shutil.copy(ROOT / "pyproject.toml", made)
    return made


@pytest.fixture
def tools(tmp_path) -> Path:
    """A PATH with bash and its friends alone."""
    made = tmp_path / "bin"
    made.mkdir()
    for name in NEEDED:
        (made / name).symlink_to(shutil.which(name))
    return made


def run(clone: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR", "LANG")}
    return subprocess.run(
        ["bash", str(clone / "scripts" / script), *arguments],
        cwd="/",
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def fake_python(folder: Path, version: str) -> None:
    program = folder / "python3"
    program.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "Python {version}";; *) exit 1;; esac\n')
    program.chmod(0o755)


@pytest.mark.parametrize("script", ["local.sh", "test.sh"])
def test_a_python_that_is_too_old_is_named(clone, tools, script):
    fake_python(tools, "3.9.2")
    ended = run(clone, script, PATH=str(tools))
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == [
        "amlready: Python 3.11 or newer is needed, and Python 3.9.2 is here; install it, or set PYTHON to it"
    ]


def test_no_python_at_all_is_said(clone, tools):
    ended = run(clone, "local.sh", PATH=str(tools))
    assert ended.returncode == 1
    assert "no python3 is here" in ended.stderr


def test_a_missing_network_is_said_in_one_line(clone):
    nowhere = "http://127.0.0.1:9/simple"  # the discard port, where nobody listens
    ended = run(
        clone,
        "local.sh",
        PATH=os.environ["PATH"],
        PIP_INDEX_URL=nowhere,
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_NO_CACHE_DIR="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_RETRIES="0",
    )
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("amlready: packages could not be installed (is the network there?): ERROR: ")
    assert "Traceback" not in ended.stderr


def test_an_unknown_option_is_answered_with_the_usage(clone):
    ended = run(clone, "local.sh", "--nonsense", PATH=os.environ["PATH"])
    assert ended.returncode == 1
    assert ended.stderr.strip() == "amlready: usage: scripts/local.sh [--keep]"

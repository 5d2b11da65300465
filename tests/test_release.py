"""A release: one version, in the package and in the tag, and the CHANGELOG's newest section as its notes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from amlready import __version__

ROOT = Path(__file__).parents[1]
CHANGELOG = "# Changelog\n\n## 1.1.0 (2026-11-30)\n\nNew.\n\n* more\n\n## 1.0.0 (2026-11-01)\n\nOld.\n"


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("release_notes")


def test_the_newest_version_of_the_changelog_is_the_packages():
    headings = re.findall("^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(__version__)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", headings[0])
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", each) for each in headings[1:])


def test_the_notes_are_the_newest_section(release):
    assert release.notes("v1.1.0", CHANGELOG, "1.1.0") == "New.\n\n* more\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "reason"),
    [
        ("v1.0.0", CHANGELOG, "the tag v1.0.0 is not v1.1.0"),
        ("1.1.0", CHANGELOG, "the tag 1.1.0 is not v1.1.0"),
        ("v1.1.0", CHANGELOG.replace("2026-11-30", "unreleased"), "begins with '1.1.0 (unreleased)'"),
        ("v1.1.0", CHANGELOG.replace("## 1.1.0 (2026-11-30)\n\nNew.\n\n* more\n\n", ""), "begins with '1.0.0"),
        ("v1.1.0", CHANGELOG.replace("New.\n\n* more\n\n", ""), "says nothing about 1.1.0"),
        ("v1.1.0", "# Changelog\n", "begins with ''"),
    ],
)
def test_there_is_no_release_without_its_version_and_notes(release, tag, changelog, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        release.notes(tag, changelog, "1.1.0")


def test_the_tool_says_why_in_one_line(release, capsys):
    assert release.main(["v0.0.0"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"the tag v0.0.0 is not v{__version__}, the version in amlready/__init__.py\n"

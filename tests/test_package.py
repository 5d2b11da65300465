"""What is packaged, and what the files around the package promise."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from amlready import __version__, cli, formats, rules, schema
from amlready.manual import TITLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_folder_of_the_package_is_packaged():
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("amlready/**/__init__.py")}
    assert set(project()["tool"]["setuptools"]["packages"]) == folders


def test_every_schema_is_shipped():
    assert {path.stem for path in ROOT.glob("amlready/schemas/*.json")} == set(schema.KINDS)


def test_a_hook_needs_the_parser_only():
    assert [re.match(r"[\w-]+", each)[0] for each in project()["project"]["dependencies"]] == ["PyYAML"]


def test_the_version_comes_from_one_place_and_is_in_the_changelog():
    assert project()["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "amlready.__version__"}
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_locks_hold_every_pin_of_the_conda_file():
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    pins = next(each["pip"] for each in conda["dependencies"] if isinstance(each, dict))
    for name in ("local", "dev"):
        locked = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        assert set(pins) <= set(locked)


def test_the_readme_names_every_command_format_and_exit_status():
    for command in cli.COMMANDS:
        assert f"`amlready {command}" in README, command
    for name in formats.NAMES:
        assert f"`{name}`" in README
    for status in (cli.OK, cli.PROBLEMS, cli.MISUSE, cli.BUG, cli.INTERRUPTED):
        assert re.search(rf"\b{status} \w", README)


def test_every_file_that_the_readme_links_to_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_part_of_the_manual_has_a_title():
    assert set(TITLES) == set(rules.MODULES)


def test_the_rules_page_is_what_the_rules_say():
    from amlready import manual

    page = ROOT / "docs" / "rules.md"
    assert page.read_text(encoding="utf-8") == manual.markdown(), "run: amlready explain --all > docs/rules.md"


def test_this_repository_is_clean(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert cli.main(["check", "--format", "text"]) == 0
    assert capsys.readouterr().out == ""

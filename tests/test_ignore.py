"""Ignore comments: what they hide, and when they are findings themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready import project, rules

BASE = "name: blue\nendpoint_name: my-endpoint\ninstance_type: Standard_D2as_v4\nmodel: azureml:m:1\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(text: str, *only: str) -> list[tuple[str, int]]:
    Path("deployment.yml").write_text(text, encoding="utf-8")
    chosen = [rules.rules()[name] for name in only] or None
    return [(each.rule, each.problem.span.line) for each in rules.run(project.load([Path(".")]), chosen)]


DUPLICATE = ("duplicate-key", "ignore")


def test_an_ignore_on_the_line_hides_the_finding_there():
    assert found(BASE + "name: green  # amlready: ignore[duplicate-key] the template repeats it\n", *DUPLICATE) == []


def test_an_ignore_alone_speaks_for_the_next_line_that_is_no_comment():
    text = BASE + "# amlready: ignore[duplicate-key] the template repeats it\n# more\nname: green\n"
    assert found(text, *DUPLICATE) == []


def test_an_ignore_elsewhere_hides_nothing_and_says_so():
    text = "# amlready: ignore[duplicate-key] too far away\n" + BASE + "name: green\n"
    assert found(text, *DUPLICATE) == [("ignore", 1), ("duplicate-key", 6)]


def test_an_ignore_names_several_rules_and_each_must_hide_something():
    text = BASE + "name: green  # amlready: ignore[duplicate-key, yaml] the template repeats it\n"
    assert found(text, "duplicate-key", "yaml", "ignore") == [("ignore", 5)]


def test_an_ignore_without_a_reason_or_a_rule_hides_nothing():
    for comment in ("# amlready: ignore[duplicate-key]", "# amlready: ignore", "# amlready: ignore[] why"):
        assert found(f"{BASE}name: green  {comment}\n", *DUPLICATE) == [("duplicate-key", 5), ("ignore", 5)]


def test_an_unknown_rule_is_reported_with_the_name_that_was_meant():
    Path("deployment.yml").write_text(BASE + "tags: {}  # amlready: ignore[duplicate-keys] why\n")
    (finding,) = rules.run(project.load([Path(".")]), [rules.rules()["ignore"]])
    assert "did you mean 'duplicate-key'?" in finding.problem.message


def test_a_rule_that_did_not_run_cannot_make_an_ignore_useless():
    assert found(BASE + "tags: {}  # amlready: ignore[duplicate-key] why\n", "ignore") == []


def test_an_ignore_works_in_a_scoring_script():
    Path("src").mkdir()
    Path("src/score.py").write_text(
        "from azureml.ai.monitoring import Collector\n"
        "def init():\n"
        "    Collector(name='a')  # amlready: ignore[no-on-error] a failing collector must stop this endpoint\n"
    )
    assert found(BASE + "code_configuration: {code: src, scoring_script: score.py}\n", "no-on-error", "ignore") == []

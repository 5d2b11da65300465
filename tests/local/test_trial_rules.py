"""The docstring of every rule about trials is its test: Bad and Good are tried for real, and judged.

An example leaves out what any deployment has: these files complete it. Trials run side by side, because each is a
process that mostly starts up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from amlready import project, rules
from amlready.diagnostic import Diagnostic
from amlready.local import trial
from amlready.local.resolve import resolve
from amlready.rules import Rule

TRIED = {name: each for name, each in rules.rules().items() if "Trial" in each.subjects}
HANGING = {"init-hangs", "run-hangs"}
"""Their Bad goes on until time is up, so they get little of it."""

DEPLOYMENT = """\
name: blue
endpoint_name: my-endpoint
code_configuration:
  code: src
  scoring_script: score.py
"""


def example(rule: Rule, which: str) -> dict[str, str]:
    """The files under `Bad::` or `Good::`, each headed by `# path`."""
    text = re.split(r"^(Bad|Good)::$", rule.manual, flags=re.MULTILINE)[1:]
    block = dict(zip(text[::2], text[1::2], strict=True))[which]
    parts = re.split(r"^    # (\S+\.\w+)\n", block, flags=re.MULTILINE)[1:]
    return {
        name: re.sub("^    ", "", body, flags=re.MULTILINE) for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def completed(texts: dict[str, str], request: bool) -> dict[str, str]:
    """With a deployment that enables the collections the script names, and with a request."""
    names = dict.fromkeys(re.findall(r'Collector\(name="(\w+)"', texts["src/score.py"]))
    enabled = "".join(f"    {name}: {{enabled: 'true'}}\n" for name in names)
    collector = f"data_collector:\n  collections:\n{enabled}" if names else ""
    given = re.sub(r"^name:.*\n", "", texts.get("deployment.yml", ""), flags=re.MULTILINE)
    sample = {"sample-request.json": '{"data": [[1.5, 2.5]]}'} if request else {}
    return {**sample, **texts, "deployment.yml": f"{DEPLOYMENT}{given}\n{collector}"}


def attempt(root: Path, rule: Rule, which: str) -> list[Diagnostic]:
    texts = example(rule, which)
    for name, text in completed(texts, request=rule.name != "no-sample-request").items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (deployment,) = project.load([root / "deployment.yml"]).deployments
    requests = [each.source.path for each in deployment.requests]
    timeout = 2 if rule.name in HANGING and which == "Bad" else 60
    return trial.score(deployment, resolve(deployment), requests, timeout=timeout)


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """What the trials of the selected rules found, by rule and example."""
    wanted = {item.callspec.params["name"] for item in request.session.items if item.path == Path(__file__)}
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        yield {
            f"{name} {which}": pool.submit(attempt, tmp_path_factory.mktemp(f"{name}-{which}"), TRIED[name], which)
            for name in sorted(wanted)
            for which in ("Bad", "Good")
        }


@pytest.mark.parametrize("name", sorted(TRIED))
def test_the_bad_example_is_reported_by_this_rule(name, findings):
    assert name in {each.rule for each in findings[f"{name} Bad"].result(timeout=300)}


@pytest.mark.parametrize("name", sorted(TRIED))
def test_the_bad_example_has_no_other_fault(name, findings):
    assert {each.rule for each in findings[f"{name} Bad"].result(timeout=300)} == {name}


@pytest.mark.parametrize("name", sorted(TRIED))
def test_the_good_example_is_clean(name, findings):
    assert [str(each) for each in findings[f"{name} Good"].result(timeout=300)] == []

"""Large projects are checked in several processes: what is found, and what happens when one fails, is as with one."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from amlready import project, rules, sharing
from amlready.diagnostic import Diagnostic, Level, Problem
from amlready.rules import Rule
from amlready.specs import Deployment
from amlready.syntax import Module

DEPLOYMENT = """\
name: blue
endpoint_name: service-{number}
model: azureml:my-model:1
environment: azureml:my-env:{number}
code_configuration:
  code: {code}
  scoring_script: score.py
instance_type: Standard_D2as_v4
instance_count: 1
"""
SCRIPT = """\
# {number}
import pandas as pd
from azureml.ai.monitoring import Collector


def init():
    global inputs
    inputs = Collector(name="model_inputs", on_error=print)


def run(data):
    inputs.collect(pd.DataFrame([data]))
    return object()
"""
CAN_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="without fork there is one process only")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sharing, "LEAST", 4)


def put(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def put_project() -> None:
    """Findings in specs, requests, own, shared, broken and unreadable scripts, and such as are ignored."""
    shared = "import os\nimport neighbour\n\ndef init():\n    pass\n\ndef run(data, more):\n    return object()\n"
    put("shared/score.py", shared)
    put("shared/neighbour.py", "def broken(:\n    pass\n")
    put("unreadable/score.py", "")
    Path("unreadable/score.py").write_bytes(b"\xe9 = 1\n")
    for number in range(12):
        put(f"d{number}/endpoint.yml", f"name: service-{number % 5}\nauth_mode: key\n")
        code = {1: "../shared", 2: "../unreadable", 3: "../missing"}.get(number % 4, "src")
        put(f"d{number}/deployment.yml", DEPLOYMENT.format(number=number, code=code) + "naem: x\n" * (number % 2))
        run = "def run(data)\n" if number % 8 == 4 else "def run(data):\n    return object()\n"
        ignored = "# amlready: ignore[run-arguments] for now\ndef init(model):\n    pass\n"
        put(f"d{number}/src/score.py", f"# {number}\n{ignored}# amlready: ignore[nothing]\n{run}")
        put(f"d{number}/sample-request.json", '{"input_data": ')
    put("d11/deployment.yml", DEPLOYMENT.format(number="${{NUMBER}}", code="src"))


def seen(found: list[Diagnostic]) -> list[object]:
    def place(span: object) -> tuple[object, ...]:
        return str(span.source.path), span.source.text, span.start, span.end

    return [
        (
            *(each.rule, each.level, place(each.problem.span), each.problem.message),
            [(place(other.span), other.message) for other in each.problem.related],
            [(place(edit.span), edit.text) for edit in each.problem.fix],
        )
        for each in found
    ]


def checked(monkeypatch: pytest.MonkeyPatch, processes: int, chosen: list[Rule] | None = None) -> list[Diagnostic]:
    monkeypatch.setattr(sharing, "_processes", lambda: processes)
    return rules.run(project.load([Path(".")]), chosen)


@CAN_FORK
@pytest.mark.parametrize("processes", [2, 3, 5])
def test_several_processes_find_what_one_finds(monkeypatch, processes):
    put_project()
    alone = checked(monkeypatch, 1)
    forked: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: forked.append(fork()) or forked[-1])
    together = checked(monkeypatch, processes)
    assert len(forked) == processes - 1
    assert {"syntax", "unreadable", "ignore", "unfilled-placeholder"} <= {each.rule for each in alone}
    assert seen(together) == seen(alone)


@CAN_FORK
def test_findings_of_all_processes_point_into_the_same_files(monkeypatch):
    put_project()
    found = checked(monkeypatch, 3)
    by_path: dict[Path, set[int]] = {}
    for each in found:
        by_path.setdefault(each.problem.span.source.path, set()).add(id(each.problem.span.source))
    assert {len(each) for path, each in by_path.items() if path.parent != Path("unreadable")} == {1}


@pytest.fixture
def parent() -> int:
    return os.getpid()


def rule_that(act) -> Rule:
    def acting(deployment: Deployment) -> Iterator[Problem]:
        act(deployment)
        yield Problem(deployment.source.top, "seen")

    return Rule("acting", Level.NOTE, acting, ("Deployment",))


@CAN_FORK
@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(0), lambda: [][0]])
def test_the_share_of_a_process_that_fails_is_checked_all_the_same(monkeypatch, parent, end):
    put_project()
    chosen = [rule_that(lambda _: end() if os.getpid() != parent else None)]
    assert len(checked(monkeypatch, 3, chosen)) == 12


@CAN_FORK
def test_what_a_rule_raises_in_another_process_is_raised_here(monkeypatch):
    put_project()

    def fail(deployment: Deployment) -> None:
        if deployment.source.path.parent.name == "d9":
            raise LookupError("a fault in a rule")

    with pytest.raises(LookupError, match="a fault in a rule"):
        checked(monkeypatch, 2, [rule_that(fail)])


@CAN_FORK
def test_no_process_is_left_when_this_one_is_interrupted(monkeypatch, parent):
    put_project()
    started: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: started.append(fork()) or started[-1])

    def interrupt(_: Deployment) -> None:
        if os.getpid() == parent:
            raise KeyboardInterrupt
        signal.pause()

    with pytest.raises(KeyboardInterrupt):
        checked(monkeypatch, 2, [rule_that(interrupt)])
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_small_projects_stay_in_one_process(monkeypatch):
    monkeypatch.setattr(sharing, "_processes", lambda: 8)
    assert sharing.shares([1, 2, 3]) == [[1, 2, 3]]
    assert sharing.shares([*range(9)]) == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]


def test_scripts_do_not_stay_in_memory(monkeypatch):
    monkeypatch.setattr(rules, "PORTION", 5)
    monkeypatch.setattr(project, "MOST_SCRIPTS", 3)
    monkeypatch.setattr(sharing, "_processes", lambda: 1)
    put_project()
    for number in range(12, 60):
        put(f"d{number}/deployment.yml", DEPLOYMENT.format(number=number, code="src"))
        put(f"d{number}/src/score.py", SCRIPT.format(number=number))
    found = project.load([Path(".")])
    gc.collect()
    gc.disable()
    try:
        assert {each.rule for each in rules.run(found)} >= {"collect-within-request", "syntax"}
        trees = [each for each in gc.get_objects() if type(each) is Module and each.source in found.sources.values()]
    finally:
        gc.enable()
    assert len(trees) <= 3 + 16, "those that are kept, and those that rules have asked for last"


def test_findings_do_not_depend_on_what_is_in_memory_together(monkeypatch):
    put_project()
    whole = seen(checked(monkeypatch, 1))
    monkeypatch.setattr(rules, "PORTION", 3)
    monkeypatch.setattr(project, "MOST_SCRIPTS", 1)
    assert seen(checked(monkeypatch, 1)) == whole
    assert seen(checked(monkeypatch, 3)) == whole
    assert len(whole) > 40

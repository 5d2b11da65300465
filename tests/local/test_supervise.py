"""A supervised child: its end, its time limits, its output, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from waiting import all_ended, until

from amlready.local import supervise

REPORTING = """
    import json, os, sys, time

    def step(name):
        with open(sys.argv[1], "a") as file:
            file.write(json.dumps({"kind": "step", "name": name}) + "\\n")
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs a program and gives how it ended; a step may take as long as `limits` says, else 30 s."""

    def start(program: str, **limits: float) -> supervise.Ended:
        report = tmp_path / "report"
        return supervise.run(
            [sys.executable, "-c", textwrap.dedent(REPORTING) + textwrap.dedent(program), str(report)],
            environment={**os.environ, "MARK": str(tmp_path)},
            folder=tmp_path,
            report=report,
            limit=lambda step: limits.get(step, 30.0),
            mark=str(tmp_path),
        )

    return start


def test_the_exit_status_the_output_and_the_report_are_told(run):
    ended = run("step('one'); print('hello'); sys.exit(3)")
    assert (ended.status, ended.overdue, ended.output) == (3, False, "hello\n")
    assert ended.report == ({"kind": "step", "name": "one"},)


def test_a_signal_is_told_as_a_negative_status(run):
    assert run("os.kill(os.getpid(), 9)").status == -9


def test_only_the_end_of_the_output_is_kept(run):
    ended = run("print('x' * 5_000_000); print('the end')")
    assert len(ended.output) <= 64 * 1024
    assert ended.output.endswith("x\nthe end\n")


def test_a_step_that_takes_too_long_ends_the_child(run):
    ended = run("step('quick'); step('slow'); time.sleep(600)", slow=0.3)
    assert ended.overdue
    assert [each["name"] for each in ended.report] == ["quick", "slow"]


def test_each_step_has_its_own_time(run):
    ended = run("[(step('short'), time.sleep(0.6)) for _ in range(5)]", short=2.8)
    assert not ended.overdue
    assert ended.status == 0


def test_a_child_that_ignores_term_is_killed(run):
    ended = run("import signal; signal.signal(15, signal.SIG_IGN); step('slow'); time.sleep(600)", slow=0.5)
    assert ended.overdue
    assert ended.status == -9


def test_a_grandchild_that_holds_the_output_open_does_not_delay_the_end(run):
    ended = run("import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True); print('done')")
    assert ended.output == "done\n"


def test_lines_that_are_no_report_are_left_out(run):
    ended = run('open(sys.argv[1], \'w\').write(\'[1]\\nnonsense\\n{"kind": "done"}\\n{"kind": "cut\')')
    assert ended.report == ({"kind": "done"},)


def test_a_report_that_grows_too_long_ends_the_child(run, monkeypatch):
    monkeypatch.setattr(supervise, "MAX_REPORT", 1000)
    ended = run("while True: step('again'); time.sleep(0.001)")
    assert ended.overdue


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_supervisor_that_is_ended_takes_its_child_along(tmp_path, number, status):
    program = f"""
        import os, sys
        from pathlib import Path
        from amlready.local import supervise

        supervise.run(
            [sys.executable, "-c", "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"],
            environment=dict(os.environ), folder=Path({str(tmp_path)!r}), report=Path("report"),
            limit=lambda step: 300.0, mark="no other process has this",
        )
    """
    pid = tmp_path / "pid"
    supervisor = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[2])
    try:
        child = int(until(lambda: pid.exists() and pid.read_text()))
        supervisor.send_signal(number)
        assert supervisor.wait(timeout=300) == status
    finally:
        supervisor.kill()
        supervisor.wait()
    until(lambda: all_ended([child]))

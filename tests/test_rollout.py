"""scripts/rollout.sh against the fake `az`: every way a rollout can go, and where the traffic is then."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from fake_az.stage import CONNECT, NAME, Result, Stage

pytest_plugins = ("fake_az.fixtures",)

QUICK = ("--pause", "0", "--requests", "1")
FILE = "variants/green.yml"
GREEN = f"--name green --endpoint-name {NAME}"
PUT = [
    f"amlready check endpoint.yml {FILE} model.yml environment.yml",
    f"ml online-deployment create --file {FILE} {GREEN}",
]
CALL = f"ml online-endpoint invoke --name {NAME} --request-file sample-request.json"
CHECK = [f"{CALL} --deployment-name green"]
DELETE_BLUE = [f"ml online-deployment delete --name blue --endpoint-name {NAME} --yes"]


def send(shares: str, kind: str = "traffic") -> str:
    return f"ml online-endpoint update --name {NAME} --{kind} {shares}"


STEPS = [
    call for shares in ("blue=90 green=10", "blue=50 green=50", "blue=0 green=100") for call in (send(shares), *CHECK)
]
BACK = f"{send('blue=100')} --no-wait"


def both(stage: Stage, **traffic: int) -> None:
    """Put green beside blue, with this traffic."""
    endpoint = stage.state["endpoints"][NAME]
    endpoint["deployments"]["green"] = endpoint["deployments"]["blue"] | {"name": "green"}
    endpoint["traffic"] = traffic


def mirrored(stage: Stage) -> dict[str, int]:
    shares: dict[str, int] = stage.state["endpoints"][NAME]["mirror_traffic"]
    return shares


def test_a_rollout_goes_in_steps_with_a_check_around_each(deployed):
    ran = deployed.run("rollout.sh", *QUICK)
    assert ran.status == 0, ran.err
    assert ran.calls[: len(CONNECT)] == CONNECT
    assert ran.changes == [*PUT, *CHECK, *STEPS, CALL]
    assert deployed.traffic == {"green": 100}
    assert "still there and paid for, without traffic: blue" in ran.err


def test_a_rollout_mirrors_and_deletes_the_old_one_when_asked(deployed):
    ran = deployed.run("rollout.sh", *QUICK, "--mirror", "20", "--delete-old")
    mirror = [send("green=20", "mirror-traffic"), *CHECK, send("green=0", "mirror-traffic")]
    assert ran.changes == [*PUT, *CHECK, *mirror, *STEPS, CALL, *DELETE_BLUE]
    assert (deployed.traffic, mirrored(deployed)) == ({"green": 100}, {})
    assert list(deployed.state["endpoints"][NAME]["deployments"]) == ["green"]


def test_a_second_rollout_has_nothing_to_do_but_delete_what_is_left(deployed):
    both(deployed, green=100)
    again = deployed.run("rollout.sh", *QUICK)
    assert (again.status, again.changes) == (0, [])
    assert "green has all the traffic already" in again.err
    assert deployed.run("rollout.sh", *QUICK, "--delete-old").changes == DELETE_BLUE
    last = deployed.run("rollout.sh", *QUICK, "--delete-old")
    assert (last.status, last.changes) == (0, [])


def test_the_next_rollout_goes_the_other_way(deployed):
    both(deployed, green=100)
    ran = deployed.run("rollout.sh", *QUICK, "--alternate", "--delete-old")
    assert ran.status == 0, ran.err
    assert deployed.traffic == {"blue": 100}
    assert list(deployed.state["endpoints"][NAME]["deployments"]) == ["blue"]


@pytest.mark.parametrize(("options", "first"), [([], "green"), (["--alternate"], "blue")])
def test_where_nothing_serves_the_first_deployment_is_made(stage, options, first):
    ran = stage.run("rollout.sh", *QUICK, *options)
    assert ran.status == 0, ran.err
    assert stage.traffic == {first: 100}
    assert ran.out.startswith("scoring URI: ")


def test_options_go_to_the_deployment_and_to_the_checks(deployed):
    settings = ["model=azureml:scikit-model:2", "instance_count=1"]
    request = deployed.root.parent / "request.json"
    request.write_text("{}", encoding="utf-8")
    ran = deployed.run("rollout.sh", *QUICK, "--deployment-name", "red", "--request", str(request), "--set", *settings)
    assert (
        f"ml online-deployment create --file {FILE} {GREEN.replace('green', 'red')} --set {' '.join(settings)}"
        in ran.changes
    )
    assert "ml model create --file model.yml --version 2" in ran.changes
    assert ran.changes[-1] == f"ml online-endpoint invoke --name {NAME} --request-file {request}"
    assert deployed.traffic == {"red": 100}


def refuse(count: int) -> list[dict[str, str] | None]:
    return [None] * count + [{"stderr": "Operation returned an invalid status 'Failed Dependency'"}]


def test_a_failed_smoke_test_leaves_the_traffic_alone(deployed):
    deployed.state["logs"] = {"inference-server": "ValueError: X has 9 features"}
    deployed.outcome("ml online-endpoint invoke", *refuse(0))
    ran = deployed.run("rollout.sh", *QUICK)
    assert (ran.status, ran.changes[:3]) == (1, [*PUT, *CHECK])
    assert not [call for call in ran.calls if "update" in call]
    assert "check: 1 of 1 calls failed" in ran.err
    assert "ValueError: X has 9 features" in ran.err
    assert "likely cause: run() raised an exception" in ran.err


@pytest.mark.parametrize("failing", [1, 3, 4])
def test_a_failed_step_gives_all_traffic_back(deployed, failing):
    deployed.outcome("ml online-endpoint invoke", *refuse(failing))
    ran = deployed.run("rollout.sh", *QUICK)
    assert (ran.status, ran.changes[-1], deployed.traffic) == (1, BACK, {"blue": 100})
    assert "rolling back: all traffic to blue" in ran.err
    assert "green" in deployed.state["endpoints"][NAME]["deployments"]


def test_mirrored_traffic_is_given_back_too(deployed):
    deployed.outcome("ml online-endpoint invoke", *refuse(1))
    ran = deployed.run("rollout.sh", *QUICK, "--mirror", "10")
    assert ran.changes[-1] == f"{send('blue=100')} --mirror-traffic green=0 --no-wait"
    assert (deployed.traffic, mirrored(deployed)) == ({"blue": 100}, {})


def test_as_many_calls_may_fail_as_are_tolerated(deployed):
    deployed.outcome("ml online-endpoint invoke", *refuse(0), *refuse(2))
    ran = deployed.run("rollout.sh", "--pause", "0", "--requests", "2", "--tolerate", "50")
    assert (ran.status, deployed.traffic) == (0, {"green": 100})
    assert ran.calls.count(CHECK[0]) == 8
    assert ran.err.count("check: 1 of 2 calls failed") == 2


def test_a_deployment_that_cannot_be_made_changes_nothing_for_callers(deployed):
    deployed.outcome("ml online-deployment create", {"stderr": "OutOfQuota"})
    ran = deployed.run("rollout.sh", *QUICK)
    assert (ran.status, deployed.traffic) == (1, {"blue": 100})
    assert not [call for call in ran.calls if "invoke" in call]
    assert "quota" in ran.err


def interrupted(stage: Stage, number: signal.Signals, *, updating: bool = False) -> Result:
    """A rollout that gets a signal while az sends the second step."""
    told = stage.root.parent / "hangs"
    busy = (
        {f"endpoints/{NAME}/provisioning_state": ["Updating", "Updating", "Updating", "Succeeded"]} if updating else {}
    )
    stage.outcome("ml online-endpoint update", None, {"happens": True, "hangs": str(told), "leaves": busy})
    running = stage.start("rollout.sh", *QUICK)
    wait_for(told)
    os.killpg(running.pid, number)
    return stage.end(running)


def wait_for(file: Path) -> None:
    for _ in range(3000):
        if file.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{file} did not come")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_gives_all_traffic_back(deployed, number, status):
    ran = interrupted(deployed, number)
    assert ran.status == status, ran.err
    assert ran.changes[-2:] == [send("blue=50 green=50"), BACK]
    assert deployed.traffic == {"blue": 100}


def test_traffic_is_given_back_even_while_azure_is_busy(deployed):
    ran = interrupted(deployed, signal.SIGINT, updating=True)
    assert ran.status == 130
    assert ran.changes[-3:] == [send("blue=50 green=50"), BACK, send("blue=100")]
    assert deployed.traffic == {"blue": 100}


def test_when_it_cannot_be_given_back_the_command_is_said(deployed):
    deployed.outcome("ml online-endpoint invoke", *refuse(1))
    deployed.outcome("ml online-endpoint update", None, *[{"stderr": "(Forbidden) no"}] * 2)
    ran = deployed.run("rollout.sh", *QUICK)
    assert ran.status == 1
    assert f"NOT ROLLED BACK; az ml online-endpoint update --name {NAME} --traffic blue=100" in ran.err


def test_a_rollout_that_was_killed_begins_again(deployed):
    both(deployed, blue=50, green=50)
    ran = deployed.run("rollout.sh", *QUICK)
    assert ran.changes[0] == send("blue=100")
    assert ran.changes[1:3] == [PUT[0], f"ml online-deployment update --file {FILE} {GREEN} --force-string"]
    assert deployed.traffic == {"green": 100}


def test_traffic_that_several_share_is_left_for_somebody_to_decide(deployed):
    both(deployed, blue=50, green=0, grey=50)
    ran = deployed.run("rollout.sh", *QUICK)
    assert (ran.status, ran.changes) == (1, [])
    assert "more than one deployment serves (blue=50 green=0 grey=50)" in ran.err

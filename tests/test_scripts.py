"""The scripts that apply the repository, against a fake `az` that refuses what the real one does not take.

What is compared is the list of calls, in order: fresh, again, and when something fails.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fake_az.stage import CONNECT, NAME, ROOT, SCRIPTS, Stage, brief

pytest_plugins = ("fake_az.fixtures",)

CHECKED = "amlready check endpoint.yml deployment.yml model.yml environment.yml"
BLUE = f"--name blue --endpoint-name {NAME}"
ID = f"/subscriptions/s/resourceGroups/g/onlineEndpoints/{NAME}/deployments/blue"
LANDING = [
    f"ml online-endpoint show --name {NAME}",
    f"ml online-deployment show {BLUE}",
    f"resource show --ids {ID} --api-version 2023-04-01-preview",
    *(f"ml data show --name {NAME}-blue-{each} --version 1" for each in ("model_inputs", "model_outputs")),
]
CREATED = [
    f"ml online-endpoint create --file endpoint.yml --name {NAME} --set tags.amlready=TAG",
    "ml environment create --file environment.yml --version 1",
    "ml model create --file model.yml --version 1",
    f"ml online-deployment create --file deployment.yml {BLUE}",
    f"ml online-endpoint update --name {NAME} --traffic blue=100",
]
UPDATED = f"ml online-deployment update --file deployment.yml {BLUE} --force-string"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def blue(stage: Stage) -> dict:
    return stage.state["endpoints"][NAME]["deployments"]["blue"]


# --- deploy.sh -------------------------------------------------------------------------------------------------------


def test_a_fresh_deploy_makes_everything_in_order_and_says_where_it_is(stage):
    ran = stage.run("deploy.sh")
    assert ran.status == 0, ran.err
    show = [f"ml online-endpoint show --name {NAME}"]
    assert ran.calls == [
        CHECKED,
        *CONNECT,
        *show,
        CREATED[0],
        "ml environment show --name scikit-env --version 1",
        CREATED[1],
        "ml model show --name scikit-model --version 1",
        CREATED[2],
        f"ml online-deployment show {BLUE}",
        CREATED[3],
        *show,
        CREATED[4],
        *LANDING,
    ]
    assert ran.out.splitlines() == [
        f"scoring URI: https://{NAME}.westeurope.inference.ml.azure.com/score",
        *(
            f"collected data: azureml://datastores/workspaceblobstore/paths/modelDataCollector/{NAME}/blue/{each}"
            for each in ("model_inputs", "model_outputs")
        ),
    ]
    assert stage.traffic == {"blue": 100}


def test_a_second_deploy_updates_the_deployment_and_nothing_else(deployed):
    before = deployed.state["endpoints"][NAME] | {}
    ran = deployed.run("deploy.sh")
    assert (ran.status, ran.changes) == (0, [CHECKED, UPDATED])
    assert ran.calls[-len(LANDING) :] == LANDING
    assert deployed.state["endpoints"][NAME] == before


def test_an_endpoint_is_updated_when_its_file_is_another_and_keeps_its_traffic(deployed):
    deployed.run("rollout.sh", "--pause", "0", "--requests", "1")
    deployed.state["endpoints"][NAME] |= {"traffic": {"blue": 70, "green": 30}, "mirror_traffic": {}}
    deployed.state["endpoints"][NAME]["deployments"]["grey"] = blue(deployed) | {"name": "grey"}
    deployed.state["endpoints"][NAME]["mirror_traffic"] = {"grey": 10}
    edit(deployed.root / "endpoint.yml", "description: Progression", "description: The progression")
    ran = deployed.run("deploy.sh")
    update = f"ml online-endpoint update --file endpoint.yml --name {NAME} --set tags.amlready=TAG"
    assert ran.changes == [CHECKED, f"{update} --traffic blue=70 green=30 --mirror-traffic grey=10", UPDATED]
    endpoint = deployed.state["endpoints"][NAME]
    assert endpoint["description"].startswith("The progression")
    assert (endpoint["traffic"], endpoint["mirror_traffic"]) == ({"blue": 70, "green": 30}, {"grey": 10})


def test_a_deployment_beside_a_live_one_gets_traffic_only_when_asked(deployed):
    ran = deployed.run("deploy.sh", "--file", "variants/green.yml")
    assert (ran.status, deployed.traffic) == (0, {"blue": 100})
    assert "traffic: stays blue=100" in ran.err
    assert deployed.run("deploy.sh", "--file=variants/green.yml", "--all-traffic").status == 0
    assert deployed.traffic == {"green": 100}


def test_a_local_model_is_deployed_without_registering_anything(stage):
    ran = stage.run("deploy.sh", "--local-model")
    assert ran.changes == [
        CHECKED.replace("deployment.yml", "variants/local-model.yml"),
        CREATED[0],
        CREATED[3].replace("deployment.yml", "variants/local-model.yml"),
        CREATED[4],
    ]


def test_names_and_versions_are_those_of_the_options(stage):
    settings = ["model=azureml:scikit-model:7", "environment=azureml:scikit-env@latest", "instance_count=1"]
    ran = stage.run("deploy.sh", "--endpoint-name", "Other", "--deployment-name", "red", "--set", *settings)
    red = "--name red --endpoint-name other"
    assert ran.changes == [
        CHECKED,
        "amlready check deployment.yml --level error --endpoint-name other --name red "
        + " ".join(f"--set {each}" for each in settings),
        "ml online-endpoint create --file endpoint.yml --name other --set tags.amlready=TAG",
        "ml environment create --file environment.yml --version 1",
        "ml model create --file model.yml --version 7",
        f"ml online-deployment create --file deployment.yml {red} --set {' '.join(settings)}",
        "ml online-endpoint update --name other --traffic red=100",
    ]
    assert stage.state["endpoints"]["other"]["deployments"]["red"]["instance_count"] == 1
    again = stage.run("deploy.sh", "--set", "endpoint_name=other", "name=red", *settings)
    assert again.changes[-1].endswith(f"--set endpoint_name=other name=red {' '.join(settings)} --force-string")
    assert len(again.changes) == 3


def test_a_setting_that_az_takes_only_at_creation_is_refused_before_it_is_tried(stage):
    nested = ("--set", "environment_variables.LOG=1")
    assert stage.run("deploy.sh", *nested).status == 0
    ran = stage.run("deploy.sh", *nested)
    assert ran.status == 1
    assert "no --set within environment_variables; write it into deployment.yml" in ran.err
    assert not [call for call in ran.calls if "online-deployment update" in call]


def test_another_instance_type_is_refused_before_anything_is_updated(deployed):
    edit(deployed.root / "deployment.yml", "instance_type: Standard_D2as_v4", "instance_type: Standard_D4as_v4")
    ran = deployed.run("deploy.sh")
    assert (ran.status, ran.changes) == (1, [CHECKED])
    assert "blue runs on Standard_D2as_v4 and keeps it; for Standard_D4as_v4, scripts/rollout.sh" in ran.err
    again = deployed.run("deploy.sh", "--set", "instance_type=STANDARD_D2AS_V4")
    assert "online-deployment update" in again.changes[-1]


def test_collection_that_an_update_switches_on_or_off_is_sent(deployed):
    edit(deployed.root / "deployment.yml", 'model_outputs:\n      enabled: "true"', 'model_outputs: {enabled: "false"}')
    ran = deployed.run("deploy.sh")
    assert (ran.status, ran.changes) == (0, [CHECKED, UPDATED])
    assert ran.out.splitlines()[1:] == [
        f"collected data: azureml://datastores/workspaceblobstore/paths/modelDataCollector/{NAME}/blue/model_inputs"
    ]
    edit(deployed.root / "deployment.yml", 'model_outputs: {enabled: "false"}', 'model_outputs: {enabled: "true"}')
    assert deployed.run("deploy.sh").out.count("collected data: ") == 2


@pytest.mark.parametrize(
    ("there", "found"),
    [(None, 0), ({"collections": {"model_inputs": {"enabled": "true", "data": "/data/d/versions/1"}}}, 1)],
)
def test_a_deployment_that_collects_less_than_its_file_says_is_an_error(deployed, there, found):
    place = f"endpoints/{NAME}/deployments/blue/data_collector"
    lost = {"happens": True, "succeeds": True, "leaves": {place: there}}
    deployed.outcome("ml online-deployment update", lost)
    ran = deployed.run("deploy.sh")
    assert (ran.status, len(ran.out.splitlines())) == (1, 1)
    sentence = f"blue collects {found} of the 2 collections that deployment.yml enables; scripts/rollout.sh"
    assert sentence in ran.err.splitlines()[-1]


def test_an_asset_whose_file_has_no_version_is_registered_once(stage):
    edit(stage.root / "model.yml", 'version: "1"', "")
    latest = ("--set", "model=azureml:scikit-model@latest")
    stage.state["model"] = {}
    ran = stage.run("deploy.sh", *latest)
    assert (ran.status, [call for call in ran.changes if " model " in call]) == (
        0,
        ["ml model create --file model.yml"],
    )
    assert "ml model show --name scikit-model --label latest" in ran.calls
    assert not [call for call in stage.run("deploy.sh", *latest).changes if " model " in call]


def test_an_interrupted_run_is_waited_for_and_taken_up(deployed):
    deployed.state["endpoints"][NAME] |= {"provisioning_state": ["Creating", "Creating", "Succeeded"], "traffic": {}}
    blue(deployed)["provisioning_state"] = ["Updating", "Succeeded"]
    ran = deployed.run("deploy.sh")
    assert ran.changes == [CHECKED, UPDATED, CREATED[4]]
    assert ran.err.count("waiting:") == 2
    assert deployed.traffic == {"blue": 100}


def test_waiting_has_an_end(deployed):
    blue(deployed)["provisioning_state"] = "Creating"
    ran = deployed.run("deploy.sh", AML_WAIT="0")
    assert (ran.status, ran.changes) == (1, [CHECKED])
    assert "is still creating after 0 seconds; run this again later" in ran.err


def test_a_deployment_that_failed_is_made_afresh_and_updated_if_it_serves(deployed):
    blue(deployed)["provisioning_state"] = "Failed"
    assert deployed.run("deploy.sh").changes == [CHECKED, UPDATED]
    blue(deployed)["provisioning_state"] = "Failed"
    deployed.state["endpoints"][NAME]["traffic"] = {}
    delete = f"ml online-deployment delete {BLUE} --yes"
    assert deployed.run("deploy.sh").changes == [CHECKED, delete, CREATED[3], CREATED[4]]


def test_a_failure_shows_the_log_and_the_likely_cause_and_is_mended_by_the_next_run(stage):
    stage.state["logs"] = {"inference-server": "starting\nModuleNotFoundError: No module named 'joblib'\n"}
    crashed = "ResourceNotReady: User container has crashed or terminated"
    left = {f"endpoints/{NAME}/deployments/blue": {"provisioning_state": "Failed"}}
    stage.outcome("ml online-deployment create", {"stderr": crashed, "leaves": left})
    ran = stage.run("deploy.sh")
    assert (ran.status, ran.out) == (1, "")
    assert crashed in ran.err
    assert "the last lines of inference-server of blue:\nstarting\nModuleNotFoundError" in ran.err
    assert "likely cause: the scoring script imports a package that conda.yaml does not install" in ran.err
    assert ran.calls[-1] == f"ml online-deployment get-logs {BLUE} --container inference-server --lines 40"
    assert stage.traffic == {}
    again = stage.run("deploy.sh")
    assert (again.status, stage.traffic) == (0, {"blue": 100})


@pytest.mark.parametrize(
    ("command", "message", "cause"),
    [
        ("ml online-endpoint create", "There is already an endpoint with this name", "--endpoint-name NAME"),
        ("ml model create", "(AuthorizationFailed) does not have authorization", "AzureML Data Scientist"),
        ("ml environment create", "cannot access local variable 'debug'", "az extension update"),
        ("ml online-deployment create", "OutOfQuota: Not enough quota available", "quota-above-default"),
    ],
)
def test_whichever_step_fails_it_says_why_and_goes_no_further(stage, command, message, cause):
    stage.outcome(command, {"stderr": message})
    ran = stage.run("deploy.sh")
    assert ran.status == 1
    assert [message in ran.err, cause in ran.err] == [True, True]
    assert ran.changes[-1].startswith(command) or ran.changes[-1].startswith("ml online-deployment get-logs")


def test_what_az_cannot_answer_is_not_taken_for_absent(stage):
    stage.outcome("ml online-endpoint show", {"stderr": "(Forbidden) connection refused"})
    ran = stage.run("deploy.sh")
    assert (ran.status, ran.changes) == (1, [CHECKED])
    assert "Forbidden" in ran.err


def test_nothing_is_sent_when_the_check_finds_something(stage):
    ran = stage.run("deploy.sh", FAKE_AMLREADY_STATUS="1")
    assert (ran.status, ran.calls) == (1, [CHECKED])
    assert "nothing was sent" in ran.err


def test_the_amlready_of_the_virtual_environment_goes_first_and_none_is_said(stage):
    own = stage.root / ".venv/bin/amlready"
    own.parent.mkdir(parents=True)
    shutil.move(stage.root.parent / "bin/amlready", own)
    assert stage.run("deploy.sh").calls[0] == CHECKED
    own.unlink()
    (stage.root.parent / "tools").mkdir()
    ran = stage.run("deploy.sh", PATH=tools(stage, "az"))
    assert (ran.status, ran.calls) == (1, [])
    assert "amlready is neither in .venv nor on the PATH" in ran.err


def tools(stage: Stage, *own: str) -> str:
    """A PATH with the usual programs, and of our own these only."""
    folder = stage.root.parent / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("bash", "env", "dirname", "mktemp", "sed", "tr", "cat", "grep", "cksum", "rm", "tee", "date", "sh"):
        (folder / name).symlink_to(shutil.which(name) or "")
    for name in own:
        (folder / name).symlink_to(stage.root.parent / "bin" / name)
    return str(folder)


def test_a_deployment_is_not_put_behind_the_file_of_another_endpoint(stage):
    files = ("--file", "variants/custom-storage.yml")
    ran = stage.run("deploy.sh", *files)
    assert (ran.status, [call for call in ran.calls if not call.startswith("amlready")]) == (1, [])
    assert "belongs to the endpoint diabetes-regression-storage" in ran.err
    ran = stage.run("deploy.sh", *files, "--endpoint-file", "variants/custom-storage-endpoint.yml")
    assert "azureml://datastores/inferencedata/paths/diabetes-regression-storage/blue/model_inputs" in ran.out


def test_the_real_check_lets_every_variant_pass(stage):
    amlready = stage.root.parent / "bin/amlready"
    amlready.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m amlready "$@"\n', encoding="utf-8")
    stage.state["extensions"] = []
    variants = [file for file in (stage.root / "variants").glob("*.yml") if "endpoint" not in file.stem]
    assert len(variants) >= 5
    for file in variants:
        endpoint = file.with_name(f"{file.stem.removesuffix('-deployment')}-endpoint.yml")
        own = ("--endpoint-file", str(endpoint)) if endpoint.exists() else ()
        ran = stage.run("deploy.sh", "--file", str(file), *own, "--set", "instance_count=2", PYTHONPATH=str(ROOT))
        assert "no extension ml" in ran.err, ran.out + ran.err


# --- what all scripts do ---------------------------------------------------------------------------------------------


def test_the_shell_check_has_nothing_to_say():
    found = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    assert found
    files = sorted((ROOT / "scripts").glob("*.sh"))
    ran = subprocess.run([found, "-x", *files], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_explains_itself_and_refuses_what_it_does_not_know(stage, script):
    for option in ("-h", "--help"):
        asked = stage.run(f"{script}.sh", option)
        assert (asked.status, asked.err, asked.calls) == (0, "", [])
        assert f"Usage: scripts/{script}.sh" in asked.out
    for wrong in (["--nonsense"], ["--endpoint-name"], ["--endpoint-name", ""], ["-x"], ["one", "two"]):
        ran = stage.run(f"{script}.sh", *wrong)
        assert (ran.status, ran.out, ran.calls) == (2, "", [])
        assert f"Usage: scripts/{script}.sh" in ran.err


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("deploy", ["--set", "instance_count"]),
        ("rollout", ["--mirror", "51"]),
        ("rollout", ["--requests", "0"]),
        ("logs", ["--lines", "many"]),
        ("logs", ["--container", "sidecar"]),
        ("autoscale", ["--min", "4", "--max", "3"]),
        ("autoscale", ["--above", "40", "--below", "40"]),
        ("collected", ["--since", "yesterday"]),
        ("collected", ["--since", "2h", "--until", "3h"]),
        ("collected", ["--since", "401d"]),
    ],
)
def test_a_wrong_value_is_refused_before_azure_is_asked(stage, script, arguments):
    ran = stage.run(f"{script}.sh", *arguments)
    assert (ran.status, ran.calls) == (2, [])


NOWHERE = dict.fromkeys(("AML_SUBSCRIPTION", "AML_RESOURCE_GROUP", "AML_WORKSPACE"), "")


@pytest.mark.parametrize(
    ("changes", "sentence", "calls"),
    [
        ({"extensions": []}, "the Azure CLI has no extension ml; az extension add --name ml", 1),
        ({"extensions": ["azure-cli-ml", "ml"]}, "az extension remove --name azure-cli-ml", 1),
        ({"account": None}, "not logged in to Azure; az login", 2),
        ({"defaults": {"workspace": "space"}}, "no resource group; set AML_RESOURCE_GROUP", 3),
        ({"defaults": {"group": "group"}}, "no workspace; set AML_WORKSPACE", 4),
        ({"defaults": {"group": "group", "workspace": "x"}}, "no workspace x in resource group group of sub", 5),
        ({"defaults": {"group": "x", "workspace": "space"}}, "no workspace space in resource group x of sub", 5),
    ],
)
def test_where_to_work_is_checked_first_and_said_in_one_sentence(stage, changes, sentence, calls):
    stage.state |= changes
    ran = stage.run("invoke.sh", **NOWHERE)
    assert (ran.status, ran.out, len(ran.calls)) == (1, "", calls)
    asked = [*CONNECT[:2], *["configure --list-defaults"] * 2]
    assert ran.calls[:4] == asked[: min(calls, 4)]
    assert [line for line in ran.err.splitlines() if line.startswith("amlready: ")] == [ran.err.splitlines()[-1]]
    assert sentence in ran.err


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_checks_where_to_work_before_it_does_anything(stage, script):
    stage.state["workspace"]["name"] = "another"
    ran = stage.run(f"{script}.sh")
    assert (ran.status, [call for call in ran.calls if not call.startswith("amlready")]) == (1, CONNECT)


def test_the_defaults_of_az_say_where_to_work(deployed):
    deployed.state["defaults"] = {"group": "group", "workspace": "space"}
    ran = deployed.run("invoke.sh", **NOWHERE)
    assert ran.status == 0, ran.err
    where = ["--subscription", "sub-id", "--resource-group", "group", "--workspace-name", "space"]
    assert ran.raw[-1][-6:] == where


def test_a_missing_az_is_said(stage):
    ran = stage.run("deploy.sh", PATH=tools(stage, "amlready"))
    assert (ran.status, ran.calls) == (1, [CHECKED])
    assert "the Azure CLI is not installed" in ran.err


def test_variables_go_before_the_defaults(stage):
    stage.state["defaults"] = {"group": "other", "workspace": "other"}
    ran = stage.run("deploy.sh", AML_ENDPOINT="mine")
    assert ran.status == 0, ran.err
    where = ["--subscription", "sub-id", "--resource-group", "group", "--workspace-name", "space"]
    ml = [call for call in ran.raw if call[0] == "ml" and call[1] != "workspace"]
    assert all(call[-6:] == where for call in ml)
    assert list(stage.state["endpoints"]) == ["mine"]
    ran = stage.run("deploy.sh", AML_SUBSCRIPTION="gone")
    assert (ran.status, ran.changes) == (1, [CHECKED])
    assert "or not to a subscription gone; az login" in ran.err


def test_a_script_works_from_any_folder_and_takes_files_from_there(stage, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    shutil.copy(stage.root / "deployment.yml", elsewhere / "mine.yml")
    (elsewhere / "deployment.yml").write_text("nothing: of ours\n", encoding="utf-8")
    edit(elsewhere / "mine.yml", "name: blue", "name: 'mine'  # ours")
    assert stage.run("deploy.sh", folder=elsewhere).changes == [CHECKED, *CREATED]
    ran = stage.run("deploy.sh", "--file", "mine.yml", folder=elsewhere)
    assert ran.calls[0] == CHECKED.replace("deployment.yml", str(elsewhere / "mine.yml"))
    assert "mine" in stage.state["endpoints"][NAME]["deployments"]
    ran = stage.run("deploy.sh", "--file", "missing.yml", folder=elsewhere)
    assert (ran.status, ran.calls) == (1, [])
    assert "there is no file missing.yml" in ran.err


# --- the fake itself -------------------------------------------------------------------------------------------------


def az(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    stage.save()
    program = stage.root.parent / "bin/az"
    return subprocess.run([program, *words], env=stage.environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("ml online-endpoint show --endpoint-name x", "unrecognized arguments: --endpoint-name"),
        ("ml online-endpoint show --name x", "are required: --resource-group, --workspace-name"),
        ("ml schedule update --file x", "misspelled or not recognized"),
        ("ml online-deployment create --file", "expected at least one argument"),
        ("ml online-endpoints list", "misspelled or not recognized"),
        ("extension list --subscription x", "unrecognized arguments: --subscription"),
        ("account get-access-token", "misspelled or not recognized"),
    ],
)
def test_the_fake_refuses_what_az_does_not_take(stage, words, refusal):
    ran = az(stage, *words.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    assert refusal in ran.stderr


def test_the_fake_forgets_the_traffic_as_az_does(deployed):
    where = ["--subscription", "sub-id", "--resource-group", "group", "--workspace-name", "space"]
    update = ["ml", "online-endpoint", "update", "--name", NAME, "--file", str(ROOT / "endpoint.yml"), *where]
    assert brief(update) == f"ml online-endpoint update --name {NAME} --file {ROOT / 'endpoint.yml'}"
    assert az(deployed, *update, "--output", "none").returncode == 0
    deployed.result(0, "", "")
    assert deployed.traffic == {}


def test_every_command_of_the_fake_says_where_it_is_known_from():
    table = tomllib.loads((ROOT / "tests/fake_az/arguments.toml").read_text(encoding="utf-8"))
    commands = {name: entry for name, entry in table.items() if name not in ("every", "sources")}
    assert commands
    assert all(entry["source"] and set(entry["source"]) <= set(table["sources"]) for entry in commands.values())

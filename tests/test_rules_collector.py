"""Rules about the data_collector block, and about data assets of what it collects: traps and forms that work."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready import project, rules
from amlready.fix import apply

MINE = {name for name, rule in rules.rules().items() if rule.module in ("collector", "data")}

HEAD = "name: blue\nendpoint_name: my-endpoint\ndata_collector:\n  collections:\n"
BOTH = HEAD + "    model_inputs:\n      enabled: 'true'\n    model_outputs:\n      enabled: 'true'\n"
ENDPOINT = "name: my-endpoint\nauth_mode: key\n"
MONITOR = """\
name: monitor
trigger: {type: recurrence, frequency: day, interval: 1}
create_monitor:
  compute: {instance_type: standard_e4s_v3, runtime_version: '3.4'}
  monitoring_target:
    endpoint_deployment_id: azureml:my-endpoint:blue
"""
DEFAULT = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"
LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/inference/paths"


def check(folder: Path, **texts: str) -> list[tuple[str, int]]:
    """The rules about collection that report something, with the lines."""
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_yml", ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = rules.run(project.load([folder]))
    return [(each.rule, each.problem.span.line) for each in found if each.rule in MINE]


def names(found: list[tuple[str, int]]) -> set[str]:
    return {name for name, _ in found}


def stored(*collections: tuple[str, str]) -> str:
    """A deployment whose collections have these `data` blocks, in flow style."""
    return HEAD + "".join(f"    {name}:\n      enabled: 'true'\n      data: {data}\n" for name, data in collections)


# --- forms that work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deployment",
    [
        BOTH,
        BOTH.replace("'true'", '"True"'),
        BOTH + "  sampling_rate: 1.0\n  rolling_rate: Hour\n",
        BOTH + "  sampling_rate: '1'\n",
        BOTH.replace("    model_outputs:\n      enabled: 'true'", "    model_outputs:\n      enabled: 'false'")
        + "  sampling_rate: 0.1\n",
        BOTH + "    request:\n      enabled: 'true'\n    response:\n      enabled: 'true'\n",
        BOTH + "    request:\n      enabled: 'true'\n  request_logging:\n    capture_headers: [x-request-id]\n",
        BOTH.replace("model_inputs:\n", "Model_Inputs:\n"),
        HEAD.replace("  collections:\n", "  collections: {}\n"),
        "name: blue\nendpoint_name: my-endpoint\ninstance_type: Standard_D2as_v4\nmodel: azureml:m:1\n",
        HEAD + "    a:\n      enabled: 'false'\n  sampling_rate: 0\n  rolling_rate: day\n",
        HEAD + "    own:\n      enabled: 'true'\n    model_inputs:\n      enabled: 'true'\n",
    ],
    ids=[
        *("plain", "capitals", "everything", "text", "one sampled", "payload too", "headers", "key in capitals"),
        *("no collections", "no collector", "all off", "own too"),
    ],
)
def test_a_collector_that_works_is_left_alone(deployment, tmp_path):
    assert check(tmp_path, deployment_yml=deployment, endpoint_yml=ENDPOINT) == []


@pytest.mark.parametrize(
    "path",
    [
        f"{DEFAULT}/my-endpoint/blue/model_inputs",
        f"{DEFAULT}/My-Endpoint/Blue/model_inputs/",
        f"{LONG}/anything/at/all",
        f"{LONG}/modelDataCollector/my-endpoint/blue/model_inputs",
        "azureml://datastores/workspaceblobstore/paths/own/folder",
        "azureml://datastores/inference/paths/${{ENDPOINT}}/blue",
        "azureml://datastores/<store>/paths/x",
    ],
)
def test_a_path_that_names_its_own_deployment_or_nobodys_is_left_alone(path, tmp_path):
    deployment = stored(("model_inputs", f"{{name: a, version: '1', path: \"{path}\"}}"))
    endpoint = ENDPOINT + "identity: {type: system_assigned}\n"
    assert check(tmp_path, deployment_yml=deployment, endpoint_yml=endpoint) == []


def test_merged_and_inline_collections_are_read_like_any_other(tmp_path):
    merged = (
        "name: blue\nendpoint_name: my-endpoint\ndata_collector:\n  collections:\n"
        "    model_inputs: &on {enabled: 'true'}\n    model_outputs:\n      <<: *on\n  sampling_rate: 0.5\n"
    )
    assert names(check(tmp_path, deployment_yml=merged)) == {"sampling-parts-pairs"}


def test_a_kubernetes_deployment_is_checked_too(tmp_path):
    deployment = "type: kubernetes\n" + BOTH + "  sampling_rate: 0.5\n"
    assert names(check(tmp_path, deployment_yml=deployment)) == {"sampling-parts-pairs"}


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (BOTH + "  sampling_rate: 0.3\n", [("sampling-parts-pairs", 9)]),
        (BOTH + "  sampling_rate: '0.3'\n", [("sampling-parts-pairs", 9)]),
        (BOTH + "  sampling_rate: 0\n", [("sampling-nothing", 9)]),
        (BOTH + "  sampling_rate: 0.0\n", [("sampling-nothing", 9)]),
        (BOTH + "  rolling_rate: Day\n", [("rolling-rate-not-monitored", 9)]),
        (BOTH + "    Model_Inputs:\n      enabled: 'true'\n", [("colliding-collections", 9)]),
        (HEAD + "    request:\n      enabled: 'true'\n", [("not-monitored", 4)]),
        (HEAD + "    inputs:\n      enabled: 'true'\n", [("not-monitored", 4)]),
        (BOTH + "  request_logging:\n    capture_headers: [a]\n", [("unused-request-logging", 10)]),
        (
            BOTH
            + "    request:\n      enabled: 'true'\n  request_logging:\n    capture_headers:\n      - authorization\n",
            [("captured-secret", 13)],
        ),
        (stored(("model_inputs", "azureml:a:1")), [("data-reference", 7)]),
        (stored(("model_inputs", "{path: azureml://datastores/x/paths/y}")), [("path-without-name", 7)]),
        (stored(("model_inputs", "{name: a, path: ./collected}")), [("collected-path-form", 7)]),
        (
            stored(("model_inputs", "{name: a, path: wasbs://c@s.blob.core.windows.net/x}")),
            [("collected-path-form", 7)],
        ),
        (
            stored(("model_inputs", f"{{name: a, path: {DEFAULT}/my_endpoint/blue/model_inputs}}")),
            [("collected-path-differs", 7)],
        ),
        (
            stored(("model_inputs", f"{{name: a, path: {DEFAULT}/my-endpoint/blue/model_outputs}}")),
            [("collected-path-differs", 7)],
        ),
        (
            stored(("model_inputs", "{name: a}"), ("model_outputs", "{name: a, version: '1'}")),
            [("shared-data-asset", 10)],
        ),
        (
            stored(
                ("model_inputs", "{name: a, path: azureml://datastores/x/paths/y}"),
                ("model_outputs", "{name: b, path: azureml://datastores/x/paths/y/}"),
            ),
            [("shared-path", 10)],
        ),
    ],
)
def test_a_collector_that_does_not_do_what_was_meant_is_reported(deployment, expected, tmp_path):
    assert check(tmp_path, deployment_yml=deployment) == expected


def test_two_versions_of_a_data_asset_are_two(tmp_path):
    deployment = stored(("model_inputs", "{name: a}"), ("model_outputs", "{name: a, version: '2'}"))
    assert check(tmp_path, deployment_yml=deployment) == []


def test_the_share_of_pairs_is_said(tmp_path):
    check(tmp_path, deployment_yml=BOTH + "  sampling_rate: 0.3\n")
    (found,) = [each for each in rules.run(project.load([tmp_path])) if each.rule == "sampling-parts-pairs"]
    assert "about 0.09 of the requests keep both, not 0.3" in found.problem.message


def test_a_path_in_the_default_layout_is_pointed_at_where_it_goes_wrong(tmp_path):
    check(
        tmp_path,
        deployment_yml=stored(("model_inputs", f"{{name: a, path: {DEFAULT}/my-endpoint/green/model_inputs}}")),
    )
    (found,) = [each for each in rules.run(project.load([tmp_path])) if each.rule == "collected-path-differs"]
    assert found.problem.span.text == "green"


def test_two_deployments_in_one_path_mix_their_data(tmp_path):
    data = "{name: %s, path: azureml://datastores/workspaceblobstore/paths/all}"
    blue = stored(("model_inputs", data % "a"))
    green = stored(("model_inputs", data % "b")).replace("name: blue", "name: green")
    assert check(tmp_path, blue_yml=blue, green_yml=green) == [("shared-path", 7), ("shared-path", 7)]


def test_two_files_of_one_deployment_share_their_path_rightly(tmp_path):
    text = stored(("model_inputs", "{name: a, path: azureml://datastores/workspaceblobstore/paths/all}"))
    assert check(tmp_path, deployment_yml=text, variants__deployment_yml=text) == []


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (ENDPOINT, {"storage-needs-role"}),
        (ENDPOINT + "identity: {type: system_assigned}\n", set()),
        ("name: another\nauth_mode: key\n", set()),
    ],
    ids=["none", "one", "elsewhere"],
)
def test_a_datastore_of_your_own_needs_a_role_for_the_endpoint(endpoint, expected, tmp_path):
    deployment = stored(("model_inputs", "{name: a, path: azureml://datastores/inference/paths/x}"))
    assert names(check(tmp_path, deployment_yml=deployment, endpoint_yml=endpoint)) == expected


def test_a_monitor_among_the_files_says_itself_what_it_misses(tmp_path):
    assert check(tmp_path, deployment_yml=BOTH + "  rolling_rate: day\n", monitor_yml=MONITOR) == []


def test_a_monitor_of_another_deployment_changes_nothing(tmp_path):
    other = MONITOR.replace("my-endpoint:blue", "my-endpoint:green")
    found = check(tmp_path, deployment_yml=BOTH + "  rolling_rate: day\n", monitor_yml=other)
    assert names(found) == {"rolling-rate-not-monitored"}


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("      data: azureml:a:1\n", "      data:\n        name: a\n        version: '1'\n"),
        ("      data: azureml:a:1  # why\n", "      data:\n        name: a\n        version: '1'  # why\n"),
        ("      data: azureml:a@latest\n", None),
        ("      data: 'azureml:a:1'\n", "      data:\n        name: a\n        version: '1'\n"),
    ],
)
def test_a_reference_is_spelled_out_where_that_is_certain(text, fixed, tmp_path):
    before = HEAD + "    model_inputs:\n      enabled: 'true'\n"
    check(tmp_path, deployment_yml=before + text)
    found = [each for each in rules.run(project.load([tmp_path])) if each.rule == "data-reference"]
    edits = [edit for each in found for edit in each.problem.fix]
    assert len(found) == 1
    assert list(apply(edits).values()) == ([before + fixed] if fixed else [])


@pytest.mark.filterwarnings("ignore")  # the SDK's own
def test_the_sdk_fails_on_a_reference_as_the_rule_says(tmp_path):
    from types import SimpleNamespace

    from azure.ai.ml import load_online_deployment
    from azure.ai.ml.operations import OnlineDeploymentOperations

    text = "instance_type: Standard_D2as_v4\n" + stored(("model_inputs", "azureml:a:1"))
    (tmp_path / "deployment.yml").write_text(text, encoding="utf-8")
    deployment = load_online_deployment(tmp_path / "deployment.yml")
    with pytest.raises(AttributeError, match="'str' object has no attribute 'name'"):
        OnlineDeploymentOperations._register_collection_data_assets(SimpleNamespace(), deployment)


# --- data assets -----------------------------------------------------------------------------------------------------

ASSET = "name: inputs\nversion: 1\ntype: {}\npath: {}\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{DEFAULT}/my-endpoint/blue/model_inputs", []),
        (f"{DEFAULT}/MY-ENDPOINT/Blue/model_inputs/", []),
        (f"{DEFAULT}/another/blue/anything", []),
        ("azureml://datastores/workspaceblobstore/paths/training/2024", []),
        ("./data", []),
        (f"{DEFAULT}/my-endpoint/blue/inputs", [("collected-data-unknown", 4)]),
        (f"{DEFAULT}/my-endpoint/green/model_inputs", [("collected-data-unknown", 4)]),
    ],
)
def test_a_data_asset_of_collected_data_points_to_what_is_collected(path, expected, tmp_path):
    (tmp_path / "data").mkdir()
    found = check(tmp_path, deployment_yml=BOTH, data_yml=ASSET.format("uri_folder", path))
    assert found == expected


def test_collected_data_is_no_single_file(tmp_path):
    asset = ASSET.format("uri_file", f"{DEFAULT}/my-endpoint/blue/model_inputs")
    assert check(tmp_path, deployment_yml=BOTH, data_yml=asset) == [("collected-data-type", 3)]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("{name: inputs, path: azureml://datastores/workspaceblobstore/paths/b}", {"collected-data-path-differs"}),
        ("{name: inputs, version: '1', path: azureml://datastores/workspaceblobstore/paths/a/}", set()),
        ("{name: inputs, version: '2', path: azureml://datastores/workspaceblobstore/paths/b}", set()),
        ("{name: others, path: azureml://datastores/workspaceblobstore/paths/b}", set()),
        ("{name: inputs}", set()),
    ],
)
def test_one_data_asset_has_one_path(own, expected, tmp_path):
    asset = ASSET.format("uri_folder", "azureml://datastores/workspaceblobstore/paths/a")
    assert names(check(tmp_path, deployment_yml=stored(("model_inputs", own)), data_yml=asset)) == expected


@pytest.mark.parametrize(
    ("collection", "data", "line"),
    [
        ("model/inputs", "{version: '1'}", 5),
        ("model_inputs", "{name: team/inputs}", 7),
        ("model/inputs", "{name: inputs}", None),
        ("model_inputs", "{name: team.inputs}", None),
        ("model_inputs", "{name: '{{ team }}/x'}", None),
    ],
)
def test_a_collection_is_called_what_a_data_asset_can_be_called(tmp_path, collection, data, line):
    found = check(tmp_path, deployment_yml=stored((collection, data)))
    assert [at for name, at in found if name == "collection-name-characters"] == ([line] if line else [])


def test_a_data_assets_name_or_version_with_a_slash_is_reported(tmp_path):
    text = ASSET.format("uri_folder", f"{DEFAULT}/my-endpoint/blue/model_inputs")
    found = check(tmp_path, data_yml=text.replace("name: ", "name: a/").replace("version: 1", "version: 1/2"))
    assert [name for name, _ in found] == ["data-name-characters"] * 2

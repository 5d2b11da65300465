import os
from pathlib import Path

import pytest
from azureml.ai.monitoring.config.config import loadConfig

from amlready.local.layout import Collection, LayoutError, LocalDeployment, lay_out, remarks

AGENT = ("127.0.0.1", 50011)


def walked(folder: str) -> set[str]:
    return {os.path.relpath(Path(at, name), folder) for at, _, names in os.walk(folder) for name in names}


def test_a_model_folder_is_mounted_by_its_own_name_below_name_and_version(make_deployment, tmp_path):
    deployment = make_deployment(model_name="line", model_version="7")
    (tmp_path / "model/parts").mkdir()
    (tmp_path / "model/parts/a.txt").write_text("a")
    mounted = lay_out(deployment, tmp_path / "container", AGENT).environment["AZUREML_MODEL_DIR"]
    assert mounted == str(tmp_path / "container/azureml-models/line/7")
    assert walked(mounted) == {"model/line.json", "model/parts/a.txt"}
    assert Path(mounted, "model/parts/a.txt").read_text() == "a"


def test_a_model_file_is_mounted_as_the_file(make_deployment, tmp_path):
    deployment = make_deployment(model=tmp_path / "model/line.json")
    mounted = lay_out(deployment, tmp_path / "container", AGENT).environment["AZUREML_MODEL_DIR"]
    assert walked(mounted) == {"line.json"}


def test_no_model_means_no_model_folder(make_deployment, tmp_path, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", "/somewhere")
    assert "AZUREML_MODEL_DIR" not in lay_out(make_deployment(model=None), tmp_path / "c", AGENT).environment


def test_the_server_starts_in_the_folder_of_the_scoring_script(make_deployment, tmp_path):
    deployment = make_deployment()
    container = lay_out(deployment, tmp_path / "container", AGENT)
    assert container.app_root == deployment.scoring_script.parent
    assert container.environment["AML_APP_ROOT"] == str(container.app_root)
    assert container.environment["AZUREML_ENTRY_SCRIPT"] == container.entry_script == "score.py"


def test_variables_of_another_server_and_of_this_shell_do_not_leak(make_deployment, tmp_path, monkeypatch):
    for name in ("AZUREML_MDC_ENABLED", "AML_APP_ROOT", "WORKER_COUNT", "PYTHONPATH", "GUNICORN_CMD_ARGS"):
        monkeypatch.setenv(name, "leaked")
    monkeypatch.setenv("UNRELATED", "kept")
    deployment = make_deployment(environment_variables={"WORKER_COUNT": "2", "PYTHONPATH": "lib", "OWN": "value"})
    environment = lay_out(deployment, tmp_path / "container", AGENT).environment
    assert "leaked" not in environment.values()
    assert environment["UNRELATED"] == "kept"
    assert (environment["WORKER_COUNT"], environment["PYTHONPATH"], environment["OWN"]) == ("2", "lib", "value")


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_collector_is_kept_from_sending_through_a_proxy(make_deployment, tmp_path, monkeypatch, name):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(name, "intranet")
    environment = lay_out(make_deployment(), tmp_path / "container", AGENT).environment
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_what_azure_sets_itself_is_not_taken_from_the_deployment(make_deployment, tmp_path):
    deployment = make_deployment(environment_variables={"AZUREML_MDC_PORT": "1", "AML_APP_ROOT": "/elsewhere"})
    environment = lay_out(deployment, tmp_path / "container", AGENT).environment
    assert environment["AZUREML_MDC_PORT"] == "50011"
    assert environment["AML_APP_ROOT"] == str(deployment.scoring_script.parent)
    said = list(remarks(deployment))
    assert len(said) == 2
    assert "AZUREML_MDC_PORT is Azure's own to set" in said[0]


@pytest.mark.parametrize(
    "reference",
    ["${{azureml://connections/store/credentials/key}}", "${{keyvault:https://v.vault.azure.net/secrets/s/1}}"],
)
def test_a_secret_reference_gives_way_to_a_variable_of_the_shell(make_deployment, tmp_path, monkeypatch, reference):
    deployment = make_deployment(environment_variables={"STORE_KEY": reference})
    monkeypatch.delenv("STORE_KEY", raising=False)
    assert lay_out(deployment, tmp_path / "a", AGENT).environment["STORE_KEY"] == reference
    assert "export STORE_KEY" in next(remarks(deployment))
    monkeypatch.setenv("STORE_KEY", "from the shell")
    assert lay_out(deployment, tmp_path / "b", AGENT).environment["STORE_KEY"] == "from the shell"
    assert not list(remarks(deployment))


def test_the_collector_reads_its_configuration_as_it_was_meant(make_deployment, tmp_path, monkeypatch):
    collections = (
        Collection("Model_Inputs", sampling_rate=0.07),
        Collection("debug", enabled=False),
        Collection("request"),
    )
    container = lay_out(make_deployment(collections=collections), tmp_path / "container", ("127.0.0.1", 4711))
    for name in ("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_HOST", "AZUREML_MDC_PORT"):
        monkeypatch.setenv(name, container.environment[name])
    read = loadConfig()
    assert (read.host(), read.port(), read.enabled(), read.local_capture()) == ("127.0.0.1", 4711, True, False)
    assert read.collection_enabled("model_inputs")
    assert read.collection_sample_rate_percentage("model_inputs") == 7
    assert not read.collection_enabled("debug")


def test_without_a_data_collector_the_collector_is_off(make_deployment, tmp_path):
    environment = lay_out(make_deployment(collections=()), tmp_path / "container", AGENT).environment
    assert not [name for name in environment if name.startswith("AZUREML_MDC_")]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"model": Path("/nowhere/model")}, "the model /nowhere/model does not exist"),
        ({"model_name": "../x"}, "'../x' cannot be the name"),
        ({"model_version": ".."}, "'..' cannot be the name or version"),
    ],
)
def test_what_is_missing_is_one_sentence(make_deployment, tmp_path, fields, sentence):
    with pytest.raises(LayoutError, match=sentence):
        lay_out(make_deployment(**fields), tmp_path / "container", AGENT)


def test_a_missing_scoring_script_is_one_sentence(tmp_path):
    with pytest.raises(LayoutError, match=r"the scoring script /nowhere/score\.py does not exist"):
        lay_out(LocalDeployment("e", "blue", Path("/nowhere/score.py")), tmp_path / "container", AGENT)


def test_collections_lie_where_azure_puts_them_or_where_the_deployment_says():
    own = Collection("own", datastore="mystore", path="/my/path/")
    deployment = LocalDeployment("e", "blue", Path(), collections=(Collection("model_inputs"), own))
    assert deployment.folder(deployment.collections[0]) == "workspaceblobstore/modelDataCollector/e/blue/model_inputs"
    assert deployment.folder(own) == "mystore/my/path"

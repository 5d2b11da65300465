"""The command line: exit status, standard output and standard error are what was promised."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from amlready import cli
from amlready.rules import rules

SPEC = "name: blue\nendpoint_name: my-endpoint\ninstance_type: Standard_D2as_v4\nmodel: azureml:m:1\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path: str, text: str) -> Path:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target


def test_a_clean_folder_exits_0_with_nothing_on_standard_output(capsys):
    put("deployment.yml", SPEC)
    assert cli.main(["check", "--only", "yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 spec checked: no problems" in captured.err


def test_problems_exit_1_with_the_findings_on_standard_output(capsys):
    put("deployment.yml", SPEC + "name: green\n")
    assert cli.main(["check", "--only", "duplicate-key"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("deployment.yml:5:1: warning: ")
    assert captured.out.splitlines()[0].endswith("[duplicate-key]")
    assert "explain duplicate-key" in captured.err


@pytest.mark.parametrize("name", ["text", "json"])
def test_the_exit_status_is_the_same_in_every_format(name, capsys):
    put("deployment.yml", SPEC + "name: green\n")
    assert cli.main(["check", "--only", "duplicate-key", "--format", name]) == 1
    assert "duplicate-key" in capsys.readouterr().out


def test_json_is_an_empty_array_where_there_is_nothing(capsys):
    assert cli.main(["check", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "no Azure ML specs found" in captured.err


def test_a_level_hides_what_is_less_grave(capsys):
    put("deployment.yml", SPEC + "name: green\n")
    assert cli.main(["check", "--only", "duplicate-key", "--level", "error"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nowhere"], "no file or folder 'nowhere'"),
        (["check", "--only", "duplicate-keys"], "did you mean 'duplicate-key'?"),
        (["explain", "nonsense"], "no rule 'nonsense'"),
        (["check", "--format", "xml"], "invalid choice"),
        (["check", "--bogus"], "unrecognized arguments"),
        ([], "required"),
        (["serve"], "no online deployment found"),
        (["score"], "no online deployment found"),
        (["score", "-f", "missing.yml"], "no file 'missing.yml'"),
    ],
)
def test_misuse_exits_2_with_one_clear_sentence(arguments, said, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_a_bug_of_ours_exits_3_and_says_so(capsys, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr("amlready.rules.run", broken)
    put("deployment.yml", SPEC)
    assert cli.main(["check"]) == 3
    assert "has a bug" in capsys.readouterr().err


def test_an_interruption_exits_130(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("amlready.project.load", interrupted)
    assert cli.main(["check"]) == 130


def test_a_reader_that_goes_away_is_no_fault():
    put("deployment.yml", SPEC + "".join(f"tags: {{a: {i}}}\n" for i in range(3000)))
    command = [sys.executable, "-m", "amlready", "check", "--only", "duplicate-key"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        _, errors = process.communicate(timeout=300)
    assert b"Traceback" not in errors
    assert b"Exception" not in errors


def test_explain_prints_a_rule_s_whole_page(capsys):
    assert cli.main(["explain", "no-on-error"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("no-on-error (warning)\n\nA Collector is made without `on_error`")
    assert "Good::" in printed


def test_explain_lists_every_rule(capsys):
    assert cli.main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(rules())


def test_the_version_names_the_sdk_that_the_schemas_are_of(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert "azure-ai-ml 1." in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "score", "serve", "invoke", "collected", "explain"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200


def test_check_imports_nothing_heavy():
    put("deployment.yml", SPEC)
    code = (
        "import sys; from amlready import cli; cli.main(['check']);"
        "heavy = {'jsonschema', 'jsonschema_rs', 'pandas', 'numpy', 'azure', 'requests', 'http', 'asyncio', 'difflib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    assert printed.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("paths", [[], ["a.yml"], ["deploy", "", "b c.yml", "check"]])
def test_plain_paths_mean_what_argparse_makes_of_them(paths):
    arguments = ["check", *paths]
    assert vars(cli.plain(arguments)) == vars(cli.parser(arguments).parse_args(arguments))


@pytest.mark.parametrize(
    "arguments", [[], ["explain"], ["check", "-"], ["check", "--fix"], ["check", "a.yml", "--", "b"]]
)
def test_all_else_is_left_to_argparse(arguments):
    assert cli.plain(arguments) is None


def test_a_check_ends_with_all_its_findings_written():
    put("deployment.yml", SPEC + "name: green\n")
    command = [sys.executable, "-m", "amlready", "check", "deployment.yml"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "[duplicate-key]" in ended.stdout
    assert ended.stdout.endswith("\n")


# --- reading from elsewhere, setting, filling in, mending ---

SCRIPT = (
    "from azureml.ai.monitoring import Collector\r\ndef init():\r\n    Collector('Model_Inputs', on_error=print)\r\n"
)


def project(script: str = SCRIPT) -> None:
    put("deployment.yml", SPEC + "code_configuration: {code: src, scoring_script: score.py}\n")
    Path("src").mkdir()
    Path("src/score.py").write_bytes(b"\xef\xbb\xbf" + script.encode())


COLLECTOR = ["--only", "collector-name-case", "--only", "collector-name-positional"]


def test_fix_mends_what_has_one_right_answer_and_keeps_every_other_byte(capsys):
    project()
    Path("src/score.py").chmod(0o640)
    assert cli.main(["check", "--fix", *COLLECTOR]) == 0
    mended = SCRIPT.replace("'Model_Inputs'", "name='model_inputs'")
    assert Path("src/score.py").read_bytes() == b"\xef\xbb\xbf" + mended.encode()
    assert Path("src/score.py").stat().st_mode & 0o777 == 0o640
    assert "no problems" in capsys.readouterr().err
    assert cli.main(["check", "--fix", *COLLECTOR]) == 0
    assert Path("src/score.py").read_bytes() == b"\xef\xbb\xbf" + mended.encode()


def test_diff_shows_what_fix_would_change_and_changes_nothing(capsys):
    project()
    assert cli.main(["check", "--diff", *COLLECTOR]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("--- a/src/score.py\n+++ b/src/score.py\n")
    assert "+    Collector(name='model_inputs', on_error=print)" in printed
    assert Path("src/score.py").read_bytes() == b"\xef\xbb\xbf" + SCRIPT.encode()


def test_fix_never_touches_a_file_with_a_syntax_error():
    project(SCRIPT + "def run(:\r\n")
    assert cli.main(["check", "--fix"]) == 1
    assert Path("src/score.py").read_bytes() == b"\xef\xbb\xbf" + (SCRIPT + "def run(:\r\n").encode()


def stdin(monkeypatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_standard_input_stands_for_a_file_whose_neighbours_are_seen(capsys, monkeypatch):
    put("deploy/endpoint.yml", "name: other-endpoint\nauth_mode: key\n")
    stdin(monkeypatch, SPEC)
    assert cli.main(["check", "-", "--stdin-filename", "deploy/deployment.yml", "--only", "unknown-endpoint"]) == 1
    assert capsys.readouterr().out.startswith("deploy/deployment.yml:2:16: warning: ")


def test_what_is_wrong_in_a_neighbour_of_a_named_file_is_not_reported(capsys):
    deployment = put("deployment.yml", SPEC)
    put("endpoint.yml", "name: my-endpoint\nname: my-endpoint\nauth_mode: key\n")
    assert cli.main(["check", str(deployment), "--only", "duplicate-key", "--only", "unknown-endpoint"]) == 0
    assert "1 spec checked" in capsys.readouterr().err
    assert cli.main(["check", "--only", "duplicate-key"]) == 1


def test_a_placeholder_is_named_and_a_value_fills_it(capsys):
    put("deployment.yml", SPEC.replace("my-endpoint", "{{ENDPOINT_NAME}}"))
    only = ["--only", "unfilled-placeholder", "--only", "yaml"]
    assert cli.main(["check", *only]) == 1
    assert "'{{ENDPOINT_NAME}}' was not filled in; --var ENDPOINT_NAME=... checks" in capsys.readouterr().out
    assert cli.main(["check", *only, "--var", "ENDPOINT_NAME=my-endpoint"]) == 0


def test_a_placeholder_of_several_words_is_one_word_for_the_shell(capsys):
    put("deployment.yml", SPEC.replace("my-endpoint", "<your endpoint>"))
    assert cli.main(["check", "--only", "unfilled-placeholder"]) == 1
    assert "--var 'your endpoint=...' checks" in capsys.readouterr().out
    assert cli.main(["check", "--only", "unfilled-placeholder", "--var", "your endpoint=my-endpoint"]) == 0


def test_a_setting_overrides_the_file_as_az_ml_does(capsys):
    put("deployment.yml", SPEC)
    put("endpoint.yml", "name: my-endpoint\nauth_mode: key\n")
    only = ["check", "deployment.yml", "--only", "unknown-endpoint"]
    assert cli.main(only) == 0
    assert cli.main([*only, "--set", "endpoint_name=other"]) == 1
    assert capsys.readouterr().out.startswith("--set:1:15: warning: no endpoint file declares 'other'")
    assert cli.main([*only, "--endpoint-name", "other"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--set", "a=1"], "go with one file"),
        (["check", "deployment.yml", "--set", "a"], "not of the form"),
        (["check", "deployment.yml", "--set", "endpoint_name.x=1"], "has no keys"),
        (["check", "--stdin-filename", "x.yml"], "goes with the path -"),
        (["check", "-", "--fix"], "cannot be fixed"),
        (["check", "--var", "X"], "not of the form"),
        (["check", "--fix", "--var", "X=1"], "do not go with"),
    ],
)
def test_options_that_do_not_go_together_are_misuse(arguments, said, capsys, monkeypatch):
    put("deployment.yml", SPEC)
    stdin(monkeypatch, SPEC)
    assert cli.main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("written", ["${NAME}", "<NAME>", '"{{NAME}}"'])
def test_a_placeholder_that_an_option_replaces_is_filled_in(written):
    put("deployment.yml", SPEC.replace("my-endpoint", written))
    only = ["check", "deployment.yml", "--only", "unfilled-placeholder"]
    assert cli.main(only) == 1
    assert cli.main([*only, "--endpoint-name", "abc"]) == 0
    assert cli.main([*only, "--set", "endpoint_name=abc"]) == 0


def test_a_fault_that_several_deployments_share_is_reported_once_with_each_of_them(capsys):
    for name in ("blue", "green"):
        put(
            f"{name}.yml",
            SPEC.replace("blue", name) + "code_configuration: {code: src, scoring_script: score.py}\n"
            "data_collector: {collections: {model_inputs: {enabled: 'true'}}}\n",
        )
    put(
        "src/score.py",
        "from azureml.ai.monitoring import Collector\ndef init():\n    Collector(name='other', on_error=print)\n",
    )
    assert cli.main(["check", "--only", "collector-not-enabled", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert {each["path"] for each in finding["related"]} == {"blue.yml", "green.yml"}


def test_an_endpoint_name_is_given_to_the_named_files_and_not_to_their_neighbours():
    put(
        "kubernetes.yml",
        "name: one\nendpoint_name: x\ntype: kubernetes\nmodel: azureml:m:1\nenvironment: azureml:e:1\n",
    )
    put("managed.yml", SPEC)
    command = ["check", "kubernetes.yml", "--endpoint-name", "mine", "--only", "mixed-deployments"]
    assert cli.main([*command, "--only", "managed-on-kubernetes", "--only", "kubernetes-on-managed"]) == 0

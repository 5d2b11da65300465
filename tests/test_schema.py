"""The generated schemas, the validator that reads them, and what is said of a fault."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity.mutants import Mutator, known_keys
from parity.oracle import refusal
from parity.specs import SPECS, lay_out

from amlready import document, fix, schema, validator
from amlready.diagnostic import Diagnostic, Level, Problem
from amlready.disk import Disk
from amlready.source import Source

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "amlready" / "schemas"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schema") / "specs"
    folder.mkdir()
    lay_out(folder)
    return folder


def check(folder: Path, family: str, text: str) -> list[Problem]:
    parsed = document.parse(Source(folder / "spec.yml", text))
    assert isinstance(parsed, document.Document), parsed
    return list(schema.problems(parsed, family, Disk(folder)))


# --- the generator ----------------------------------------------------------------------------------------------------


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("generate_schemas")


def test_the_committed_schemas_are_those_of_the_installed_sdk() -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_schemas.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_schema_that_was_edited_is_reported(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in SCHEMAS.glob("*.*"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "old.json").write_text("{}")
    monkeypatch.setattr(generator, "SCHEMAS", tmp_path)
    assert generator.main(["--check"]) == 1
    reported = capsys.readouterr().err
    assert "data.json differs" in reported
    assert "old.json differs" in reported
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    assert not (tmp_path / "old.json").exists()


def test_code_of_the_sdk_that_nobody_read_stops_the_generator(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = json.loads(generator.READ.read_text())
    name = next(each for each in known if each.endswith("trim_dump_only"))
    (tmp_path / "read.json").write_text(json.dumps(known | {name: "another"}))
    monkeypatch.setattr(generator, "READ", tmp_path / "read.json")
    assert generator.main([]) == 1
    assert f"{name} is not what was read" in capsys.readouterr().err


def test_a_field_class_that_nobody_taught_stops_the_generator(generator: ModuleType) -> None:
    from marshmallow import fields

    walk = generator.Walk(generator.Texts({}))
    with pytest.raises(generator.Unknown, match="the field class Email"):
        walk.field(fields.Email())
    with pytest.raises(generator.Unknown, match="options"):
        walk.field(fields.Integer(strict=True))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_every_kind_has_a_valid_schema_with_texts_and_the_version_of_the_sdk(kind: str) -> None:
    root = schema.schema(kind)
    jsonschema.Draft202012Validator.check_schema(root)
    assert root["x-amlready-sdk"] == schema.SDK
    assert root["title"]
    for node in [root, *root["$defs"].values()]:
        assert node["title"]
        assert all(part.get("description") for part in node["properties"].values())


def test_the_names_of_kinds_are_the_names_of_the_files() -> None:
    assert sorted(schema.KINDS) == sorted(path.stem for path in SCHEMAS.glob("*.json"))


def test_defaults_and_examples_are_accepted(folder: Path) -> None:
    around = validator.Around(Disk(folder))
    for kind in schema.KINDS:
        root = schema.schema(kind)
        for node in [root, *root["$defs"].values()]:
            for key, part in node["properties"].items():
                for value in (*part.get("examples", ()), *([part["default"]] if "default" in part else ())):
                    if part.get("x-amlready") not in ("conda-file", "path"):
                        assert validator.compiled(root, part)(value, around) == () or key == "path", (kind, key)


# --- the validator ----------------------------------------------------------------------------------------------------

BEYOND = {"path", "model-path", "unreadable", "spec-file", "traffic", "no-path", "nameless", "range"}


def beyond(faults: tuple[validator.Fault, ...]) -> bool:
    """Whether JSON Schema may miss a fault: of the disk, of a sum, of a number or a time that is written as text."""
    for fault in faults:
        if fault.name in BEYOND or (fault.name == "type" and isinstance(fault.value, str)):
            return True
        if fault.name == "union" and any(beyond(inner) for _, inner in fault.detail):
            return True
    return False


def like_json(value: object) -> bool:
    match value:
        case dict():
            return all(isinstance(key, str) for key in value) and all(map(like_json, value.values()))
        case list():
            return all(map(like_json, value))
        case float():
            return value - value == 0
        case int():
            return abs(value) < 10**300
    return value is None or isinstance(value, (str, bool))


def test_the_jsonschema_library_accepts_what_we_accept_and_refuses_what_a_schema_can_say(folder: Path) -> None:
    around = validator.Around(Disk(folder))
    library = {kind: jsonschema.Draft202012Validator(schema.schema(kind)) for kind in schema.KINDS}
    ours = {kind: validator.compiled(schema.schema(kind)) for kind in schema.KINDS}
    compared = {True: 0, False: 0}
    for family, text in Mutator(42, SPECS, known_keys(SCHEMAS)).mutants(1200):
        parsed = document.parse(Source(folder / "spec.yml", text))
        if isinstance(parsed, Problem) or not like_json(value := parsed.root.value):
            continue
        kind = schema.kind_of(family, value)
        if kind is None:
            continue
        faults = ours[kind](value, around)
        if not faults:
            assert library[kind].is_valid(value), text
        elif not beyond(faults):
            assert not library[kind].is_valid(value), (text, faults)
            compared[False] += 1
        compared[True] += not faults
    assert min(compared.values()) > 200


@given(st.text("abcXYZ019_ ,é", max_size=14))
def test_camel_case_is_read_as_the_sdk_reads_it(word: str) -> None:
    from azure.ai.ml._utils.utils import camel_to_snake

    if word and "," not in word:
        assert validator.snake(word) == camel_to_snake(word)


@given(st.from_regex(r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,13})?)?(Z|[+-]\d{2}(:?\d{2})?)?\n?"))
def test_times_are_read_as_the_sdk_reads_them(written: str) -> None:
    from marshmallow.utils import from_iso_datetime

    try:
        from_iso_datetime(written)
        accepted = True
    except ValueError:
        accepted = False
    node = {"x-amlready": "date-time", "pattern": "", "type": "string"}
    assert (validator.compiled(node)(written, validator.Around(Disk(ROOT))) == ()) == accepted


def test_the_generated_pattern_of_references_says_what_the_sdk_says() -> None:
    from azure.ai.ml._schema.core.fields import ArmVersionedStr
    from marshmallow import ValidationError

    node = schema.schema("managed-online-deployment")["properties"]["model"]["anyOf"][1]
    field = ArmVersionedStr(azureml_type="models", allow_default_version=True)
    prefix = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/"
    rests = ["", "m", "m:1", "m@l", ":", "@", ":1", "a/b", "/", "/a:1", "m:1/2", "m\n", "m:\n", "azureml:m:1"]
    rests += [prefix + each for each in ("models/m", "models/m/versions/1", "Models/m", "x/m", "x/m/versions/1")]
    rests += [
        prefix[1:] + "models/m/versions/1",
        "azureml://registries/r/models/m/versions/1",
        "azureml://registries/r",
    ]
    for rest in rests:
        try:
            field.deserialize(f"azureml:{rest}")
            accepted = True
        except ValidationError:
            accepted = False
        assert bool(re.match(node["pattern"], f"azureml:{rest}")) == accepted, rest


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "value", "kind"),
    [
        ("endpoint", {"compute": "azureml:c"}, "kubernetes-online-endpoint"),
        ("endpoint", {"compute": 1}, "kubernetes-online-endpoint"),
        ("endpoint", {"compute": ""}, "managed-online-endpoint"),
        ("deployment", {"type": "kubernetes"}, "kubernetes-online-deployment"),
        ("deployment", {"type": "Kubernetes"}, "managed-online-deployment"),
        ("monitor", {"create_monitor": None}, "monitor-schedule"),
        ("monitor", {}, "monitor-schedule"),
        ("monitor", {"create_job": "x"}, None),
        ("data", {"path": "x"}, "data"),
        ("data", {"source": {}}, None),
        ("model", {}, "model"),
    ],
)
def test_kinds_are_told_apart_as_the_sdk_does(family: str, value: dict[object, object], kind: str | None) -> None:
    assert schema.kind_of(family, value) == kind


# --- what is said, and where ------------------------------------------------------------------------------------------

BASE = "name: b\nendpoint_name: e\ninstance_type: x\n"

SAID = [
    ("deployment", "name: blue\ninstance_type: x", "1:1", "'endpoint_name' is missing.*--endpoint-name"),
    ("deployment", "name: b\ntype: Kubernetes", "1:1", "'endpoint_name' is missing"),
    ("deployment", "name: b\nendpoint_name: e", "1:1", "'instance_type' is missing in a managed online deployment"),
    ("deployment", BASE + "data_collectr: {}", "4:1", "not a key of a managed online deployment; .*'data_collector'"),
    ("deployment", BASE + "code: src", "4:1", "move it down, under 'code_configuration'"),
    ("deployment", BASE + "request_settings: {liveness_probe: {}}", "4:20", "move it up, to the top level"),
    ("deployment", BASE + "traffic: {blue: 100}", "4:1", "belongs in a managed online endpoint"),
    ("deployment", BASE + "resources: {}", "4:1", "belongs in a Kubernetes online deployment, which says 'type: kub"),
    ("deployment", BASE + "1: a", "4:1", "1 is not a key"),
    ("deployment", BASE + "model:", "4:1", "'model' has no value; write one, or delete the line"),
    ("deployment", BASE + "model: 1", "4:8", "'model' cannot be the number 1; name a registered model as azureml:"),
    ("deployment", BASE + "model: m:1", "4:8", "a registered model is azureml:m:1"),
    ("deployment", BASE + "model: ./model", "4:8", r"a local model is \{path: ./model\}"),
    ("deployment", BASE + "model: {path: nosuch}", "4:15", "no file or folder 'nosuch' for 'path'; paths are relative"),
    ("deployment", BASE + "model: {path: 'runs:/j/m'}", "4:15", "looks for an unnamed model on the disk; add 'name'"),
    (
        "deployment",
        BASE + "model: {uri: 'azureml:m:1'}",
        "4:9",
        "'uri' is not a key of 'model'; .*write model: azureml:m:1$",
    ),
    ("deployment", BASE + "model: {uri: model/}", "4:9", "'uri' is not a key of 'model'; did you mean 'path'"),
    ("deployment", BASE + "environment: {ref: 'azureml:e@latest'}", "4:15", "write environment: azureml:e@latest$"),
    ("deployment", BASE + "model: {version: 1}", "4:1", "a version needs a name"),
    ("deployment", BASE + "environment: e:1", "4:14", "cannot be 'e:1'; name a registered environment as azureml:"),
    ("deployment", BASE + "environment: env.yml", "4:14", "an environment in a file of its own is file:env.yml"),
    ("deployment", BASE + "environment: file:bad-env.yml", "4:14", "in 'bad-env.yml', 'bogus' is not a key"),
    ("deployment", BASE + "environment: file:nosuch.yml", "4:14", "'environment': 'nosuch.yml' cannot be read"),
    ("deployment", BASE + "environment: {image: x, conda_file: nosuch.yaml}", "4:37", "'nosuch.yaml' cannot be read"),
    ("deployment", BASE + "environment: {image: x, docker: y}", "4:25", "'docker' is not a key of 'environment'"),
    ("deployment", BASE + "environment: {image: x, channels: []}", "4:25", "belongs in the conda file"),
    ("deployment", BASE + "environment: {build: {path: nosuch}}", "4:29", "no file or folder 'nosuch'"),
    ("deployment", BASE + "data_collector: {}", "4:1", "'collections' is missing in 'data_collector'"),
    (
        "deployment",
        BASE + "data_collector: {collections: {a: {}}}",
        "4:32",
        "'enabled' is missing in 'a'.*'true' or 'fa",
    ),
    ("deployment", BASE + "data_collector: {collections: {1: {enabled: 'true'}}}", "4:32", "the key 1 must be text"),
    (
        "deployment",
        BASE + "data_collector: {collections: {a: {enabled: true}}}",
        "4:45",
        "true, but must be text: 'tru",
    ),
    ("deployment", BASE + "scale_settings: {type: manual}", "4:24", "'manual', but must be 'default'$"),
    (
        "deployment",
        BASE + "type: kubernetes\nscale_settings: {type: manual}",
        "5:24",
        "must be 'default' or 'target_utilization'$",
    ),
    ("deployment", BASE + "scale_settings: {}", "4:1", "'type' is missing in 'scale_settings'; add it: 'default'$"),
    ("deployment", BASE + "scale_settings: default", "4:17", "cannot be 'default'; it must be a mapping"),
    ("deployment", BASE + "instance_count: ${{ n }}", "4:17", "must be a whole number"),
    ("deployment", BASE + "description: 010", "4:14", "is the number 8, but must be text; write '010'"),
    ("deployment", BASE + "egress_public_network_access: off", "4:31", "the truth value false.*; write disabled"),
    (
        "deployment",
        BASE + "code_configuration: {code: {local_path: x}}",
        "4:22",
        "a mapping, but must be text; write the f",
    ),
    ("deployment", BASE + "description: !!binary /w==", "4:14", "is binary data, but must be text"),
    ("deployment", BASE + "description: 2024-01-01", "4:14", "is the date 2024-01-01, but must be text"),
    (
        "deployment",
        BASE + "data_collector: {sampling_rate: 50, collections: {}}",
        "4:33",
        "50, but must be from 0 to 1",
    ),
    (
        "deployment",
        BASE + "type: kubernetes\nmodel: azureml://registries/r",
        "5:8",
        "Kubernetes takes nothing from a reg",
    ),
    ("endpoint", "name: my_ep", "1:7", "letters, digits and '-'"),
    ("endpoint", "name: a\ncompute: aks", "2:10", "name the attached cluster as azureml:<name>"),
    ("endpoint", "name: a\ntraffic: {a: 60, b: 60}", "2:1", "add up to 120 percent; 100 is the most"),
    ("endpoint", "name: a\nauth_mode: Aml_Token", "2:12", "did you mean 'aml_token'"),
    ("endpoint", "name: a\nidentity: {}", "2:1", "'type' is missing in 'identity'"),
    ("endpoint", "name: a\nidentity: system_assigned", "2:11", "must be a mapping; write a mapping such as"),
    (
        "endpoint",
        "name: a\nidentity:\n  type: none\n  user_assigned_identities:\n  - a\n",
        "5:5",
        "item 1 of 'user_assi",
    ),
    ("endpoint", "name: a\ninstance_type: x", "2:1", "belongs in a managed online deployment"),
    (
        "monitor",
        "name: a\ncreate_monitor: {compute: {runtime_version: '3.4'}}",
        "2:18",
        "'instance_type' is missing in 'co",
    ),
    ("monitor", "name: a\ntrigger: {type: x}\ncreate_monitor: {}", "2:17", "'x', but must be 'cron' or 'recurrence'"),
    ("monitor", "name: a\ncreate_monitor: {}", "1:1", "'trigger' is missing in a monitor schedule"),
    ("data", "name: a\ntype: x\npath: p", "2:7", "but must be 'uri_file', 'uri_folder' or 'mltable'"),
    ("environment", "image: x", "1:1", "'name' is missing in an environment"),
]


@pytest.mark.parametrize(("family", "text", "place", "message"), SAID)
def test_a_fault_is_said_at_its_place_with_its_remedy(
    folder: Path, family: str, text: str, place: str, message: str
) -> None:
    found = check(folder, family, text)
    said = {f"{each.span.line}:{each.span.column}": each.message for each in found}
    assert place in said, said
    assert re.search(message, said[place]), said[place]


MENDED = [
    ("deployment", BASE + "data_collector: {collections: {a: {enabled: yes}}}", "enabled: 'true'"),
    ("deployment", BASE + "data_collector: {collections: {a: {enabled: False}}}", "enabled: 'False'"),
    ("deployment", BASE + "data_collector: {collections: {1: {enabled: 'true'}}}", "'1':"),
    ("deployment", BASE + "data_collector: {collections: {a: {enabled: 'true', data: {version: 1}}}}", "version: '1'"),
    ("deployment", BASE + "data_collectr: {collections: {}}", "data_collector:"),
    ("deployment", BASE + "data_collector: {collection: {a: {enabled: 'true'}}}", "collections:"),
    ("deployment", BASE.replace("endpoint_name", "endpoint"), "endpoint_name:"),
    ("deployment", BASE + "instance_count: '2.0'", "instance_count: 2"),
    ("deployment", BASE + "model: {local_path: model}", "{path: model}"),
    ("deployment", BASE + "model: ./model", "{path: ./model}"),
    ("deployment", BASE + "model: m:1", "azureml:m:1"),
    ("deployment", BASE + "environment: env.yml", "file:env.yml"),
    ("deployment", BASE + "description: 1.10", "description: '1.10'"),
    ("endpoint", "name: a\npublic_network_access: off", "public_network_access: disabled"),
    ("endpoint", "name: a\nidentity: {type: none, user_assigned_identities: /x}", "[{resource_id: /x}]"),
    ("endpoint", "name: a\nidentity: {type: none, user_assigned_identities: [/x]}", "[{resource_id: /x}]"),
]


@pytest.mark.parametrize(("family", "text", "wanted"), MENDED)
def test_a_fix_makes_a_file_that_the_sdk_loads(folder: Path, family: str, text: str, wanted: str) -> None:
    found = check(folder, family, text)
    mended = fix.apply(edit for each in found for edit in each.fix)[str(folder / "spec.yml")]
    assert wanted in mended
    assert check(folder, family, mended) == []
    (folder / "spec.yml").write_text(mended)
    assert refusal(family, folder / "spec.yml") is None


def test_no_fix_of_a_mutant_makes_it_worse(folder: Path) -> None:
    fixed = 0
    for family, text in Mutator(7, SPECS, known_keys(SCHEMAS)).mutants(1500):
        parsed = document.parse(Source(folder / "spec.yml", text))
        if isinstance(parsed, Problem):
            continue
        found = list(schema.problems(parsed, family, Disk(folder)))
        for problem in found:
            if problem.fix:
                mended = fix.apply(problem.fix)[str(folder / "spec.yml")]
                again = document.parse(Source(folder / "spec.yml", mended))
                assert isinstance(again, document.Document), (text, problem)
                left = {each.message for each in schema.problems(again, family, Disk(folder))}
                assert problem.message not in left or len(left) < len(found), (text, problem)
                fixed += 1
    assert fixed > 100


def test_a_misspelled_key_that_is_required_is_said_once(folder: Path) -> None:
    [found] = check(folder, "deployment", BASE + "data_collector: {collection: {}}")
    assert found.message == (
        "'collection' is not a key of 'data_collector'; did you mean 'collections', which is missing?"
    )
    others = check(folder, "deployment", BASE + "data_collector: {collection: {}}\nidentity: {}\nmodel: {pth: model}")
    assert len(others) == 3
    assert len(check(folder, "deployment", BASE + "data_collector: {rolling: {}}")) == 2


def test_a_path_that_exists_from_elsewhere_is_offered(folder: Path) -> None:
    class Elsewhere(Disk):
        def elsewhere(self, path: str) -> str | None:
            return "../" + path

    parsed = document.parse(Source(folder / "spec.yml", BASE + "environment: {image: x, conda_file: nosuch.yaml}"))
    assert isinstance(parsed, document.Document)
    [found] = schema.problems(parsed, "deployment", Elsewhere(folder))
    assert found.message.endswith("paths are relative to this file: write ../nosuch.yaml")
    assert [edit.text for edit in found.fix] == ["../nosuch.yaml"]


def test_every_problem_can_be_stamped_and_sorted(folder: Path) -> None:
    found = check(folder, "deployment", "bogus: 1\nmodel:\nenvironment: [a]\n")
    stamped = sorted((Diagnostic("schema", Level.ERROR, each) for each in found), key=lambda each: each.order)
    assert [each.problem.span.line for each in stamped] == [1, 1, 1, 1, 2, 3]


def test_a_clean_run_imports_neither_a_schema_library_nor_words() -> None:
    program = """
import sys
from pathlib import Path
from amlready import document, schema, source
class Files: ...
parsed = document.parse(source.Source(Path("x.yml"), "name: my-endpoint"))
assert list(schema.problems(parsed, "endpoint", Files())) == []
print(sorted({"jsonschema", "difflib", "amlready.remedy", "referencing", "azure"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr

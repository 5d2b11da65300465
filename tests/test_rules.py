"""Every rule's docstring is its test: Bad is reported, Good is not, Good reaches the rule, and fix(Bad) is Good."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amlready import project, rules
from amlready.fix import apply
from amlready.project import Reading
from amlready.rules import Rule
from amlready.specs import Conda, Data, Deployment, Endpoint, Environment, Model, Monitor, Project

ALL = rules.rules()

KINDS = {
    "endpoint.yml": (Endpoint, "name: my-endpoint\n"),
    "other-endpoint.yml": (Endpoint, "name: other-endpoint\n"),
    "deployment.yml": (
        Deployment,
        "name: blue\nendpoint_name: my-endpoint\ncode_configuration:\n  code: src\n  scoring_script: score.py\n",
    ),
    "other-deployment.yml": (Deployment, ""),
    "model.yml": (Model, "name: my-model\n"),
    "environment.yml": (Environment, "name: my-env\n"),
    "conda.yaml": (Conda, ""),
    "data.yml": (Data, "name: my-data\n"),
    "monitor.yml": (Monitor, "name: my-monitor\n"),
}
"""What an example's files are, and the keys that an example need not repeat."""


def blocks(rule: Rule) -> dict[str, str]:
    """The texts under `Bad::` and `Good::`."""
    found = re.split(r"^(Bad|Good)::$", rule.manual, flags=re.MULTILINE)[1:]
    return {name: dedent(text) for name, text in zip(found[::2], found[1::2], strict=True)}


def dedent(text: str) -> str:
    return "".join(line[4:] if line.strip() else line for line in text.strip("\n").splitlines(keepends=True)) + "\n"


def files(text: str) -> dict[str, str]:
    """The files of an example, each headed by `# path`."""
    parts = re.split(r"^# (\S+\.\w+|\S*Dockerfile|\S*MLmodel)\n", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"an example starts with the name of a file, not with {parts[0]!r}"
    return {name: body.rstrip("\n") + "\n" for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def completed(name: str, text: str, texts: dict[str, str]) -> str:
    """Append the keys that every file of that kind has, where the example does not give them."""
    keys = KINDS.get(name, (None, ""))[1]
    if name == "deployment.yml" and "environment.yml" not in texts and "conda.yaml" in texts:
        keys += "environment:\n  image: my-image:1\n  conda_file: conda.yaml\n"
    for block in re.findall(r"^\S.*\n(?: .*\n)*", keys, flags=re.MULTILINE):
        if not re.search(rf"^(?:# )?{block.partition(':')[0]}:", text, flags=re.MULTILINE):
            text += block
    return text


def write(root: Path, texts: dict[str, str]) -> list[Path]:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(re.sub(rb"\\x(..)", lambda m: bytes.fromhex(m[1].decode()), text.encode()))
        for number in range(int(path.stem) if path.suffix == ".files" else 0):
            (path.parent / str(number)).touch()  # `12.files` stands for a dozen
        if path.suffix == ".link":  # what it says is what it leads to
            path.unlink()
            path.symlink_to(text.strip())
    return [Path(name) for name in texts if name in KINDS]


def load(rule: Rule, text: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    texts = {
        name: body if rule.name == "unrecognised" else completed(name, body, files(text))
        for name, body in files(text).items()
    }
    if "deployment.yml" not in texts and {"src/score.py", "conda.yaml", "sample-request.json"} & texts.keys():
        texts["deployment.yml"] = completed("deployment.yml", "", texts)
    root.mkdir()
    monkeypatch.chdir(root)
    kinds = {} if rule.name == "unrecognised" else {Path(name): kind for name, (kind, _) in KINDS.items()}
    return project.load(write(root, texts), Reading(kinds=kinds))


STATIC = sorted(name for name, each in ALL.items() if "Trial" not in each.subjects)
"""The rules about trials have a test that makes trials, beside that of `score`."""


@pytest.fixture(params=STATIC)
def rule(request: pytest.FixtureRequest) -> Rule:
    return ALL[request.param]


def test_the_bad_example_is_reported_by_this_rule(rule, tmp_path, monkeypatch):
    bad = load(rule, blocks(rule)["Bad"], tmp_path / "bad", monkeypatch)
    assert {each.rule for each in rules.run(bad, [rule])} == {rule.name}


def test_the_good_example_is_not_reported_by_this_rule(rule, tmp_path, monkeypatch):
    good = load(rule, blocks(rule)["Good"], tmp_path / "good", monkeypatch)
    assert rules.run(good, [rule]) == []


def test_the_good_example_reaches_the_rule(rule, tmp_path, monkeypatch):
    good = load(rule, blocks(rule)["Good"], tmp_path / "good", monkeypatch)
    contexts = [{*each, "Ignores"} for each in [rules._whole(good), *rules._contexts(good, good.specs)]]
    assert any(set(rule.subjects) <= each for each in contexts), f"nothing in Good is {' and '.join(rule.subjects)}"


def test_fixing_the_bad_example_gives_the_good_one(rule, tmp_path, monkeypatch):
    bad = load(rule, blocks(rule)["Bad"], tmp_path / "bad", monkeypatch)
    edits = [edit for each in rules.run(bad, [rule]) for edit in each.problem.fix]
    if not edits:
        return  # this rule offers none
    good = load(rule, blocks(rule)["Good"], tmp_path / "good", monkeypatch)
    assert not any(each.faults for each in good.deployments)  # which reads their scripts
    fixed = apply(edits)
    assert fixed == {str(path): good.sources[path].text for path in map(Path, fixed)}


@pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
def test_the_manual_page_has_a_summary_a_reason_and_both_examples(rule):
    assert re.fullmatch(r"[A-Z].*\.", rule.summary), "the first line is one sentence"
    assert set(blocks(rule)) == {"Bad", "Good"}
    reason = rule.manual.split("Bad::")[0].split("\n", 1)[1].strip()
    assert len(reason) > 60, "say why, and where that is known from"


def test_a_module_that_is_not_imported_has_no_rule_that_could_find_anything():
    for one in rules.static():
        if one.name == "conda-without-mapping":  # reads the project for what an environment refers to
            continue
        assert one.module not in rules.NEEDS or rules.NEEDS[one.module] & set(one.subjects), one.name


def test_an_unknown_annotation_fails_at_import():
    def wrong(thing: Nonsense): ...  # noqa: F821

    with pytest.raises(AssertionError, match="wrong"):
        rules.rule(rules.Level.ERROR)(wrong)


def test_two_rules_cannot_have_one_name():
    def duplicate_key(project: Project): ...

    with pytest.raises(AssertionError, match="already"):
        rules.rule(rules.Level.ERROR)(duplicate_key)

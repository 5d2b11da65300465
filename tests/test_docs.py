"""The documents keep to what there is: links, files, commands with their options, rules, messages and limits."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from amlready import cli
from amlready.local.agent import MAX_BODY
from amlready.local.endpoint import LocalEndpoint
from amlready.local.store import INLINE_LIMIT, Event, record, source
from amlready.misuse import Misuse
from amlready.rules import rules

ROOT = Path(__file__).parents[1]
_ELSEWHERE = {"build", "dist", "node_modules", "amlready"}  # not documents of this repository


def is_document(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not any(part.startswith(".") for part in parts) and parts[0] not in _ELSEWHERE


DOCUMENTS = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.md")) if is_document(path)}
OURS = [name for name in DOCUMENTS if name != "docs/rules.md"]  # which the rules' own tests prove

each_document = pytest.mark.parametrize("name", DOCUMENTS)
each_of_ours = pytest.mark.parametrize("name", OURS)


# --- reading Markdown ------------------------------------------------------------------------------------------------


def text_of(name: str) -> str:
    return DOCUMENTS[name].read_text(encoding="utf-8")


def fences(text: str) -> Iterator[tuple[str, list[str]]]:
    """Fenced blocks: the language, and the lines."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield language, body.splitlines()


def unfenced(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    return [" ".join(each.split()) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", unfenced(text))]


@cache
def anchors(path: Path) -> frozenset[str]:
    """The headings' anchors, made as GitHub makes them."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", unfenced(path.read_text(encoding="utf-8")), re.MULTILINE)
    found: list[str] = []
    for heading in headings:
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def tables(text: str) -> Iterator[dict[str, str]]:
    """The rows of every table, by the heads of their columns."""
    heads: list[str] = []
    for line in unfenced(text).splitlines():
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells(line)
        elif not re.fullmatch(r"[|\-: ]+", line):
            yield dict(zip(heads, cells(line), strict=True))


def cells(line: str) -> list[str]:
    """Bars in code belong to it; GitHub wants a backslash before them."""
    return [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]


def commands(text: str) -> Iterator[str]:
    """Command lines: in fenced and indented blocks, and in the text where it names one of ours or of az."""
    for language, lines in fences(text):
        shown = [line[2:] for line in lines if line.startswith("$ ")]
        written = [line for line in lines if line.strip() and not line.startswith("#")]
        yield from {"console": shown, "bash": written, "sh": written}.get(language, [])
    yield from re.findall(r"^    \$ (.+)$", text, re.MULTILINE)
    yield from (each for each in spans(text) if re.match(r"(amlready|az|scripts/\S+) +\S|scripts/[\w-]+\.sh$", each))


# --- links and files -------------------------------------------------------------------------------------------------


@each_document
def test_every_relative_link_leads_somewhere(name):
    there = DOCUMENTS[name]
    without_code = re.sub(r"`[^`]*`", "", unfenced(text_of(name)))
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (there.parent / file).resolve() if file else there
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(path), target


@each_of_ours
def test_every_file_of_a_table_exists(name):
    files = [file for row in tables(text_of(name)) for file in spans(row.get("file", ""))]
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("name", ["docs/troubleshooting.md", "docs/serve.md", "docs/walkthrough.md", "CONTRIBUTING.md"])
def test_a_line_of_text_holds_one_sentence_and_no_half_one(name):
    for line in unfenced(text_of(name)).splitlines():
        text = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)|\*\*.*?\*\*", "x", line).strip()
        if text and not text.startswith(("|", "#", "!", "[")):
            assert text[-1] in ".:;?!x", line
            assert not re.search(r"[.?!] +[A-Zx]", text), line


# --- commands --------------------------------------------------------------------------------------------------------

ARGUMENTS = tomllib.loads((ROOT / "tests" / "fake_az" / "arguments.toml").read_text(encoding="utf-8"))
BY_HAND = {"login": [], "account set": ["--subscription"], "extension add": ["--name"], "extension update": ["--name"]}
"""What people run once, and no script does."""

KNOWN = {"amlready", "az", "cd", "curl", "git", "jq", "pip", "python"}


def az_options() -> dict[str, set[str]]:
    everywhere = re.findall(r"(?<!\S)-[\w-]+", " ".join(ARGUMENTS["every"]))
    options = {
        name: table["options"] for name, table in ARGUMENTS.items() if isinstance(table, dict) and "options" in table
    }
    found = {name: set(re.findall(r"(?<!\S)-[\w-]+", " ".join(each))) for name, each in (options | BY_HAND).items()}
    return {name: each | set(everywhere) for name, each in found.items()}


def usage(script: str) -> str:
    """The comment at the head of a script."""
    return re.match(r"(#.*\n)+", (ROOT / script).read_text(encoding="utf-8"))[0]


def words_of(command: str) -> list[str]:
    """The first command of a line, without comment, pipe and redirection; optional words in brackets left out."""
    plain = re.sub(r"\[(?:[A-Z.]+|--?[\w-]+[^]]*)\]", "", command)
    words = shlex.split(plain, comments=True)
    end = [number for number, word in enumerate(words) if word in {"|", "||", "&&", ">", ">>", "&"}]
    return words[: end[0]] if end else words


def fault(command: str) -> str | None:
    """Why this command would not be understood; None if it would."""
    words = words_of(command)
    match words:
        case ["amlready", "--version"]:
            return None
        case ["amlready", *rest]:
            return fault_of_amlready(rest)
        case ["az", *rest]:
            return fault_of_az(rest)
        case [script, *rest] if script.startswith("scripts/"):
            return fault_of_script(script, rest)
    return None


def fault_of_amlready(words: list[str]) -> str | None:
    try:
        cli.parser().parse_args(words)
    except Misuse as misuse:
        return str(misuse)
    return None


def fault_of_az(words: list[str]) -> str | None:
    known = az_options()
    if any(f"{each} ".startswith(f"{' '.join(words)} ") for each in known):
        return None
    given = {word for word in words if word.startswith("-")}
    if "..." in words:  # any of them
        return None if any(given <= options for options in known.values()) else f"no command has {given}"
    names = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
    name = next((each for each in names if each in known), None)
    if name is None:
        return "az has no such command that tests/fake_az/arguments.toml would tell"
    return f"{name} has no {given - known[name]}" if given - known[name] else None


def fault_of_script(script: str, words: list[str]) -> str | None:
    if not (ROOT / script).is_file():
        return "there is no such script"
    if script.endswith(".sh") and "[PYTEST ARGUMENT...]" not in usage(script):
        options = {"--help", *re.findall(r"--[\w-]+", usage(script))}
        unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in options]
        return f"its usage has no {unknown}" if unknown else None
    return None


@each_of_ours
def test_every_command_is_understood_with_its_options(name):
    faults = {each: fault(each) for each in commands(text_of(name))}
    assert {each: said for each, said in faults.items() if said} == {}


@pytest.mark.parametrize(
    "command",
    [
        *("amlready deploy", "amlready check --no-such", "amlready serve --port nowhere"),
        *("az ml online-endpoint make", "az ml model create --folder model", "az ml ... create --no-such"),
        *("scripts/no-such.sh", "scripts/deploy.sh --no-such", "scripts/delete.sh --force | cat"),
    ],
)
def test_a_command_that_does_not_exist_would_be_noticed(command):
    assert fault(command)


@each_of_ours
def test_every_command_line_begins_with_a_known_command(name):
    for language, lines in fences(text_of(name)):
        shown = [line[2:] for line in lines if line.startswith("$ ")] if language == "console" else []
        for line in shown + (lines if language == "bash" else []):
            if words := words_of(line):
                assert words[0] in KNOWN or (ROOT / words[0]).is_file(), line


@each_of_ours
def test_every_option_that_the_text_names_exists(name):
    ours = {option for each in cli.COMMANDS for option in options_of(each)} | {"--version", "--help"}
    scripts = {word for path in (ROOT / "scripts").glob("*.sh") for word in re.findall(r"--[\w-]+", usage(str(path)))}
    az = {option for options in az_options().values() for option in options}
    named = {each.split()[0].split("=")[0] for each in spans(text_of(name)) if re.match(r"--\w", each)}
    assert named - ours - scripts - az == set()


def options_of(command: str) -> set[str]:
    """From the help, which the parser writes."""
    subparsers = next(action for action in cli.parser()._actions if action.dest == "command")
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", subparsers.choices[command].format_help()))


@each_of_ours
def test_every_spec_of_a_command_exists(name):
    for command in commands(text_of(name)):
        for word in words_of(command):
            if re.fullmatch(r"[a-z][\w/.-]*\.yml|sample-request\.json", word):
                assert (ROOT / word).is_file(), command


# --- rules -----------------------------------------------------------------------------------------------------------


@each_of_ours
def test_every_rule_that_is_named_exists(name):
    text = text_of(name)
    named = [
        *re.findall(r"amlready explain ([a-z][\w-]*)", text),
        *re.findall(r"\brules? \[?`([^`]+)`", text),
        *re.findall(r": (?:error|warning|note): .* \[([\w-]+)\]$", text, re.MULTILINE),
        *re.findall(r"ignore\[([a-z][\w-]*)\]", text),
    ]
    assert set(named) - {"rule"} - set(rules()) == set()


REMEDIES = "rule or command"


def test_the_last_column_of_every_symptom_holds_rules_and_commands_only():
    shown = [span for row in symptoms() for span in spans(row[REMEDIES])]
    others = [each for each in shown if not re.match(r"amlready |scripts/|AML_", each)]
    assert len(others) > 100
    assert set(others) <= set(rules())


def test_every_rule_of_a_symptom_leads_to_its_page():
    for row in symptoms():
        links = re.findall(r"\[`([^`]+)`\]\(rules\.md#([^)]+)\)", row[REMEDIES])
        assert all(text == anchor for text, anchor in links)
        assert {text for text, _ in links} == set(spans(row[REMEDIES])) & set(rules())


def test_no_symptom_is_told_twice():
    seen = [row["what you see"] for row in symptoms()]
    assert len(seen) > 100
    assert len(set(seen)) == len(seen)


def test_what_the_scripts_call_the_likely_cause_is_among_the_symptoms():
    table = (ROOT / "scripts" / "azure.sh").read_text(encoding="utf-8")
    named = set(re.findall(r"amlready explain ([\w-]+)", table))
    assert named
    assert named <= {span for row in symptoms() for span in spans(row[REMEDIES])}


def test_every_section_of_symptoms_is_listed_at_the_top():
    text = text_of("docs/troubleshooting.md")
    first, *_ = text.partition("\n## ")
    sections = anchors(DOCUMENTS["docs/troubleshooting.md"]) - {"troubleshooting-by-symptom"}
    assert set(re.findall(r"\]\(#([^)]+)\)", first)) == sections


def symptoms() -> list[dict[str, str]]:
    return [row for row in tables(text_of("docs/troubleshooting.md")) if REMEDIES in row]


# --- messages --------------------------------------------------------------------------------------------------------

MONITORING, SERVER, SDK, SCHEMA = "azureml.ai.monitoring", "azureml_inference_server_http", "azure.ai.ml", "marshmallow"
OWN = "amlready.local"


@pytest.mark.parametrize(
    ("message", "package"),
    [
        ("custom logging is not enabled, drop the data", MONITORING),
        ("is not enabled, drop the data", MONITORING),
        ("message queue is full", MONITORING),
        ("User's init function failed", SERVER),
        ("function defined", SERVER),
        ("run() cannot accept positional-only arguments, *args, or **kwargs", SERVER),
        ("run() needs to accept an argument for input data", SERVER),
        ("run() cannot be decorated with both @rawhttp and @input_schema", SERVER),
        ("Expects Content-Type to be application/json", SERVER),
        ("POST body should be a JSON dictionary.", SERVER),
        ("A value is not provided for the", SERVER),
        ("An unexpected internal error occurred. Check the logs for more info.", SERVER),
        ("Scoring timeout after", SERVER),
        ("must not exceed", SERVER),
        ("passed is not in set", SDK),
        ("Sampling rate must be an number in range (0.0-1.0)", SDK),
        ("In order to specify an existing", SDK),
        ("must be at least 3 and at most 32 characters long", SDK),
        ("supports DefaultScaleSettings only.", SDK),
        ("Environment schema data cannot be a string", SDK),
        ("Failed to extract version when parsing asset", SDK),
        ("Only 1 user assigned identity", SDK),
        ("Traffic rule percentages must sum to less than or equal to 100%", SDK),
        ("Compute runtime version must be one of", SDK),
        ("Registry reference for", SDK),
        ("Not a valid string.", SCHEMA),
        ("Missing data for required field.", SCHEMA),
        ("Field may not be null.", SCHEMA),
        ("Unknown field.", SCHEMA),
        ("String does not match expected pattern.", SCHEMA),
        ("is not installed", OWN),
        ("is in use", OWN),
        ("not live yet, perhaps still in init()", OWN),
        ("is registered in Azure and no model file here declares it", OWN),
        ("event refused (", OWN),
        ("nothing listens at", "amlready"),
    ],
)
def test_a_symptom_is_quoted_as_its_package_says_it(message, package):
    assert any(message in span for row in symptoms() for span in spans(row["what you see"])), "not in the table"
    assert message in program(package), f"{package} does not say so"


@cache
def program(package: str) -> str:
    """The text of a package's modules, with strings that are split over lines joined."""
    (folder,) = importlib.util.find_spec(package).submodule_search_locations[:1]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).rglob("*.py")))
    return re.sub(r"\"\s*\n\s*f?\"|'\s*\n\s*f?'", "", text)


# --- the walkthrough -------------------------------------------------------------------------------------------------

STEPS = (
    *("workspace handle", "endpoint", "model and environment, local", "model, registered", "environment, registered"),
    *("references by version", "enabling the collectors", "deployment", "traffic", "logs"),
    *("invoke with the sample request", "finding the collected data", "delete"),
)


def steps() -> dict[str, dict[str, str]]:
    return {row["step"]: row for row in tables(text_of("docs/walkthrough.md")) if "step" in row}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_notebook_has_a_command_that_is_understood(step):
    row = steps()[step]
    named = [span for column in ("in Azure", "on this machine") for span in spans(row[column])]
    ours = [each for each in named if re.match(r"amlready |az |scripts/", each)]
    assert ours
    assert {each: fault(each) for each in ours if fault(each)} == {}


def test_every_row_of_a_table_of_steps_has_a_command():
    rows = [(name, row) for name in OURS for row in tables(text_of(name)) if "step" in row]
    assert {"docs/walkthrough.md", "docs/deploy.md"} <= {name for name, _ in rows}
    for name, row in rows:
        commands_of_row = [span for cell in row.values() for span in spans(cell) if fault(span) is None]
        assert any(re.match(r"amlready |az |scripts/", each) for each in commands_of_row), (name, row)


def test_az_ml_alone_takes_every_step_that_the_scripts_take():
    plain = [each for each in commands(text_of("docs/walkthrough.md")) if each.startswith("az ")]
    for wanted in ("configure", "endpoint create", "model create", "environment create", "deployment create"):
        assert any(wanted in each for each in plain), wanted
    for wanted in ("--traffic", "get-logs", "invoke", "endpoint delete"):
        assert any(wanted in each for each in plain), wanted


def test_every_script_is_named_in_the_documents():
    everything = "".join(text_of(name) for name in DOCUMENTS)
    sourced = {"azure.sh", "environment.sh"}
    scripts = {path.name for path in (ROOT / "scripts").glob("*.sh")} - sourced
    assert {each for each in scripts if f"scripts/{each}" not in everything} == set()


# --- the local endpoint ----------------------------------------------------------------------------------------------


def test_the_record_that_is_shown_is_one_that_the_store_writes():
    (block,) = [lines for language, lines in fences(text_of("docs/serve.md")) if language == "json"]
    shown = json.loads("\n".join(block))
    event = Event(
        "model_outputs",
        json.dumps(shown["data"], separators=(",", ":")).encode(),
        datetime.fromisoformat(shown["time"]),
        id=shown["id"],
        correlation_id=shown["correlationid"],
        attributes={name: shown[name] for name in ("modelversion", "collectdatatype", "agent")},
    )
    written = json.loads(record(event, source("diabetes-regression", "blue")))
    assert list(written.items()) == list(shown.items())


def test_the_tree_that_is_shown_has_names_as_the_store_makes_them():
    (block,) = [lines for language, lines in fences(text_of("docs/serve.md")) if language == "text"]
    files = re.findall(r"(\S+)\.jsonl", "\n".join(block))
    assert files
    assert all(re.fullmatch(r"[0-9a-f]{32}\d{6}", each) for each in files)


def test_the_limits_that_are_documented_are_those_that_hold():
    from azureml.ai.monitoring.config.config import default_queue_capacity

    text = text_of("docs/serve.md")
    startup = inspect.signature(LocalEndpoint).parameters["startup_timeout"].default
    timeouts = {cli.parser().parse_args([each]).timeout for each in ("score", "invoke")}
    assert timeouts == {60}
    said = (f"{MAX_BODY // 2**20} MiB", f"{INLINE_LIMIT // 2**20} MiB", f"{startup:g} s", f"{default_queue_capacity:,}")
    for limit in (*said, "60 s (`--timeout`)"):
        assert f"| {limit} " in text, limit


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_names_what_there_is_and_can_be_read_in_the_dark():
    path = ROOT / "docs" / "flow.svg"
    picture = ElementTree.parse(path).getroot()
    texts = ["".join(each.itertext()) for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    files = [each for each in texts if re.fullmatch(r"[\w/.-]+\.(yml|sh|py)", each)]
    assert len(files) > 5
    assert [each for each in files if not (ROOT / each).is_file()] == []
    run = [each for each in texts if each.startswith("amlready ") or each.startswith("scripts/")]
    assert {each: fault(each) for each in run if fault(each)} == {}
    style = path.read_text(encoding="utf-8").partition("prefers-color-scheme: dark")
    colours = [set(re.findall(r"\.(\w+) \{[^}]*(?:fill|stroke): #", part)) for part in (style[0], style[2])]
    assert colours[0] == colours[1]


def test_the_readme_has_every_step_of_the_notebook():
    assert tuple(row["step"] for row in tables(text_of("README.md")) if "step" in row) == STEPS

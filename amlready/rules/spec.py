"""Rules about a file as such: can it be read, is it what azure-ai-ml would load, are its ignore comments right."""

from __future__ import annotations

from collections.abc import Iterator

from .. import schema as schemas
from ..diagnostic import Level, Problem, Related
from ..document import Node, Scalar, Sequence
from ..ignore import Ignores
from ..source import Source
from ..specs import Fault, Project, Spec
from ..suggest import did_you_mean
from ..template import MASKED, Marker
from . import rule, rules


def _of(fault: Fault, kind: str) -> Iterator[Problem]:
    if fault.kind == kind:
        yield fault.problem


@rule(Level.ERROR)
def unreadable(fault: Fault) -> Iterator[Problem]:
    """The file cannot be read as UTF-8 text.

    azure-ai-ml opens specs as UTF-8 and stops at the first byte that is not (a raw `UnicodeDecodeError`). Devices,
    files without read permission and files over 4 MiB are not read here either.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        description: caf\\xe9

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        description: café
    """
    yield from _of(fault, "unreadable")


@rule(Level.ERROR)
def yaml(fault: Fault) -> Iterator[Problem]:
    """The file is not YAML that azure-ai-ml can load.

    The SDK takes one document a file, in YAML 1.1, with plain tags. It parses with PyYAML's safe loader; so does this
    check, and it says in which place.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        description: blue: the first one

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        description: "blue: the first one"
    """
    yield from _of(fault, "yaml")


_FAMILIES = {
    "Endpoint": "endpoint",
    "Deployment": "deployment",
    "Model": "model",
    "Environment": "environment",
    "Data": "data",
    "Monitor": "monitor",
}


@rule(Level.ERROR)
def schema(project: Project) -> Iterator[Problem]:
    """The file is not one that azure-ai-ml would load.

    The schemas are generated from the SDK's own classes (`amlready --version` names its version), and so is what it
    converts (`'2'` where a number is wanted) and what it does not (`true` where it wants the text `'true'`). `az ml`
    runs the same code and stops at the same places, before anything is sent. `amlready schema KIND` prints a schema for
    an editor.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        instance_type: Standard_D2as_v4
        data_collector:
          collections:
            model_inputs:
              enabled: true

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
        instance_type: Standard_D2as_v4
        data_collector:
          collections:
            model_inputs:
              enabled: 'true'
    """
    for spec in project.specs:
        family = _FAMILIES.get(type(spec).__name__)
        if family is not None and spec.source.path not in project.context:
            yield from schemas.problems(spec.document, family, project.files(spec))


@rule(Level.ERROR)
def unfilled_placeholder(project: Project) -> Iterator[Problem]:
    """A template's placeholder was not filled in.

    Nothing between this file and Azure replaces it: `az ml` sends `${NAME}` or `<name>` as it stands, GitHub Actions
    renders `${{ }}` in its own workflow files only, and `{{NAME}}` without quotes is not even valid YAML. Fill the file
    in before it is used, or check it with `--var NAME=value`. In environment variables and descriptions `$NAME` and
    `<name>` may be meant for somebody else and are not reported; references to secrets (`${{azureml://...}}`) are
    Azure's own.

    Bad::

        # deployment.yml
        name: blue
        endpoint_name: {{ENDPOINT_NAME}}

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
    """
    for spec in project.specs:
        meant_for_others = _free_text(spec)
        for each in spec.document.unfilled:
            breaks_yaml = each.form in MASKED and not _is_quoted(spec.source, each)
            if not breaks_yaml and not _is_read(spec.document.root, each, spec.source):
                continue  # --set, --name or --endpoint-name has replaced the value
            if each.form in ("angle", "variable", "underscores") and any(
                start <= each.start < end for start, end in meant_for_others
            ):
                continue
            span = spec.source.span(each.start, each.end)
            yield Problem(
                span,
                f"{span.text!r} was not filled in{_WHY.get(each.form, '')}; --var {_word(each.name)} checks "
                "the file with a value",
            )


def _word(name: str) -> str:
    """What to write after `--var`, as one word for the shell."""
    plain = name.replace(".", "").replace("-", "").replace("_", "").isalnum()
    return f"{name}=..." if plain else repr(f"{name}=...")


_WHY = {"expression": " (GitHub Actions renders expressions in its workflow files only)"}


def _is_quoted(source: Source, marker: Marker) -> bool:
    """Whether a quote is open on the marker's line."""
    before = source.text[source.text.rfind("\n", 0, marker.start) + 1 : marker.start]
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1


def _is_read(node: Node, marker: Marker, source: Source) -> bool:
    """Whether a placeholder is in a value that the file still has, or in a key."""
    match node:
        case Scalar():
            return node.source is source and node.start <= marker.start < node.end
        case Sequence():
            return any(_is_read(item, marker, source) for item in node.items)
    return any(_is_read(entry.key, marker, source) or _is_read(entry.value, marker, source) for entry in node)


def _free_text(spec: Spec) -> list[tuple[int, int]]:
    """Where `$NAME` and `<name>` may be meant for somebody else."""
    keys = ("environment_variables", "description", "tags", "properties", "dependencies")
    entries = (spec.document.find(key) for key in keys)
    return [(entry.value.start, entry.value.end) for entry in entries if entry is not None]


@rule(Level.ERROR)
def syntax(fault: Fault) -> Iterator[Problem]:
    """The scoring script, or a module beside it, is not valid Python.

    `az ml online-deployment create` parses the scoring script and refuses one with a syntax error; with
    `--skip-script-validation`, and in the modules that it imports, the error appears when the container starts, which
    then never becomes ready.

    Bad::

        # src/score.py
        def init()
            pass

        def run(data):
            return data

    Good::

        # src/score.py
        def init():
            pass

        def run(data):
            return data
    """
    yield from _of(fault, "syntax")


@rule(Level.WARNING)
def unrecognised(fault: Fault) -> Iterator[Problem]:
    """A file that was named on the command line is none of the kinds that are checked.

    A spec is told by what is in it: `$schema`, or keys that only one kind has. Below a folder, files that are not
    recognised are passed over; one that is named itself was meant to be checked, so silence would mislead.

    Bad::

        # model.yml
        name: scikit-model

    Good::

        # model.yml
        $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
        name: scikit-model
        version: 1
        path: model/
    """
    yield from _of(fault, "unrecognised")


@rule(Level.WARNING)
def duplicate_key(project: Project) -> Iterator[Problem]:
    """A key is written twice in one mapping; the last one wins without a word.

    YAML forbids it, but the parser that azure-ai-ml uses takes the last value and drops the others, in nested
    mappings and collections too.

    Bad::

        # deployment.yml
        instance_count: 3
        app_insights_enabled: true
        instance_count: 1

    Good::

        # deployment.yml
        instance_count: 3
        app_insights_enabled: true
    """
    for spec in project.specs:
        for earlier, later in spec.document.duplicates:
            message = f"{str(later.value)!r} is written twice; this one counts and the earlier one is dropped"
            yield Problem(later.span, message, (Related(earlier.span, "the earlier one is here"),))


@rule(Level.WARNING)
def ignore(ignores: Ignores) -> Iterator[Problem]:
    """An ignore comment has no reason, names no rule that exists, or hides nothing.

    The form is `# amlready: ignore[rule] reason`, on the line of the finding or alone on the line above. An ignore
    that no longer hides anything would silently hide the next fault at that place.

    Bad::

        # deployment.yml
        instance_count: 3  # amlready: ignore[instance-counts] set by the pipeline

    Good::

        # deployment.yml
        instance_count: 3
    """
    for each in ignores.incomplete:
        yield Problem(each.span, "an ignore needs a rule and a reason: # amlready: ignore[rule] reason")
    for each, name in ignores.unknown:
        hint = did_you_mean(name, rules()) or "; `amlready explain` lists them"
        yield Problem(each.span, f"there is no rule {name!r}{hint}")
    for each, name in ignores.unused:
        yield Problem(each.span, f"this ignore hides nothing: {name!r} finds no fault here; delete it")

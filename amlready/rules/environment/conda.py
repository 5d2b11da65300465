"""The form of a conda file: sections and entries that conda can read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Entry, Mapping, Node, Scalar, Sequence
from ...packages import Packages, Requirement
from ...specs import Conda, Project
from ...suggest import near
from ...versions import stretch
from .. import rule
from ..deployment.names import is_template
from .packages import packages_span

SECTIONS = ("name", "channels", "dependencies", "prefix", "variables")
"""What conda reads of an environment file; it warns about anything else and leaves it out."""


@rule(Level.ERROR)
def conda_without_mapping(project: Project) -> Iterator[Problem]:
    """The conda file is empty or holds a list, where conda needs `channels` and `dependencies`.

    azure-ai-ml loads such a file and sends it along: an empty one as no conda file at all, so the packages are simply
    not there; a list fails when the image is built (azure-ai-ml 1.35.2, its registration step run here).

    Bad::

        # conda.yaml
        - python=3.11
        - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
    """
    for fault in project.faults:
        if fault.kind == "conda":
            message = fault.problem.message.replace("a spec is a mapping", "conda needs a mapping with dependencies")
            yield Problem(fault.problem.span, message.removesuffix(" of keys to values"))


@rule(Level.WARNING)
def unknown_conda_section(conda: Conda) -> Iterator[Problem]:
    """A section of the conda file is not one that conda reads.

    conda leaves an unknown section out with a warning in the build log, so the packages in a misspelled
    `dependencies` are not installed. Reported when a section looks like one of conda's own, or when there are no
    dependencies at all.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependancies:
          - python=3.12
          - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    known = {str(each.key.value) for each in conda.root}
    guesses = {}
    for each in conda.root:
        name = str(each.key.value)
        if name in SECTIONS:
            continue
        meant = near(name, [section for section in SECTIONS if section not in known])
        if meant:
            guesses[meant] = each
            fix = (Edit(each.key.span, meant),) if each.key.span.text == name else ()
            yield Problem(each.key.span, f"conda does not read {name!r}; did you mean {meant!r}?", fix=fix)
    if "dependencies" not in known and "dependencies" not in guesses and conda.used:
        yield Problem(packages_span(conda), "there are no dependencies here, so nothing is installed")


@rule(Level.WARNING)
def missing_channels(conda: Conda) -> Iterator[Problem]:
    """The conda file names no channels.

    conda then takes the default ones of whatever image it runs in, which may change and lag behind ("Troubleshoot
    environments" counts missing channels among what keeps an environment from being registered, and recommends
    conda-forge).

    Bad::

        # conda.yaml
        dependencies:
          - python=3.12
          - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    entry = conda.find("channels")
    if not conda.used or (entry and _is_filled(entry.value)):
        return
    misspelled = any(near(str(each.key.value), ["channels"]) for each in conda.root)
    if entry or not misspelled:
        at = entry.key.span if entry else packages_span(conda)
        yield Problem(at, "no channel is named; add channels: [conda-forge]")


def _is_filled(node: Node) -> bool:
    return bool(node.items) if isinstance(node, Sequence) else isinstance(node, Scalar) and bool(node.value)


@rule(Level.ERROR)
def invalid_dependency(conda: Conda) -> Iterator[Problem]:
    """An entry of `dependencies` is neither a text nor a `pip:` list of texts.

    conda reads texts such as `python=3.12`, and one mapping, `pip:` with a list ("Create an environment file
    manually"). `- python: 3.12` is a mapping, `- 3.12` a number, and an empty item nothing; conda stops at each.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python: 3.12
          - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
    """
    node = conda.get("dependencies")
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _faults(item)
    elif node is not None and not (isinstance(node, Scalar) and node.value is None):
        yield Problem(node.span, "dependencies is a list; begin each entry with '- '")


def _faults(item: Node) -> Iterator[Problem]:
    match item:
        case Scalar(value=str()):
            return
        case Scalar(value=value):
            what = "is empty" if value is None else f"is the number {item.text}, not a package"
            yield Problem(item.span, f"this entry {what}; write for example python=3.12")
        case Mapping():
            for entry in item:
                yield from _section_faults(entry)
        case _:
            yield Problem(
                item.span, "this entry is a list; an entry is a text such as python=3.12, or pip: with a list"
            )


def _section_faults(entry: Entry) -> Iterator[Problem]:
    name = str(entry.key.value)
    if name != "pip":
        version = entry.value.text if isinstance(entry.value, Scalar) and entry.value.value is not None else ""
        yield Problem(entry.key.span, f"{name!r} is a key here; write {name + '=' + version if version else name!r}")
    elif not isinstance(entry.value, Sequence):
        yield Problem(entry.key.span, "pip: takes a list; begin each of its entries with '- '")
    else:
        for item in entry.value.items:
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                yield Problem(item.span, "an entry under pip is a text such as numpy==2.4.6")


@rule(Level.ERROR)
def malformed_conda_entry(conda: Conda) -> Iterator[Problem]:
    """An entry for conda is not written as conda reads it.

    The form is NAME, NAME=1.2, NAME==1.2.3, NAME>=1.2,<2; the operators are = == != < <= > >= and ~=. conda stops with
    `Invalid version` or `ResolvePackageNotFound`, and the image is not built ("Troubleshoot environments": bad spec,
    Python version that cannot be validated). The package of Python is called `python`, whatever the version.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=>3.12
          - pip=26.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python>=3.12
          - pip=26.1.1
    """
    for each in conda.packages.requirements:
        better = _better(each) if each.manager == "conda" else None
        if better and not is_template(str(each.node.value)):
            yield Problem(each.node.span, f"conda cannot read {str(each.node.value)!r}; write {better!r}")


def _better(entry: Requirement) -> str | None:
    """How an entry has to be written, when it is certainly wrong."""
    for wrong, right in (("=>", ">="), ("=<", "<="), ("=!", "!="), ("=~", "~=")):
        if wrong in entry.condition:
            return entry.name + entry.condition.replace(wrong, right)
    if re.search(r"[=<>!~]\s*$", entry.condition):
        return f"{entry.name}=VERSION" if entry.name != "python" else "python=3.12"
    found = re.fullmatch(r"python-?(3[.-]?\d*)", entry.name)
    return f"python={found[1].replace('-', '.')}" if found and not entry.condition else None


@rule(Level.ERROR)
def conflicting_requirements(conda: Conda) -> Iterator[Problem]:
    """The same package is asked for twice, in versions that exclude each other.

    Neither conda nor pip can install both: pip ends with `ResolutionImpossible` (run here), conda with `Found
    conflicts` or `unsatisfiable`, and the image is not built.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy==1.26.4
              - scikit-learn==1.9.1
              - numpy==2.4.6

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1
              - numpy==2.4.6
    """
    for first, second in _twice(conda.packages):
        if _exclude(first, second) and first.name != "python":
            related = (Related(first.node.span, f"{first.name}{first.condition} is asked for here"),)
            yield Problem(second.node.span, f"{second.name} is asked for in another version as well", related)


@rule(Level.WARNING)
def duplicate_requirement(conda: Conda) -> Iterator[Problem]:
    """The same package is listed twice.

    Which of the two counts is hard to say, and whoever changes one forgets the other; "Troubleshoot environments"
    asks for no duplicate dependencies.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy==2.4.6
              - scikit-learn==1.9.1
              - numpy

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy==2.4.6
              - scikit-learn==1.9.1
    """
    for first, second in _twice(conda.packages):
        if not _exclude(first, second) and first.name != "python":
            related = (Related(first.node.span, "it is here as well"),)
            yield Problem(second.node.span, f"{second.name} is listed twice; keep one of the two", related)


@rule(Level.NOTE)
def installed_twice(conda: Conda) -> Iterator[Problem]:
    """A package is installed by conda and then again by pip.

    pip replaces what conda installed, and conda does not know: another conda package may have been built for the first
    version. Mixing the two for one package also makes builds slow ("Troubleshoot online endpoints", image build
    timeouts).

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - numpy=2.3.0
          - pip=26.1.1
          - pip:
              - numpy==2.4.6

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy==2.4.6
    """
    by_conda = {each.name: each for each in conda.packages.requirements if each.manager == "conda"}
    for each in conda.packages.requirements:
        if each.manager == "pip" and each.name in by_conda and each.name not in ("pip", "setuptools", "wheel"):
            related = (Related(by_conda[each.name].node.span, "conda installs it here"),)
            yield Problem(
                each.node.span, f"pip replaces the {each.name} that conda installs; keep one of the two", related
            )


def _twice(packages: Packages) -> Iterator[tuple[Requirement, Requirement]]:
    """Entries for one package and one manager, each with the first of them; markers may mean that only one counts."""
    first: dict[tuple[str, str], Requirement] = {}
    for each in packages.requirements:
        key = (each.manager, each.name)
        if key not in first:
            first[key] = each
        elif ";" not in str(each.node.value) and ";" not in str(first[key].node.value):
            yield first[key], each


def _exclude(one: Requirement, other: Requirement) -> bool:
    first, second = (stretch(each.condition, conda=each.manager == "conda") for each in (one, other))
    return first is not None and second is not None and not first.meets(second)

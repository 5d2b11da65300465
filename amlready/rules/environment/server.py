"""The inference server and the Collector against the other packages of a conda file."""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...inference_server import DEFAULTS, NEWEST, SERVER, Choice, choose, entries
from ...packages import Requirement
from ...specs import Conda
from ...versions import is_before, is_prerelease, stretch
from .. import rule
from .python import minor, python

MONITORING = "azureml-ai-monitoring"
OWN = ("flask", "jinja2", "itsdangerous", "werkzeug", "markupsafe", "click")
"""What the server brings itself, in versions of its own choice."""


def _brings_core(conda: Conda) -> bool:
    """Whether azureml-core is, or may be, among the packages: any other azureml- package may bring it."""
    names = (each.name for each in conda.packages.requirements)
    return any(each.startswith("azureml-") and each not in (SERVER, MONITORING) for each in names)


@rule(Level.ERROR)
def contrib_hidden(conda: Conda) -> Iterator[Problem]:
    """This release of the inference server cannot start beside azureml-ai-monitoring.

    Up to 1.4.0 the server imports `azureml.contrib` from a folder of its own, and azureml-ai-monitoring installs an
    `azureml` package that hides it: every worker exits with `ModuleNotFoundError: No module named 'azureml.contrib'`
    (1.2.2, 1.3.4 and 1.4.0 run here). azureml-core, which azureml-defaults brings, makes both visible; 1.4.1 does
    without. Which release gets installed may follow from something else: from Python 3.8, for which 1.3.4 is the last
    one, or from an old pydantic or Flask that no later server accepts.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.4.0
              - azureml-ai-monitoring==1.0.0

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.4.1
              - azureml-ai-monitoring==1.0.0
    """
    collector = [each for each in conda.packages.named(MONITORING) if each.manager == "pip"]
    if not collector or _brings_core(conda) or conda.packages.opaque:
        return
    choice = choose(conda.packages, minor(conda))
    if choice and choice.release and is_before(choice.release.version, "1.4.1"):
        culprit, why = _why(conda, choice)
        message = f"{why}: beside azureml-ai-monitoring it cannot start (no module azureml.contrib); 1.4.1 or later can"
        yield Problem(culprit.node.span, message, (Related(collector[0].node.span, "this hides azureml.contrib"),))


def _why(conda: Conda, choice: Choice) -> tuple[Requirement, str]:
    """The entry that keeps the server at an old release, and how."""
    assert choice.release is not None
    server, version = entries(conda.packages)[0], choice.release.version
    lets = stretch(server.condition)
    if lets is not None and not lets.reaches("1.4.1"):
        return server, f"this is inference server {version}"
    runs, entry = minor(conda), python(conda)
    if entry is not None and runs is not None and is_before(runs, "3.9"):
        return entry, f"on Python {runs} the inference server is {version}"
    for each in conda.packages.requirements:
        if each.manager == "pip" and each.name in choice.candidates[0].requires and each.condition:
            return each, f"with this {each.name} the inference server is {version}"
    return server, f"this is inference server {version}"


@rule(Level.ERROR)
def server_conflict(conda: Conda) -> Iterator[Problem]:
    """A package is pinned to a version that the inference server excludes.

    The server declares what it needs of Flask, Werkzeug, pydantic, gunicorn, inference-schema and OpenTelemetry; pip
    finds no set of versions, ends with `ResolutionImpossible`, and the image is not built (Flask 2.3.2 with server
    1.5.1 run here). Without a pin on the server, pip goes back to an older server that fits, silently.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - pydantic==2.9.2

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
    """
    choice = choose(conda.packages, minor(conda))
    if choice is None or choice.release is not None:
        return
    release = choice.candidates[0]
    server = entries(conda.packages)[0]
    related = (Related(server.node.span, f"this is inference server {release.version}"),)
    for each in choice.blockers:
        needed = release.requires[each.name]
        message = f"inference server {release.version} needs {each.name}{needed}; change this, or leave it out"
        yield Problem(each.node.span, message, related)


@rule(Level.WARNING)
def server_held_back(conda: Conda) -> Iterator[Problem]:
    """Another package's version makes pip install an old inference server.

    The server itself has no version, so pip takes the newest one that goes with the rest: with pydantic 1.10 that is
    server 1.0.0, three years behind (run here). Nothing fails while the image is built.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http
              - pydantic==1.10.13

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http
              - pydantic==2.12.5
    """
    choice = choose(conda.packages, minor(conda))
    if choice is None or choice.release is None or choice.release is choice.candidates[0]:
        return
    newest, chosen = choice.candidates[0], choice.release
    if newest.version.split(".")[:2] == chosen.version.split(".")[:2]:
        return  # a correction less
    for each in conda.packages.requirements:
        needed = stretch(newest.requires.get(each.name, ""))
        asked = stretch(each.condition)
        if each.manager == "pip" and needed and asked and not asked.meets(needed):
            message = f"with this, pip installs inference server {chosen.version}; {newest.version} needs {each.name}"
            yield Problem(each.node.span, message + newest.requires[each.name])


@rule(Level.NOTE)
def server_dependency_listed(conda: Conda) -> Iterator[Problem]:
    """A package that the inference server brings in versions of its own is pinned beside it.

    "Troubleshoot online endpoints" asks not to list Flask, Jinja2, itsdangerous, Werkzeug, MarkupSafe and click: a pin
    that fits today keeps the server from being updated tomorrow. Not reported without a version, and not where the
    pin conflicts already.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - flask==3.1.3

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
    """
    choice = choose(conda.packages, minor(conda))
    if choice is None or choice.release is not choice.candidates[0]:
        return
    for each in conda.packages.named(*OWN):
        if each.condition:
            yield Problem(each.node.span, f"the inference server brings {each.name} itself; leave it out")


@rule(Level.ERROR)
def flask_with_old_server(conda: Conda) -> Iterator[Problem]:
    """Flask 2 is installed beside an inference server that was written for Flask 1.

    Every worker fails with `TypeError: register() takes 3 positional arguments but 4 were given` ("Troubleshoot
    online endpoints": servers before 0.7.0, which azureml-defaults before 1.44 brings).

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-defaults==1.38.0
              - flask==2.0.3

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-defaults==1.62.0
    """
    before_two = stretch("<2")
    for server in entries(conda.packages):
        lets = stretch(server.condition)
        if lets is None or lets.reaches("1.44" if server.name == DEFAULTS else "0.7.0"):
            continue
        for each in conda.packages.named("flask"):
            asked = stretch(each.condition)
            if asked and before_two and not asked.meets(before_two):
                related = (Related(server.node.span, "this server was written for Flask 1"),)
                yield Problem(each.node.span, "with Flask 2, a server of this age fails in register()", related)


@rule(Level.WARNING)
def outdated_server(conda: Conda) -> Iterator[Problem]:
    """The inference server is held below 1.0.

    Such servers are from 2023 or before. "Troubleshoot online endpoints" lists what is wrong with them: before 0.4.11
    they do not start with a later Jinja2, before 0.7.0 not with Flask 2; on present-day Pythons most do not install.
    azureml-defaults brings one below 1.0 before 1.55; a newer server beside it is no way out, because the two exclude
    each other.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-defaults==1.38.0

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
    """
    for each in entries(conda.packages):
        lets = stretch(each.condition)
        if lets is not None and not lets.reaches("1.54.99" if each.name == DEFAULTS else "1.0.0"):
            brings = "brings an inference server below 1.0" if each.name == DEFAULTS else "is below 1.0"
            message = f"this {brings}, from 2023 or before; write {SERVER}=={NEWEST} instead of this line"
            yield Problem(each.node.span, message)


@rule(Level.WARNING)
def prerelease_monitoring(conda: Conda) -> Iterator[Problem]:
    """The Collector is pinned to a version from before its release.

    The documentation's sample still has `azureml-ai-monitoring~=0.1.0b1`, which only lets the betas of 2023 through;
    1.0.0 is the release.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - azureml-ai-monitoring~=0.1.0b1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - azureml-ai-monitoring==1.0.0
    """
    for each in conda.packages.named(MONITORING):
        lets = stretch(each.condition)
        if (lets is not None and not lets.reaches("1.0.0") and lets.admits("0.1.0b4")) or _is_beta(each):
            yield Problem(each.node.span, "this lets only betas of 2023 through; write azureml-ai-monitoring==1.0.0")


def _is_beta(entry: Requirement) -> bool:
    return entry.version is not None and is_prerelease(entry.version)

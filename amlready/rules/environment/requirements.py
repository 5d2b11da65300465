"""The entries of a conda file: how they are written, and whether pip can do anything with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem
from ...document import Mapping, Scalar, Sequence
from ...packages import normalise
from ...source import Span
from ...specs import Conda, Environment
from .. import rule
from ..deployment.names import is_template

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_VERSION = r"[\w.!+*-]+"
_CLAUSE = rf"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*{_VERSION}\s*"
_REQUIREMENT = re.compile(
    rf"{_NAME}\s*(?:\[[\w\s,.-]*\])?\s*(?:@\s*\S+|\(?\s*(?:{_CLAUSE}(?:,{_CLAUSE})*,?\s*)?\)?)\s*(?:;.*)?"
)
"""What pip takes as a requirement by name (PEP 508)."""

_LOCATION = re.compile(r"(?:git|hg|svn|bzr)\+|https?://|file:|s3://", re.IGNORECASE)


def pip_entries(conda: Conda) -> list[Scalar]:
    """The texts under `pip:`."""
    node = conda.get("dependencies")
    lists = [item.get("pip") for item in node.items if isinstance(item, Mapping)] if isinstance(node, Sequence) else []
    entries = [item for each in lists if isinstance(each, Sequence) for item in each.items]
    return [each for each in entries if isinstance(each, Scalar) and isinstance(each.value, str)]


def _requirement(node: Scalar) -> str | None:
    """What an entry asks for by name, without comment; None for an option, a path, an address or a placeholder."""
    text = re.split(r"(?:^|\s)#", str(node.value), maxsplit=1)[0].strip()
    is_path = re.match(r"[./~]|[A-Za-z]:\\", text) or text.endswith((".whl", ".tar.gz", ".zip"))
    if not text or text.startswith("-") or is_path or _LOCATION.match(text) or is_template(text):
        return None
    return text


@rule(Level.ERROR)
def single_equals(conda: Conda) -> Iterator[Problem]:
    """A version under `pip:` has a single `=`, which only conda understands.

    pip says `Invalid requirement: 'numpy=1.26'` and nothing is installed (run here); the sample in "Troubleshoot
    environments" itself is written so. conda's own entries, outside of `pip:`, may have one or two.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy=2.4.6

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy==2.4.6
    """
    for node in pip_entries(conda):
        text = _requirement(node) or ""
        if text.count("=") != 1:
            continue
        found = re.fullmatch(rf"({_NAME}\s*(?:\[[\w\s,.-]*\])?\s*)=(\s*[\w.!+*-]+)", text)
        if found:
            at = node.span.text.find("=")
            whole = node.span.text.count("=") == 1
            fix = (Edit(_part(node, at, at + 1), "=="),) if whole else ()
            message = f"pip needs two equals signs: {found[1]}=={found[2]}"
            yield Problem(node.span, message, fix=fix)


def _part(node: Scalar, start: int, end: int) -> Span:
    return Span(node.source, node.start + start, node.start + end)


@rule(Level.ERROR)
def malformed_requirement(conda: Conda) -> Iterator[Problem]:
    """An entry under `pip:` is none that pip can read.

    The form is NAME, NAME==1.2, NAME>=1.2,<2, with the operators == != <= >= < > ~= and ===. pip stops at the first
    entry that it cannot read, `Invalid requirement` (run with pip 26.3), and installs none.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy=>2.4

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - numpy>=2.4
    """
    for node in pip_entries(conda):
        text = _requirement(node)
        if text is None or _REQUIREMENT.fullmatch(text):
            continue
        if not re.fullmatch(rf"{_NAME}\s*(?:\[[\w\s,.-]*\])?\s*=\s*[\w.!+*-]+", text):
            yield Problem(node.span, f"pip cannot read {text!r}{_advice(text)}")


def _advice(text: str) -> str:
    for wrong, right in (("=>", ">="), ("=<", "<="), ("=!", "!="), ("=~", "~=")):
        if wrong in text:
            return f"; write {text.replace(wrong, right)!r}"
    found = re.fullmatch(rf"({_NAME})\s+(\d\S*)", text)
    if found:
        return f"; write {found[1] + '==' + found[2]!r}"
    if re.search(r"(?<![=~<>!])~(?!=)", text):
        return f"; write {text.replace('~', '~=')!r}"
    return "; the form is NAME==VERSION, or NAME>=VERSION,<VERSION"


@rule(Level.ERROR)
def local_requirement(environment: Environment, conda: Conda) -> Iterator[Problem]:
    """The conda file of an environment names a file of this machine.

    azure-ai-ml sends the text of the conda file and nothing beside it (SDK 1.35.2), so there is no requirements file,
    wheel or folder where the image is built, and pip stops with `Could not open requirements file`. Write the packages
    out, put the wheel where an address leads to it, or build from a Dockerfile with a build context.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - -r requirements.txt

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1
    """
    if environment.find("build"):
        return  # the Dockerfile may copy anything
    for node in pip_entries(conda):
        path = _local(re.split(r"\s#", str(node.value), maxsplit=1)[0].strip())
        if path and not is_template(path) and not path.startswith("/"):
            yield Problem(
                node.span, f"{path!r} is not there when the image is built; only the conda file itself is sent"
            )


def _local(text: str) -> str | None:
    """The path that an entry leads to."""
    options = r"(?:-r|--requirement|-c|--constraint|-e|--editable)(?:\s+|=)?(\S+)"
    found = re.match(options, text) if text.startswith("-") else None
    path = found[1] if found else text
    if _LOCATION.match(path) and not path.lower().startswith("file:"):
        return None
    is_path = found or re.match(r"\.{1,2}(?:/|\\|$)|file:", path) or path.lower().endswith((".whl", ".tar.gz"))
    return path.removeprefix("file:") if is_path and " @ " not in text else None


@rule(Level.ERROR)
def invalid_wheel_name(conda: Conda) -> Iterator[Problem]:
    """The file name of a wheel is not one that pip accepts.

    A wheel is called NAME-VERSION-PYTHON-ABI-PLATFORM.whl, and pip reads name and version from it: `... is not a valid
    wheel filename` (run here). Renaming a downloaded wheel breaks it.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - https://example.blob.core.windows.net/wheels/ours.whl

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - https://example.blob.core.windows.net/wheels/ours-1.0-py3-none-any.whl
    """
    for node in pip_entries(conda):
        written = str(node.value).strip()
        found = re.search(r"([^/\\\s=]+)\.whl(?:[?#]\S*)?$", written) if ".whl" in written else None
        if found and not is_template(str(node.value)) and len(found[1].split("-")) not in (5, 6):
            message = f"{found[1] + '.whl'!r} is no wheel's name; it is NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
            yield Problem(node.span, message)


OTHER_NAMES = {"sklearn": "scikit-learn", "pytorch": "torch"}
"""Names on PyPI whose only purpose is to fail and say the right one."""


@rule(Level.ERROR)
def wrong_package_name(conda: Conda) -> Iterator[Problem]:
    """A package under `pip:` is called otherwise on PyPI.

    `sklearn` and `pytorch` are packages that refuse to install and name the right one, and Python itself cannot be
    installed by pip at all (each run here).

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - sklearn

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn
    """
    for each in conda.packages.requirements:
        if each.manager != "pip" or each.condition.startswith("@"):
            continue
        right = OTHER_NAMES.get(each.name)
        written = re.match(_NAME, each.node.span.text)
        if right:
            named = written is not None and normalise(written[0]) == each.name
            fix = (Edit(_part(each.node, 0, len(each.name)), right),) if named and not each.condition else ()
            yield Problem(each.node.span, f"{each.name!r} on PyPI only says that it is called {right!r}", fix=fix)
        elif each.name == "python":
            yield Problem(each.node.span, "pip cannot install Python; list it outside of pip:, as python=3.12")


@rule(Level.WARNING)
def not_a_conda_package(conda: Conda) -> Iterator[Problem]:
    """A package that is on PyPI only is listed for conda.

    The inference server and the Collector are published on PyPI. Outside of `pip:` conda looks for them in its
    channels, ends with `ResolvePackageNotFound`, and the image is not built.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - azureml-inference-server-http

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http
    """
    for each in conda.packages.named("azureml-inference-server-http", "azureml-ai-monitoring", "azureml-defaults"):
        if each.manager == "conda":
            yield Problem(each.node.span, f"{each.name} is on PyPI only; list it under pip:")


@rule(Level.NOTE)
def pip_not_stated(conda: Conda) -> Iterator[Problem]:
    """Packages are to be installed by pip, but pip itself is not among the dependencies.

    conda adds it with a warning, in the version of the day. Different pips resolve the same entries differently;
    "Troubleshoot environments" asks for pip to be stated and pinned.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip:
              - scikit-learn==1.9.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1
    """
    node = conda.get("dependencies")
    for item in node.items if isinstance(node, Sequence) and conda.used else ():
        entry = item.entry("pip") if isinstance(item, Mapping) else None
        if entry and not [each for each in conda.packages.named("pip") if each.manager == "conda"]:
            yield Problem(entry.key.span, "pip itself is not stated; add pip=26.1.1, or another version, before this")


@rule(Level.NOTE)
def unpinned_requirements(conda: Conda) -> Iterator[Problem]:
    """Packages are listed without a version.

    The next build of the same file gives another environment, and the solver has more to try, which is what image
    builds time out on ("Troubleshoot environments", unpinned dependencies and conda timeout). A model in a pickle also
    needs the version of the library that wrote it. A package that is listed again with a version is not reported here,
    but as listed twice.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn
              - pandas==3.1.1

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - scikit-learn==1.9.1
              - pandas==3.1.1
    """
    stated = {"python", *(each.name for each in conda.packages.requirements if each.condition)}
    free = [each for each in conda.packages.requirements if each.name not in stated]
    if conda.used and free:
        names = [each.name for each in free]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield Problem(free[0].node.span, f"no version is stated for {listed}; pin each, as NAME==VERSION")

"""The scoring code: folder and script belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Mapping
from ...specs import Deployment
from .. import rule
from .container import brings_routes


@rule(Level.ERROR)
def half_code_configuration(deployment: Deployment) -> Iterator[Problem]:
    """The `code_configuration` has a folder without a script, or a script without a folder.

    azure-ai-ml loads either. `create` then stops with a raw `TypeError` (no script) or `AttributeError` (no folder:
    `'NoneType' object has no attribute 'startswith'`), which `--skip-script-validation` does not prevent (SDK
    1.35.2).

    Bad::

        # deployment.yml
        code_configuration:
          scoring_script: score.py

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py
    """
    entry = deployment.find("code_configuration")
    if entry is None or not isinstance(entry.value, Mapping):
        return
    missing = [key for key in ("code", "scoring_script") if entry.value.entry(key) is None]
    if missing:
        what = {"code": "the folder to upload", "scoring_script": "the script in that folder"}
        words = " and ".join(f"{key!r}, {what[key]}" for key in missing)
        yield Problem(entry.key.span, f"code_configuration lacks {words}")


@rule(Level.ERROR)
def remote_code(deployment: Deployment) -> Iterator[Problem]:
    """The code folder is an address, and azure-ai-ml uploads local folders only.

    `create` takes the address for a path below the YAML file and stops with `Failed to open scoring script` (SDK
    1.35.2). Registered code (`azureml:name:version`) is fine.

    Bad::

        # deployment.yml
        code_configuration:
          code: https://github.com/my-team/scoring.git
          scoring_script: score.py

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py
    """
    entry, code = deployment.find("code_configuration", "code"), deployment.text("code_configuration", "code")
    if entry and code and ":" in code and re.match(r"(?!azureml:)[A-Za-z][A-Za-z0-9+.-]+:", code):
        yield Problem(entry.value.span, f"{code!r} is not a local folder; check the code out and name its folder")


@rule(Level.ERROR)
def code_without_version(deployment: Deployment) -> Iterator[Problem]:
    """A reference to registered code has no version.

    `create` stops with `Failed to extract version ... Version must be provided` (SDK 1.35.2, run here).

    Bad::

        # deployment.yml
        code_configuration:
          code: azureml:scoring
          scoring_script: score.py

    Good::

        # deployment.yml
        code_configuration:
          code: azureml:scoring:1
          scoring_script: score.py
    """
    entry, code = deployment.find("code_configuration", "code"), deployment.text("code_configuration", "code")
    if entry and code and re.fullmatch(r"azureml:[^/:@\s]+", code):
        yield Problem(entry.value.span, f"{code!r} has no version; write {code}:VERSION, or the name of a local folder")


@rule(Level.ERROR)
def script_not_python(deployment: Deployment) -> Iterator[Problem]:
    """The scoring script is a file that Python does not import, such as a notebook.

    azure-ai-ml only looks whether it reads as Python, which the JSON of a notebook does, or stops with `syntax errors
    in scoring script`. The inference server imports files that end in `.py` (server 1.5.1: `'NoneType' object has no
    attribute 'loader'`), and the container does not start. Containers with servers of their own, which
    `inference_config` tells, may take other scripts.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.ipynb

        # src/score.ipynb
        {"cells": []}

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...
    """
    script = deployment.scoring_script
    if script is None or not script.exists or script.is_folder or brings_routes(deployment):
        return
    # A registered environment that is not among the files may have any server; none runs a notebook.
    if script.path.suffix == ".ipynb" or (deployment.environment and script.path.suffix not in (".py", ".pyc")):
        yield Problem(script.node.span, f"the server imports Python files only, and {script.path.name!r} is none")

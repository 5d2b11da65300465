"""The scoring code: folder and script belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Mapping
from ...specs import Deployment
from .. import rule


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
    if entry and code and re.match(r"(?!azureml:)[A-Za-z][A-Za-z0-9+.-]+:", code):
        yield Problem(entry.value.span, f"{code!r} is not a local folder; check the code out and name its folder")

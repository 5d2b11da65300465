"""What of the code folder is uploaded, and what keeps it from being uploaded."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...frozen import once
from ...source import Span
from ...specs import Deployment
from ...uploads import Upload, upload
from .. import rule


@once
def _uploaded(deployment: Deployment) -> Upload:
    """The files of the code folder; none where there is no such folder."""
    code = deployment.code
    return upload(code.path) if code is not None and code.is_folder else Upload()


def _place(deployment: Deployment, key: str) -> Span:
    entry = deployment.find("code_configuration", key)
    return entry.value.span if entry else deployment.source.top


@rule(Level.ERROR)
def empty_code(deployment: Deployment) -> Iterator[Problem]:
    """An ignore file leaves out everything that is in the code folder.

    Nothing is left to upload, and `create` stops with `Directory ... is empty` (SDK 1.35.2, run here), after the data
    assets of the collections have been registered. .amlignore in the folder counts or, without one, .gitignore.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...

        # src/.gitignore
        *

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...
    """
    found = _uploaded(deployment)
    if found.excluded and not found.files and found.ignore_file:
        message = f"nothing of this folder would be uploaded: {found.ignore_file.name} in it leaves everything out"
        yield Problem(_place(deployment, "code"), message)


@rule(Level.ERROR)
def script_left_out(deployment: Deployment) -> Iterator[Problem]:
    """An ignore file keeps the scoring script from being uploaded.

    azure-ai-ml checks the script where it lies and leaves it out of the upload (SDK 1.35.2, its choice of files
    compared here). The container then finds no such script, and does not start.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...

        # src/data.py
        FEATURES = 10

        # src/.amlignore
        score*

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...

        # src/data.py
        FEATURES = 10

        # src/.amlignore
        *.md
    """
    code, script, found = deployment.code, deployment.scoring_script, _uploaded(deployment)
    if code is None or script is None or not found.files or found.ignore_file is None:
        return
    name = os.path.relpath(script.path, code.path).replace(os.sep, "/")
    if name in found.excluded:
        message = f"{name!r} would not be uploaded: {found.ignore_file.name} in the code folder leaves it out"
        yield Problem(_place(deployment, "scoring_script"), message)


@rule(Level.ERROR)
def broken_code_link(deployment: Deployment) -> Iterator[Problem]:
    """A link in the code folder leads nowhere.

    azure-ai-ml follows links when it reads what it uploads, and `create` stops with a raw `FileNotFoundError` (SDK
    1.35.2, run here), after the data assets of the collections have been registered. Such links come from editors
    and from folders that were copied without what they lead to. Remove it, or name it in .amlignore.

    Bad::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...

        # src/weights.link
        ../gone/weights

    Good::

        # deployment.yml
        code_configuration:
          code: src
          scoring_script: score.py

        # src/score.py
        def init(): ...

        # src/weights.link
        score.py
    """
    code = deployment.code
    if code is not None:
        broken = [each for each in _uploaded(deployment).files if not os.path.exists(code.path / each)]
        if broken:
            yield Problem(_place(deployment, "code"), f"{broken[0]!r} in this folder is a link that leads nowhere")

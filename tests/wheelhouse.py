"""Installed packages as wheels again: what installs them in a test asks no index, and gets what was tested."""

from __future__ import annotations

import os
import zipfile
from importlib import metadata
from pathlib import Path

NEEDED = ("PyYAML", "setuptools")
"""All that installing this project takes."""
INSTALLERS = {"INSTALLER", "REQUESTED", "direct_url.json"}


def pip_settings(folder: Path) -> dict[str, str]:
    """Fill a folder with wheels; the environment in which pip, wherever it is called, knows nothing else."""
    for name in NEEDED:
        _pack(metadata.distribution(name), folder)
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_NO_INPUT": "1",
    }


def _pack(distribution: metadata.Distribution, folder: Path) -> None:
    files = [each for each in distribution.files or () if "__pycache__" not in each.parts and ".." not in each.parts]
    (about,) = (each.parent for each in files if each.match("*.dist-info/WHEEL") and len(each.parts) == 2)
    tags = [line.split()[1] for line in distribution.read_text("WHEEL").splitlines() if line.startswith("Tag:")]
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    tag = "-".join(".".join(dict.fromkeys(part)) for part in parts)
    with zipfile.ZipFile(folder / f"{about.name.removesuffix('.dist-info')}-{tag}.whl", "w") as archive:
        for each in files:
            if each.name not in INSTALLERS or each.parent != about:
                archive.write(distribution.locate_file(each), each.as_posix())

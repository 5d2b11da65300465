"""Print the notes of a release, its section of CHANGELOG.md: `python tools/release_notes.py v1.2.3`.

The tag must be the package's version, and the section the newest, with the day of the release: `## 1.2.3 (2026-11-30)`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from amlready import __version__  # noqa: E402


def notes(tag: str, changelog: str, version: str = __version__) -> str:
    """The section, without its heading. Raises ValueError with the reason why there can be no release."""
    if tag != f"v{version}":
        raise ValueError(f"the tag {tag} is not v{version}, the version in amlready/__init__.py")
    heading, _, section = changelog.partition("\n## ")[2].partition("\n## ")[0].partition("\n")
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading):
        raise ValueError(f"CHANGELOG.md begins with {heading!r}, and not with '{version} (YYYY-MM-DD)'")
    if not section.strip():
        raise ValueError(f"CHANGELOG.md says nothing about {version}")
    return section.strip() + "\n"


def main(arguments: list[str]) -> int:
    (tag,) = arguments
    try:
        print(notes(tag, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")), end="")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write the exact versions that are installed and tested: `python tools/lock.py` (needs the network).

requirements/local.txt is what scripts/local.sh installs: the inference server, the Collector and the scoring script's
own packages. requirements/dev.txt is what scripts/test.sh installs, a superset. The packages of conda.yaml keep their
pins in both, so that the endpoint is tested with what it is deployed with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from amlready import document  # noqa: E402
from amlready.diagnostic import Problem  # noqa: E402
from amlready.packages import packages  # noqa: E402
from amlready.source import read  # noqa: E402

HEADER = "# Written by tools/lock.py from pyproject.toml and conda.yaml; do not edit.\n"


def pins() -> list[str]:
    """The pip requirements of conda.yaml, as written."""
    found = document.parse(read(ROOT / "conda.yaml"))
    assert not isinstance(found, Problem), found.message
    return [str(each.node.value) for each in packages(found.root).requirements if each.manager == "pip"]


def resolved(extra: str) -> list[str]:
    """`name==version` of everything that an extra of this project installs next to the pins, sorted."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*command, f"{ROOT}[{extra}]", *pins()], check=True, stdout=subprocess.PIPE, text=True)
    installed = (each["metadata"] for each in json.loads(report.stdout)["install"])
    return sorted(
        (f"{each['name']}=={each['version']}" for each in installed if each["name"] != "amlready"), key=str.lower
    )


def main() -> None:
    for extra in ("local", "dev"):
        lines = resolved(extra)
        (ROOT / "requirements" / f"{extra}.txt").write_text(HEADER + "".join(f"{each}\n" for each in lines))
        print(f"requirements/{extra}.txt: {len(lines)} packages")


if __name__ == "__main__":
    main()

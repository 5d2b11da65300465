"""How fast `amlready check` is, beside what else could be run on the same files: `python tools/bench_check.py`.

Two tables, each side by side in one run, the commands in turn, round after round (A B C, A B C, ...), so that a machine
that slows down slows all of them:

* small: whole processes on this repository's four specs: bare Python, yamllint, check-jsonschema, azure-ai-ml and
  amlready.
* large: one process over many deployments with scoring scripts: amlready with one and two processes, azure-ai-ml's
  load_online_deployment, bare libyaml parsing.

Medians; `x` is the median of the ratios to amlready in the same round. Commands that are not installed are left out and
named. --json FILE writes the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
SPECS = ("endpoint.yml", "deployment.yml", "model.yml", "environment.yml")

LOAD = """
import logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from azure.ai.ml import load_environment, load_model, load_online_deployment, load_online_endpoint
for load, path in zip((load_online_endpoint, load_online_deployment, load_model, load_environment), sys.argv[1:]):
    load(path)
"""
LOAD_MANY = """
import logging, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from azure.ai.ml import load_online_deployment
for path in sorted(Path(sys.argv[1]).rglob("deployment.yml")):
    load_online_deployment(path)
"""
PARSE_MANY = """
import sys, yaml
from pathlib import Path
for path in sorted(Path(sys.argv[1]).rglob("*.yml")):
    yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
"""

Command = Sequence[str]


def timed(command: Command) -> tuple[float, float]:
    """Wall seconds and peak memory in MiB of one run."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}")
    return elapsed, usage.ru_maxrss / 1024


def rounds(commands: Mapping[str, Command], count: int, subject: str) -> dict[str, dict[str, float]]:
    """Run all commands in turn, `count` times after a warm-up; medians and ratios to the command called `subject`."""
    for command in commands.values():
        timed(command)
    runs = [{name: timed(command) for name, command in commands.items()} for _ in range(count)]
    return {
        name: {
            "seconds": statistics.median(each[name][0] for each in runs),
            "fastest": min(each[name][0] for each in runs),
            "slowest": max(each[name][0] for each in runs),
            "MiB": statistics.median(each[name][1] for each in runs),
            "x": statistics.median(each[name][0] / each[subject][0] for each in runs),
        }
        for name in commands
    }


def present(commands: Mapping[str, Command | None]) -> dict[str, Command]:
    missing = [name for name, command in commands.items() if command is None]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    return {name: command for name, command in commands.items() if command is not None}


def tool(name: str, *arguments: str) -> Command | None:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return [found, *arguments] if found else None


def amlready(*arguments: str) -> Command:
    # -m, because an installed script's start-up is that of the installation, and an editable one is slower.
    return [sys.executable, "-m", "amlready", "check", *arguments]


def small() -> dict[str, Command]:
    specs = [str(ROOT / each) for each in SPECS]
    schema = str(ROOT / "amlready" / "schemas" / "managed-online-deployment.json")
    return present(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "amlready check": amlready("."),
            "yamllint (style only)": tool("yamllint", "-d", "relaxed", *specs),
            "check-jsonschema (one file)": tool("check-jsonschema", "--schemafile", schema, specs[1]),
            "azure-ai-ml load_*": [sys.executable, "-c", LOAD, *specs],
        }
    )


def corpus(folder: Path, count: int) -> None:
    """`count` endpoints, each with a deployment and a scoring script of its own, like this repository's."""
    deployment = (ROOT / "deployment.yml").read_text(encoding="utf-8")
    script = (ROOT / "src" / "score.py").read_text(encoding="utf-8")
    for number in range(count):
        home = folder / f"team{number % 50}" / f"service{number}"
        (home / "src").mkdir(parents=True)
        own = deployment.replace("diabetes-regression", f"service-{number}").replace("blue", f"blue{number % 7}")
        (home / "deployment.yml").write_text(own, encoding="utf-8")
        (home / "src" / "score.py").write_text(f"# service {number}\n{script}", encoding="utf-8")
        for each in ROOT.glob("src/*.py"):
            if each.name != "score.py":
                shutil.copy(each, home / "src")


def large(folder: Path) -> dict[str, Command]:
    return {
        "amlready check": amlready(str(folder)),
        "azure-ai-ml load_*": [sys.executable, "-c", LOAD_MANY, str(folder)],
        "libyaml (CSafeLoader) parsing only": [sys.executable, "-c", PARSE_MANY, str(folder)],
    }


def table(title: str, figures: Mapping[str, Mapping[str, float]], scale: Callable[[float], str]) -> None:
    print(f"\n{title}\n{'':36} {'median':>10} {'fastest':>10} {'slowest':>10} {'MiB':>7} {'x':>8}")
    for name, each in figures.items():
        times = " ".join(f"{scale(each[key]):>10}" for key in ("seconds", "fastest", "slowest"))
        print(f"{name:36} {times} {each['MiB']:>7.1f} {each['x']:>8.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=15, help="rounds of the small table (15)")
    options.add_argument("--large", type=int, nargs="*", default=[1000], help="sizes of the large tables (1000)")
    options.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = options.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    figures: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    figures["small"] = measured = rounds(small(), chosen.rounds, "amlready check")
    table("this repository, whole process", measured, lambda seconds: f"{seconds * 1000:.1f} ms")
    for count in chosen.large:
        with tempfile.TemporaryDirectory() as folder:
            corpus(Path(folder), count)
            figures[f"large {count}"] = measured = rounds(large(Path(folder)), 3, "amlready check")
        table(f"{count:,} deployments with scripts, one command", measured, lambda seconds: f"{seconds:.2f} s")
        per = measured["amlready check"]["seconds"] / count * 1000
        print(f"amlready: {per:.2f} ms for each deployment")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

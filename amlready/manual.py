"""The manual: every rule's docstring as a page, a list, or one Markdown document."""

from __future__ import annotations

import re

from .rules import MODULES, Rule, rules

TITLES = {
    "spec": "Every file",
    "endpoint": "endpoint.yml",
    "deployment": "deployment.yml",
    "collector": "data_collector",
    "model": "model.yml",
    "environment": "environment.yml and conda.yaml",
    "score": "The scoring script",
    "request": "The sample request",
    "data": "data.yml",
    "monitor": "monitor.yml",
    "trial": "What a trial shows (`amlready score`)",
}


def page(name: str) -> str:
    """One rule's page."""
    one = rules()[name]
    return f"{one.name} ({one.level})\n\n{one.manual}\n"


def listing() -> str:
    """Every rule in a line."""
    width = max(map(len, rules()))
    return "".join(f"{one.name:<{width}}  {one.level:<7}  {one.summary}\n" for one in rules().values())


def markdown() -> str:
    """All pages, by the file that their findings point at."""
    parts = ["# Rules\n\nWritten by `amlready explain --all` from the rules' own docstrings.\n"]
    for module in MODULES:
        mine = [one for one in rules().values() if one.module == module]
        parts.append(f"\n## {TITLES[module]}\n")
        parts += [_section(one) for one in mine]
    return "".join(parts)


def _section(one: Rule) -> str:
    body = re.sub(r"^(Bad|Good)::\n\n((?:    .*\n|\n)+)", _example, one.manual + "\n", flags=re.MULTILINE)
    return f"\n### {one.name}\n\n*{one.level}*\n\n{body.rstrip()}\n"


def _example(found: re.Match[str]) -> str:
    text = re.sub(r"^    ", "", found[2].rstrip(), flags=re.MULTILINE)
    return f"{found[1]}:\n\n```yaml\n{text}\n```\n\n"

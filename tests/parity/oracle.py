"""The two verdicts on a file: azure-ai-ml's own, and ours."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amlready import document, rules, schema, source
from amlready.diagnostic import Level, Problem
from amlready.disk import Disk
from amlready.rules.deployment.kinds import kubernetes_type_case
from amlready.specs import Deployment

with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    from azure.ai.ml import load_data, load_environment, load_model, load_online_deployment, load_online_endpoint
    from azure.ai.ml.entities._load_functions import load_schedule

LOADERS: dict[str, Callable[[str], Any]] = {
    "endpoint": load_online_endpoint,
    "deployment": load_online_deployment,
    "model": load_model,
    "environment": load_environment,
    "data": load_data,
    "monitor": load_schedule,
}


def refusal(family: str, path: Path) -> str | None:
    """Why azure-ai-ml does not load a file, or None when it does. It is asked as `az ml` asks it: by path."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            LOADERS[family](str(path))
    except Exception as error:  # a crash is a refusal, too
        return f"{type(error).__name__}: {error}"
    finally:
        logging.disable(logging.NOTSET)
    return None


@dataclass(frozen=True)
class Verdict:
    """What the rules `unreadable`, `yaml` and `schema` say of a file; `another` rule may have an error of its own."""

    problems: tuple[Problem, ...] = ()
    another: bool = False
    ours: bool = True


def verdict(family: str, path: Path) -> Verdict:
    """Our verdict on a file; not `ours` when azure-ai-ml takes it for a kind that is not checked (a job schedule)."""
    try:
        parsed = document.parse(source.read(path))
    except source.Unreadable as reason:
        return Verdict((Problem(source.Source(path, "").top, str(reason)),))
    if isinstance(parsed, Problem):
        return Verdict((parsed,))
    found = tuple(schema.problems(parsed, family, Disk(path.parent)))
    another = bool(parsed.unfilled) or (family == "deployment" and _is_misspelled_kubernetes(parsed))
    return Verdict(found, another, schema.kind_of(family, parsed.root.value) is not None)


def _is_misspelled_kubernetes(parsed: document.Document) -> bool:
    """Whether it is put down to the letter case of `type` that azure-ai-ml reads a managed deployment."""
    assert rules.rules()["kubernetes-type-case"].level is Level.ERROR
    return any(kubernetes_type_case(Deployment(parsed)))


def disagreement(family: str, path: Path) -> str | None:
    """How the two verdicts on a file differ, or None.

    What azure-ai-ml refuses must have a finding (a placeholder has one of its own, and so has `type: Kubernetes`);
    what it loads must have none.
    """
    theirs, mine = refusal(family, path), verdict(family, path)
    if not mine.ours or bool(theirs) == bool(mine.problems) or (theirs and mine.another):
        return None
    return f"azure-ai-ml: {theirs or 'loads it'}\namlready: {[each.message for each in mine.problems] or 'no finding'}"

"""Names of deployments and of the endpoints they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem, Related
from ...document import Scalar
from ...specs import Deployment
from ...template import markers
from .. import rule

LONGEST, SHORTEST = 32, 3


def unfit(name: str) -> str | None:
    """Why a text cannot be the name of an endpoint or deployment, with a name that can where one is near."""
    if not name:
        return "it is empty"
    reason = _misspelled(name)
    if reason:
        return reason + _proposal(name)
    if not SHORTEST <= len(name) <= LONGEST:
        return f"it has {len(name)} characters; {SHORTEST} to {LONGEST} are allowed"
    return None


def _misspelled(name: str) -> str | None:
    strange = sorted(set(re.findall(r"[^A-Za-z0-9-]", name)))
    if strange:
        return f"letters, digits and dashes are allowed, not {' '.join(map(repr, strange))}"
    if not name[0].isalpha():
        return "it must begin with a letter"
    return "it must end with a letter or digit" if name.endswith("-") else None


def _proposal(name: str) -> str:
    better = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    fits = _misspelled(better) is None and SHORTEST <= len(better) <= LONGEST if better else False
    return f"; {better!r} would do" if fits else ""


def unfit_asset(name: str, kind: str) -> str | None:
    """Why a text should not be the name of an asset, which is part of addresses; `kind` with its article.

    Azure's REST API documents letters, digits, `-` and `_`, the first a letter or digit; its own environments have
    dots, so that those work.
    """
    if is_template(name):
        return None
    found = re.search(r"^[^A-Za-z0-9]|[^A-Za-z0-9._-]", name)
    if found is None:
        return None
    better = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9._-]+$", "", re.sub(r"[^A-Za-z0-9._-]+", "-", name)).rstrip("-")
    verb = "be in" if re.search(r"[^A-Za-z0-9._-]", found[0]) else "begin"
    return f"{found[0]!r} cannot {verb} the name of {kind}" + (f"; {better!r} would do" if better else "")


def unfit_version(version: str) -> str | None:
    """Why a text should not be the version of an asset."""
    found = None if is_template(version) else re.search(r"[\s/\\:@#?%&]", version)
    return f"{found[0]!r} cannot be in a version, which is part of addresses" if found else None


def is_template(text: str) -> bool:
    """Whether a text has a placeholder, so that it does not say yet what the value will be."""
    return bool(markers(text))


def _named(deployment: Deployment, key: str) -> tuple[Scalar, str] | None:
    """A name that is text and not to be filled in."""
    node = deployment.get(key)
    if isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.value):
        return node, node.value
    return None


@rule(Level.ERROR)
def invalid_deployment_name(deployment: Deployment) -> Iterator[Problem]:
    """A deployment's name is not one that Azure takes.

    3 to 32 characters: a letter first, then letters, digits and dashes, and no dash at the end ("Manage resources and
    quotas"). azure-ai-ml loads any name; `create` refuses it with a ValidationException, but only after the data
    assets are registered and code, environment and model are uploaded (SDK 1.35.2). An empty name is not even noticed
    there.

    Bad::

        # deployment.yml
        name: blue_1
        endpoint_name: my-endpoint

    Good::

        # deployment.yml
        name: blue-1
        endpoint_name: my-endpoint
    """
    found = _named(deployment, "name")
    reason = unfit(found[1]) if found else None
    if found and reason:
        yield Problem(found[0].span, f"{found[1]!r} cannot be a deployment's name: {reason}")


@rule(Level.ERROR)
def invalid_endpoint_reference(deployment: Deployment) -> Iterator[Problem]:
    """A deployment names an endpoint that cannot exist, because Azure takes no such name.

    The name of an endpoint has 3 to 32 characters: a letter first, then letters, digits and dashes. azure-ai-ml
    refuses an endpoint of another name, but never looks at `endpoint_name`, so `create` ends in a 404. The
    documentation's own sample has `my_endpoint`.

    Bad::

        # deployment.yml
        endpoint_name: my_endpoint

    Good::

        # deployment.yml
        endpoint_name: my-endpoint
    """
    found = _named(deployment, "endpoint_name")
    reason = unfit(found[1]) if found else None
    if found and reason:
        yield Problem(found[0].span, f"no endpoint can be named {found[1]!r}: {reason}")


@rule(Level.ERROR)
def names_too_long_together(deployment: Deployment) -> Iterator[Problem]:
    """On Kubernetes, the names of endpoint and deployment have more than 62 characters between them.

    Each may have 32, but a Kubernetes deployment puts them together and allows 62 ("Manage resources and quotas").
    azure-ai-ml lets 64 pass.

    Bad::

        # deployment.yml
        type: kubernetes
        name: champion-of-the-season-2026-2027
        endpoint_name: churn-prediction-for-retail-emea

    Good::

        # deployment.yml
        type: kubernetes
        name: champion-2026
        endpoint_name: churn-prediction-for-retail-emea
    """
    mine, its = _named(deployment, "name"), _named(deployment, "endpoint_name")
    if not deployment.is_kubernetes or not mine or not its or unfit(mine[1]) or unfit(its[1]):
        return
    total = len(mine[1]) + len(its[1])
    if total > 62:
        message = f"with {its[1]!r} that makes {total} characters; endpoint and deployment together may have 62"
        yield Problem(mine[0].span, message, (Related(its[0].span, "this is the endpoint's name"),))


@rule(Level.NOTE)
def double_dash(deployment: Deployment) -> Iterator[Problem]:
    """A deployment's name has two dashes in a row.

    "Manage resources and quotas" allows single dashes. azure-ai-ml lets two pass; what the service says is not known.

    Bad::

        # deployment.yml
        name: blue--1
        endpoint_name: my-endpoint

    Good::

        # deployment.yml
        name: blue-1
        endpoint_name: my-endpoint
    """
    found = _named(deployment, "name")
    if found and "--" in found[1] and unfit(found[1]) is None:
        better = re.sub(r"-+", "-", found[1])
        yield Problem(found[0].span, f"Azure's documentation allows single dashes only; {better!r} is safe")


@rule(Level.NOTE)
def capital_in_name(deployment: Deployment) -> Iterator[Problem]:
    """A deployment's name has capital letters, which azure-ai-ml makes small.

    The deployment and the folder of its collected data get the small name (SDK 1.35.2), so what spells it as here,
    such as a data path or a query, does not match.

    Bad::

        # deployment.yml
        name: Blue
        endpoint_name: my-endpoint

    Good::

        # deployment.yml
        name: blue
        endpoint_name: my-endpoint
    """
    found = _named(deployment, "name")
    if found and found[1] != found[1].lower() and unfit(found[1]) is None:
        yield lowered(found[0], found[1])


def lowered(node: Scalar, name: str) -> Problem:
    """The problem that a name has capital letters, with the fix."""
    fix = (Edit(node.span, node.span.text.lower()),) if name in node.span.text else ()
    return Problem(node.span, f"azure-ai-ml makes {name!r} small: write {name.lower()!r}", fix=fix)

"""What findings about a trial have in common: what Azure would answer, and how an exception is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Problem, Related
from ...document import Scalar
from ...frozen import replace
from ...source import Source, Span
from ...specs import Deployment

if TYPE_CHECKING:
    from ...local.evidence import Answer, Frame, Raised, Trial

NEVER_READY = "in Azure the container never becomes ready, and the deployment fails (ResourceNotReady)"
_SHOWN = 3
_REQUEST = "with this request"


def caller_gets(deployment: Deployment, status: int) -> str:
    """What the caller of the endpoint gets when the container answers with this status."""
    if deployment.is_kubernetes:
        return "in Azure the caller gets 502" if status >= 500 else f"in Azure the caller gets {status}"
    return f"in Azure the caller gets 424, with ms-azureml-model-error-statuscode: {status}"


def timeout_status(deployment: Deployment) -> int:
    """What the caller gets after request_timeout_ms."""
    return 504 if deployment.is_kubernetes else 408


def longest(deployment: Deployment) -> int:
    """Seconds that request_timeout_ms can be raised to."""
    return 300 if deployment.is_kubernetes else 180


def seconds_until_restart(deployment: Deployment) -> float:
    """How long init() may take before the liveness probe has the container restarted."""

    def setting(name: str, default: float) -> float:
        node = deployment.get("liveness_probe", name)
        value = node.value if isinstance(node, Scalar) else None
        return float(value) if isinstance(value, int | float) and value > 0 else default

    return setting("initial_delay", 10) + setting("period", 10) * setting("failure_threshold", 30)


def where(error: Raised, otherwise: Span) -> Span:
    return error.at or otherwise


def how(error: Raised) -> str:
    """An exception in a line: `raises ValueError: ... (in pandas/frame.py:12)`."""
    name = error.kind.removeprefix("entry_module.")
    text = str(error).replace(error.kind, name, 1)
    return f"raises {text}{f' (in {error.origin})' if error.origin else ''}"


def path_to(error: Raised) -> Iterator[Related]:
    """The calls that led to an exception, innermost first, and what it was raised because of."""
    yield from callers(error.frames)
    cause = error.cause
    if cause is not None and cause.at is not None and cause.at != error.at:
        yield Related(cause.at, f"the cause: this {how(cause)}")


def callers(frames: tuple[Frame, ...]) -> Iterator[Related]:
    """The calls that led to the innermost of some frames; each place once, however often it calls itself."""
    spans = {each.span: each for each in frames}
    for frame in list(spans.values())[-2 : -_SHOWN - 2 : -1]:
        yield Related(frame.span, f"called from here, in {frame.function}()")


def sent(requests: Iterable[Source]) -> Iterator[Related]:
    """The requests that show a problem."""
    for source in list(dict.fromkeys(requests))[:_SHOWN]:
        yield Related(source.top, _REQUEST)


def asked(trial: Trial) -> list[Answer]:
    """The answers to the requests as they are, each in the first turn and, where there was one, the second."""
    return [each for each in trial.answers if each.turn != "full"]


def innermost(frames: tuple[Frame, ...], otherwise: Span) -> Span:
    return frames[-1].span if frames else otherwise


def once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """One for those that say the same about the same place, with the requests of all of them."""
    groups: dict[tuple[Span, str], list[Problem]] = {}
    for each in problems:
        groups.setdefault((each.span, each.message), []).append(each)
    for first, *others in groups.values():
        more = dict.fromkeys(each for other in others for each in other.related if each.message == _REQUEST)
        known = [each for each in first.related if each.message == _REQUEST]
        requests = list(dict.fromkeys([*known, *more]))[:_SHOWN]
        yield replace(first, related=(*(each for each in first.related if each not in known), *requests))


def listed(names: Iterable[str]) -> str:
    """A few names of many."""
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:_SHOWN]) + (f" and {len(quoted) - _SHOWN} more" if len(quoted) > _SHOWN else "")

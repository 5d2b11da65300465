"""What findings about a trial have in common: what Azure would answer, and how an exception is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ...diagnostic import Problem, Related
from ...document import Scalar
from ...source import Source, Span
from ...specs import Deployment

if TYPE_CHECKING:
    from ...local.evidence import Answer, Frame, Raised, Trial

NEVER_READY = "in Azure the container never becomes ready, and the deployment fails (ResourceNotReady)"
_SHOWN = 3


def caller_gets(deployment: Deployment, status: int) -> str:
    """What the caller of the endpoint gets when the container answers with this status."""
    if deployment.is_kubernetes:
        return "in Azure the caller gets 502" if status >= 500 else f"in Azure the caller gets {status}"
    return f"in Azure the caller gets 424, with ms-azureml-model-error-statuscode: {status}"


def timeout_status(deployment: Deployment) -> int:
    """What the caller gets after request_timeout_ms."""
    return 504 if deployment.is_kubernetes else 408


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
    for frame in error.frames[-2::-1][:_SHOWN]:
        yield Related(frame.span, f"called from here, in {frame.function}()")
    cause = error.cause
    if cause is not None and cause.at is not None and cause.at != error.at:
        yield Related(cause.at, f"the cause: this {how(cause)}")


def sent(requests: Iterable[Source]) -> Iterator[Related]:
    """The requests that show a problem."""
    for source in list(dict.fromkeys(requests))[:_SHOWN]:
        yield Related(source.top, "with this request")


def asked(trial: Trial) -> list[Answer]:
    """The answers to the requests as they are, each in the first turn and, where there was one, the second."""
    return [each for each in trial.answers if each.turn != "full"]


def innermost(frames: tuple[Frame, ...], otherwise: Span) -> Span:
    return frames[-1].span if frames else otherwise


def once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Without those that say the same about the same place."""
    seen = set()
    for each in problems:
        key = (each.span.source, each.span.start, each.span.end, each.message)
        if key not in seen:
            seen.add(key)
            yield each


def listed(names: Iterable[str]) -> str:
    """A few names of many."""
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:_SHOWN]) + (f" and {len(quoted) - _SHOWN} more" if len(quoted) > _SHOWN else "")

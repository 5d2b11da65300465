"""When a monitor runs, on what, and over which window."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...document import Scalar, Sequence
from ...monitoring import signals
from ...specs import Monitor
from ...suggest import did_you_mean, listed
from .. import rule
from ..deployment.names import is_template

RUNTIMES = ("3.4", "3.5")
SPARK_SIZES = tuple(f"standard_e{cores}s_v3" for cores in (4, 8, 16, 32, 64))


@rule(Level.ERROR)
def monitor_runtime(monitor: Monitor) -> Iterator[Problem]:
    """The monitor's Spark runtime is none that azure-ai-ml sends.

    The schema takes any text; `create` then says `Compute runtime version must be one of: 3.4, 3.5` (SDK 1.35.2). The
    YAML reference still shows 3.3.

    Bad::

        # monitor.yml
        create_monitor:
          compute:
            instance_type: standard_e4s_v3
            runtime_version: '3.3'

    Good::

        # monitor.yml
        create_monitor:
          compute:
            instance_type: standard_e4s_v3
            runtime_version: '3.4'
    """
    node = _text(monitor, "runtime_version")
    if node is not None and node.value not in RUNTIMES:
        yield Problem(node.span, f"runtime {node.value!r} is refused; write {listed(RUNTIMES)}")


def _text(monitor: Monitor, key: str) -> Scalar | None:
    """A setting of the monitor's compute that is text, and not left to be filled in."""
    node = monitor.get("create_monitor", "compute", key)
    is_text = isinstance(node, Scalar) and isinstance(node.value, str) and not is_template(node.value)
    return node if is_text and isinstance(node, Scalar) else None


@rule(Level.WARNING)
def monitor_instance_type(monitor: Monitor) -> Iterator[Problem]:
    """The monitor's instance type is none of those that serverless Spark is documented to have.

    azure-ai-ml takes any text. The YAML reference for monitors lists five sizes of the Esv3 series.

    Bad::

        # monitor.yml
        create_monitor:
          compute:
            instance_type: Standard_DS3_v2
            runtime_version: '3.4'

    Good::

        # monitor.yml
        create_monitor:
          compute:
            instance_type: standard_e4s_v3
            runtime_version: '3.4'
    """
    node = _text(monitor, "instance_type")
    if node is not None and node.text.lower() not in SPARK_SIZES:
        hint = did_you_mean(node.text, SPARK_SIZES) or f"; these are documented: {listed(SPARK_SIZES, 'and')}"
        yield Problem(node.span, f"monitors run on serverless Spark, which has no {node.text!r}{hint}")


_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_NAMES = r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)\b"


@rule(Level.WARNING)
def monitor_cron(monitor: Monitor) -> Iterator[Problem]:
    """The monitor's cron expression is none.

    It has five fields: minutes, hours, days, months, days of the week. azure-ai-ml takes any text, `abc` too (SDK
    1.35.2).

    Bad::

        # monitor.yml
        trigger:
          type: cron
          expression: daily

    Good::

        # monitor.yml
        trigger:
          type: cron
          expression: 15 3 * * *
    """
    node = monitor.get("trigger", "expression")
    if not isinstance(node, Scalar) or is_template(str(node.value)):
        return
    fields = str(node.value).split()
    if len(fields) != len(_FIELDS):
        yield Problem(
            node.span, f"a cron expression has 5 fields, and this has {len(fields)}: '15 3 * * *' is 03:15 daily"
        )
        return
    for text, (name, least, most) in zip(fields, _FIELDS, strict=True):
        if not _is_cron_field(text, least, most):
            yield Problem(
                node.span, f"{text!r} is no {name} of a cron expression ({least} to {most}, *, lists, ranges)"
            )


def _is_cron_field(text: str, least: int, most: int) -> bool:
    plain = re.sub(_NAMES, str(least), text.lower())
    for part in plain.split(","):
        found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if found is None or any(not least <= int(each) <= most for each in found.groups()[:2] if each):
            return False
    return True


_DURATION = r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?"


@rule(Level.WARNING)
def monitor_window(monitor: Monitor) -> Iterator[Problem]:
    """A data window is not an ISO 8601 duration.

    `lookback_window_size` and `lookback_window_offset` are durations such as `P7D`. azure-ai-ml takes any text (SDK
    1.35.2), and the schedule's runs have no window that they could read.

    Bad::

        # monitor.yml
        create_monitor:
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                data_window:
                  lookback_window_size: 7 days

    Good::

        # monitor.yml
        create_monitor:
          monitoring_signals:
            drift:
              type: data_drift
              production_data:
                data_window:
                  lookback_window_size: P7D
    """
    for entry, _ in signals(monitor):
        for key in ("production_data", "reference_data"):
            node = entry.value.get(key)
            for each in node.items if isinstance(node, Sequence) else [node]:
                for name in ("lookback_window_size", "lookback_window_offset"):
                    window = each.get("data_window", name) if each is not None else None
                    if isinstance(window, Scalar) and not _is_duration(str(window.value)):
                        yield Problem(window.span, f"{window.text!r} is no ISO 8601 duration; 'P7D' is seven days")


def _is_duration(text: str) -> bool:
    return text.lower() == "default" or is_template(text) or re.fullmatch(_DURATION, text, re.IGNORECASE) is not None

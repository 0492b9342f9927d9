"""Names and labels that Prometheus knows, for those of OpenTelemetry.

    http.server.duration, ms, histogram      http_server_duration_milliseconds
    jvm.cpu.count, {cpu}, monotonic sum      jvm_cpu_count_total
    system.cpu.utilization, 1, gauge         system_cpu_utilization_ratio
    http.route                               http_route

https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from collector.sources.otlp.points import Attributes, Metric

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_WORD = re.compile(r"[a-zA-Z0-9:]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_IDENTITY = {"service.name", "service.namespace", "service.instance.id"}


def metric_name(metric: Metric) -> str:
    """The name of the metric's family; of a counter with `_total`. Empty where nothing is left."""
    words = _WORD.findall(metric.name)
    if not words:
        return ""
    for word in unit_words(metric.unit):
        if word not in words:
            words.append(word)
    is_counter = metric.what == "sum" and metric.is_monotonic
    is_ratio = metric.what == "gauge" and metric.unit == "1"
    for end, is_due in (("total", is_counter), ("ratio", is_ratio)):
        if is_due:
            words = [*(word for word in words if word != end), end]
    name = "_".join(words)
    return f"_{name}" if name[0].isdigit() else name


def unit_words(unit: str) -> list[str]:
    """What a unit adds to a name. What stands in braces is a remark."""
    if "{" in unit:
        unit = re.sub(r"\{[^{}]*\}", "", unit)
    of, slash, per = unit.strip().partition("/")
    words = _WORD.findall(_UNITS.get(of, of))
    if slash and per:
        words += ["per", *_WORD.findall(_PER.get(per, per))]
    return words


def labels(attributes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Attributes as labels. Two that become one have both values, as the specification says."""
    found: dict[str, str] = {}
    for key, value in sorted(attributes):
        name = _NOT_LABEL.sub("_", key) or "_"
        if name[0].isdigit():
            name = f"key_{name}"
        elif name.startswith("__"):
            name = f"key{name}"  # those are Prometheus's own
        found[name] = f"{found[name]};{value}" if name in found else value
    return found


def job_and_instance(resource: Attributes) -> tuple[str, str]:
    """Whose metrics these are; empty where the resource doesn't say."""
    said = dict(resource)
    name, space = said.get("service.name", ""), said.get("service.namespace", "")
    job = f"{space}/{name}" if space and name else name
    return job, said.get("service.instance.id", "")


def other_attributes(resource: Attributes) -> Attributes:
    """What `target_info` tells: all that isn't in job and instance."""
    return tuple(pair for pair in resource if pair[0] not in _IDENTITY)


def number_label(number: float) -> str:
    """A bound or a quantile as Prometheus's own OTLP receiver writes it: 0.005, 10, 1000000."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")

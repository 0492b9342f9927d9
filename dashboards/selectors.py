"""Which series: PromQL over one site's nodes, of metrics that exist.

A name that neither the catalogue nor `names` has, or a label that its metric hasn't, raises: what
is renamed breaks the build and not the screen.
"""

from __future__ import annotations

from collector.catalog import METRICS
from dashboards import names

RATE = "$__rate_interval"
INTERVAL = "$__interval"
RANGE = "$__range"

_OF_THE_SITE = 'site="$site",node=~"$node"'
_OF_TARGETS = ("job", "instance")
_FORGOTTEN_S = 300  # --query.lookback-delta, as it is if nobody sets it
_STILL_TOLD_S = 300  # a round of the tier detail may be that far from one of the others

KNOWN: dict[str, tuple[str, ...]] = {
    **names.KAFKA,
    **names.EXPORTER,
    **names.HOST,
    **{metric.name: metric.labels for metric in METRICS.values()},
}


class UnknownNameError(Exception):
    """A board asks for what nobody gives."""


def of(name: str, **labels: str) -> str:
    """Return the selector of a metric at the site that is looked at.

    `labels` are further matchers: `="x"` is meant where nothing else is said, `~x` is `=~"x"`.
    """
    if name not in KNOWN:
        raise UnknownNameError(f"{name} is neither in the catalogue nor in dashboards/names.py")
    if unknown := labels.keys() - {*KNOWN[name], *_OF_TARGETS}:
        raise UnknownNameError(f"{name} has no label {', '.join(sorted(unknown))}")
    return f"{name}{{{','.join([_OF_THE_SITE, *(_matcher(*pair) for pair in labels.items())])}}}"


def _matcher(label: str, wanted: str) -> str:
    return f'{label}=~"{wanted[1:]}"' if wanted.startswith("~") else f'{label}="{wanted}"'


def shared(selector: str) -> str:
    """What several nodes tell alike, or take turns in telling, once."""
    return f"max without (node, instance) ({selector})"


def rate(selector: str) -> str:
    return f"rate({selector}[{RATE}])"


def grown(selector: str, window: str = INTERVAL) -> str:
    """By how much a counter of a collector grew, in whole numbers, each event in one window.

    Counters of what goes wrong are absent until it happens, and begin again with the process:
    `increase` would see nothing of the first time, nothing of a restart that counts as much as the
    one before, and would make 5 rounds 5.3.
    """
    start = of("edgevitals_process_start_time_seconds")
    restarted = f"max by (site, node) ({start}) != max by (site, node) ({start} offset {window})"
    more = f"{selector} - {selector} offset {window}"
    return f"({more} unless on (site, node) {restarted} or {selector})"


def grown_in_range(selector: str) -> str:
    """The same over all that is looked at, of all series together."""
    return f"sum_over_time(sum({grown(selector, '1m')})[{RANGE}:1m])"


def newest(name: str) -> str:
    """When each series last had a sample; Prometheus itself forgets it after five minutes.

    Then it is known to the minute, and 5 more when the series was ended in order. `timestamp` in a
    subquery would know it to the second, and takes half a minute for 30 days where this takes a
    fifth of a second.
    """
    series = of(name)
    last_there = f"max_over_time((time() + 0 * {series})[{RANGE}:1m])"
    return f"(timestamp({series}) or {last_there} - {_FORGOTTEN_S})"


def counted_down(name: str) -> str:
    """What a site told to be left, less the time since then: it gets less while the site is dark.

    A series that has ended while others went on is left out.
    """
    round_at = f"max by (site, node) ({newest('edgevitals_round_seq')})"
    is_last = f"{newest(name)} >= on (site, node) group_left () ({round_at} - {_STILL_TOLD_S})"
    return f"(last_over_time({of(name)}[{RANGE}]) + ({is_last}) - time())"


def coded(name: str, states: tuple[str, ...], by: str) -> str:
    """One number for a metric that has a series a state, of which one is 1: 1 for the first."""
    parts = [
        f"{code} * max by ({by}) ({of(name, state=state)})" for code, state in enumerate(states, 1)
    ]
    return " + ".join(parts)

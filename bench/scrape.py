"""Reading a page of metrics that was read before: our source's parser beside prometheus_client's.

The pages are the recording's: a broker's MBeans by the jmx_exporter, node_exporter's, kafka-lag's.
Only CPU time of parsing is counted: from the page's bytes to values beside series, on one core.
"""

from __future__ import annotations

import itertools

from prometheus_client.parser import text_string_to_metric_families

from bench.cpu import best_s
from bench.recording import pages
from bench.table import Row, Table, Target, Unit
from collector.series import SeriesTable, TargetSeries
from collector.sources.exposition import Exposition, Limits

SCRAPES = 4
TARGET = Target(5.0, at_least=True)
"""Times less CPU for the same page again."""

_LIMITS = Limits(samples=50_000, labels=64, name_bytes=256, value_bytes=4096)


def run() -> list[Table]:
    found: dict[str, list[bytes]] = {}
    for _, target, text in itertools.islice(pages(), 3 * SCRAPES):
        found.setdefault(target, []).append(text.encode())
    return [_table(target, several) for target, several in found.items()]


def _table(target: str, several: list[bytes]) -> Table:
    ours = _exposition()
    turns = itertools.cycle(several)
    samples = len(ours.take(next(turns)).values)
    first = best_s(lambda: _exposition().take(several[0]))
    again = best_s(lambda: ours.take(next(turns)))
    theirs = best_s(lambda: _read(next(turns)))
    changed = itertools.cycle([several[0], several[1] + b"more 1\n"])
    other = best_s(lambda: ours.take(next(changed)))
    return Table(
        f"a page of {target}: {samples} samples, {len(several[0]) >> 10} KiB",
        [
            Row("prometheus_client", 1000 * theirs, Unit.MILLISECONDS, note="each time"),
            Row("ours, the first time", 1000 * first, Unit.MILLISECONDS),
            Row("ours, again, with a series more or less", 1000 * other, Unit.MILLISECONDS),
            Row("ours, again, with other values", 1000 * again, Unit.MILLISECONDS),
            Row("times less CPU, again", theirs / again, Unit.RATIO, TARGET),
        ],
    )


def _exposition() -> Exposition:
    return Exposition(TargetSeries(SeriesTable(), {"job": "j", "instance": "i"}).intern, _LIMITS)


def _read(page: bytes) -> list[float]:
    families = text_string_to_metric_families(page.decode())
    return [sample.value for family in families for sample in family.samples]

"""The recording: 60 scrapes, 8 s apart, of a real broker under load, and the selection S of it.

S is what a curated collector would read (about 3,945 series): series present in all 60 scrapes,
without the request types nobody looks at, most per-partition state, and a few that only cost.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from collector.series import Family, Kind, Series

ARCHIVE = Path(__file__).parent / "data" / "recording-60x8s.tar.xz"

REQUESTS = {
    "Produce",
    "Fetch",
    "FetchConsumer",
    "OffsetCommit",
    "OffsetFetch",
    "Metadata",
    "JoinGroup",
    "Heartbeat",
    "FindCoordinator",
    "ConsumerGroupHeartbeat",
}
JOBS = {"jmx": "kafka", "node": "node", "lag": "lag"}
INSTANCES = {"jmx": "127.0.0.1:9999", "node": "127.0.0.1:9100", "lag": "127.0.0.1:9308"}
KINDS = {
    "counter": Kind.COUNTER,
    "gauge": Kind.GAUGE,
    "histogram": Kind.HISTOGRAM,
    "summary": Kind.SUMMARY,
}


class Recording(NamedTuple):
    """`rounds[t][i]` is the value of `series[i]` in scrape t; `at_ms[t]` when it was taken."""

    series: list[Series]
    at_ms: list[int]
    rounds: list[list[float]]


def selected(name: str, labels: dict[str, str]) -> bool:
    """Say whether a series belongs to selection S (presence in all scrapes apart)."""
    if "requestmetrics" in name and labels.get("request", "Produce") not in REQUESTS:
        return False
    if name.startswith("kafka_cluster_partition_") and not re.search(
        "underreplicated|underminisr", name
    ):
        return False
    if name in {"kafka_log_log_retentionsizeinpercent", "kafka_log_log_numlogsegments"}:
        return False
    return labels.get("topic") != "__consumer_offsets" and "lastgcinfo" not in name


def _pages(archive: Path) -> dict[int, dict[str, str]]:
    pages: dict[int, dict[str, str]] = {}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            match = re.search(r"(\d+)\.(jmx|node|lag)\.prom$", member.name)
            file = tar.extractfile(member)
            if match and file:
                pages.setdefault(int(match[1]), {})[match[2]] = file.read().decode()
    return dict(sorted(pages.items()))


def load(archive: Path = ARCHIVE) -> Recording:
    """Read selection S. It takes some seconds: prometheus_client parses 600,000 lines."""
    scrapes: list[dict[tuple[str, tuple[tuple[str, str], ...]], float]] = []
    families: dict[tuple[str, tuple[tuple[str, str], ...]], Family] = {}
    at_ms = []
    for when, pages in _pages(archive).items():
        scrape = {}
        for job, text in pages.items():
            own = {"job": JOBS[job], "instance": INSTANCES[job], "site": "s-0412", "node": "n1"}
            for metric in text_string_to_metric_families(text):
                family = Family(
                    metric.name, KINDS.get(metric.type, Kind.UNKNOWN), "", metric.documentation
                )
                for sample in metric.samples:
                    if selected(sample.name, sample.labels):
                        labels = tuple(sorted({**sample.labels, **own}.items()))
                        scrape[sample.name, labels] = float(sample.value)
                        families.setdefault((sample.name, labels), family)
        scrapes.append(scrape)
        at_ms.append(when)
    common = [key for key in scrapes[0] if all(key in scrape for scrape in scrapes)]
    return Recording(
        [Series(name, labels, families[name, labels]) for name, labels in common],
        at_ms,
        [[scrape[key] for key in common] for scrape in scrapes],
    )

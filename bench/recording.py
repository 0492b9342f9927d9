"""The recording: 60 scrapes, 8 s apart, of a real broker under load, and the selection S of it.

S is what a curated collector would read (about 3,945 series): series present in all 60 scrapes,
without the request types nobody looks at, most per-partition state, and a few that only cost.

The pages are read by a parser of our own, which knows just what they hold: 600,000 lines cost
prometheus_client half a minute. The test holds it against that one.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
TARGETS = {
    "jmx": {"job": "kafka", "instance": "127.0.0.1:9999"},
    "node": {"job": "node", "instance": "127.0.0.1:9100"},
    "lag": {"job": "lag", "instance": "127.0.0.1:9308"},
}
SITE, NODE = "s-0412", "n1"
KINDS = {
    "counter": Kind.COUNTER,
    "gauge": Kind.GAUGE,
    "histogram": Kind.HISTOGRAM,
    "summary": Kind.SUMMARY,
}
_PARTS = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.SUMMARY: ("_sum", "_count")}
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r'\\([\\"n])')


class Recording(NamedTuple):
    """`rounds[t][i]` is the value of `series[i]` in scrape t; `at_ms[t]` when it was taken."""

    series: list[Series]
    at_ms: list[int]
    rounds: list[list[float]]


class Page(NamedTuple):
    """One target's answer: values by the text before them (name and labels), and the families."""

    values: dict[str, str]
    families: dict[str, Family]


def load(archive: Path = ARCHIVE) -> Recording:
    """Read selection S."""
    with tarfile.open(archive) as tar:
        scrapes = dict(_scrapes(tar))
    first = scrapes[min(scrapes)]
    common: list[tuple[str, str]] = []
    series: list[Series] = []
    for target, page in first.items():
        everywhere = [scrape[target].values.keys() for scrape in scrapes.values()]
        present = set(page.values).intersection(*everywhere)
        for text in page.values:
            if text not in present:
                continue
            name, labels = name_and_labels(text)
            if selected(name, labels):
                common.append((target, text))
                own = {**TARGETS[target], "site": SITE, "node": NODE}
                every = tuple(sorted({**labels, **own}.items()))
                series.append(Series(name, every, family_of(name, page.families)))
    rounds = [
        [float(scrapes[when][target].values[text]) for target, text in common]
        for when in sorted(scrapes)
    ]
    return Recording(series, sorted(scrapes), rounds)


def pages(archive: Path = ARCHIVE) -> Iterator[tuple[int, str, str]]:
    """Yield (Unix ms, target, text) of every page, in the archive's order."""
    with tarfile.open(archive) as tar:
        yield from _pages(tar)


def parse(text: str) -> Page:
    """Read a page of the text format without timestamps, as all of the recording are."""
    values: dict[str, str] = {}
    helps: dict[str, str] = {}
    families: dict[str, Family] = {}
    for line in text.splitlines():
        if line[0] != "#":
            series, _, value = line.rpartition(" ")
            values[series] = value
            continue
        _, what, name, rest = line.split(" ", 3)
        if what == "HELP":
            helps[name] = _unescaped(rest.lstrip())
        else:
            kind = KINDS.get(rest, Kind.UNKNOWN)
            families[name] = Family(name, kind, "", helps.get(name, ""))
    return Page(values, families)


def name_and_labels(text: str) -> tuple[str, dict[str, str]]:
    """Read what stands before a value."""
    name, _, labels = text.partition("{")
    return name, {label: _unescaped(value) for label, value in _LABEL.findall(labels)}


def family_of(name: str, families: dict[str, Family]) -> Family:
    """Return the family of a sample's name; one without a kind when the page names none."""
    known = families.get(name)
    if known is not None:
        return known
    for kind, suffixes in _PARTS.items():
        for suffix in suffixes:
            known = families.get(name.removesuffix(suffix))
            if known is not None and known.kind is kind:
                return known
    return Family(name)


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


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def _scrapes(tar: tarfile.TarFile) -> Iterator[tuple[int, dict[str, Page]]]:
    scrapes: dict[int, dict[str, Page]] = {}
    for when, target, text in _pages(tar):
        scrapes.setdefault(when, {})[target] = parse(text)
    yield from scrapes.items()


def _pages(tar: tarfile.TarFile) -> Iterator[tuple[int, str, str]]:
    for member in tar:
        match = re.search(r"(\d+)\.(jmx|node|lag)\.prom$", member.name)
        file = tar.extractfile(member)
        if match and file:
            yield int(match[1]), match[2], file.read().decode()

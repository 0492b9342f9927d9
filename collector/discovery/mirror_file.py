"""The properties of a MirrorMaker 2 that runs by itself, as text: which flows it has."""

from __future__ import annotations

from itertools import permutations

from collector.discovery.found import Mirror
from collector.discovery.java import properties
from collector.discovery.web import words

MOST_CLUSTERS = 20


def mirrors(text: str) -> tuple[Mirror, ...]:
    """Return the flows that are enabled. Of the file only a few named keys are looked at."""
    clusters = words(properties(text, {"clusters"}).get("clusters", ""))[:MOST_CLUSTERS]
    pairs = list(permutations(clusters, 2))
    servers = {f"{name}.bootstrap.servers" for name in clusters}
    enabled = {f"{a}->{b}.enabled" for a, b in pairs}
    topics = {f"{a}->{b}.topics" for a, b in pairs}
    said = properties(text, {"topics", *servers, *enabled, *topics})
    return tuple(
        Mirror(
            name=f"{a}->{b}",
            source=a,
            target=b,
            topics=words(said.get(f"{a}->{b}.topics", said.get("topics", ".*"))),
            source_servers=words(said.get(f"{a}.bootstrap.servers", "")),
            target_servers=words(said.get(f"{b}.bootstrap.servers", "")),
        )
        for a, b in pairs
        if said.get(f"{a}->{b}.enabled", "false").lower() == "true"
    )

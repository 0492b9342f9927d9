"""The links that were found, as a section of the configuration. Pure: a survey in, lines out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from collector.config import Address
from collector.config.scalars import address, pattern, plain_name
from collector.discovery.found import ConnectWorker, JmxPort, KafkaPort, Mirror
from collector.discovery.survey import Survey
from collector.discovery.telling import brokers, plain, role_of
from collector.discovery.wording import fits, jmx_access, word
from collector.topic.settings import is_here

MOST_LINKS = 20


def links(survey: Survey, chosen: KafkaPort) -> Iterator[str]:
    """Give each flow of MirrorMaker a link; it needs the JMX port of what carries it.

    `chosen` is the listener of the cluster that the configuration is for.
    """
    found = flows(survey)[:MOST_LINKS]
    whole = [(flow, worker) for flow, worker in found if _ports(survey, worker)]
    if found:
        yield ""
    for flow, worker in found:
        if (flow, worker) not in whole:
            name = plain(f"{flow.source} -> {flow.target}")
            yield f"# {name}: a link needs the JMX port of MirrorMaker or its Connect worker"
    if whole:
        yield "links:    # the topics that must arrive: look at them"
    for flow, worker in whole:
        yield from _link(survey, chosen, flow, worker)


def flows(survey: Survey) -> list[tuple[Mirror, ConnectWorker | None]]:
    """Return the flows that were found, each once, with the worker that told of it."""
    found: dict[tuple[str, str], tuple[Mirror, ConnectWorker | None]] = {
        (flow.source, flow.target): (flow, worker)
        for worker in survey.found
        if isinstance(worker, ConnectWorker)
        for flow in worker.mirrors
    }
    for flow in survey.mirrors:
        found.setdefault((flow.source, flow.target), (flow, None))
    return list(found.values())


def _link(
    survey: Survey, chosen: KafkaPort, flow: Mirror, worker: ConnectWorker | None
) -> Iterator[str]:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{flow.source}-{flow.target}").strip("-")[:64]
    topics = [text for text in flow.topics if fits(pattern, text)] or [".*"]
    yield f"  - name: {word(name or 'mirror')}"
    yield "    kind: mirrormaker2"
    yield f"    topics: [{', '.join(map(word, topics))}]"
    yield f"    side: {_side(survey, chosen, flow)}    # which of its clusters kafka: is"
    for key, alias in (("source", flow.source), ("target", flow.target)):
        if fits(plain_name, alias):
            yield f"    {key}: {word(alias)}"
    if worker is not None:
        connector = quote(flow.name, safe="")
        yield f"    connect: {word(f'{worker.url}connectors/{connector}')}"
    yield "    jmx:"
    for port in _ports(survey, worker):
        first, *rest = jmx_access(port)
        yield f"      - {first}"
        yield from (f"        {line}" for line in rest)


def _ports(survey: Survey, worker: ConnectWorker | None) -> list[JmxPort]:
    """Return the JMX ports of what carries a flow: a worker's host's, or MirrorMaker's own."""
    wanted = {"mirrormaker"} if worker is None else {"mirrormaker", "connect"}
    return [
        one
        for one in survey.found
        if isinstance(one, JmxPort)
        and role_of(survey, one) in wanted
        and (worker is None or _is_same_host(worker.address, one.address))
    ]


def _side(survey: Survey, chosen: KafkaPort, flow: Mirror) -> str:
    """Return which of a flow's clusters is the chosen one: its source, unless it is the target."""
    own = {chosen.address, *chosen.brokers} | {
        one.address for one in brokers(survey) if one.cluster_id == chosen.cluster_id
    }

    def is_own(servers: tuple[str, ...]) -> bool:
        named = [address(text) for text in servers if fits(address, text)]
        return any(to.port == one.port and _is_same_host(to, one) for to in named for one in own)

    return "target" if is_own(flow.target_servers) and not is_own(flow.source_servers) else "source"


def _is_same_host(one: Address, other: Address) -> bool:
    return one.host == other.host or (is_here(one.host) and is_here(other.host))

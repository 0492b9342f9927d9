"""What was found, as rows and sentences for a person. Pure: a survey in, text out.

Much of the text comes from programs that are strangers: it is cut, and holds nothing that a
terminal or a YAML reader would take for more than text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from collector.config import Address
from collector.discovery.found import (
    ConnectWorker,
    Found,
    JmxPort,
    KafkaPort,
    MetricsPage,
    Mirror,
    Nobody,
    Role,
    Service,
    Unknown,
)
from collector.discovery.survey import Survey, jmx_of

MOST_CHARACTERS = 120
MOST_ROWS = 60
HEAD = ("WHAT", "WHERE", "IS")

_ROLES: dict[Role, str] = {
    "broker": "a broker",
    "controller": "a KRaft controller",
    "connect": "a Connect worker",
    "mirrormaker": "MirrorMaker 2",
    "schema registry": "Schema Registry",
    "ksqldb": "ksqlDB",
    "rest proxy": "the REST proxy",
    "flink": "Flink",
    "zookeeper": "ZooKeeper",
    "client": "an application with a Kafka client",
    "java": "a JVM",
}

Row = tuple[str, str, str]


def plain(text: str) -> str:
    """Return one line that is short and harmless."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= MOST_CHARACTERS else f"{clean[: MOST_CHARACTERS - 3]}..."


def rows(survey: Survey) -> list[Row]:
    """Return a row for each thing that was found, what is of use first, under `HEAD`."""
    told = [_row(survey, one) for one in _in_order(survey)]
    told += [_flow(flow) for flow in survey.mirrors]
    told += _nobody(survey)
    if len(told) > MOST_ROWS:
        told[MOST_ROWS - 1 :] = [("more", "", f"{len(told) - MOST_ROWS + 1} of them")]
    return [(plain(a), plain(b), plain(c)) for a, b, c in told]


def entries(survey: Survey) -> list[dict[str, Any]]:
    """Return the same for programs: the row's words, and the details by name."""
    found = []
    for one in _in_order(survey):
        what, where, says = _row(survey, one)
        details = {field.name: _data(getattr(one, field.name)) for field in fields(one)}
        found.append({"what": what, "where": plain(where), "is": plain(says), **details})
    return found


def _in_order(survey: Survey) -> list[Found]:
    return sorted((one for one in survey.found if not isinstance(one, Nobody)), key=_order)


def _data(value: Any) -> Any:
    match value:
        case Address() | str():
            return plain(str(value))
        case Mirror():
            return {field.name: _data(getattr(value, field.name)) for field in fields(value)}
        case tuple():
            return [_data(one) for one in value]
        case _:
            return value


def missing(survey: Survey) -> list[str]:
    """Say what one would want and was not found, and what to do about it."""
    return [plain_sentence(text) for text in _missing(survey)]


def plain_sentence(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def controllers(survey: Survey) -> list[KafkaPort]:
    return [one for one in survey.found if isinstance(one, KafkaPort) and one.is_controller]


def brokers(survey: Survey) -> list[KafkaPort]:
    """Return the listeners of brokers: never a KRaft controller's, which takes no client."""
    return [one for one in survey.found if isinstance(one, KafkaPort) and not one.is_controller]


def role_of(survey: Survey, port: JmxPort) -> Role:
    """Return what a JVM does: by its MBeans, else by its command line."""
    process = survey.owners.get(port.address)
    if port.role == "java" and process is not None:
        file = survey.files.get(process.pid)
        return "controller" if file is not None and file.is_controller_only else process.role
    return port.role


def _order(found: Found) -> int:
    kinds = (KafkaPort, JmxPort, ConnectWorker, MetricsPage, Service, Unknown, Nobody)
    place = 2 * next(i for i, kind in enumerate(kinds) if isinstance(found, kind))
    return place + 1 if isinstance(found, KafkaPort) and found.is_controller else place


def _row(survey: Survey, found: Found) -> Row:
    where = str(found.address)
    match found:
        case KafkaPort():
            return ("controller" if found.is_controller else "broker", where, _kafka(found))
        case JmxPort():
            return ("JMX port", where, _jmx(survey, found))
        case MetricsPage():
            more = "" if found.is_whole else "more than "
            return ("metrics", found.url, f"{found.exporter}, {more}{found.samples} samples")
        case ConnectWorker():
            return ("Connect", found.url, _connect(found))
        case Service():
            return ("service", where, found.name)
        case Unknown():
            return ("unknown", where, found.says)
        case Nobody():
            return ("nothing", where, found.says)


def _kafka(found: KafkaPort) -> str:
    says: str = found.security
    if found.mechanisms:
        says += f" ({', '.join(found.mechanisms)})"
    if len(found.nodes) == 1:
        says += f", node {found.nodes[0]}"
    elif found.nodes:
        says += f", one of {len(found.nodes)} brokers"
    return f"{says}, cluster {found.cluster_id}" if found.cluster_id else says


def _jmx(survey: Survey, found: JmxPort) -> str:
    role = role_of(survey, found)
    says = f"of {_ROLES[role]}"
    if found.node is not None:
        says += f", node {found.node}"
    if found.wants_password:
        says += ", wants a password"
    if found.has_tls:
        says += ", TLS"
    if found.trouble:
        says += f", can't be read: {found.trouble}"
    return says


def _connect(found: ConnectWorker) -> str:
    says = f"version {found.version}"
    if found.connectors is not None:
        says += f", {found.connectors} connectors"
    flows = [f"{one.source} -> {one.target}" for one in found.mirrors]
    return f"{says}, mirrors {', '.join(flows)}" if flows else says


def _flow(flow: Mirror) -> Row:
    return ("MirrorMaker", f"{flow.source} -> {flow.target}", f"topics {', '.join(flow.topics)}")


def _nobody(survey: Survey) -> Iterator[Row]:
    """A row for each address that was named, one a host for its well-known ports."""
    named = set(survey.given)
    hosts: dict[str, list[Nobody]] = {}
    answered = {one.address.host for one in survey.found if not isinstance(one, Nobody)}
    for one in survey.found:
        if isinstance(one, Nobody):
            if str(one.address) in named:
                yield ("nothing", str(one.address), one.says)
            else:
                hosts.setdefault(one.address.host, []).append(one)
    if survey.is_local:
        return
    for host, ports in hosts.items():
        if host not in answered:
            says = sorted({one.says for one in ports}, key=[one.says for one in ports].index)
            yield ("nothing", host, f"{len(ports)} ports: {', '.join(says[:3])}")


def _missing(survey: Survey) -> Iterator[str]:
    own = brokers(survey)
    if not own:
        yield from _no_broker(survey)
    seen = set()
    for listener in own:
        process = survey.owners.get(listener.address)
        key = process.pid if process is not None else listener.address.host
        if key not in seen and jmx_of(survey, listener) is None:
            yield (
                f"a JMX port of the broker at {listener.address}: without it there are no metrics "
                "of the broker itself. `edgevitals doctor` says how to open one"
            )
        seen.add(key)
    for one in survey.found:
        if isinstance(one, ConnectWorker) and not _has_jmx(survey, one.address.host):
            yield (
                f"a JMX port of the Connect worker at {one.address}: its tasks' metrics are read "
                "there. Open it as a broker's"
            )
    for process in survey.processes:
        if process.role in {"broker", "java"} or process.jmx_port or process.agents:
            continue
        yield (
            f"a JMX port of {_ROLES[process.role]} (process {process.pid}): its command line "
            "names none. Open it as a broker's: `edgevitals doctor` says how"
        )


def _no_broker(survey: Survey) -> Iterator[str]:
    if controllers(survey):
        yield (
            "a broker: what answers is a KRaft controller, which takes no clients. Run it on a "
            "broker's machine, or name the broker: edgevitals discover HOST:PORT"
        )
    elif survey.is_local:
        yield "a broker: name one that is elsewhere: edgevitals discover HOST:PORT"
    else:
        yield "a broker at these addresses: name its port if it is another one than usual"


def _has_jmx(survey: Survey, host: str) -> bool:
    return any(
        isinstance(one, JmxPort)
        and one.address.host == host
        and role_of(survey, one) in {"connect", "mirrormaker"}
        for one in survey.found
    )


def table(told: Sequence[Row]) -> list[str]:
    """Lines with the columns below one another, under their head."""
    lines = [HEAD, *told]
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    return [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in lines]

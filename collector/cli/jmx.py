"""`edgevitals jmx`: look into a JVM without a JVM."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from collector.cli import jmx_access
from collector.cli.program import OK, PROBLEM, Verb, VerbGroup
from collector.cli.words import harmless, table
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collector.jmx import BeanInfo, ObjectName, Scrape


@click.group(
    cls=VerbGroup,
    examples=(
        ("edgevitals jmx ls localhost:9999", "which MBeans are there?"),
        ("edgevitals jmx get localhost:9999 java.lang:type=Memory", "and what do they hold?"),
        ("edgevitals jmx watch localhost:9999 'kafka.server:type=ReplicaManager,*'", "as it moves"),
    ),
)
def jmx() -> None:
    """Look into a JVM through its JMX port.

    Reads only: nothing is set, invoked or created in the JVM. PATTERN is an ObjectName with * and
    ? in it, such as 'kafka.server:type=BrokerTopicMetrics,*'; a domain alone is all of it. Put it
    in quotes, or the shell will read the * for itself.
    """


@jmx.command(
    cls=Verb,
    examples=(
        ("edgevitals jmx ls localhost:9999", "all MBeans, sorted"),
        ("edgevitals jmx ls localhost:9999 'kafka.*:*' | grep -i lag", "find one"),
        ("edgevitals jmx ls -a localhost:9999 java.lang", "with attributes and their types"),
    ),
)
@click.option("-a", "--attributes", is_flag=True, help="Attributes and their types too.")
@jmx_access.options
def ls(attributes: bool, output: str, **where: Any) -> int:
    """List the MBeans that match PATTERN, all of them if left out."""
    catalogue = _Catalogue(jmx_access.pattern(where["pattern"]))
    with jmx_access.client(where, catalogue) as client:
        jmx_access.look(client, where["timeout"])
    beans = sorted(catalogue.beans.items())
    if output == "json":
        _print_json([_bean(name, info, attributes) for name, info in beans])
    elif attributes:
        rows = [("MBEAN", "ATTRIBUTE", "TYPE", "DESCRIPTION")]
        rows += [
            (name, one.name, one.java_type, one.description if one.description != one.name else "")
            for name, info in beans
            for one in info.attributes
        ]
        _print(table(rows))
    else:
        _print([harmless(name) for name, _ in beans])
    if not beans:
        _nothing_matches(where)
    return OK


@jmx.command(
    cls=Verb,
    examples=(
        ("edgevitals jmx get localhost:9999 java.lang:type=Memory", "all its values"),
        (
            "edgevitals jmx get localhost:9999 'kafka.controller:*' -a Value",
            "one attribute of many",
        ),
        ("edgevitals jmx get localhost:9999 java.lang -o json | jq '.[].value'", "for scripts"),
    ),
)
@click.option(
    "-a",
    "--attributes",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="These attributes; all with numbers, booleans or text if left out.",
)
@jmx_access.options
def get(attributes: Sequence[str], output: str, **where: Any) -> int:
    """Print the values of the MBeans that match PATTERN.

    Exits with 1 when there are none, or when one could not be read: the others are printed.
    """
    from collector.cli import jmx_values  # noqa: PLC0415

    with jmx_access.client(
        where, _Chosen(jmx_access.pattern(where["pattern"]), attributes)
    ) as client:
        scrape = jmx_access.look(client, where["timeout"])
    values = jmx_values.values_of(scrape)
    if output == "json":
        _print_json([jmx_values.entry(key, value) for key, value in values.items()])
    elif values:
        rows = [("MBEAN", "ATTRIBUTE", "VALUE")]
        rows += [(key.bean, key.shown, jmx_values.shown(value)) for key, value in values.items()]
        _print(table(rows))
    failures = _tell_failures(scrape)
    if not values:
        _nothing_matches(where, attributes)
    return PROBLEM if failures else OK


@jmx.command(
    cls=Verb,
    examples=(
        ("edgevitals jmx watch localhost:9999 'kafka.server:name=BytesInPerSec,*'", "as it moves"),
        ("edgevitals jmx watch localhost:9999 java.lang:type=Memory -n 1", "every second"),
        ("edgevitals jmx watch localhost:9999 kafka.network --count 2 -n 60", "a minute's changes"),
    ),
)
@click.option(
    "-a",
    "--attributes",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="These attributes; all with numbers, booleans or text if left out.",
)
@click.option(
    "-n",
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time from one look to the next.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many looks.")
@click.option("--all", "everything", is_flag=True, help="Values that did not change, too.")
@jmx_access.options
def watch(
    attributes: Sequence[str],
    interval: float,
    count: int | None,
    everything: bool,
    output: str,
    **where: Any,
) -> int:
    """Print what changes, by how much and how fast.

    Looks at the MBeans that match PATTERN every few seconds. The first look prints all values, the
    others what changed. Ends by Ctrl-C, or after --count looks. A JVM that goes away
    is asked again at each interval. JSON is one line a look.
    """
    from collector.cli.jmx_watch import Watch  # noqa: PLC0415

    is_screen = output == "text" and sys.stdout.isatty()
    with jmx_access.client(
        where, _Chosen(jmx_access.pattern(where["pattern"]), attributes)
    ) as client:
        watch = Watch(where["address"], as_json=output == "json", is_screen=is_screen)
        try:
            return watch.run(
                lambda: jmx_access.look(client, where["timeout"]),
                interval,
                count,
                everything=everything,
            )
        except KeyboardInterrupt:
            return OK


class _Catalogue:
    """Takes down what the MBeans say of themselves, and reads nothing."""

    def __init__(self, pattern: str) -> None:
        self.patterns = [pattern]
        self.beans: dict[str, BeanInfo] = {}

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        return True

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        self.beans[name.text] = info
        return ()


class _Chosen:
    """Attributes by name, or all that may be shown."""

    def __init__(self, pattern: str, names: Sequence[str]) -> None:
        self.patterns = [pattern]
        self._names = [name.strip() for text in names for name in text.split(",")]

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        return True

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:  # noqa: ARG002
        there = [one for one in info.attributes if one.may_be_number or one.may_be_text]
        if not self._names:
            return [one.name for one in there]
        return [one.name for one in there if one.name in self._names]


def _tell_failures(scrape: Scrape) -> bool:
    for failure in scrape.failures:
        what = f"{failure.name} {failure.attribute or ''}".rstrip()
        click.echo(harmless(f"{what}: {failure.error.message}"), err=True)
    return bool(scrape.failures)


def _nothing_matches(where: dict[str, Any], attributes: Sequence[str] = ()) -> NoReturn:
    has = f" and has an attribute {' or '.join(attributes)}" if attributes else ""
    raise CollectorError(
        f"no MBean at {where['address']} matches {where['pattern']}{has}",
        f"list them with: edgevitals jmx ls {'-a ' if attributes else ''}{where['address']}",
    )


def _bean(name: str, info: BeanInfo, attributes: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"bean": name, "class": info.class_name}
    if attributes:
        said["attributes"] = [
            {"name": one.name, "type": one.java_type, "description": one.description}
            for one in info.attributes
        ]
    return said


def _print(lines: Sequence[str]) -> None:
    if lines:
        click.echo("\n".join(lines))


def _print_json(found: object) -> None:
    click.echo(json.dumps(found, indent=2))

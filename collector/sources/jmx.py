"""The source `jmx`: a JVM's MBeans, read without a JVM, under the names that rules give them.

What is read is decided when a bean appears, by asking the rules: an attribute that none of them
can name is never asked for, and a text only when a rule makes a number of its own from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from collector.errors import SourceError
from collector.jmx import AttributeInfo, BeanInfo, Client, JmxError, Layout, ObjectName, Scrape
from collector.names.assignment import Assignment, Plan, Program
from collector.names.rules import Rules
from collector.names.subject import Bean
from collector.series import TargetSeries
from collector.target import Reading

_COMPOSITE: Final = frozenset(
    {"javax.management.openmbean.CompositeData", "javax.management.openmbean.TabularData"}
)
_COSTLY: Final = {
    "java.lang:type=Runtime": {"SystemProperties", "ClassPath", "BootClassPath", "LibraryPath"}
}
"""Long texts that no rule ever turned into a number; jmx_exporter leaves them out too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JmxTarget:
    """Where a JVM's JMX is, and how to get in; as the arguments of `collector.jmx.Client`."""

    host: str
    port: int
    username: str | None = None
    password: str | Callable[[], str] | None = None
    tls: SSLContext | Callable[[], SSLContext] | None = None
    registry_tls: bool = False
    server_hostname: str | None = None
    rmi_port: int | None = None
    follow_stub: bool = False
    refresh_s: float = 60.0


class JmxSource:
    """One JVM."""

    def __init__(self, target: JmxTarget, series: TargetSeries, rules: Rules) -> None:
        """Keep what is needed; the first `read` connects."""
        self._assignment = Assignment(rules, series)
        self._layouts: list[Layout] = []
        self._plans: list[Plan] = []
        self._program = Program(())
        self.failures = 0
        """Beans and attributes of the last read that could not be read."""
        self.client = Client(
            target.host,
            target.port,
            selection=_Wanted(rules),
            username=target.username,
            password=target.password,
            tls=target.tls,
            registry_tls=target.registry_tls,
            server_hostname=target.server_hostname,
            rmi_port=target.rmi_port,
            follow_stub=target.follow_stub,
            refresh_s=target.refresh_s,
        )

    @property
    def clashes(self) -> int:
        """Values of the last read that found their series taken; the first one was kept."""
        return self._assignment.clashes

    @property
    def left_out(self) -> int:
        """Values of the last read that were over a rule's limit."""
        return self._assignment.left_out

    def read(self, deadline: float) -> Reading:
        """Read all beans once.

        Raises SourceError when the JVM can't be read, or has more series than there may be.
        """
        try:
            scrape = self.client.scrape(deadline)
        except JmxError as error:
            raise SourceError(error.message, error.hint) from error
        self.failures = len(scrape.failures)
        self._keep_up(scrape)
        values = self._program.values(answer for _, answer in scrape.readings)
        return Reading(self._program.series, values)

    def close(self) -> None:
        """End the session. Never raises."""
        self.client.close()

    def _keep_up(self, scrape: Scrape) -> None:
        """Ask the rules about what is new, and about texts and numbers that they look at."""
        layouts = [layout for layout, _ in scrape.readings]
        has_changed = layouts != self._layouts
        if has_changed:
            plans = []
            for layout, values in scrape.readings:
                if layout.tag is None:
                    name = layout.bean.name
                    layout.tag = self._assignment.plan(
                        Bean(name.domain, name.properties), layout.slots, values
                    )
                plans.append(layout.tag)
            self._plans = plans
        for plan, (_, values) in zip(self._plans, scrape.readings, strict=True):
            if plan.looking and self._assignment.look_again(plan, values):
                has_changed = True
        if has_changed:
            self._layouts = []  # if the next line raises, the next round tries again
            self._program = self._assignment.program(self._plans)
            self._layouts = layouts


class _Wanted:
    """What the rules ask for (see `collector.jmx.Selection`)."""

    def __init__(self, rules: Rules) -> None:
        self._sets = rules.sets
        self.patterns: Sequence[str] = rules.patterns

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002 - the seam has it
        domain, properties = name.domain, name.properties
        return any(rule_set.covers(domain, properties) for rule_set in self._sets)

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        bean = Bean(name.domain, name.properties)
        costly = _COSTLY.get(str(name), set())
        shapes = [_shape(each) for each in info.attributes if each.name not in costly]
        wanted: set[str] = set()
        for rule_set in self._sets:  # one after the other: each prepares for a bean once
            if rule_set.covers(bean.domain, bean.properties):
                wanted.update(shape[0] for shape in shapes if rule_set.asks_for(bean, *shape))
        return [shape[0] for shape in shapes if shape[0] in wanted]


def _shape(attribute: AttributeInfo) -> tuple[str, bool, bool, bool]:
    """Return name, and whether it may be a number, a text, a composite."""
    is_composite = attribute.java_type in _COMPOSITE
    may_be_number = attribute.may_be_number and not is_composite
    return attribute.name, may_be_number, attribute.may_be_text, is_composite

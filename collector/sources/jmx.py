"""The source `jmx`: a JVM's MBeans, read without a JVM, under the names that rules give them.

What is read is decided when a bean appears, by asking the rules: an attribute that none of them
can name is never asked for, and a text only when a rule makes a number of its own from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from collector import catalog
from collector.errors import SourceError
from collector.jmx import (
    AttributeInfo,
    BeanInfo,
    Client,
    JmxError,
    ObjectName,
    Selection,
    Slot,
    Value,
)
from collector.names.assignment import Assignment, Plan, Program
from collector.names.rules import Rules
from collector.names.subject import Bean
from collector.series import Family, TargetSeries
from collector.target import Reading

if TYPE_CHECKING:
    from ssl import SSLContext  # the library imports it for targets with TLS

FAILURES = catalog.OWN["edgevitals_jmx_failures"].family
CLASHES = catalog.OWN["edgevitals_jmx_clashes"].family
LEFT_OUT = catalog.OWN["edgevitals_jmx_left_out"].family

_COMPOSITE: Final = frozenset(
    {"javax.management.openmbean.CompositeData", "javax.management.openmbean.TabularData"}
)
COSTLY: Final = {
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

    def client(self, selection: Selection) -> Client:
        """Return a client that reads what is selected; it connects when it is asked."""
        return Client(
            self.host,
            self.port,
            selection=selection,
            username=self.username,
            password=self.password,
            tls=self.tls,
            registry_tls=self.registry_tls,
            server_hostname=self.server_hostname,
            rmi_port=self.rmi_port,
            follow_stub=self.follow_stub,
            refresh_s=self.refresh_s,
        )


class JmxSource:
    """One JVM."""

    def __init__(self, target: JmxTarget, series: TargetSeries, rules: Rules) -> None:
        """Keep what is needed; the first `read` connects."""
        self._naming = Naming(series, rules, FAILURES)
        self.failures = 0
        """Beans and attributes of the last read that could not be read."""
        self.client = target.client(Wanted(rules))

    @property
    def clashes(self) -> int:
        """Values of the last read that found their series taken; the first one was kept."""
        return self._naming.clashes

    @property
    def left_out(self) -> int:
        """Values of the last read that were over a rule's limit."""
        return self._naming.left_out

    def read(self, deadline: float) -> Reading:
        """Read all beans once.

        Raises SourceError when the JVM can't be read, or has more series than there may be.
        """
        try:
            scrape = self.client.scrape(deadline)
        except JmxError as error:
            raise SourceError(error.message, error.hint) from error
        self.failures = len(scrape.failures)
        return self._naming.reading(scrape.readings, self.failures)

    def close(self) -> None:
        """End the session. Never raises."""
        self.client.close()


class BeanName(Protocol):
    @property
    def name(self) -> ObjectName: ...


class Form(Protocol):
    """The form of one bean's answer, as `collector.jmx.Layout`; the plan for it is its tag."""

    tag: Any

    @property
    def bean(self) -> BeanName: ...
    @property
    def slots(self) -> tuple[Slot, ...]: ...


Answers = Sequence[tuple[Form, tuple[Value, ...]]]


class Naming:
    """Names and series for what a JVM answered, round after round."""

    def __init__(self, series: TargetSeries, rules: Rules, *more: Family) -> None:
        self._assignment = Assignment(rules, series)
        self._forms: list[Form] = []
        self._plans: list[Plan] = []
        self._program = Program(())
        self._own = [series.intern(family, {}) for family in (*more, CLASHES, LEFT_OUT)]
        self._series = self._own

    @property
    def clashes(self) -> int:
        """Values of the last read that found their series taken; the first one was kept."""
        return self._assignment.clashes

    @property
    def left_out(self) -> int:
        """Values of the last read that were over a rule's limit."""
        return self._assignment.left_out

    def reading(self, answers: Answers, *more: float) -> Reading:
        """Return a round's values, and how many are missing.

        `more` are the values of the families of that name. While no name changes, the series are
        the same object from round to round.

        Raises SourceError when there are too many series.
        """
        self._keep_up(answers)
        values = self._program.values(values for _, values in answers)
        values.extend((*more, self.clashes, self.left_out))
        return Reading(self._series, values)

    def _keep_up(self, answers: Answers) -> None:
        """Ask the rules about what is new, and about texts and numbers that they look at."""
        forms = [form for form, _ in answers]
        has_changed = forms != self._forms
        if has_changed:
            plans = []
            for form, values in answers:
                if form.tag is None:
                    name = form.bean.name
                    form.tag = self._assignment.plan(
                        Bean(name.domain, name.properties), form.slots, values
                    )
                plans.append(form.tag)
            self._plans = plans
        for plan, (_, values) in zip(self._plans, answers, strict=True):
            if plan.looking and self._assignment.look_again(plan, values):
                has_changed = True
        if has_changed:
            self._forms = []  # if the next line raises, the next round tries again
            self._program = self._assignment.program(self._plans)
            self._series = [*self._program.series, *self._own]
            self._forms = forms


class Wanted:
    """What the rules ask for (see `collector.jmx.Selection`)."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.patterns: Sequence[str] = rules.patterns

    def leaves_out(self, pattern: str) -> Sequence[str]:
        """Above all those of each partition: 110,000 in a broker with 10,000."""
        return self._rules.leaves_out(pattern)

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002 - the seam has it
        domain, properties = name.domain, name.properties
        return any(rule_set.covers(domain, properties) for rule_set in self._rules.sets)

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        bean = Bean(name.domain, name.properties)
        costly = COSTLY.get(str(name), set())
        shapes = [_shape(each) for each in info.attributes if each.name not in costly]
        wanted: set[str] = set()
        for rule_set in self._rules.sets:  # one after the other: each prepares for a bean once
            if rule_set.covers(bean.domain, bean.properties):
                wanted.update(shape[0] for shape in shapes if rule_set.asks_for(bean, *shape))
        return [shape[0] for shape in shapes if shape[0] in wanted]


def _shape(attribute: AttributeInfo) -> tuple[str, bool, bool, bool]:
    """Return name, and whether it may be a number, a text, a composite."""
    is_composite = attribute.java_type in _COMPOSITE
    may_be_number = attribute.may_be_number and not is_composite
    return attribute.name, may_be_number, attribute.may_be_text, is_composite

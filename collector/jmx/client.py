"""The client: one JVM, read again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from collector.jmx import jrmp, mbeans
from collector.jmx.bean import Bean, Failure, Layout
from collector.jmx.connection import Tls, now
from collector.jmx.errors import CallFailed
from collector.jmx.exchange import Call
from collector.jmx.limits import Limits
from collector.jmx.mbeans import BeanInfo
from collector.jmx.objectname import ObjectName
from collector.jmx.plan import Plan
from collector.jmx.selection import Numbers, Selection
from collector.jmx.session import Address, Counts, Session
from collector.jmx.templates import Shape
from collector.jmx.values import Slot, Value


class Scrape(NamedTuple):
    """One reading of everything that was selected.

    `readings`: an entry for each bean that answered. `failures`: what could not be read.
    `generation` changes when the set of beans, or what is read of them, changed.
    """

    readings: list[tuple[Layout, tuple[Value, ...]]]
    failures: list[Failure]
    generation: int


class Client:
    """Reads the MBeans of one JVM. For one thread at a time.

    host, port      the JMX port (the RMI registry); the host is also where calls go, whatever
                    host the server names, unless `follow_stub`: its name for itself often can't
                    be reached, and the password must not go where a server sends it
    selection       which MBeans and attributes are read, see `Selection`
    username, password    the password may be a function, asked for each new session
    tls             a context (or a function that makes one): the JMX server must speak TLS
    registry_tls    the registry speaks TLS too (com.sun.management.jmxremote.registry.ssl)
    server_hostname the name that the certificate must have, when it is not `host`
    rmi_port        where the JMX server listens, when it is not what the registry says
    name            what the JMX server is bound to in the registry
    window          calls on their way at a time
    refresh_s       seconds between looks for MBeans that came or went

    Deadlines are `time.monotonic()` values. All methods raise JmxError and nothing else.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        selection: Selection | None = None,
        username: str | None = None,
        password: str | Callable[[], str] | None = None,
        tls: Tls = None,
        registry_tls: bool = False,
        server_hostname: str | None = None,
        rmi_port: int | None = None,
        follow_stub: bool = False,
        name: str = "jmxrmi",
        window: int = 64,
        refresh_s: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        address = Address(
            host=host,
            port=port,
            username=username,
            password=password,
            tls=tls,
            registry_tls=registry_tls,
            server_hostname=server_hostname,
            rmi_port=rmi_port,
            follow_stub=follow_stub,
            name=name,
        )
        self._session = Session(address, self._limits, window)
        self._plan = Plan(selection or Numbers(), self._limits)
        self._refresh_s = refresh_s
        self._next_look = 0.0
        self._planned_in = 0  # the session in which the plan was made

    @property
    def counts(self) -> Counts:
        return self._session.counts

    def connect(self, deadline: float) -> None:
        """Connect and log in, to fail early; everything else does it when needed."""
        self._session.open(deadline)

    def scrape(self, deadline: float) -> Scrape:
        """Read everything that is selected, once."""
        self._session.open(deadline)
        self._look(deadline)
        beans = self._plan.beans
        readings = self._read(beans, deadline)
        failures = [
            Failure(bean.name, name, error) for bean in beans for name, error in bean.bad.items()
        ]
        spoiled: list[Bean] = []
        for bean in beans:
            if bean.error is not None:
                if bean.is_gone:
                    self._next_look = 0.0
                elif isinstance(bean.error, CallFailed) and not bean.error.socket_closed:
                    failures.append(Failure(bean.name, None, bean.error))
                else:
                    spoiled.append(bean)
        if spoiled:
            readings += self._read_without_bad(spoiled, failures, deadline)
        return Scrape(readings, failures, self._plan.generation)

    def names(self, pattern: str, deadline: float) -> list[ObjectName]:
        """Return the names that match a pattern."""
        call = Call(mbeans.query(pattern), mbeans.read_names)
        found: list[str] = self._session.ask(jrmp.QUERY_NAMES, [call], deadline)[0]
        return [ObjectName(text) for text in found]

    def info(self, name: ObjectName | str, deadline: float) -> BeanInfo:
        """Return what an MBean says of itself."""
        call = Call(mbeans.about(str(name)), mbeans.read_info)
        info: BeanInfo = self._session.ask(jrmp.GET_MBEAN_INFO, [call], deadline)[0]
        return info

    def get(
        self, name: ObjectName | str, attributes: Sequence[str] | None, deadline: float
    ) -> list[tuple[Slot, Value]]:
        """Read attributes of one MBean; None: all that may hold numbers or text."""
        info = self.info(name, deadline)
        if attributes is None:
            attributes = Numbers(text=True).attributes(ObjectName(str(name)), info)
        bean = Bean(ObjectName(str(name)), info, Shape(attributes), self._limits)
        readings = self._read([bean], deadline)
        if bean.error is not None:
            raise bean.error
        layout, values = readings[0]
        return list(zip(layout.slots, values, strict=True))

    def close(self) -> None:
        """End the session, within a second."""
        self._session.close(now() + 1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _look(self, deadline: float) -> None:
        """Bring the plan up to date when it is time to."""
        sessions = self._session.counts.sessions
        if sessions != self._planned_in:
            self._plan.forget()
        elif now() < self._next_look:
            return
        self._plan.look(self._session, deadline)
        self._planned_in = sessions
        self._next_look = now() + self._refresh_s

    def _read(
        self, beans: Sequence[Bean], deadline: float
    ) -> list[tuple[Layout, tuple[Value, ...]]]:
        for bean in beans:
            bean.error = None
        readings = self._session.ask(jrmp.GET_ATTRIBUTES, beans, deadline)
        return [reading for reading in readings if reading is not None]

    def _read_without_bad(
        self, spoiled: Sequence[Bean], failures: list[Failure], deadline: float
    ) -> list[tuple[Layout, tuple[Value, ...]]]:
        """Find the attributes that break the answers, and read the others once more."""
        self._plan.probe(self._session, spoiled, deadline)
        readings = self._read(spoiled, deadline)
        for bean in spoiled:
            failures += [Failure(bean.name, name, error) for name, error in bean.bad.items()]
            if bean.error is not None:
                failures.append(Failure(bean.name, None, bean.error))
        return readings

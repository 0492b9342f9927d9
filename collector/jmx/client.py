"""The client: one JVM, read again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from collector.jmx import jrmp, mbeans
from collector.jmx.bean import Bean
from collector.jmx.connection import Tls, now
from collector.jmx.exchange import Call
from collector.jmx.limits import Limits
from collector.jmx.mbeans import BeanInfo
from collector.jmx.objectname import ObjectName
from collector.jmx.plan import Plan
from collector.jmx.scrape import Scrape, Scraper
from collector.jmx.selection import Numbers, Selection
from collector.jmx.session import Address, Counts, Session
from collector.jmx.templates import Budget, Shape
from collector.jmx.values import Slot, Value


class Client:
    """Reads the MBeans of one JVM. For one thread at a time.

    host, port      the JMX port (the RMI registry); the host is also where calls go, whatever
                    host the server names, unless `follow_stub`: its name for itself often can't
                    be reached, and the password must not go where a server sends it
    selection       which MBeans and attributes are read, see `Selection`
    username, password    the password may be a function, asked for each new session
    tls             a context (or a function that makes one, see `tls_context`): the JMX server
                    must speak TLS
    registry_tls    the registry speaks TLS too (com.sun.management.jmxremote.registry.ssl)
    server_hostname the name that the certificate must have, when it is not `host`
    rmi_port        where the JMX server listens, when it is not what the registry says
    name            what the JMX server is bound to in the registry
    window          calls on their way at a time
    refresh_s       seconds between looks for MBeans that came or went

    Deadlines are `time.monotonic()` values. All methods raise JmxError, and let pass what a
    function of the caller's own raises; a name that is none is a ValueError.
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
        self._scraper = Scraper(self._session, self._plan, self._limits, refresh_s)

    @property
    def counts(self) -> Counts:
        return self._session.counts

    def connect(self, deadline: float) -> None:
        """Connect and log in, to fail early; everything else does it when needed."""
        self._session.open(deadline)

    def scrape(self, deadline: float) -> Scrape:
        """Read everything that is selected, once."""
        return self._scraper.scrape(deadline)

    def names(self, pattern: str, deadline: float) -> list[ObjectName]:
        """Return the names that match a pattern."""
        call = Call(mbeans.query(ObjectName.parse(pattern).text), mbeans.read_names)
        found: list[str] = self._session.ask_all(jrmp.QUERY_NAMES, [call], deadline)[0]
        return [ObjectName(text) for text in found]

    def info(self, name: ObjectName | str, deadline: float) -> BeanInfo:
        """Return what an MBean says of itself."""
        # Checked here: a name that the server can't read costs the socket.
        call = Call(mbeans.about(ObjectName.parse(str(name)).text), mbeans.read_info)
        info: BeanInfo = self._session.ask_all(jrmp.GET_MBEAN_INFO, [call], deadline)[0]
        return info

    def get(
        self, name: ObjectName | str, attributes: Sequence[str] | None, deadline: float
    ) -> list[tuple[Slot, Value]]:
        """Read attributes of one MBean; None: all that may hold numbers or text."""
        info = self.info(name, deadline)
        if attributes is None:
            attributes = Numbers(text=True).attributes(ObjectName(str(name)), info)
        shape = Shape(attributes, Budget(0))
        bean = Bean(ObjectName(str(name)), info, shape, self._limits)
        readings = self._scraper.read([bean], deadline)
        if bean.error is not None:
            raise bean.error
        layout, values = readings[0]
        return list(zip(layout.slots, values, strict=True))

    def close(self) -> None:
        """End the session, within a second. The client can be used again: it connects anew."""
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

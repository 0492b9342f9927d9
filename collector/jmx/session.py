"""A JMX session: where the MBean server is, the right to ask it, and a socket to ask on.

The session lives in the server and outlives sockets: after a cut its calls go on over a new one.
What ends it is 120 s without a call (`jmx.remote.x.server.connection.timeout`), or the JVM's end:
then a call gives NoSuchObjectException, and a new session costs three round trips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from collector.jmx import jrmp
from collector.jmx.connection import Connection, Tls, TooLate
from collector.jmx.errors import CallFailed, JmxError, PeerBrokeProtocol, Unreachable
from collector.jmx.exchange import Call, Exchange, Question
from collector.jmx.limits import Limits
from collector.jmx.mbeans import credentials
from collector.jmx.throwables import NO_SUCH_OBJECT

MOST_CUTS: Final = 32
"""Times that one series of questions may lose its socket before it is given up."""


@dataclass
class Counts:
    """What a client did since it was made."""

    connections: int = 0
    sessions: int = 0
    calls: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    template_hits: int = 0


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a JVM is and how it wants to be spoken to; see `Client` for the meanings."""

    host: str
    port: int
    username: str | None = None
    password: str | Callable[[], str] | None = None
    tls: Tls = None
    registry_tls: bool = False
    server_hostname: str | None = None
    rmi_port: int | None = None
    follow_stub: bool = False
    name: str = "jmxrmi"


class Session:
    """Asks questions; makes itself anew when it must."""

    def __init__(self, address: Address, limits: Limits, window: int) -> None:
        self.counts = Counts()
        self.stuck: Question | None = None  # what the last question that came too late was
        self._address = address
        self._limits = limits
        self._window = window
        self._connection: Connection | None = None
        self._server: jrmp.Stub | None = None
        self._object_id: bytes | None = None  # of our session in the server

    def open(self, deadline: float) -> None:
        """Connect and log in, if need be."""
        if self._object_id is None:
            try:
                self._log_in(deadline)
            except BaseException:
                self._drop_connection()
                raise

    def ask(self, method: int, questions: Sequence[Question], deadline: float) -> list[Any]:
        """Return what each question makes of its answer.

        A question that spoils its socket (an attribute that can't be sent) fails alone. Lost
        sockets and a session that is over are made good, within the deadline. Raises JmxError.
        """
        results: list[Any] = []
        self.stuck = None
        renewed = False
        cuts = 0
        careful_until = 0
        while len(results) < len(questions):
            exchange: Exchange | None = None
            careful = len(results) < careful_until
            try:
                self.open(deadline)
                assert self._object_id is not None
                connection = self._connected(deadline)
                exchange = Exchange(
                    jrmp.call(self._object_id, method),
                    questions[len(results) : careful_until if careful else None],
                    connection.decoder,
                    1 if careful else self._window,
                )
                self._run(connection, exchange, deadline)
                results += exchange.results
            except JmxError as error:
                self._drop_connection()
                if exchange is None or exchange.done:
                    raise
                results += exchange.results
                if isinstance(error, TooLate):
                    self.stuck = questions[len(results)]
                    raise
                if isinstance(error, CallFailed) and error.java_class == NO_SUCH_OBJECT:
                    self._object_id = None
                    if renewed:
                        raise
                    renewed = True
                    continue
                cuts += 1
                if cuts > MOST_CUTS:
                    raise
                if careful or not isinstance(error, Unreachable):
                    results.append(questions[len(results)].failed(error))
                else:
                    # A server that closes while it has calls unread resets the connection, and
                    # answers that were under way are lost: which call it was, one at a time shows.
                    careful_until = len(results) + self._window
        return results

    def ask_all(self, method: int, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Return the answers of calls; raises the error of the first that failed."""
        answers = self.ask(method, calls, deadline)
        for answer in answers:
            if isinstance(answer, JmxError):
                raise answer
        return answers

    def close(self, deadline: float) -> None:
        """Tell the server, so that it need not keep the session for its 120 s. Never raises."""
        if self._connection is not None and self._object_id is not None:
            head = jrmp.call(self._object_id, jrmp.CLOSE)
            call = Call(b"", lambda value: value)
            exchange = Exchange(head, [call], self._connection.decoder, 1, has_value=False)
            with suppress(JmxError):  # the server will find out by itself
                self._run(self._connection, exchange, deadline)
        self._object_id = None
        self._drop_connection()

    def _log_in(self, deadline: float) -> None:
        address = self._address
        stub = self._look_up(deadline)
        if address.tls is not None and not stub.has_tls:
            raise PeerBrokeProtocol(
                f"{address.host}:{address.port}: TLS is set, but the JMX server behind this "
                "registry does not use it, and the password would travel in plain text",
                "Start the JVM with com.sun.management.jmxremote.ssl=true, or don't set TLS",
            )
        self._server = stub
        password = address.password() if callable(address.password) else address.password
        connection = self._connected(deadline)
        session = jrmp.read_stub(
            self._call(
                connection,
                jrmp.call(stub.object_id, jrmp.NEW_CLIENT),
                credentials(address.username, password),
                deadline,
            )
        )
        self._object_id = session.object_id
        self.counts.sessions += 1

    def _look_up(self, deadline: float) -> jrmp.Stub:
        """Ask the registry where the JMX server is."""
        address = self._address
        self._drop_connection()
        connection = self._connect(
            address.host, address.port, has_tls=address.registry_tls, deadline=deadline
        )
        return jrmp.read_stub(
            self._call(
                connection,
                jrmp.call(jrmp.REGISTRY, jrmp.REGISTRY_HASH, jrmp.REGISTRY_LOOKUP),
                jrmp.string(address.name),
                deadline,
            )
        )

    def _call(self, connection: Connection, head: bytes, arguments: bytes, deadline: float) -> Any:
        """Make one call and return its answer as it was decoded."""
        call = Call(arguments, lambda value: value)
        exchange = Exchange(head, [call], connection.decoder, window=1)
        self._run(connection, exchange, deadline)
        answer = exchange.results[0]
        if isinstance(answer, JmxError):
            raise answer
        return answer

    def _run(self, connection: Connection, exchange: Exchange, deadline: float) -> None:
        sent, received = connection.sent_bytes, connection.received_bytes
        try:
            connection.run(exchange, deadline)
        finally:
            self.counts.calls += len(exchange.results)
            self.counts.template_hits += exchange.hits
            self.counts.sent_bytes += connection.sent_bytes - sent
            self.counts.received_bytes += connection.received_bytes - received

    def _connected(self, deadline: float) -> Connection:
        """Return a socket to the JMX server; the registry's, when it is the same place."""
        assert self._server is not None
        address, stub = self._address, self._server
        host = stub.host if address.follow_stub else address.host
        port = address.rmi_port or stub.port
        connection = self._connection
        if connection is not None and connection.goes_to(host, port, has_tls=stub.has_tls):
            return connection
        self._drop_connection()
        return self._connect(host, port, has_tls=stub.has_tls, deadline=deadline)

    def _connect(self, host: str, port: int, *, has_tls: bool, deadline: float) -> Connection:
        address = self._address
        if has_tls and address.tls is None:
            raise PeerBrokeProtocol(
                f"{host}:{port}: the JMX server wants TLS",
                "Set TLS for this target",
                wants_tls=True,
            )
        self._connection = Connection(
            host,
            port,
            deadline=deadline,
            limits=self._limits,
            tls=address.tls if has_tls else None,
            server_hostname=address.server_hostname,
        )
        self.counts.connections += 1
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

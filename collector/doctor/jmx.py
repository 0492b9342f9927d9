"""A JVM's JMX port: is it there, does it let us in, and is a broker behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from collector.cluster.own_broker import NAMES, STATE
from collector.config import JmxConfig
from collector.config.sources import JmxAccess
from collector.doctor.finding import Finding, Layer, cannot_tell, ok, problem
from collector.doctor.jvms import Jvm, brokers
from collector.doctor.opening import how
from collector.errors import CollectorError
from collector.jmx import CallFailed, JmxError, Numbers, PeerBrokeProtocol
from collector.sources.jmx_target import jmx_target
from collector.topic.settings import is_here

_CALL_S = 10.0


def look(jvm: JmxAccess) -> Iterator[Finding]:
    """Open a session, and ask for the names of its MBeans."""
    subject = str(jvm.address)
    if isinstance(jvm, JmxConfig) and jvm.engine != "native":
        do = "edgevitals scrape -c FILE: it starts a JVM for that"
        yield cannot_tell(Layer.JMX, subject, f"engine {jvm.engine} is not tried here", do)
        return
    try:
        with closing(jmx_target(jvm).client(Numbers(()))) as client:
            names = client.names("*:*", time.monotonic() + _CALL_S)
            apps = client.names(NAMES, time.monotonic() + _CALL_S)
            is_broker = bool(client.names(STATE, time.monotonic() + _CALL_S))
    except JmxError as error:
        is_local = is_here(jvm.address.host)
        yield judged(jvm, error, list(brokers()) if is_local else [])
        return
    except CollectorError as error:  # a file: password or certificate
        yield problem(Layer.LOGIN, subject, error.message, error.hint)
        return
    ids = ", ".join(sorted({one.properties["id"] for one in apps if "id" in one.properties}))
    what = "no Kafka broker is in it"
    if ids:
        what = f"broker {ids}" if is_broker else f"controller {ids}, which is no broker"
    yield ok(Layer.JMX, subject, f"{len(names)} MBeans, {what}", _open_door(jvm))


def judged(jvm: JmxAccess, error: JmxError, jvms: Sequence[Jvm]) -> Finding:
    """What an error means. Pure; `jvms` are the brokers of that machine, as far as we see them."""
    subject = str(jvm.address)
    says = error.message.removeprefix(f"{subject}: ")
    if isinstance(error, CallFailed):
        layer = Layer.LOGIN if "SecurityException" in error.java_class else Layer.JMX
        return problem(layer, subject, says, error.hint or "docs/jmx.md: When something is wrong")
    if isinstance(error, PeerBrokeProtocol):
        return problem(Layer.JMX, subject, says, error.hint)
    if "no such host" in says:
        host = jvm.address.host
        return problem(Layer.DNS, subject, says, f"getent ahosts {host}; correct address of it")
    if "RMI's handshake" in says:
        return problem(Layer.JMX, subject, says, error.hint)
    if "TLS" in says or "certificate" in says:
        return problem(Layer.TLS, subject, says, error.hint)
    if "refused" in says:
        says = f"{says}: no JMX port is open there"
        return problem(Layer.JMX, subject, says, *how(jvm.address.port, jvms))
    return problem(Layer.NETWORK, subject, says, error.hint, "does a firewall drop it?")


def _open_door(jvm: JmxAccess) -> str:
    if jvm.username or is_here(jvm.address.host):
        return ""
    return "note: it asks for no password, and who may use a JMX port owns the process: docs/jmx.md"

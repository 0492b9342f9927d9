"""How to open a JMX port: in a JVM that runs, and for good, by how Kafka is deployed there.

docs/jmx.md says the rest: passwords, TLS, and why loopback.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence

from collector.doctor.jvms import Jvm

OPTIONS = (
    "-Dcom.sun.management.jmxremote=true -Dcom.sun.management.jmxremote.host=127.0.0.1 "
    "-Dcom.sun.management.jmxremote.rmi.port={port} "
    "-Dcom.sun.management.jmxremote.authenticate=false -Dcom.sun.management.jmxremote.ssl=false"
)
"""What Kafka's scripts don't add by themselves. They add the port, from JMX_PORT."""


def how(port: int, jvms: Sequence[Jvm], me: str | None = None) -> Iterator[str]:
    """What to type to have a JMX port at `port`, a line each. Pure but for our own name."""
    me = me or getpass.getuser()
    for jvm in jvms:
        if jvm.port is None:
            yield f"now, until it ends: {running(jvm, port, me)}"
        elif jvm.port != port:
            yield f"or process {jvm.pid}, a broker, has its JMX port at {jvm.port}: correct address"
    options = OPTIONS.format(port=port)
    yield f"for good, plain Kafka, in its service: JMX_PORT={port} KAFKA_JMX_OPTS='{options}'"
    yield (
        "for good, Confluent Platform: systemctl edit confluent-server (or confluent-kafka): "
        f'[Service] Environment=JMX_PORT={port} Environment="KAFKA_JMX_OPTS=..." as above; its '
        f"images: KAFKA_JMX_PORT={port} KAFKA_JMX_HOSTNAME=127.0.0.1"
    )
    yield (
        "for good, Ansible (cp-ansible): kafka_broker_service_environment_overrides: "
        f'{{JMX_PORT: "{port}", KAFKA_JMX_OPTS: "..."}}; or jmxexporter_enabled: true, and its '
        "page as sources.scrape, port 8080"
    )
    yield (
        "for good, Confluent for Kubernetes: nothing, JMX is at port 7203 of the pod, and a page "
        "for sources.scrape at 7778"
    )
    yield (
        "for good, Strimzi: spec.kafka.jmxOptions: {} of the Kafka resource opens 9999 in the pod; "
        "with metricsConfig there is a page for sources.scrape at 9404"
    )


def running(jvm: Jvm, port: int, me: str) -> str:
    """The command that opens a port in a JVM that runs, for this machine alone."""
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "rmi.port": port,
        "authenticate": "false",
        "ssl": "false",
    }
    words = " ".join(f"jmxremote.{name}={value}" for name, value in settings.items())
    sudo = f"sudo -u {jvm.user} " if jvm.user and jvm.user != me else ""
    return f"{sudo}jcmd {jvm.pid} ManagementAgent.start {words}"

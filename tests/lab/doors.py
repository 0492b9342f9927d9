"""A real Kafka node with more listeners, each a way in: SCRAM, TLS, client certificates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import admin as kafka_admin

from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Door(NamedTuple):
    """A listener: its protocol, and its properties, each without its long name."""

    protocol: str
    properties: dict[str, object]


def plain() -> Door:
    """Who comes is let in."""
    return Door("PLAINTEXT", {})


def scram(mechanism: str = "SCRAM-SHA-256") -> Door:
    """Who has a password comes in; `set_password` gives one."""
    jaas = f"{mechanism.lower()}.sasl.jaas.config"
    own: dict[str, object] = {"sasl.enabled.mechanisms": mechanism, jaas: f"{_SCRAM} required;"}
    return Door("SASL_PLAINTEXT", own)


def tls(store: Path, *, clients: Path | None = None) -> Door:
    """`store` holds key and certificate; who has a certificate of `clients` comes in, else all."""
    own: dict[str, object] = {"ssl.keystore.type": "PEM", "ssl.keystore.location": store}
    if clients is not None:
        own |= {
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": clients,
            "ssl.client.auth": "required",
        }
    return Door("SSL", own)


class Doors(Kafka):
    """A node with doors beside its plain listener; `at[name]` is where each of them is.

    `named` has the addresses by which clients are told of a door, where that is another one.
    """

    def __init__(
        self,
        folder: Path,
        doors: Mapping[str, Door],
        named: Mapping[str, str] | None = None,
        **keys: Any,
    ) -> None:
        super().__init__(folder, **keys)
        self.at = {name: f"{HOST}:{free_port()}" for name in doors}
        for key, places in ("listeners", self.at), ("advertised.listeners", named or {}):
            there = (f",{name}://{places.get(name, at)}" for name, at in self.at.items())
            self._properties[key] = f"{self._properties[key]}{''.join(there)}"
        for name, door in doors.items():
            key = "listener.security.protocol.map"
            self._properties[key] = f"{self._properties[key]},{name}:{door.protocol}"
            for own, value in door.properties.items():
                self._properties[f"listener.name.{name.lower()}.{own}"] = value


def set_password(broker: Kafka, user: str, password: str, mechanism: str = "SHA_256") -> None:
    """Give a user of SCRAM a password."""
    client = kafka_admin.AdminClient({"bootstrap.servers": broker.bootstrap})
    sort: Any = kafka_admin
    how = sort.ScramCredentialInfo(getattr(sort.ScramMechanism, f"SCRAM_{mechanism}"), 4096)
    change = sort.UserScramCredentialUpsertion(user, how, password.encode())
    for done in client.alter_user_scram_credentials([change]).values():
        done.result(30)

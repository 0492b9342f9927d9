"""The `kafka` section: librdkafka's own properties, less what would be wrong here.

Names and meanings: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from collector.config.problems import SECRET_WORD
from collector.config.scalars import file_path

FILE_ENDING = "_file"

_OURS = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "compression.codec",
        "compression.type",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "isolation.level",
        "request.required.acks",
        "transactional.id",
    }
)
"""Order and completeness rest on these, so the collector sets them."""

_JAVA = {
    "sasl.jaas.config": "write sasl.username and sasl.password_file",
    "ssl.truststore.location": "write ssl.ca.location with a PEM file",
    "ssl.truststore.password": "write ssl.ca.location with a PEM file, which needs none",
    "ssl.truststore.type": "write ssl.ca.location with a PEM file",
    "ssl.keystore.type": "write ssl.keystore.location with a PKCS#12 file",
    "sasl.login.callback.handler.class": "write sasl.oauthbearer.method",
}

_NOT_SECRET = frozenset(
    {"sasl.oauthbearer.assertion.private.key.file", "sasl.oauthbearer.token.endpoint.url"}
)

_USUAL = (
    "bootstrap.servers",
    "client.id",
    "client.rack",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password_file",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password_file",
    "ssl.keystore.location",
    "ssl.keystore.password_file",
)


def property_name(name: str) -> str:
    """Check a property's name. Raises ValueError with what to write instead."""
    if name in _JAVA:
        raise ValueError(f"a property of Java clients: {_JAVA[name]}")
    if name in _OURS:
        raise ValueError("set by edgevitals itself: leave it out")
    if is_secret(name):
        raise ValueError(f"secrets are only read from files: write {name}{FILE_ENDING} with a path")
    if "." not in name:
        near = get_close_matches(name.replace("_", "."), _USUAL, n=1, cutoff=0.8)
        if near:
            raise ValueError(f'unknown key (did you mean "{near[0]}"?)')
    return name


def is_secret(name: str) -> bool:
    """Whether the value of a property must not stand in a configuration."""
    if name.endswith(FILE_ENDING) or name in _NOT_SECRET:
        return False
    return SECRET_WORD.search(name) is not None


def property_value(name: str, text: str) -> str | Path:
    """Return what librdkafka gets: text, or for `<property>_file` the path of the file with it."""
    if name.endswith(FILE_ENDING):
        return file_path(text)
    if text in {"True", "TRUE", "False", "FALSE"}:
        return text.lower()
    return text

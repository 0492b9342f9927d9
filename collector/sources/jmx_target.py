"""A configured JVM: which engine reads it, where it is, and how to get in.

Passwords and certificates are what their files say now. A changed password counts from the next
session on, changed certificates from the next connection: what is connected stays so.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from collector.config import JmxAccess, JmxConfig, JmxTlsConfig
from collector.errors import ConfigError, SourceError
from collector.names.rules import Rules
from collector.security import certificates
from collector.security.credentials import Secret
from collector.series import TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from collector.target import Source


def jmx_source(jmx: JmxConfig, rules: Rules, series: TargetSeries) -> Source:
    """Return the source for a JVM, with the engine that its configuration names."""
    if jmx.engine == "jmxquery":
        from collector.sources.jmxquery import JmxQuerySource  # noqa: PLC0415 - few need it

        return JmxQuerySource(str(jmx.address), series, rules)
    return JmxSource(jmx_target(jmx), series, rules)


def jmx_target(jmx: JmxAccess) -> JmxTarget:
    """Return what the reader needs. Nothing is read yet; what is read later raises SourceError."""
    return JmxTarget(
        host=jmx.address.host,
        port=jmx.address.port,
        username=jmx.username,
        password=_password(jmx.password_file) if jmx.password_file else None,
        tls=Certificates(jmx.tls).context if jmx.tls else None,
        registry_tls=jmx.registry_tls,
        server_hostname=jmx.tls.server_name if jmx.tls else None,
        rmi_port=jmx.rmi_port,
        follow_stub=jmx.follow_stub,
    )


def _password(path: Path) -> Callable[[], str]:
    secret = Secret(path)

    def read() -> str:
        try:
            return secret.read()
        except ConfigError as error:
            raise SourceError(error.message, error.hint) from error

    return read


class Certificates:
    """A TLS context that follows its files. For one thread."""

    def __init__(self, tls: JmxTlsConfig) -> None:
        self._files = certificates.Certificates(tls, verify_hostname=tls.verify_hostname)

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection. Raises SourceError for unusable files."""
        try:
            return self._files.context()
        except ConfigError as error:
            raise SourceError(error.message, error.hint) from error

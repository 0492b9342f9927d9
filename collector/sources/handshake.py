"""The certificates that a TLS listener shows: a handshake that trusts nobody and sends nothing."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from typing import Any

_DER = 2  # _ssl.ENCODING_DER


def shown_chain(host: str, port: int, seconds: float) -> list[bytes]:
    """Return the DER of what a listener shows, its own certificate first.

    The chain is there too where the listener then wants a certificate of ours, and hangs up.
    Raises OSError: nobody there, no TLS, no answer in time. Looking up the name has no time-out.
    """
    with (
        socket.create_connection((host, port), timeout=seconds) as plain,
        _context().wrap_socket(
            plain, server_hostname=_name(host), do_handshake_on_connect=False
        ) as connection,
    ):
        connection.settimeout(seconds)
        try:
            connection.do_handshake()
        except OSError:
            if chain := _chain(connection):
                return chain
            raise
        return _chain(connection)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # an old certificate is to be seen too
    return context


def _name(host: str) -> str | None:
    """Return what to ask for by name: a listener with several certificates chooses by it."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return None


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    public: Any = getattr(connection, "get_unverified_chain", None)  # Python 3.13
    if public is not None:
        with suppress(ValueError, OSError):
            return list(public())
        return []
    with suppress(AttributeError, ValueError, OSError):
        inner: Any = connection._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        return [found.public_bytes(_DER) for found in inner.get_unverified_chain() or ()]
    own = None
    with suppress(ValueError, OSError):
        own = connection.getpeercert(binary_form=True)
    return [own] if own else []

"""A TLS handshake of our own with a Kafka listener, for the cause that librdkafka doesn't tell.

It says "could not be verified" of an unknown authority, of another name and of a certificate that
is over alike, and nothing at all where one side speaks TLS and the other doesn't.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import NamedTuple

WAIT_S = 3.0


class Listener(NamedTuple):
    """What a port is. `distrust` says why its certificate is not trusted, "" when it is."""

    is_open: bool
    has_tls: bool = False
    distrust: str = ""


def listener(host: str, port: int, ca: Path | None) -> Listener:
    """Try a port: first whether it speaks TLS at all, then whether we can trust it."""
    try:
        socket.create_connection((host, port), timeout=WAIT_S).close()
    except OSError:
        return Listener(is_open=False)
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE  # nothing is sent to it
    try:
        _shake_hands(host, port, anyone)
    except OSError:  # of TLS 1.2 also the refusal of who has no certificate
        return Listener(is_open=True)
    try:
        _shake_hands(host, port, ssl.create_default_context(cafile=ca))
    except ssl.SSLCertVerificationError as error:
        return Listener(is_open=True, has_tls=True, distrust=error.verify_message)
    except OSError:
        return Listener(is_open=True, has_tls=True)
    return Listener(is_open=True, has_tls=True)


def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection((host, port), timeout=WAIT_S) as one,
        context.wrap_socket(one, server_hostname=host),
    ):
        pass

"""The keys of a TLS connection, for whatever is reached by one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from collector.config.scalars import (
    FilePath,
    HostName,
)


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the far side is trusted, and how it may trust us. Files are PEM, read on change."""

    ca_file: Annotated[
        FilePath | None,
        Meta(
            description="Certificates that are trusted: a CA, or the server's own. "
            "Those of the system if left out."
        ),
    ] = None
    cert_file: Annotated[
        FilePath | None,
        Meta(description="Our certificate with its chain, where the server asks for one."),
    ] = None
    key_file: Annotated[
        FilePath | None,
        Meta(description="The key of cert_file, not encrypted; in cert_file if left out."),
    ] = None
    server_name: Annotated[
        HostName | None,
        Meta(description="The name that the certificate has; the host of the address if left out."),
    ] = None

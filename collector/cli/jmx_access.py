"""Where a JVM is and how to get in, as options of `edgevitals jmx`; and one look at it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.cli.options import output_option
from collector.cli.words import harmless
from collector.errors import SourceError

if TYPE_CHECKING:
    from collector.jmx import Client, Scrape, Selection

_FLAGS = {
    "password_file": "--password-file",
    "username": "--username",
    "ca_file": "--ca-file",
    "cert_file": "--cert-file",
    "key_file": "--key-file",
    "verify_hostname": "--no-verify-hostname",
    "registry_tls": "--registry-tls",
    "tls": "--tls",
}
"""Keys of the configuration as options: what is wrong with them is found by the same code."""


def options(command: Callable[..., int]) -> Callable[..., int]:
    """The arguments and options of all three."""
    file = click.Path(path_type=Path)
    for decorate in reversed(
        (
            click.argument("address", metavar="HOST:PORT"),
            click.argument("pattern", default="*:*"),
            output_option(),
            click.option("--username", metavar="USER", help="Who reads."),
            click.option(
                "--password-file", type=file, metavar="FILE", help="File with the password alone."
            ),
            click.option("--tls", is_flag=True, help="The JMX server speaks TLS."),
            click.option(
                "--ca-file", type=file, metavar="FILE", help="Trust these certificates alone (PEM)."
            ),
            click.option(
                "--cert-file", type=file, metavar="FILE", help="Our certificate (PEM), if asked."
            ),
            click.option("--key-file", type=file, metavar="FILE", help="Its key (PEM)."),
            click.option(
                "--no-verify-hostname",
                is_flag=True,
                help="Take any certificate of --ca-file, whichever host it names.",
            ),
            click.option(
                "--server-name", metavar="NAME", help="The name in the certificate, if not HOST."
            ),
            click.option("--registry-tls", is_flag=True, help="The registry speaks TLS too."),
            click.option(
                "--rmi-port", type=click.IntRange(1, 65535), help="Not the port of the registry's."
            ),
            click.option(
                "--follow-stub", is_flag=True, help="Connect to the host that the registry names."
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(0.1, 600),
                default=10.0,
                show_default=True,
                metavar="SECONDS",
                help="For one look.",
            ),
        )
    ):
        command = decorate(command)
    return command


def pattern(text: str) -> str:
    """Return a pattern for the server; a domain stands for all of it."""
    from collector.jmx import ObjectName  # noqa: PLC0415

    try:
        return ObjectName.parse(text if ":" in text else f"{text}:*").text
    except ValueError as exc:
        raise click.UsageError(
            f"{exc}\nwrite it like 'kafka.server:type=ReplicaManager,*'"
        ) from None


def client(where: dict[str, Any], selection: Selection) -> closing[Client]:
    """Return a client, not connected yet. Raises UsageError for options that don't fit."""
    from collector.config import JmxConfig, JmxTlsConfig  # noqa: PLC0415
    from collector.config.checks import wrong_keys  # noqa: PLC0415
    from collector.config.scalars import address  # noqa: PLC0415
    from collector.sources.jmx_target import jmx_target  # noqa: PLC0415

    files = {name: where[name] for name in ("ca_file", "cert_file", "key_file", "server_name")}
    has_tls = where["tls"] or where["no_verify_hostname"] or any(files.values())
    try:
        config = JmxConfig(
            address=address(where["address"]),
            username=where["username"],
            password_file=where["password_file"],
            tls=JmxTlsConfig(verify_hostname=not where["no_verify_hostname"], **files)
            if has_tls
            else None,
            registry_tls=where["registry_tls"],
            rmi_port=where["rmi_port"],
            follow_stub=where["follow_stub"],
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None
    for key, says in wrong_keys(config):
        raise click.UsageError(_in_options(f"{key[-1]} {says.partition(': write')[0]}"))
    target = replace(jmx_target(config), refresh_s=0.0)  # a person waits for what is new
    return closing(target.client(selection))


def _in_options(text: str) -> str:
    return re.sub(r"\w+", lambda found: _FLAGS.get(found[0], found[0]), text)


def look(client: Client, seconds: float) -> Scrape:
    from collector.jmx import JmxError  # noqa: PLC0415

    try:
        return client.scrape(time.monotonic() + seconds)
    except JmxError as error:
        raise SourceError(harmless(error.message), error.hint) from error

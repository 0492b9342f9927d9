"""`edgevitals check`: says whether a configuration is right, and what would run with it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import output_option
from collector.cli.program import OK, Verb
from collector.cli.words import size, span

if TYPE_CHECKING:
    from collector.config import Config, JmxConfig, Loaded, SinkConfig, TlsConfig


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals check /etc/edgevitals/config.yaml", "before a start, or in CI"),
        ("EDGEVITALS_SITE=x edgevitals check config.yaml", "with a key from the environment"),
        ("edgevitals check config.yaml && systemctl restart edgevitals", "never start a bad one"),
        ("edgevitals check --uses board.json rules.yaml config.yaml", "will my boards have data?"),
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--uses",
    is_flag=True,
    help="FILES are dashboards and rule files, and one config: list every metric that they use, "
    "and whether the config gives it.",
)
@click.option(
    "--offline", is_flag=True, help="With --uses: judge by the config's rules, ask no target."
)
@output_option("With --uses: a page for people, or JSON.")
def check(files: tuple[Path, ...], uses: bool, offline: bool, output: str) -> int:
    """Say whether a config is right, and what would run with it. Connects to nothing.

    Exits with 2 when anything is wrong: every problem is shown with its line.

    With --uses, reads Grafana's dashboards and Prometheus's rule files, asks the targets of the
    config once for what they give, and lists every metric that is used: given, or not and which one
    is nearest. Without a config, judges by what the default names can give. Exits with 1 when
    something is missing, and with 3 when that can't be told because a target is down.
    """
    if uses:
        from collector.cli.uses.run import check_uses  # noqa: PLC0415

        return check_uses(files, is_offline=offline, output=output)
    if len(files) > 1:
        raise click.UsageError("one config at a time; for dashboards and rules there is --uses")
    if offline or output != "text":
        raise click.UsageError("--offline and --output go with --uses")
    return _check_config(files[0])


def _check_config(file: Path) -> int:
    from collector.config import load  # noqa: PLC0415
    from collector.errors import ConfigError  # noqa: PLC0415

    loaded = load(file, os.environ)
    look_at(loaded)
    if loaded.problems.has_errors:
        raise ConfigError(loaded.problems.render())
    if loaded.warnings:
        click.echo(loaded.problems.render(), err=True)
    click.echo(f"{file}: ok")
    for line in summary(loaded.config):
        click.echo(f"  {line}")
    return OK


def look_at(loaded: Loaded) -> None:
    """Look further than the file alone: its problems are added to what is known of it."""
    _look_at_files(loaded)
    _look_at_sinks(loaded)
    _look_at_jvms(loaded)
    _look_at_topic(loaded)
    _read_rules(loaded)
    _ask_librdkafka(loaded)


def _look_at_files(loaded: Loaded) -> None:
    """Look at what only this machine can tell: warnings, since it may be another one that runs."""
    from collector.errors import ConfigError  # noqa: PLC0415
    from collector.security.credentials import Secret, exposure  # noqa: PLC0415

    config = loaded.config
    secrets: list[tuple[tuple[str | int, ...], Path, bool]] = [
        (("kafka", name), value, False)
        for name, value in config.kafka.items()
        if isinstance(value, Path)
    ]
    for index, sink in enumerate(config.sinks):
        secrets += _secrets_of(("sinks", index), sink)
    secrets += [
        (("sources", "jmx", index, "password_file"), jvm.password_file, True)
        for index, jvm in enumerate(config.sources.jmx)
        if jvm.password_file
    ]
    for index, page in enumerate(config.sources.scrape):
        above: tuple[str | int, ...] = ("sources", "scrape", index)
        files = [("token_file", page.token_file), ("password_file", page.password_file)]
        secrets += [((*above, key), file, True) for key, file in files if file]
    for path, secret, one_line in secrets:
        try:
            Secret(secret, one_line=one_line).read()
        except ConfigError as exc:
            loaded.problems.warning(loaded.place(path), f"{exc.message}: {exc.hint}", path)
        if says := exposure(secret):
            loaded.problems.warning(loaded.place(path), f"{secret}: {says}", path)


def _secrets_of(
    path: tuple[str | int, ...], sink: SinkConfig
) -> list[tuple[tuple[str | int, ...], Path, bool]]:
    files = [("token_file", sink.token_file), ("password_file", sink.password_file)]
    found: list[tuple[tuple[str | int, ...], Path, bool]] = [
        ((*path, key), file, True) for key, file in files if file
    ]
    if sink.proxy and sink.proxy.password_file:
        found.append(((*path, "proxy", "password_file"), sink.proxy.password_file, True))
    found += [
        ((*path, "headers", name), value, True)
        for name, value in sink.headers.items()
        if isinstance(value, Path)
    ]
    return found


def _look_at_sinks(loaded: Loaded) -> None:
    """Look at certificates, which may differ where it runs."""
    from collector.errors import ConfigError  # noqa: PLC0415
    from collector.security.certificates import Certificates  # noqa: PLC0415

    found: list[tuple[tuple[str | int, ...], TlsConfig | None]] = [
        (("sinks", index, "tls"), sink.tls) for index, sink in enumerate(loaded.config.sinks)
    ]
    found += [
        (("sources", "scrape", index, "tls"), page.tls)
        for index, page in enumerate(loaded.config.sources.scrape)
    ]
    for path, tls in found:
        if tls is None:
            continue
        try:
            Certificates(tls).context()
        except ConfigError as exc:
            loaded.problems.warning(loaded.place(path), f"{exc.message}: {exc.hint}", path)
        _look_at_key(loaded, path, tls)


def _look_at_key(loaded: Loaded, path: tuple[str | int, ...], tls: TlsConfig) -> None:
    from collector.security.credentials import exposure  # noqa: PLC0415

    key = tls.key_file or tls.cert_file
    if key and (says := exposure(key) or ""):
        loaded.problems.warning(loaded.place(path), f"{key}: {says}", path)


def _look_at_jvms(loaded: Loaded) -> None:
    """Look at certificates, and at what an engine needs; all of it may differ where it runs."""
    from collector.errors import SourceError  # noqa: PLC0415

    for index, jvm in enumerate(loaded.config.sources.jmx):
        path: tuple[str | int, ...] = ("sources", "jmx", index)
        if jvm.tls:
            from collector.sources.jmx_target import Certificates  # noqa: PLC0415

            place = loaded.place((*path, "tls"))
            try:
                Certificates(jvm.tls).context()
            except SourceError as exc:
                says = f"{exc.message}: {exc.hint}"
                loaded.problems.warning(place, says, (*path, "tls"))
            _look_at_key(loaded, (*path, "tls"), jvm.tls)
        if jvm.engine == "jmxquery":
            from collector.sources import jmxquery  # noqa: PLC0415

            if lacks := jmxquery.missing():
                place = loaded.place((*path, "engine"))
                loaded.problems.warning(place, ": ".join(lacks), (*path, "engine"))


def _look_at_topic(loaded: Loaded) -> None:
    """Hold the topic's bound against the disk, where the broker is on this machine."""
    config = loaded.config
    if config.topic is None:
        return
    from collector.topic.settings import disk_advice, is_here, largest_disk  # noqa: PLC0415

    servers = str(config.kafka.get("bootstrap.servers", "")).split(",")
    if not all(is_here(server.strip().rpartition(":")[0]) for server in servers):
        return
    if says := disk_advice(config.topic.max_size, largest_disk()):
        path = next(p for p in (("topic", "max_size"), ("topic",), ()) if p in loaded.places)
        loaded.problems.warning(loaded.place(path), says, path)


def _read_rules(loaded: Loaded) -> None:
    """Read the rules of each JVM; each problem and each note has its own place in its file."""
    from collector.errors import ConfigError  # noqa: PLC0415
    from collector.names.rules import load_rules  # noqa: PLC0415

    for index, jvm in enumerate(loaded.config.sources.jmx):
        path = ("sources", "jmx", index, "names")
        place = loaded.place(path)
        try:
            for note in load_rules([str(name) for name in jvm.names]).notes:
                loaded.problems.warning(place, note, path)
        except ConfigError as exc:
            for line in exc.message.splitlines():
                loaded.problems.error(place, line, path)


def _ask_librdkafka(loaded: Loaded) -> None:
    """Let librdkafka judge its own properties. Without brokers it connects to nothing."""
    from collector.errors import ConfigError  # noqa: PLC0415
    from collector.security.credentials import kafka_properties  # noqa: PLC0415

    if not loaded.config.kafka:
        return
    try:
        properties = dict(kafka_properties(loaded.config))
    except ConfigError:
        return  # a warning already
    from confluent_kafka import KafkaException, Producer  # noqa: PLC0415

    del properties["bootstrap.servers"]
    try:
        Producer(properties | {"log_level": "0"})
    except KafkaException as exc:
        says: str = exc.args[0].str()
        named = re.search(r'property:? "([^"]+)"', says)
        path = ("kafka", named[1]) if named else ("kafka",)
        says = re.sub(r'^Invalid value ".*" for', "invalid value for", says)  # it may be a secret
        loaded.problems.error(
            loaded.place(path if path in loaded.places else ("kafka",)),
            f"librdkafka: {says.removeprefix('Failed to create producer: ')}",
            path,
        )


def summary(config: Config) -> list[str]:
    """What would run, one line a part."""
    from collector.config import TIERS  # noqa: PLC0415

    spans = {tier: span(config.interval_of(tier)) for tier in TIERS}
    every = ", ".join(f"{tier} {text}" for tier, text in spans.items())
    if len(set(spans.values())) == 1:
        every = spans["standard"]
    lines = [
        f"site     {config.site}, node {config.node or '(the host name)'}",
        f"every    {every}",
    ]
    sources = config.sources
    lines += [f"reads    jmx {_jvm(jvm)}" for jvm in sources.jmx]
    if sources.host:
        lines.append(f"reads    host, job {sources.host.job}")
    if sources.kafka:
        brokers = config.kafka["bootstrap.servers"]
        lines.append(f"reads    kafka {brokers}, job {sources.kafka.job}")
    lines += [f"reads    scrape {page.url}, job {page.job}" for page in sources.scrape]
    if sources.otlp:
        lines.append(
            f"reads    otlp, what is sent to {sources.otlp.listen}, job {sources.otlp.job}"
        )
    for link in config.links:
        jvms = ", ".join(str(jvm.address) for jvm in link.jmx)
        lines.append(f"reads    link {link.name}, {link.kind} at {jvms}")
    if config.is_forwarder:
        whose = "of any site" if "{site}" in str(config.topic_name) else "with what sites put there"
        lines.append(f"reads    topic {config.topic_name} {whose}, and puts nothing there")
    lines.append(f"keeps    {config.spool.path}, at most {size(config.spool.max_size)}")
    if config.topic and not config.is_forwarder:
        lines.append(
            f"topic    {config.topic_name}, at most {size(config.topic.max_size)}, "
            f"{config.frame_after} rounds a record"
        )
    lines += [
        f"sends    {sink.name}: {sink.url}, {config.rounds_per_request(sink)} rounds a request, "
        f"takes back to {span(sink.out_of_order_time_window)}"
        f"{_lanes(config.lanes(sink))}{_besides(sink)}"
        for sink in config.sinks
    ]
    lines.append(f"serves   http://{config.status.listen}/")
    return lines


def _lanes(number: int) -> str:
    return f", {number} lanes" if number > 1 else ""


def _besides(sink: SinkConfig) -> str:
    text = f", {sink.protocol}" if sink.protocol != "remote_write" else ""
    text += f", {sink.compression}" if sink.compression else ""
    text += f", through {sink.proxy.url}" if sink.proxy else ""
    if sink.rate_limit:
        text += f", at most {size(sink.rate_limit)}/s"
    return text if sink.pulse and sink.out_of_order_time_window else f"{text}, no pulse"


def _jvm(jvm: JmxConfig) -> str:
    text = f"{jvm.address}, job {jvm.job}, names {' '.join(map(str, jvm.names))}"
    if jvm.username:
        text += f", as {jvm.username}"
    if jvm.tls:
        text += ", TLS" if jvm.tls.verify_hostname else ", TLS for any host of the CA"
    return text if jvm.engine == "native" else f"{text}, engine {jvm.engine}"

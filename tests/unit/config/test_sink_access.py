"""The ways into a receiver: logins, TLS, proxies, and the pulse."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import ProxyConfig, TlsConfig
from collector.errors import ConfigError
from tests.unit.config.file import loaded, said


@pytest.mark.parametrize(
    "url,warned",
    [
        ("http://metrics.example/w", True),
        ("http://10.0.0.1/w", True),
        ("https://metrics.example/w", False),
        ("http://127.0.0.1:9090/w", False),
        ("http://[::1]:9090/w", False),
        ("http://localhost/w", False),
    ],
)
def test_a_token_without_tls_is_warned_of(url, warned):
    result = loaded(f"""\
        site: a
        sources: {{host: true}}
        sinks: [{{name: x, url: "{url}", token_file: t, out_of_order_time_window: 1h}}]
        """)
    assert bool(result.warnings) is warned


SINK = "site: a\nsinks: [{name: x, url: 'https://x/y', out_of_order_time_window: 1h, %s}]"


def test_a_sink_that_is_guarded(tmp_path):
    (sink,) = loaded("""\
        site: a
        sinks:
          - name: centre
            url: "https://[fd00::1]/api/v1/write"
            out_of_order_time_window: 31d
            username: store
            password_file: secrets/centre
            headers: {X-Scope-OrgID: stores, X-Api-Key_file: /run/secrets/key}
            tls: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key, server_name: c.example}
            proxy: {url: "http://[::1]:3128", username: p, password_file: secrets/proxy}
            rate_limit: 64KiB/s
        """).config.sinks
    assert (sink.username, sink.password_file) == ("store", tmp_path / "secrets/centre")
    assert sink.headers == {"X-Scope-OrgID": "stores", "X-Api-Key_file": Path("/run/secrets/key")}
    assert sink.tls == TlsConfig(
        ca_file=tmp_path / "ca.pem",
        cert_file=tmp_path / "me.pem",
        key_file=tmp_path / "me.key",
        server_name="c.example",
    )
    assert sink.proxy == ProxyConfig(
        url="http://[::1]:3128", username="p", password_file=tmp_path / "secrets/proxy"
    )
    assert sink.rate_limit == 65_536


@pytest.mark.parametrize(
    "keys,says",
    [
        ("username: u", "username: needs a password_file beside it"),
        ("password_file: p", "password_file: needs a username beside it"),
        (
            "username: 'a:b', password_file: p",
            "username: basic authentication can't carry a colon in it",
        ),
        (
            "username: u, password_file: p, token_file: t",
            "token_file: a request has one login: leave out this, or username",
        ),
        ("password: hunter2", 'password: unknown key (did you mean "password_file"?)'),
        (
            "headers: {Authorization: hunter2}",
            (
                "headers.Authorization: credentials have keys of their own: write token_file, or "
                "username and password_file, of this sink"
            ),
        ),
        (
            "headers: {X-Api-Key: hunter2}",
            (
                "headers.X-Api-Key: secrets are only read from files: write X-Api-Key_file with a "
                "path"
            ),
        ),
        (
            "headers: {Content-Type: x}",
            "headers.Content-Type: set by edgevitals itself: leave it out",
        ),
        (
            "headers: {content-length_file: x}",
            "headers.content-length_file: set by edgevitals itself: leave it out",
        ),
        ("headers: {Host: x}", "headers.Host: set by edgevitals itself: leave it out"),
        (
            "headers: {X Y: x}",
            "headers.X Y: not the name of a header: write it like X-Scope-OrgID",
        ),
        (
            "headers: {X-Y: ü}",
            'headers.X-Y: "ü" is not for a header: write 1 to 1024 ASCII characters',
        ),
        (
            "headers: {X-Y: a, x-y_file: b}",
            "headers.x-y_file: this header is already set above: leave one out",
        ),
        (
            "tls: {key_file: k}",
            "tls.key_file: needs the cert_file that it is the key of",
        ),
        (
            "tls: {verify_hostname: false}",
            "tls.verify_hostname: unknown key (it belongs to sources.jmx[].tls)",
        ),
        ("proxy: {}", 'proxy.url: missing: write "url: http://proxy.example:3128"'),
        (
            "proxy: {url: 'http://p', username: u}",
            "proxy.username: needs a password_file beside it",
        ),
        ("rate_limit: 1B/s", 'rate_limit: "1B/s" is out of bounds: write 1kB/s to 1GB/s'),
    ],
)
def test_each_mistake_of_a_sink_has_its_sentence(keys, says):
    told = said(SINK % keys)
    assert [one.partition(": error: sinks[0].")[2] for one in told] == [says]
    with pytest.raises(ConfigError) as caught:
        loaded(SINK % keys)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "keys,site,forwarder",
    [
        ("{}", "edgevitals.pulse", "edgevitals.pulse"),
        ("{name: 'a.telemetry.{site}'}", "a.pulse.s1", "a.pulse.{site}"),
        ("{name: 'telemetry.{site}.telemetry'}", "telemetry.s1.pulse", "telemetry.{site}.pulse"),
        ("{name: 'ev.{site}'}", "pulse.ev.s1", "pulse.ev.{site}"),
        ("{name: 'ev.{site}', pulse: 'p.{site}'}", "p.s1", "p.{site}"),
    ],
)
def test_the_pulse_has_a_topic_of_its_own(keys, site, forwarder):
    text = f"site: s1\nkafka: {{bootstrap.servers: x}}\ntopic: {keys}\n"
    assert loaded(text + "sources: {host: true}").config.pulse_topic_name == site
    sinks = "sinks: [{name: x, url: 'http://x/y', out_of_order_time_window: 1h}]"
    assert loaded(text + sinks).config.pulse_topic_name == forwarder
    assert loaded("site: s1").config.pulse_topic_name is None


def test_pulse_and_rounds_are_not_in_one_topic():
    assert said("site: a\nkafka: {bootstrap.servers: x}\ntopic: {name: t, pulse: t}") == [
        "3:25: error: topic.pulse: is the topic of the rounds: give the pulse its own"
    ]


def test_tls_of_a_sink_needs_https():
    text = (SINK % "tls: {ca_file: c}").replace("https", "http")
    assert said(text)[0].endswith("sinks[0].tls: needs an https url")

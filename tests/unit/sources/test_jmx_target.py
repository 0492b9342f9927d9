"""How a JVM of the configuration is entered: secrets and certificates as their files say now."""

from __future__ import annotations

import os

import pytest

from collector.config import Address, JmxConfig, JmxTlsConfig
from collector.errors import SourceError
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource
from collector.sources.jmx_target import Certificates, jmx_source, jmx_target
from collector.sources.jmxquery import JmxQuerySource

ADDRESS = Address("broker", 9999)


def test_a_plain_jvm_needs_nothing():
    target = jmx_target(JmxConfig(address=ADDRESS))
    assert (target.host, target.port) == ("broker", 9999)
    assert (target.username, target.password, target.tls, target.rmi_port) == (None,) * 4
    assert not target.registry_tls
    assert not target.follow_stub


def test_every_key_arrives():
    jmx = JmxConfig(
        address=Address("::1", 1),
        tls=JmxTlsConfig(server_name="b.example"),
        registry_tls=True,
        rmi_port=2,
        follow_stub=True,
    )
    target = jmx_target(jmx)
    assert (target.host, target.server_hostname, target.rmi_port) == ("::1", "b.example", 2)
    assert target.registry_tls
    assert target.follow_stub
    assert callable(target.tls)
    assert target.tls().check_hostname


def test_the_password_is_read_when_asked_for_and_again_when_it_changed(tmp_path):
    file = tmp_path / "password"
    target = jmx_target(JmxConfig(address=ADDRESS, username="monitor", password_file=file))
    assert callable(target.password)
    with pytest.raises(SourceError) as caught:
        target.password()
    assert (caught.value.message, caught.value.hint) == (
        f"{file}: no such file",
        "write the secret there",
    )
    file.write_text("one\n")
    assert target.password() == "one"
    file.write_text("another\n")
    assert target.password() == "another"


def said(**files):
    with pytest.raises(SourceError) as caught:
        Certificates(JmxTlsConfig(**files)).context()
    return caught.value.message


def test_files_that_are_no_certificates_are_named(tmp_path):
    file = tmp_path / "f.pem"
    assert said(ca_file=file) == f"{file}: no such file"
    file.write_bytes(b"\x30\x82")
    assert said(ca_file=file) == f"{file}: no certificate in PEM in it"
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert said(ca_file=file).startswith(f"{file}: no certificates that can be used (")
    assert said(cert_file=file) == f"{file}: no private key in PEM in it"
    assert said(ca_file=tmp_path) == f"{tmp_path}: can't be read: Is a directory"


def test_a_key_that_would_ask_for_a_passphrase_is_refused(tmp_path):
    file = tmp_path / "f.pem"
    key = tmp_path / "f.key"
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    assert said(cert_file=file, key_file=key) == f"{key}: the key is encrypted"


def test_what_hangs_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert said(ca_file=tmp_path / "fifo") == f"{tmp_path / 'fifo'}: is not a file"


def test_the_context_stays_as_long_as_the_files_do():
    certificates = Certificates(JmxTlsConfig())
    assert certificates.context() is certificates.context()


def test_the_engine_is_the_one_of_the_key():
    rules = load_rules(["default"])

    def source(**keys):
        series = TargetSeries(SeriesTable(), {})
        return jmx_source(JmxConfig(address=ADDRESS, **keys), rules, series)

    assert isinstance(source(), JmxSource)
    assert isinstance(source(engine="jmxquery"), JmxQuerySource)

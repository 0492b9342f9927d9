"""Certificates read as openssl reads them; and bytes that are none."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.security.x509 import LONGEST_NAME, Certificate, certificates, read_certificate
from tests.lab.parts import need

HERE = Path(__file__).parents[2] / "data/certificates"
ODD, DIRECTORY, UNKNOWN = "odd-names", "directory-names", "unknown-oid-rsa"


def by_openssl(file: Path) -> Certificate:
    command: list[str | Path] = [need("openssl", "openssl"), "x509", "-noout", "-in", file]
    command += ["-subject", "-issuer", "-serial", "-startdate", "-enddate"]
    command += ["-dateopt", "iso_8601", "-nameopt", "RFC2253,-esc_msb,utf8"]
    said = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    subject, issuer, serial, *times = (line.partition("=")[2] for line in said.splitlines())
    begin, end = (
        int(datetime.strptime(text, "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC).timestamp())
        for text in times
    )
    return Certificate(subject, issuer, serial, begin, end)


def read(name: str) -> list[Certificate]:
    return [read_certificate(der) for der in certificates((HERE / name).read_bytes())]


@pytest.mark.parametrize("name", [ODD, DIRECTORY, UNKNOWN])
def test_what_openssl_reads(name: str):
    assert read(f"{name}.pem") == [by_openssl(HERE / f"{name}.pem")]


def test_files_of_several_kinds_hold_the_same():
    odd, directory = read(f"{ODD}.pem") + read(f"{DIRECTORY}.pem")
    assert read("two.pem") == [odd, directory]
    assert read(f"{ODD}.der") == [odd]
    assert read("store.jks") == [odd, directory]


def test_other_files_hold_none():
    assert read("store.p12") == []
    assert certificates(b"") == []
    assert certificates(b"-----BEGIN PRIVATE KEY-----\n") == []


def test_pem_that_is_damaged_is_said_to_be():
    text = (HERE / "two.pem").read_bytes()
    with pytest.raises(ValueError, match="certificate 2 is not PEM"):
        certificates(text[:-60] + b"!" + text[-60:])


def test_a_certificate_cut_anywhere_is_a_value_error():
    der = (HERE / f"{ODD}.der").read_bytes()
    whole = read_certificate(der)
    for length in range(len(der)):
        with pytest.raises(ValueError):
            read_certificate(der[:length])
    assert read_certificate(der + b"more") == whole


def test_a_keystore_cut_anywhere_is_a_value_error():
    data = (HERE / "store.jks").read_bytes()
    needed = len(data) - 20  # what follows is the digest of all
    for length in range(4, needed):
        with pytest.raises(ValueError):
            certificates(data[:length])


@given(st.data())
def test_a_damaged_certificate_is_read_or_refused(data):
    der = bytearray((HERE / f"{data.draw(st.sampled_from([ODD]))}.der").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_certificate(bytes(der))
    except ValueError:
        return
    assert len(found.subject) <= LONGEST_NAME
    assert found.subject.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for read_it in (read_certificate, certificates):
        try:
            read_it(b"\x30" + data)
            read_it(b"\xfe\xed\xfe\xed\0\0\0\2" + data)
        except ValueError:
            pass

"""What a certificate says of itself: whose it is, who signed it, and until when it is good.

A small reader of DER, for those four fields alone: Python's own has no public way to them without
trusting the certificate first. Nothing is verified here. PEM and Java's JKS hold certificates in
the open; PKCS#12 encrypts them, and can't be read without its password.

See RFC 5280 section 4.1, RFC 4514 for names, X.690 for the encoding.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_CERTIFICATES: Final = 1000
"""Of one file. The authorities of a Linux are 150."""
LONGEST_NAME: Final = 256
"""Characters; what is longer is cut."""

_PEM: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END (?:X509 |TRUSTED )?CERTIFICATE"
)
_JKS: Final = 0xFEEDFEED
_PRIVATE_KEY, _TRUSTED = 1, 2

_INTEGER, _OID, _SEQUENCE, _SET = 0x02, 0x06, 0x30, 0x31
_VERSION = 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_TEXTS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",  # T61, as OpenSSL takes it
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}


class Certificate(NamedTuple):
    """Names by RFC 4514, the serial number in hex, times in Unix seconds."""

    subject: str
    issuer: str
    serial: str
    not_before: int
    not_after: int


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate. Raises ValueError for bytes that are none."""
    tag, whole, _ = _element(der, 0)
    _expect(tag, _SEQUENCE)
    tag, signed, _ = _element(whole, 0)
    _expect(tag, _SEQUENCE)
    fields = list(_elements(signed, 7))
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 5:
        raise ValueError("a certificate that ends early")
    for (found, _), wanted in zip(
        fields, (_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE), strict=False
    ):
        _expect(found, wanted)
    (_, serial), _, (_, issuer), (_, validity), (_, subject) = fields[:5]
    times = [_time(*element) for element in _elements(validity, 2)]
    if len(times) != 2:
        raise ValueError("a certificate without an end")
    number = int.from_bytes(serial, "big", signed=True)
    digits = f"{abs(number):X}"
    text = "-" * (number < 0) + digits.zfill(len(digits) + len(digits) % 2)
    return Certificate(_name(subject), _name(issuer), text, *times)


def certificates(data: bytes) -> list[bytes]:
    """Return the DER of each certificate in a file: PEM, a Java keystore (JKS), or DER itself.

    Empty for a file of another kind. Raises ValueError for one that is damaged.
    """
    if int.from_bytes(data[:4], "big") == _JKS:
        return list(_of_jks(data))
    found = []
    for match in _PEM.finditer(data):
        try:
            # What openssl appends to a TRUSTED certificate comes behind it, and is not read.
            found.append(base64.b64decode(b"".join(match[1].split()), validate=True))
        except binascii.Error as error:
            raise ValueError(f"certificate {len(found) + 1} is not PEM: {error}") from None
        if len(found) == MOST_CERTIFICATES:
            break
    if not found and data[:1] == b"\x30":
        try:
            read_certificate(data)
        except ValueError:
            return []  # PKCS#12 begins alike
        return [data]
    return found


def _of_jks(data: bytes) -> Iterator[bytes]:
    """Certificates of a JKS, version 2: only its keys are encrypted.

    An entry: kind, alias, time; a key has its length and bytes and then a chain; a certificate has
    its type, length and bytes.
    """
    at = 4

    def take(size: int) -> bytes:
        nonlocal at
        if at + size > len(data):
            raise ValueError("a keystore that ends early")
        at += size
        return data[at - size : at]

    def number(size: int) -> int:
        return int.from_bytes(take(size), "big")

    if number(4) != 2:
        raise ValueError("a keystore of a version other than 2")
    for _ in range(min(number(4), MOST_CERTIFICATES)):
        kind = number(4)
        take(number(2))
        take(8)
        chain = 1
        if kind == _PRIVATE_KEY:
            take(number(4))
            chain = min(number(4), MOST_CERTIFICATES)
        elif kind != _TRUSTED:
            raise ValueError(f"a keystore with an entry of kind {kind}")
        for _ in range(chain):
            take(number(2))
            yield take(number(4))


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return (tag, content, where the next one begins)."""
    if at + 2 > len(data):
        raise ValueError("a certificate that ends early")
    tag, length = data[at], data[at + 1]
    at += 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or at + size > len(data):
            raise ValueError("not a certificate: a length that DER doesn't have")
        length = int.from_bytes(data[at : at + size], "big")
        at += size
    if at + length > len(data):
        raise ValueError("a certificate that ends early")
    return tag, data[at : at + length], at + length


def _elements(data: bytes, most: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(most):
        if at == len(data):
            return
        tag, content, at = _element(data, at)
        yield tag, content


def _expect(tag: int, wanted: int) -> None:
    if tag != wanted:
        raise ValueError(f"not a certificate: {tag:#04x} where {wanted:#04x} belongs")


def _time(tag: int, content: bytes) -> int:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text[:1] >= "5" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a certificate with a time of another kind")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _name(data: bytes) -> str:
    """Write a name as RFC 4514 has it: the last part first."""
    parts = []
    for tag, part in _elements(data, 64):
        _expect(tag, _SET)
        pairs = []
        for inner, pair in _elements(part, 8):
            _expect(inner, _SEQUENCE)
            (key_tag, key), (value_tag, value) = (*_elements(pair, 2),)
            _expect(key_tag, _OID)
            oid = _oid(key)
            name, encoding = _NAMES.get(oid), _TEXTS.get(value_tag)
            if name and encoding:
                pairs.append(f"{name}={_escaped(value.decode(encoding, 'replace'))}")
            else:
                encoded = bytes((value_tag, min(len(value), 0x7F))) + value
                pairs.append(f"{oid}=#{encoded.hex().upper()}")
        parts.append("+".join(reversed(pairs)))
    return ",".join(reversed(parts))[:LONGEST_NAME]


def _escaped(text: str) -> str:
    text = re.sub(r'([,+"\\<>;])', r"\\\1", text)
    if text[:1] in {"#", " "}:
        text = "\\" + text
    if text[-1:] == " " and len(text) > 1:
        text = text[:-1] + "\\ "
    return "".join(c if c.isprintable() else f"\\{ord(c):02X}" for c in text)


def _oid(content: bytes) -> str:
    if not content:
        raise ValueError("a name without a kind")
    numbers = []
    number = 0
    for byte in content[:64]:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    first, *rest = numbers or [0]
    top = min(first // 40, 2)
    return ".".join(map(str, (top, first - 40 * top, *rest)))

"""What a word in the configuration means, by the kind of its key.

Each kind is an annotated type: the Python type, and a `Word` that reads it. A reader raises
ValueError with a sentence that says what to write instead; the sentence never holds a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from collector.config.problems import quoted

_PACKAGE = Path(__file__).parents[1]

GIB = 1 << 30


class Word(NamedTuple):
    """A kind of scalar: its name and an example for people, and how it is read."""

    kind: str
    example: str
    read: Callable[[str], Any]


class Within(NamedTuple):
    """Reads words whose values have bounds, and knows them, as a person would write them."""

    low: str
    high: str
    read: Callable[[str], Any]

    def __call__(self, text: str) -> Any:
        return self.read(text)


class Address(NamedTuple):
    """A host and a port. An IPv6 address is kept without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class FreeSpace(NamedTuple):
    """Disk to leave free: this many bytes, or this part of the disk, whichever is larger."""

    bytes: int
    fraction: float


_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_LONG_UNITS = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|millis\w*|sec\w*|min\w*|h(?:ou)?rs?|days?|weeks?)?",
    re.IGNORECASE,
)


def duration(text: str) -> float:
    """`15s`, `1h30m`, `31d` as seconds."""
    if _DURATION.fullmatch(text):
        return sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text))
    meant = _LONG_UNITS.fullmatch(text.strip())
    if meant is None:
        raise ValueError(
            f"{quoted(text)} is not a duration: write a number and ms, s, m, h, d or w: 15s, 31d"
        )
    unit = (meant[2] or "s").lower()
    unit = "ms" if unit.startswith(("ms", "milli")) else unit[0]
    raise ValueError(f"{quoted(text)} is not a duration: write {meant[1]}{unit}")


_SI = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_IEC = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": GIB, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)", re.IGNORECASE)


def size(text: str) -> int:
    """`2GiB`, `512MB` as bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{quoted(text)} is not a size: write a number and MB, GB, MiB or GiB: 512MB, 2GiB"
        )
    number, prefix = match[1], match[2].upper()
    factor = (_SI | _IEC).get(text[len(number) :])
    if factor is not None:
        return round(float(number) * factor)
    if not prefix:
        instead = f"{number}B, or use MB, GB, MiB, GiB"
    elif match[3]:
        instead = f"{number}{prefix}iB"
    else:
        instead = f"{number}{prefix}B (SI) or {number}{prefix}iB"
    raise ValueError(f"{quoted(text)} is not a size: write {instead}")


def byte_rate(text: str) -> int:
    """`64KiB/s`, `1MB/s` as bytes a second."""
    amount, slash, unit = text.partition("/")
    bits = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMG]?)(?:bps|bits?/s)", text)
    if bits:
        bytes_ = float(bits[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[bits[2]] / 8
        raise ValueError(f"{quoted(text)} is in bits: write bytes a second, {bytes_ / 1000:g}kB/s")
    try:
        bytes_a_second = size(amount.strip())
    except ValueError:
        raise ValueError(
            f"{quoted(text)} is not a rate: write bytes a second: 64KiB/s, 1MB/s"
        ) from None
    if not slash or unit != "s":
        raise ValueError(f"{quoted(text)} is not a rate: write {amount.strip()}/s")
    return bytes_a_second


_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")


def free_space(text: str) -> FreeSpace:
    """`1GiB` or `5%`."""
    percent = _PERCENT.fullmatch(text)
    if percent is None:
        if re.fullmatch(r"0?\.\d+", text):
            raise ValueError(f"{quoted(text)} is not a size: write {float(text) * 100:g}%")
        return FreeSpace(size(text), 0.0)
    if float(percent[1]) >= 100:
        raise ValueError(f"{quoted(text)} would leave nothing to use: write less than 100%")
    return FreeSpace(0, float(percent[1]) / 100)


def window(text: str) -> float:
    """A duration in seconds, or infinity for `unlimited`."""
    if text == "unlimited":
        return math.inf
    try:
        return duration(text)
    except ValueError as exc:
        raise ValueError(f'{exc}, or "unlimited" for a receiver without a limit') from None


def whole_number(low: int, high: int) -> Within:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text):
            raise ValueError(
                f"{quoted(text)} is not a whole number: write one from {low} to {high}"
            )
        if not low <= int(text) <= high:
            raise ValueError(f"{text} is out of bounds: write {low} to {high}")
        return int(text)

    return Within(str(low), str(high), read)


def between(low: str, high: str, read: Callable[[str], float]) -> Within:
    """Bounds, written as a person would, for a duration or a size."""

    def bounded(text: str) -> float:
        value = read(text)
        if not read(low) <= value <= read(high):
            raise ValueError(f"{quoted(text)} is out of bounds: write {low} to {high}")
        return value

    return Within(low, high, bounded)


def yes_or_no(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{quoted(text)} is neither: write true or false")
    return text.lower() == "true"


def one_of(*words: str) -> Callable[[str], str]:
    *others, last = words
    choice = f"{', '.join(others)} or {last}" if others else last

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{quoted(text)} is unknown: write {choice}")
        return text

    return read


def plain_name(text: str) -> str:
    """Site, node and sink names: they become labels, consumer groups and parts of topic names."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError(
            f'{quoted(text)} is not a name: use letters, digits, ".", "_" and "-", '
            "64 characters at most"
        )
    return text


def label_text(text: str) -> str:
    """The value of a label: anything a person can read."""
    if not text.strip() or len(text) > 128 or not text.isprintable():
        raise ValueError(f"{quoted(text)} is not a label: write 1 to 128 printable characters")
    return text


def label_value(_name: str, text: str) -> str:
    return label_text(text)


def user_name(text: str) -> str:
    """Who logs in somewhere: one line."""
    if not text.strip() or len(text) > 256 or not text.isprintable():
        raise ValueError(f"{quoted(text)} is not a user name: write 1 to 256 printable characters")
    return text


_RESERVED_LABELS = frozenset({"site", "node", "job", "instance"})


def label_name(text: str) -> str:
    if text in _RESERVED_LABELS:
        raise ValueError("this label is set by edgevitals itself: choose another name")
    if text.startswith("__"):
        raise ValueError("labels that begin with __ belong to Prometheus: choose another name")
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", text):
        raise ValueError('not a label name: use letters, digits and "_", no digit first')
    return text


def address(text: str) -> Address:
    """`host:port`; IPv6 in brackets."""
    wrong = f"{quoted(text)} is not host:port: write"
    if text.startswith("service:jmx:"):
        inner = re.search(r"rmi://([^/]+:\d+)/jmxrmi$", text)
        raise ValueError(f"{wrong} {inner[1]}" if inner else f"{wrong} 127.0.0.1:9999")
    if "://" in text:
        raise ValueError(f"{wrong} it without the scheme, for example 127.0.0.1:9999")
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([^\s:/\[\]@]+)):(\d{1,5})", text)
    if match is None:
        if re.fullmatch(r":\d+", text):
            raise ValueError(f"{wrong} 127.0.0.1{text}, or 0.0.0.0{text} for every interface")
        if re.fullmatch(r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*:\d+", text):
            host, _, port = text.rpartition(":")
            raise ValueError(f"{wrong} [{host}]:{port}")
        raise ValueError(f"{wrong} it like 127.0.0.1:9999 or [::1]:9999")
    if not 1 <= int(match[3]) <= 65535:
        raise ValueError(f"{quoted(text)}: {match[3]} is no port: write 1 to 65535")
    return Address(match[1] or match[2], int(match[3]))


def host_name(text: str) -> str:
    """A name or an IP address, as a certificate has it."""
    if not re.fullmatch(r"[^\s:/\[\]@]{1,253}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.]*", text):
        raise ValueError(f"{quoted(text)} is not a host name: write it like broker.example")
    return text


def http_url(text: str) -> str:
    """An http or https URL without a user name, a password or a fragment."""
    wrong = f"{quoted(text)} is not a URL: write https://host/path"
    try:
        parts = urlsplit(text)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in {"http", "https"} or not is_complete or not re.fullmatch("[!-~]+", text):
        raise ValueError(wrong)
    if parts.username is not None:
        raise ValueError(
            "a URL with a user name or password in it: secrets are only read from files, "
            "write token_file"
        )
    if parts.fragment:
        raise ValueError(f"{quoted(text)}: a receiver never sees what follows #: remove it")
    return text


def proxy_url(text: str) -> str:
    """The URL of a proxy that is spoken to in plain HTTP: a host and a port."""
    wrong = f"{quoted(text)} is not a proxy: write http://host:port"
    try:
        parts = urlsplit(text)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(wrong) from None
    if parts.username is not None:
        raise ValueError(
            "a URL with a user name or password in it: secrets are only read from files, "
            "write username and password_file below proxy"
        )
    if parts.scheme == "https" or parts.scheme.startswith("socks"):
        raise ValueError(f"{quoted(text)}: proxies are spoken to in plain HTTP: write http://")
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "http" or not is_complete or rest or not re.fullmatch("[!-~]+", text):
        raise ValueError(wrong)
    return text


def topic_name(text: str) -> str:
    """A Kafka topic's name; `{site}` stands for the site."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text.replace("{site}", "s")) or text in {
        ".",
        "..",
    }:
        raise ValueError(
            f'{quoted(text)} is not a topic name: use letters, digits, ".", "_", "-" and {{site}}'
        )
    return text


def pattern(text: str) -> str:
    """A regular expression, which must match whole names."""
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f"{quoted(text)} is not a regular expression: {exc}") from None
    return text


def file_path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError("is empty: write a path")
    return Path(text)


def name_rules(text: str) -> str | Path:
    """A profile's name, or the path of a rule file: with a slash or an ending in it."""
    if "/" in text or text.endswith((".yaml", ".yml")):
        return file_path(text)
    if text not in PROFILES:
        raise ValueError(
            f"{quoted(text)} is no profile: write {', '.join(PROFILES)}, or the path of a rule "
            "file with a / in it"
        )
    return text


PROFILES = tuple(sorted(file.stem for file in (_PACKAGE / "names").glob("*.yaml")))
"""The rule files that come with the collector."""

Interval = Annotated[float, Word("duration", "15s", between("1s", "1h", duration))]
Staleness = Annotated[float, Word("duration", "5m", between("10s", "1d", duration))]
Disconnection = Annotated[float, Word("duration", "31d", between("1h", "3650d", duration))]
Window = Annotated[float, Word("duration or unlimited", "31d", window)]
Size = Annotated[int, Word("size", "2GiB", between("1MiB", "1024TiB", size))]
BodySize = Annotated[int, Word("size", "16MiB", between("1KiB", "256MiB", size))]
ByteRate = Annotated[int, Word("rate", "64KiB/s", between("1kB/s", "1GB/s", byte_rate))]
Free = Annotated[FreeSpace, Word("size or percent", "5%", free_space)]
PlainName = Annotated[str, Word("name", "store-0412", plain_name)]
LabelText = Annotated[str, Word("text", "emea", label_text)]
HostPort = Annotated[Address, Word("host:port", "127.0.0.1:9999", address)]
HttpUrl = Annotated[str, Word("URL", "https://metrics.example/api/v1/write", http_url)]
ProxyUrl = Annotated[str, Word("URL", "http://proxy.example:3128", proxy_url)]
TopicName = Annotated[str, Word("topic name", "edgevitals.telemetry", topic_name)]
Pattern = Annotated[str, Word("regular expression", "pos\\..*", pattern)]
FilePath = Annotated[Path, Word("path", "/run/secrets/token", file_path)]
NameRules = Annotated[str | Path, Word("profile or path", "default", name_rules)]
YesNo = Annotated[bool, Word("true or false", "true", yes_or_no)]
UserName = Annotated[str, Word("user name", "monitor", user_name)]
HostName = Annotated[str, Word("host name", "broker.example", host_name)]
Port = Annotated[int, Word("port", "9999", whole_number(1, 65535))]
Lanes = Annotated[int, Word("whole number", "4", whole_number(1, 64))]
Samples = Annotated[int, Word("whole number", "50000", whole_number(1, 80_000))]
LabelCount = Annotated[int, Word("whole number", "64", whole_number(1, 1000))]
TextLength = Annotated[int, Word("whole number", "4096", whole_number(1, 65_536))]
Rounds = Annotated[int, Word("whole number", "6", whole_number(1, 120))]

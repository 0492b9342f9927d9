"""The text formats of Prometheus (0.0.4) and OpenMetrics (1.0), as values beside series ids.

A page that comes again is nearly the same: what stands before the value of a line (name and labels)
is met as it was, and is looked up, not parsed. If all of it is as in the page before, even that is
left out. Types, helps and units are looked at for new series only.

    name{label="value",...} value [timestamp] [# exemplar]

Timestamps and exemplars are counted and not taken. Types may stand anywhere on a page. A series
that comes twice keeps its first value. `_created` is a series of its own, as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import NamedTuple

from collector.errors import SourceError
from collector.series import Family, Kind

LINE_BYTES = 64 << 10
"""Of one line; the longest of real pages have a tenth of it."""

TEXT_BYTES = 16 << 20
"""Of the names and labels of all series that one target may have shown since the start."""

HELP_CHARACTERS = 1024
"""Of a help; the rest is cut off."""

_SAMPLE = re.compile(rb"^[ \t]*[^#\s]", re.MULTILINE)
_NAME = re.compile(r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)")
_OPEN = re.compile(r"[ \t]*\{[ \t]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*+)"[ \t]*')
_COMMA = re.compile(r",[ \t]*")
_TAIL = re.compile(
    rb"(?:(?<=})[ \t]*|[ \t]+)([^ \t]+)(?:[ \t]+(-?[0-9.]+(?:[eE][+-]?[0-9]+)?))?[ \t]*"
)
_NUMBER = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
_ABOUT = re.compile(rb"[ \t]*#[ \t]*(HELP|TYPE|UNIT)[ \t]+([^ \t]+)(?:[ \t]+(.*))?", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
_EXEMPLAR = b" # "

_LESS = "let the far side show less, or the same labels each time"

_KINDS = {
    "counter": Kind.COUNTER,
    "gauge": Kind.GAUGE,
    "histogram": Kind.HISTOGRAM,
    "summary": Kind.SUMMARY,
    "info": Kind.INFO,
    "stateset": Kind.GAUGE,
    "gaugehistogram": Kind.GAUGE,
}
_PARTS = {
    "_bucket": {Kind.HISTOGRAM},
    "_sum": {Kind.HISTOGRAM, Kind.SUMMARY},
    "_count": {Kind.HISTOGRAM, Kind.SUMMARY},
}
"""Endings of samples that belong to a family of the shorter name."""
_WHOLE = {"_total": Kind.COUNTER, "_info": Kind.INFO}
"""Endings that OpenMetrics leaves out of a family's name, and we don't."""


class Limits(NamedTuple):
    """What a page may have; lengths in bytes."""

    samples: int
    labels: int
    name_bytes: int
    value_bytes: int


class Refused(SourceError):  # noqa: N818 - of a page, not of ours
    """A page that is not taken. `limit` is the bound it is over, or `syntax`."""

    def __init__(self, message: str, hint: str, *, limit: str = "syntax") -> None:
        super().__init__(message, hint)
        self.limit = limit


class Taken(NamedTuple):
    """The samples of a page, no id twice, and how much of it is not among them."""

    series: Sequence[int]
    values: list[float]
    duplicates: int
    exemplars: int
    timestamps: int


Intern = Callable[[Family, dict[str, str], str], int]
"""As `TargetSeries.intern`."""


class Exposition:
    """The pages of one target, one after the other. Belongs to one thread."""

    def __init__(
        self, intern: Intern, limits: Limits, reserved: AbstractSet[int] = frozenset()
    ) -> None:
        """Keep what is needed. A page's sample of a reserved series counts as a duplicate."""
        self._intern = intern
        self._reserved = reserved
        self._limits = limits
        self._ids: dict[bytes, int] = {}  # by what stands before the blank before the value
        self._heads: list[bytes] = []  # of the page before, if nothing stood behind its values
        self._series: list[int] = []
        self._text_bytes = 0

    def take(self, body: bytes, *, is_openmetrics: bool = False) -> Taken:
        """Return the samples of a page. Raises Refused."""
        self._check(body)
        lines = body.split(b"\n")
        if len(max(lines, key=len)) > LINE_BYTES:
            number = next(i for i, line in enumerate(lines, 1) if len(line) > LINE_BYTES)
            raise Refused(
                f"line {number} has more than {LINE_BYTES} bytes",
                "no metric is as long: look at url of this target",
                limit="line",
            )
        if is_openmetrics and body.rstrip(b"\n").rpartition(b"\n")[2] != b"# EOF":
            raise Refused(
                f"line {len(lines)} is not # EOF, the end of an OpenMetrics page",
                "the page broke off: look at the log of what answers there",
            )
        samples = [line for line in lines if line and line[:1] != b"#"]
        parted = [line.rpartition(b" ") for line in samples]
        heads = [head for head, _, _ in parted]
        if heads == self._heads and (values := _floats([text for _, _, text in parted])):
            return Taken(self._series, values, 0, 0, 0)
        return self._one_by_one(lines, samples, heads)

    def _check(self, body: bytes) -> None:
        """Count before anything is split: a million lines take 100 MiB as objects."""
        most = self._limits.samples
        ends = body.count(b"\n") + 1
        if ends > most and (over := next(islice(_SAMPLE.finditer(body), most, None), None)):
            number = body.count(b"\n", 0, over.end()) + 1
            raise Refused(
                f"line {number} holds sample {most + 1}, one too many",
                "let the far side show less, or raise sample_limit of this target",
                limit="sample",
            )
        if ends > 4 * most + 10_000:
            raise Refused(
                f"line {4 * most + 10_001} is one too many",
                "let the far side show less, or raise sample_limit of this target: a page may have "
                "four times as many lines",
                limit="lines",
            )

    def _one_by_one(self, lines: list[bytes], samples: list[bytes], heads: list[bytes]) -> Taken:
        ids = self._ids
        families: _Families | None = None
        found: dict[int, float] = {}
        exemplars = timestamps = more = 0
        is_plain = True
        seen = 0
        for line, head in zip(samples, heads, strict=True):
            series = ids.get(head)
            text = line[len(head) + 1 :]
            # A known head may have more than one blank behind it: "a \t1" is parsed each time.
            if series is None or not _NUMBER.fullmatch(text):
                if not line.strip() or line.lstrip()[:1] == b"#":
                    is_plain = False
                    continue
                if families is None:
                    families = _Families(lines)
                try:
                    series, text, has_timestamp, has_exemplar = self._parse(line, families)
                except ValueError as error:
                    raise _at(lines, line, str(error)) from None
                except Refused as error:
                    number = lines.index(line) + 1
                    error.message = f"line {number}: {error.message}"
                    raise
                is_plain = is_plain and head in ids
                timestamps += has_timestamp
                exemplars += has_exemplar
            seen += 1
            if not _NUMBER.fullmatch(text):
                raise _at(lines, line, f"{_shown(text)} is not a number")
            if series in found or series in self._reserved:
                more += 1
            else:
                found[series] = float(text)
        if len(ids) > 2 * seen + 1000:
            now = set(found)
            self._ids = {head: series for head, series in ids.items() if series in now}
            if len(self._ids) > 2 * seen + 1000:  # one series, written in ever new ways
                self._ids = {}
        self._series = list(found)
        self._heads = heads if is_plain and not more else []
        return Taken(self._series, list(found.values()), more, exemplars, timestamps)

    def _parse(self, line: bytes, families: _Families) -> tuple[int, bytes, bool, bool]:
        """Return a line's series, its value, whether a timestamp and an exemplar follow it.

        Raises ValueError for what isn't a sample, Refused for one over a limit.
        """
        plain, mark, _ = line.partition(_EXEMPLAR)
        if mark and (known := self._known(plain)):
            return *known, True
        if not mark and (known := self._known(line)):
            return *known, False
        text = line.decode()
        name, labels, end = _head(text, self._limits)
        head = text[:end].encode()
        tail = _TAIL.match(line, len(head))
        if tail is None:
            raise ValueError(f"no value stands behind {_shown(head)}")
        rest = line[tail.end() :]
        if rest and not rest.startswith(b"#"):
            raise ValueError(f"{_shown(rest)} stands behind the value")
        series = self._ids.get(head)
        if series is None:
            self._text_bytes += len(head)
            if self._text_bytes > TEXT_BYTES:
                raise Refused(
                    f"names and labels of this target's series have more than {TEXT_BYTES} bytes "
                    "since the start",
                    _LESS,
                    limit="series",
                )
            family, suffix = families.of(name)
            try:
                series = self._ids[head] = self._intern(family, labels, suffix)
            except SourceError as error:
                raise Refused(error.message, _LESS, limit="series") from error
        return series, tail[1], tail[2] is not None, bool(rest)

    def _known(self, line: bytes) -> tuple[int, bytes, bool] | None:
        """Look a line up that may end with a timestamp: no known head ends within another one."""
        head, _, text = line.rpartition(b" ")
        is_number = _NUMBER.fullmatch(text)
        if (series := self._ids.get(head)) is not None and is_number:
            return series, text, False
        head, _, value = head.rpartition(b" ")
        if (series := self._ids.get(head)) is not None and is_number and _NUMBER.fullmatch(value):
            return series, value, True
        return None


def _floats(texts: list[bytes]) -> list[float] | None:
    """Return the numbers, None where one isn't: Python takes more for a number than the format.

    It takes `1_0`, and white space around the number.
    """
    try:
        values = list(map(float, texts))
    except ValueError:
        return None
    together = b"".join(texts)
    return values if together.translate(None, b"_\t\r\v\f") == together else None


def _head(text: str, limits: Limits) -> tuple[str, dict[str, str], int]:
    """Return name, labels, and where they end."""
    start = _NAME.match(text)
    if start is None:
        raise ValueError(f"{_shown(text.encode())} is not a metric's name")
    name, end = start[1], start.end()
    _not_longer(name, limits.value_bytes, "label_value_length", "the metric's name")
    labels: dict[str, str] = {}
    if (brace := _OPEN.match(text, end)) is None:
        return name, labels, end
    end = brace.end()
    while not text.startswith("}", end):
        one = _LABEL.match(text, end)
        if one is None:
            raise ValueError(f'{_shown(text[end:].encode())} is not label="value"')
        label, value = one[1], one[2]
        if label == "__name__":
            raise ValueError("a label may not be __name__: the name stands before the brace")
        if label in labels:
            raise ValueError(f"label {label} comes twice")
        if "\\" in value:
            value = _ESCAPE.sub(_unescaped, value)
        _not_longer(label, limits.name_bytes, "label_name_length", "a label's name")
        _not_longer(value, limits.value_bytes, "label_value_length", f"label {label[:40]}")
        labels[label] = value
        if len(labels) > limits.labels:
            raise Refused(
                f"more than {limits.labels} labels",
                "let the far side show fewer, or raise label_limit of this target",
                limit="label",
            )
        end = one.end()
        comma = _COMMA.match(text, end)
        if comma is None and not text.startswith("}", end):
            raise ValueError(f"{_shown(text[end:].encode())} stands behind a label")
        end = comma.end() if comma else end
    return name, labels, end + 1


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[0])


def _not_longer(text: str, most: int, limit: str, what: str) -> None:
    if len(text) > most or len(text.encode()) > most:
        raise Refused(
            f"{what} has more than {most} bytes",
            f"let the far side show less, or raise {limit}_limit of this target",
            limit=limit,
        )


def _at(lines: list[bytes], line: bytes, why: str) -> Refused:
    return Refused(
        f"line {lines.index(line) + 1}: {why}",
        "look at url of this target: it should name a page in the text format of Prometheus or "
        "OpenMetrics",
    )


def _shown(text: bytes) -> str:
    return repr(text[:40].decode(errors="replace"))


class _Families:
    """What a page's comments say of its metrics. The first word on a thing stands."""

    def __init__(self, lines: list[bytes]) -> None:
        self._about: dict[str, dict[str, str]] = {}
        for word, name, text in _comments(lines):
            self._about.setdefault(name, {}).setdefault(word, text)

    def of(self, name: str) -> tuple[Family, str]:
        """Return the family of a sample's name, and what the sample's name has beyond it."""
        if name in self._about:
            return self._family(name, name), ""
        for suffix, kinds in _PARTS.items():
            base = name.removesuffix(suffix)
            if base != name and self._kind(base) in kinds:
                return self._family(base, base), suffix
        for suffix, kind in _WHOLE.items():
            base = name.removesuffix(suffix)
            if base != name and self._kind(base) is kind:
                return self._family(base, name), ""
        is_part = any(name.removesuffix(end) in self._about for end in ("_created", *_GAUGES))
        return Family(name, Kind.GAUGE if is_part else Kind.UNKNOWN), ""

    def _kind(self, name: str) -> Kind:
        return _KINDS.get(self._about.get(name, {}).get("TYPE", ""), Kind.UNKNOWN)

    def _family(self, told: str, name: str) -> Family:
        about = self._about[told]
        return Family(name, self._kind(told), about.get("UNIT", ""), about.get("HELP", ""))


_GAUGES = ("_bucket", "_gsum", "_gcount")
"""What a gaugehistogram has."""


def _comments(lines: list[bytes]) -> Iterator[tuple[str, str, str]]:
    for line in lines:
        if (found := _ABOUT.fullmatch(line)) is None:
            continue
        parts = (found[1], found[2], found[3] or b"")
        word, name, text = (part.decode(errors="replace") for part in parts)
        if word == "HELP":
            text = text[:HELP_CHARACTERS]
            yield word, name, _ESCAPE.sub(_unescaped, text) if "\\" in text else text
        else:
            yield word, name, text.strip()

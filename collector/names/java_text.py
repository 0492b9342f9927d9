"""Values and names as Java and jmx_exporter 1.0.1 write them."""

from __future__ import annotations

import re
import struct

Value = int | float | bool | str

_ILLEGAL = re.compile(r"[^a-zA-Z0-9:]+")
_RESERVED = ("_total", "_created", "_bucket", "_info")
_JAVA_DOUBLE = re.compile(
    r"[+-]?(?:(?P<word>NaN|Infinity)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)", re.ASCII
)
_BLANKS = "".join(map(chr, range(33)))
"""What `String.trim` takes away."""


def value_text(value: Value, java_type: str) -> str:
    """Return a value as `String.valueOf` does; `java_type` as in `collector.jmx.Slot`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if java_type == "date":
        return double_text(value / 1000.0) if isinstance(value, int | float) else value
    if isinstance(value, float):
        return double_text(value, single=java_type == "float")
    return str(value)


def double_text(value: float, *, single: bool = False) -> str:
    """Return a number as `Double.toString` (`Float.toString`) of Java 19 and later does.

    Older versions sometimes wrote one digit more than needed.
    """
    if value != value:  # noqa: PLR0124 - NaN is the one number unequal to itself
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "Infinity" if value > 0 else "-Infinity"
    shortest = _shortest_single(value) if single else repr(value)
    minus = "-" if shortest.startswith("-") else ""
    mantissa, _, exponent = shortest.lstrip("-").partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    if not digits:
        return f"{minus}0.0"
    # digits in front of the decimal point; in 0.00123 it is -2
    point = len(whole) + int(exponent or 0) - (len(whole + rest) - len(digits))
    digits = digits.rstrip("0") or "0"
    if -2 <= point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    if 0 < point <= 7:
        return f"{minus}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    return f"{minus}{digits[0]}.{digits[1:] or '0'}E{point - 1}"


def _shortest_single(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits - 1}e}"
        if struct.pack(">f", float(text)) == struct.pack(">f", value):
            return text
    return repr(value)


def parse_double(text: str) -> float | None:
    """Return what `Double.valueOf` makes of a text, None where it throws."""
    text = text.strip(_BLANKS)
    found = _JAVA_DOUBLE.fullmatch(text)
    if found is None:
        return None
    return float(text if found["word"] else text.rstrip("fFdD"))


def snake_case(name: str) -> str:
    """Return `anAttrName` as `an_attr_name` (attrNameSnakeCase)."""
    out: list[str] = []
    was_break = True
    for char in name:
        if char.isupper() and not was_break:
            out.append("_")
        out.append(char.lower())
        was_break = char.isupper() or char == "_"
    return "".join(out)


def safe_name(name: str) -> str:
    """Return a name with illegal characters, and runs of them, as one underscore."""
    safe = _ILLEGAL.sub("_", name)
    return f"_{safe}" if safe[:1].isdecimal() else safe


def without_reserved_suffix(name: str) -> str:
    """Take away `_total`, `_created`, `_bucket`, `_info` as Prometheus's Java library does.

    Counters get their `_total` back when they are written; the others stay without.
    """
    again = True
    while again:
        again = False
        for suffix in _RESERVED:
            if name == suffix:
                return suffix[1:]
            if name.endswith(suffix):
                name = name.removesuffix(suffix)
                again = True
    return name

"""Requests to the MBean server, and its replies read by the shape that they must have.

The arguments are those of `javax.management.remote.rmi.RMIConnection`; every class descriptor is
sent in full, so the bytes of an argument never change. The last argument of each method is a
Subject, always null: newer JDKs refuse another.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.jmx.errors import PeerBrokeProtocol
from collector.jmx.javadata import Instance
from collector.jmx.javastream import MAGIC
from collector.jmx.jrmp import string

NULL: Final = b"\x70"
_ANNOTATION: Final = NULL + b"\x78"  # no place to load the class from


def _class(
    name: bytes, version: int, flags: int, fields: Sequence[bytes] = (), parent: bytes = NULL
) -> bytes:
    return (
        b"\x72"
        + struct.pack(">H", len(name))
        + name
        + struct.pack(">qBH", version, flags, len(fields))
        + b"".join(fields)
        + _ANNOTATION
        + parent
    )


def _field(code: bytes, name: bytes, java_type: bytes = b"") -> bytes:
    """A field of a class; `java_type` of an object or an array."""
    of_type = b"\x74" + struct.pack(">H", len(java_type)) + java_type if java_type else b""
    return code + struct.pack(">H", len(name)) + name + of_type


OBJECT_NAME: Final = b"\x73" + _class(b"javax.management.ObjectName", 1081892073854801359, 3)
_STRING_ARRAY: Final = b"\x75" + _class(b"[Ljava.lang.String;", -5921575005990323385, 2)
_BYTE_ARRAY: Final = b"\x75" + _class(b"[B", -5984413125824719648, 2)
_QUERY: Final = b"Ljavax/management/QueryExp;"
_QUERY_EVAL: Final = _class(b"javax.management.QueryEval", 2675899265640874796, 2)
_NOT: Final = b"\x73" + _class(
    b"javax.management.NotQueryExp",
    5269643775896723397,
    2,
    [_field(b"L", b"exp", _QUERY)],
    _QUERY_EVAL,
)
_OR: Final = b"\x73" + _class(
    b"javax.management.OrQueryExp",
    2962973084421716523,
    2,
    [_field(b"L", b"exp1", _QUERY), _field(b"L", b"exp2", _QUERY)],
    _QUERY_EVAL,
)
_MARSHALLED: Final = b"\x73" + _class(
    b"java.rmi.MarshalledObject",
    8988374069173025854,
    2,
    [_field(b"I", b"hash"), _field(b"[", b"locBytes", b"[B"), _field(b"[", b"objBytes", b"[B")],
)


def object_name(text: str) -> bytes:
    return OBJECT_NAME + string(text) + b"\x78"


def strings(texts: Sequence[str]) -> bytes:
    return _STRING_ARRAY + struct.pack(">i", len(texts)) + b"".join(map(string, texts))


def credentials(username: str | None, password: str | None) -> bytes:
    """Arguments of newClient."""
    return NULL if username is None else strings((username, password or ""))


def query(pattern: str, left_out: Sequence[str] = ()) -> bytes:
    """Arguments of queryNames and queryMBeans: a pattern, and patterns of what it is not to send.

    The latter are Java's own `Query.not(Query.or(...))`, in which patterns of names are conditions.
    """
    if not left_out:
        return object_name(pattern) + NULL + NULL
    condition = MAGIC + _NOT + _any(left_out)
    # Its hash is only for comparing two; no class in it comes from another place.
    held = _MARSHALLED + bytes(4) + NULL + _BYTE_ARRAY + struct.pack(">i", len(condition))
    return object_name(pattern) + held + condition + NULL


def _any(patterns: Sequence[str]) -> bytes:
    """One of these; as a tree that is as flat as can be, since JVMs may bound the depth."""
    if len(patterns) == 1:
        return object_name(patterns[0])
    half = (len(patterns) + 1) // 2
    return _OR + _any(patterns[:half]) + _any(patterns[half:])


def about(text: str) -> bytes:
    """Arguments of getMBeanInfo and getObjectInstance."""
    return object_name(text) + NULL


_NUMBERS: Final = frozenset(
    {
        *("byte", "short", "int", "long", "float", "double", "boolean"),
        *("java.lang.Byte", "java.lang.Short", "java.lang.Integer", "java.lang.Long"),
        *("java.lang.Float", "java.lang.Double", "java.lang.Boolean", "java.lang.Number"),
        *("java.lang.Object", "java.lang.Comparable"),
        *("java.math.BigInteger", "java.math.BigDecimal"),
        "java.util.concurrent.atomic.AtomicBoolean",
        "java.util.concurrent.atomic.AtomicInteger",
        "java.util.concurrent.atomic.AtomicLong",
        "java.util.concurrent.atomic.DoubleAdder",
        "java.util.concurrent.atomic.LongAdder",
        "javax.management.openmbean.CompositeData",
        "javax.management.openmbean.CompositeDataSupport",
        "javax.management.openmbean.TabularData",
        "javax.management.openmbean.TabularDataSupport",
    }
)
_TEXTS: Final = frozenset(
    {"java.lang.String", "java.lang.Object", "java.lang.CharSequence", "java.lang.Comparable"}
)
_KAFKA_BEAN: Final = "org.apache.kafka.common.metrics.JmxReporter$KafkaMbean"


class AttributeInfo(NamedTuple):
    """An attribute that can be read.

    Attributes of Kafka's own metrics all say `double`, those that hold text too.
    """

    name: str
    java_type: str
    description: str
    may_be_number: bool
    may_be_text: bool


class BeanInfo(NamedTuple):
    """What an MBean says of itself. `is_of_class`: all MBeans of its class say the same."""

    class_name: str
    description: str
    attributes: tuple[AttributeInfo, ...]
    is_of_class: bool


class BeanClass(NamedTuple):
    """An MBean and the name of its class."""

    name: str
    class_name: str


def read_names(value: object) -> list[str]:
    """Take the answer of queryNames."""
    return [_name(item) for item in _set(value)]


def read_beans(value: object) -> list[BeanClass]:
    """Take the answer of queryMBeans."""
    return [read_bean(item) for item in _set(value)]


def read_bean(value: object) -> BeanClass:
    """Take the answer of getObjectInstance."""
    instance = _instance(value, "javax.management.ObjectInstance")
    class_name = instance.get("className")
    return BeanClass(_name(instance.get("name")), class_name if isinstance(class_name, str) else "")


def read_info(value: object) -> BeanInfo:
    """Take the answer of getMBeanInfo."""
    info = _instance(value, "javax.management.MBeanInfo")
    class_name = _text(info.get("className"))
    attributes = info.get("attributes")
    if not isinstance(attributes, list):
        raise PeerBrokeProtocol("an MBean without a list of attributes")
    lies = class_name == _KAFKA_BEAN
    return BeanInfo(
        class_name,
        _text(info.get("description")),
        tuple(found for item in attributes if (found := _attribute(item, lies=lies))),
        _is_of_class(info),
    )


def _attribute(item: object, *, lies: bool) -> AttributeInfo | None:
    one = _instance(item, "javax.management.MBeanAttributeInfo")
    name, java_type = one.get("name"), one.get("attributeType")
    if not isinstance(name, str) or not isinstance(java_type, str) or not one.get("isRead"):
        return None
    return AttributeInfo(
        name,
        java_type,
        _text(one.get("description")),
        java_type in _NUMBERS,
        java_type in _TEXTS or lies,
    )


def _is_of_class(info: Instance) -> bool:
    """Say whether it was made from a Java interface, which the class then has.

    Such an info carries a descriptor with the interface's name; that of a dynamic MBean, which
    may change while it lives, does not. The descriptor stands in the annotation as two arrays.
    """
    return any(
        isinstance(part, list) and "interfaceClassName" in [x for x in part if isinstance(x, str)]
        for part in info.annotation
    )


def _set(value: object) -> Iterable[object]:
    found = _instance(value, "java.util.HashSet")
    return [item for item in found.annotation if not isinstance(item, bytes)]


def _name(value: object) -> str:
    found = _instance(value, "javax.management.ObjectName")
    text = found.annotation[0] if found.annotation else None
    if not isinstance(text, str):
        raise PeerBrokeProtocol("an object name without its text")
    return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _instance(value: object, class_name: str) -> Instance:
    if not isinstance(value, Instance) or not value.descriptor.extends(class_name):
        raise PeerBrokeProtocol(f"an answer without the {class_name} that it should hold")
    return value

"""What we send is what was captured, byte for byte; what stubs say."""

from __future__ import annotations

import hashlib
import struct

import pytest

from collector.jmx import PeerBrokeProtocol, jrmp, mbeans
from collector.jmx.javadata import ClassDescriptor, Instance
from collector.jmx.templates import Budget, Shape
from tests.unit.jmx.captures import BY_NUMBER, Reader, read


def object_id(number: str, start: int = 7) -> bytes:
    """The id of the remote object that a captured call goes to."""
    return BY_NUMBER[number].sent[start : start + 22]


def ask(number: str, method: int, arguments: bytes) -> bytes:
    return jrmp.call(object_id(number), method) + arguments


def attributes(name: str, *names: str) -> bytes:
    return mbeans.object_name(name) + Shape(names, Budget(0)).encoded


def test_a_session_begins_as_captured():
    sent = BY_NUMBER["01"].sent
    handshake, rest = sent[:7], sent[7:]
    assert handshake == jrmp.HANDSHAKE
    host = rest[: 2 + int.from_bytes(rest[:2]) + 4]  # any address will do: ours is empty
    rest = rest.removeprefix(host)
    look_up = jrmp.call(jrmp.REGISTRY, jrmp.REGISTRY_HASH, jrmp.REGISTRY_LOOKUP)
    look_up += jrmp.string("jmxrmi")
    login = jrmp.call(rest[len(look_up) + 7 :][:22], jrmp.NEW_CLIENT) + mbeans.credentials(None, "")
    assert look_up + login == rest


def test_a_password_is_sent_as_captured():
    sent = BY_NUMBER["14"].sent
    assert sent.endswith(mbeans.credentials("monitor", "mpass"))
    assert BY_NUMBER["15"].sent.endswith(mbeans.credentials("monitor", "wrong"))


@pytest.mark.parametrize(
    "number, method, arguments",
    [
        ("03", jrmp.QUERY_NAMES, mbeans.query("java.lang:type=GarbageCollector,*")),
        (
            "05",
            jrmp.GET_ATTRIBUTES,
            attributes(
                "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec",
                *("Count", "MeanRate", "OneMinuteRate", "FiveMinuteRate", "FifteenMinuteRate"),
                *("EventType", "RateUnit"),
            ),
        ),
        ("08", jrmp.GET_MBEAN_INFO, mbeans.about("java.lang:type=Memory")),
    ],
)
def test_a_call_is_sent_as_captured(number: str, method: int, arguments: bytes):
    assert ask(number, method, arguments) == BY_NUMBER[number].sent


def test_close_is_sent_as_captured():
    sent = BY_NUMBER["09"].sent
    assert sent.endswith(ask("09", jrmp.CLOSE, b""))


@pytest.mark.parametrize(
    "method, name, arguments, result",
    [
        (jrmp.NEW_CLIENT, "newClient", "O", "Ljavax/management/remote/rmi/RMIConnection;"),
        (jrmp.GET_ATTRIBUTES, "getAttributes", "N[TS", "Ljavax/management/AttributeList;"),
        (jrmp.QUERY_NAMES, "queryNames", "NMS", "Ljava/util/Set;"),
        (jrmp.QUERY_MBEANS, "queryMBeans", "NMS", "Ljava/util/Set;"),
        (jrmp.GET_MBEAN_INFO, "getMBeanInfo", "NS", "Ljavax/management/MBeanInfo;"),
        (jrmp.GET_OBJECT_INSTANCE, "getObjectInstance", "NS", "Ljavax/management/ObjectInstance;"),
        (jrmp.CLOSE, "close", "", "V"),
    ],
)
def test_method_hashes(method: int, name: str, arguments: str, result: str):
    """By the recipe of the RMI specification, which is not needed at run time."""
    types = {
        "N": "Ljavax/management/ObjectName;",
        "T": "Ljava/lang/String;",
        "S": "Ljavax/security/auth/Subject;",
        "M": "Ljava/rmi/MarshalledObject;",
        "O": "Ljava/lang/Object;",
        "[": "[",
    }
    text = f"{name}({''.join(types[letter] for letter in arguments)}){result}".encode()
    digest = hashlib.sha1(struct.pack(">H", len(text)) + text, usedforsecurity=False).digest()
    assert int.from_bytes(digest[:8], "little", signed=True) == method


@pytest.mark.parametrize(
    "number, host, has_tls", [("01", "127.0.0.1", False), ("13", "127.0.0.1", True)]
)
def test_a_stub_says_where_the_server_is(number: str, host: str, has_tls: bool):
    stub = jrmp.read_stub(read(BY_NUMBER[number], [BY_NUMBER[number].answered])[0].value)
    assert (stub.host, stub.has_tls) == (host, has_tls)
    assert 1024 < stub.port < 65536
    assert len(stub.object_id) == 22


def test_the_stub_of_a_session_has_the_id_that_is_used_then():
    capture = BY_NUMBER["14"]
    stubs = [jrmp.read_stub(reply.value) for reply in read(capture, [capture.answered])]
    assert stubs[0].object_id in capture.sent
    assert stubs[0].object_id != stubs[1].object_id


def stub(*annotation: object, name: str = "java.rmi.server.RemoteObject") -> Instance:
    described = ClassDescriptor(name)
    described.set_parent(None)
    one = Instance(described, [])
    one.annotation = list(annotation)
    return one


ADDRESS = b"\0\1h\0\0\x04\xd2" + bytes(22) + b"\0"


@pytest.mark.parametrize(
    "value, what",
    [
        (None, "not a remote object"),
        (stub(name="java.lang.Object"), "not a remote object"),
        (stub(), "unknown kind"),
        (stub(b"\0\x09OtherRef"), "unknown kind"),
        (stub(b"\0\x0aUnicastRef"), "without an address"),
        (stub(b"\0\x0aUnicastRef\0\1h" + bytes(30)), "impossible port"),
        (stub(b"\0\x0bUnicastRef2\1" + ADDRESS), "socket factory"),
        (stub(b"\0\x0bUnicastRef2\1" + ADDRESS, stub(name="my.Factory")), "socket factory"),
    ],
)
def test_a_stub_that_is_none(value: object, what: str):
    with pytest.raises(PeerBrokeProtocol, match=what):
        jrmp.read_stub(value)


def test_a_stub_in_a_dynamic_proxy():
    parent = ClassDescriptor("java.lang.reflect.Proxy")
    parent.set_fields([("L", "h")])
    parent.set_parent(None)
    proxy = ClassDescriptor("proxy")
    proxy.set_parent(parent)
    found = jrmp.read_stub(Instance(proxy, [stub(b"\0\x0aUnicastRef" + ADDRESS)]))
    assert (found.host, found.port, found.has_tls) == ("h", 1234, False)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"\x15\x03\x03", "speaks TLS"),
        (b"\x4f", "stream protocol"),
        (b"HTTP/1.1 400", "not a JMX port"),
    ],
)
def test_a_server_that_is_no_rmi_server(data: bytes, what: str):
    reader = Reader(BY_NUMBER["01"])
    with pytest.raises(PeerBrokeProtocol, match=what):
        reader.feed(data)


HEAD = b"\x51\xac\xed\0\5"


@pytest.mark.parametrize(
    "data",
    [
        b"\x52" + HEAD[1:] + b"\x77\x0f",
        b"\x51\xac\xed\0\4" + b"\x77\x0f",
        HEAD + b"\x7a\x00",
        HEAD + b"\x70\x0f",
        HEAD + b"\x77\x0e",
        HEAD + b"\x77\x0f\x03" + bytes(14),
    ],
)
def test_a_return_that_is_none(data: bytes):
    with pytest.raises(PeerBrokeProtocol):
        Reader(BY_NUMBER["03"]).feed(data)


def test_text_of_more_than_64_kib():
    assert jrmp.string("a" * 70_000)[:9] == b"\x7c" + struct.pack(">q", 70_000)

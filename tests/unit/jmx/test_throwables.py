"""Java's exceptions as they were captured, and what a person is told."""

from __future__ import annotations

import pytest

from collector.jmx.javadata import ClassDescriptor, Instance
from collector.jmx.throwables import call_failed
from tests.unit.jmx.captures import BY_NUMBER, read


def thrown(number: str) -> list[object]:
    capture = BY_NUMBER[number]
    replies = read(capture, [capture.answered])
    return [reply.thrown for reply in replies if reply.thrown is not None]


def test_a_missing_mbean_and_a_missing_attribute_keep_the_socket():
    first, second = (call_failed(one) for one in thrown("07"))
    assert first.java_class == "javax.management.InstanceNotFoundException"
    assert second.java_class == "javax.management.AttributeNotFoundException"
    assert not first.socket_closed
    assert not second.socket_closed


def test_a_session_that_is_over():
    (one,) = thrown("10")
    error = call_failed(one)
    assert error.java_class == "java.rmi.NoSuchObjectException"
    assert "no such object in table" in error.java_message


def test_an_answer_that_breaks_off():
    (one,) = thrown("12")
    error = call_failed(one, aborted=True)
    assert error.java_class == "java.io.NotSerializableException"
    assert error.socket_closed


def test_a_wrong_password():
    (one,) = thrown("15")
    error = call_failed(one)
    assert error.java_class == "java.lang.SecurityException"
    assert "Invalid username or password" in error.java_message
    assert "password file" in error.hint
    assert error.chain[1] == "javax.security.auth.login.FailedLoginException"


def exception(name: str, message: str | None = None, **inside: object) -> Instance:
    described = ClassDescriptor(name)
    described.set_fields([("L", "detailMessage"), *(("L", field) for field in inside)])
    described.set_parent(None)
    return Instance(described, [message, *inside.values()])


@pytest.mark.parametrize(
    "one, hint",
    [
        (exception("java.lang.SecurityException", "Credentials required"), "set both"),
        (exception("java.lang.SecurityException", "Access denied!"), "read access"),
        (exception("java.rmi.NotBoundException", "jmxrmi"), "no JMX server under this name"),
        (exception("java.io.InvalidClassException"), "filter"),
        (exception("java.lang.Error"), ""),
    ],
)
def test_what_to_do(one: Instance, hint: str):
    assert hint in call_failed(one).hint


def test_a_wrapper_is_not_the_reason():
    reason = exception("java.io.InvalidClassException", "filter status: REJECTED")
    middle = exception("java.rmi.UnmarshalException", "error unmarshalling", detail=reason)
    error = call_failed(exception("java.rmi.ServerException", "server", detail=middle))
    assert error.java_class == "java.io.InvalidClassException"
    assert error.socket_closed
    assert len(error.chain) == 3
    assert "REJECTED" in str(error)


def test_an_exception_in_itself_and_one_that_is_none():
    one = exception("java.rmi.ServerException", None, cause=None)
    one.values[1] = one
    assert call_failed(one).chain == ("java.rmi.ServerException",)
    assert call_failed("text").java_class == ""
    many = exception("a")
    for _ in range(30):
        many = exception("java.rmi.ServerException", cause=many)
    assert len(call_failed(many).chain) == 10

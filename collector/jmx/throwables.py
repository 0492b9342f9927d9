"""Java exceptions, as a server sends them, into sentences that say what to do."""

from __future__ import annotations

from typing import Final

from collector.jmx.errors import CallFailed
from collector.jmx.javadata import Instance

NO_SUCH_OBJECT: Final = "java.rmi.NoSuchObjectException"
NOT_REGISTERED: Final = "javax.management.InstanceNotFoundException"
NOT_BOUND: Final = "java.rmi.NotBoundException"

_WRAPPERS: Final = frozenset(
    {
        "java.lang.reflect.InvocationTargetException",
        "java.lang.reflect.UndeclaredThrowableException",
        "java.rmi.ServerError",
        "java.rmi.ServerException",
        "java.rmi.UnmarshalException",
        "javax.management.MBeanException",
        "javax.management.ReflectionException",
        "javax.management.RuntimeErrorException",
        "javax.management.RuntimeMBeanException",
        "javax.management.RuntimeOperationsException",
        "javax.management.remote.JMXServerErrorException",
    }
)
_INSIDE: Final = ("cause", "detail", "exception", "error", "target", "undeclaredThrowable")
_LONGEST: Final = 300


def call_failed(thrown: object, *, aborted: bool = False) -> CallFailed:
    """Make the error for a thrown object; `aborted`: it broke off an answer."""
    chain = _chain(thrown)
    if not chain:
        return CallFailed("the JVM threw something that is not an exception", java_class="")
    names = tuple(one.class_name[:_LONGEST] for one in chain)
    reason = next((one for one in chain if one.class_name not in _WRAPPERS), chain[-1])
    java_class = reason.class_name[:_LONGEST]
    text = reason.get("detailMessage")
    java_message = text[:_LONGEST] if isinstance(text, str) else ""
    short = java_class.rpartition(".")[2]
    return CallFailed(
        f"the JVM answered {short}" + (f": {java_message}" if java_message else ""),
        _hint(java_class, java_message),
        java_class=java_class,
        java_message=java_message,
        chain=names,
        # The server could not read our arguments: it doesn't know where the next call begins.
        socket_closed=aborted or "java.rmi.UnmarshalException" in names,
    )


def _chain(thrown: object) -> list[Instance]:
    """Return the exception and what it carries; at most 10, as one may carry itself."""
    chain: list[Instance] = []
    one = thrown
    while isinstance(one, Instance) and len(chain) < 10 and not any(one is past for past in chain):
        chain.append(one)
        inside = [one.get(field) for field in _INSIDE]
        one = next((it for it in inside if isinstance(it, Instance) and it is not one), None)
    return chain


def _hint(java_class: str, message: str) -> str:
    if java_class == "java.lang.SecurityException":
        if "Credentials required" in message:
            return "This JVM wants a user name and a password: set both"
        if "Authentication failed" in message:
            return "Check the user name and the password against the JVM's password file"
        return "Give the user read access in the JVM's access file"
    if java_class == NOT_BOUND:
        return (
            "A registry answers here, but no JMX server under this name: "
            "check the port, and that the JVM was started with JMX"
        )
    if java_class == "java.io.InvalidClassException":
        return "A serial filter of the JVM refused the call: check its jmxremote filter settings"
    return ""

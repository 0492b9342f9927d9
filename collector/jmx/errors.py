"""What can go wrong, by the question that the caller asks.

    JmxError(message, hint)     hint: what a person can do about it
    |-- Unreachable             is anyone there?        no connection, cut off, TLS failed, too late
    |-- PeerBrokeProtocol       is it a JMX port?       no, or its bytes are damaged or over a limit
    `-- CallFailed              what did the JVM say?   a Java exception instead of an answer

Nothing else leaves this library.
"""

from __future__ import annotations


class JmxError(Exception):
    """`message` says what happened, `hint` what to do; `str()` is both."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class Unreachable(JmxError):  # noqa: N818 - the caller's question is in the name
    """There is no connection, it was cut, or the answer did not come in time."""


class PeerBrokeProtocol(JmxError):  # noqa: N818
    """The bytes are not what a JMX server sends, or more than the limits allow.

    `wants_tls` is True when the server would speak with whoever speaks TLS.
    """

    def __init__(self, message: str, hint: str = "", *, wants_tls: bool = False) -> None:
        super().__init__(message, hint)
        self.wants_tls = wants_tls


class CallFailed(JmxError):  # noqa: N818
    """The JVM answered a call with an exception.

    `java_class` and `java_message` are those of the exception that tells the reason: a wrapper
    that only carries another one is left out. `chain` holds the class names of all, outermost
    first. `socket_closed` is True when the server closes the socket after such an answer.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        java_class: str,
        java_message: str = "",
        chain: tuple[str, ...] = (),
        socket_closed: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.java_class = java_class
        self.java_message = java_message
        self.chain = chain
        self.socket_closed = socket_closed
